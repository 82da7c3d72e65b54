//! The three kinds of stanza and their types. RFC 6120 §8.2, RFC 6121 §4.7.1 and §5.2.2.

use serde::{Deserialize, Serialize};

/// What a stanza is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Kind {
    /// `<message/>`
    Message(MessageType),
    /// `<presence/>`
    Presence(PresenceType),
    /// `<iq/>`
    Iq(IqType),
}

impl Kind {
    /// The element's local name.
    pub const fn element(self) -> &'static str {
        match self {
            Self::Message(_) => "message",
            Self::Presence(_) => "presence",
            Self::Iq(_) => "iq",
        }
    }

    /// The value of the attribute `type`; `None` when it is left out.
    pub const fn type_attr(self) -> Option<&'static str> {
        match self {
            Self::Message(t) => t.attr(),
            Self::Presence(t) => t.attr(),
            Self::Iq(t) => Some(t.name()),
        }
    }
}

/// Types of messages. RFC 6121 §5.2.2.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum MessageType {
    /// A single message; also what an absent or unknown type means.
    Normal,
    /// Part of a conversation.
    Chat,
    /// To or from a room.
    Groupchat,
    /// An alert that expects no answer.
    Headline,
    /// An earlier message could not be delivered.
    Error,
}

impl MessageType {
    /// Reads the attribute; what is not known is `Normal`, as the RFC wants.
    pub fn from_attr(value: Option<&str>) -> Self {
        match value {
            Some("chat") => Self::Chat,
            Some("groupchat") => Self::Groupchat,
            Some("headline") => Self::Headline,
            Some("error") => Self::Error,
            Some(_) | None => Self::Normal,
        }
    }

    const fn attr(self) -> Option<&'static str> {
        match self {
            Self::Normal => None,
            Self::Chat => Some("chat"),
            Self::Groupchat => Some("groupchat"),
            Self::Headline => Some("headline"),
            Self::Error => Some("error"),
        }
    }
}

/// Types of presence. RFC 6121 §4.7.1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum PresenceType {
    /// No type: there.
    Available,
    /// Gone.
    Unavailable,
    /// Asks to see the other's presence.
    Subscribe,
    /// Allows it.
    Subscribed,
    /// Wants to see it no more.
    Unsubscribe,
    /// Denies or withdraws it.
    Unsubscribed,
    /// Asks for the current presence.
    Probe,
    /// An earlier presence could not be delivered.
    Error,
}

impl PresenceType {
    /// Reads the attribute; `None` for a value the RFC does not have.
    pub fn from_attr(value: Option<&str>) -> Option<Self> {
        Some(match value {
            None => Self::Available,
            Some("unavailable") => Self::Unavailable,
            Some("subscribe") => Self::Subscribe,
            Some("subscribed") => Self::Subscribed,
            Some("unsubscribe") => Self::Unsubscribe,
            Some("unsubscribed") => Self::Unsubscribed,
            Some("probe") => Self::Probe,
            Some("error") => Self::Error,
            Some(_) => return None,
        })
    }

    const fn attr(self) -> Option<&'static str> {
        match self {
            Self::Available => None,
            Self::Unavailable => Some("unavailable"),
            Self::Subscribe => Some("subscribe"),
            Self::Subscribed => Some("subscribed"),
            Self::Unsubscribe => Some("unsubscribe"),
            Self::Unsubscribed => Some("unsubscribed"),
            Self::Probe => Some("probe"),
            Self::Error => Some("error"),
        }
    }
}

/// Types of IQs. RFC 6120 §8.2.3.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum IqType {
    /// Asks.
    Get,
    /// Orders.
    Set,
    /// Answers.
    Result,
    /// Refuses.
    Error,
}

impl IqType {
    /// Reads the attribute; `None` for a value the RFC does not have.
    pub fn from_attr(value: Option<&str>) -> Option<Self> {
        Some(match value {
            Some("get") => Self::Get,
            Some("set") => Self::Set,
            Some("result") => Self::Result,
            Some("error") => Self::Error,
            Some(_) | None => return None,
        })
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Set => "set",
            Self::Result => "result",
            Self::Error => "error",
        }
    }
}
