//! Messages, presence and IQs: addressed, with their content as bytes. RFC 6120 §8.

use crate::element::text;
use crate::scope::Scope;
use crate::{
    Children, Element, ElementRef, Encoded, IqType, Kind, MessageType, PresenceType,
    StanzaCondition, StanzaError, StreamCondition, StreamError, escape, ns,
};
use bytes::Bytes;
use muster_types::Jid;
use serde::{Deserialize, Serialize};

/// One stanza.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Stanza {
    /// Message, presence or IQ, and of which type.
    pub kind: Kind,
    /// The sender's name for it; every IQ has one.
    pub id: Option<String>,
    /// Who sends it.
    pub from: Option<Jid>,
    /// Who is to get it.
    pub to: Option<Jid>,
    /// The language of its texts (`xml:lang`).
    pub lang: Option<String>,
    /// The bytes between start and end tag, complete where the default namespace is `jabber:client`.
    pub content: Bytes,
}

/// Why an element does not become a stanza.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StanzaProblem {
    /// It is no message, presence or IQ of `jabber:client`: a stream error.
    #[error("not a stanza")]
    NotAStanza,
    /// Its `from` is no address: a stream error.
    #[error("malformed from")]
    InvalidFrom,
    /// It is refused, and the stream goes on.
    #[error("refused: {error}")]
    Refused {
        /// Why.
        error: StanzaError,
        /// The stanza error to send back; `None` when it was itself an answer.
        reply: Option<Box<Stanza>>,
    },
}

impl StanzaProblem {
    /// The stream error it amounts to; `None` when the stream goes on.
    pub const fn stream_error(&self) -> Option<StreamError> {
        match self {
            Self::NotAStanza => Some(StreamError::new(StreamCondition::UnsupportedStanzaType)),
            Self::InvalidFrom => Some(StreamError::new(StreamCondition::InvalidFrom)),
            Self::Refused { .. } => None,
        }
    }

    /// The stanza error that answers it, if it gets one.
    pub fn reply(&self) -> Option<&Stanza> {
        match self {
            Self::Refused { reply, .. } => reply.as_deref(),
            Self::NotAStanza | Self::InvalidFrom => None,
        }
    }
}

impl Stanza {
    /// Reads the routing attributes of `element` and takes its content as it is.
    ///
    /// # Errors
    /// See [`StanzaProblem`]: a malformed `to` is `jid-malformed`; an unknown type of presence or
    /// IQ, an IQ without id, a get or set without exactly one child is `bad-request`
    /// (RFC 6120 §8.1.3, §8.2.3; RFC 6121 §4.7.1).
    pub fn from_element(element: &Element) -> Result<Self, StanzaProblem> {
        if element.namespace() != ns::CLIENT {
            return Err(StanzaProblem::NotAStanza);
        }
        let draft = Draft::read(element);
        let (kind, fault) = draft.kind(element)?;
        let from = match draft.from.map(parse_jid) {
            Some(None) => return Err(StanzaProblem::InvalidFrom),
            Some(Some(jid)) => Some(jid),
            None => None,
        };
        let (to, fault) = match draft.to.map(parse_jid) {
            Some(None) => (None, Some(StanzaCondition::JidMalformed)),
            to => (to.flatten(), fault),
        };
        let own = |raw: &str| escape::unescape_attr(raw).into_owned();
        let stanza = Self {
            kind,
            id: draft.id.map(own),
            from,
            to,
            lang: draft.lang.map(own),
            content: element.complete_content(),
        };
        match fault.or_else(|| stanza.iq_fault()) {
            None => Ok(stanza),
            Some(condition) => Err(stanza.refuse(condition)),
        }
    }

    /// RFC 6120 §8.2.3.
    fn iq_fault(&self) -> Option<StanzaCondition> {
        let fault = match self.kind {
            Kind::Message(_) | Kind::Presence(_) => false,
            Kind::Iq(IqType::Get | IqType::Set) => {
                self.id.is_none() || self.children().take(2).count() != 1
            }
            Kind::Iq(IqType::Result | IqType::Error) => self.id.is_none(),
        };
        fault.then_some(StanzaCondition::BadRequest)
    }

    fn refuse(&self, condition: StanzaCondition) -> StanzaProblem {
        let error = StanzaError::new(condition);
        let is_answer = self.is_error() || self.iq_type() == Some(IqType::Result);
        let reply = (!is_answer).then(|| Box::new(self.error(&error)));
        StanzaProblem::Refused { error, reply }
    }

    fn empty(kind: Kind) -> Self {
        Self {
            kind,
            id: None,
            from: None,
            to: None,
            lang: None,
            content: Bytes::new(),
        }
    }

    /// An empty message.
    pub fn message(message_type: MessageType) -> Self {
        Self::empty(Kind::Message(message_type))
    }

    /// An empty presence.
    pub fn presence(presence_type: PresenceType) -> Self {
        Self::empty(Kind::Presence(presence_type))
    }

    /// An empty IQ.
    pub fn iq(iq_type: IqType, id: impl Into<String>) -> Self {
        Self::empty(Kind::Iq(iq_type)).with_id(id)
    }

    /// Addresses it.
    #[must_use]
    pub fn with_to(mut self, to: impl Into<Jid>) -> Self {
        self.to = Some(to.into());
        self
    }

    /// Gives it a sender.
    #[must_use]
    pub fn with_from(mut self, from: impl Into<Jid>) -> Self {
        self.from = Some(from.into());
        self
    }

    /// Gives it an id.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Gives it a language.
    #[must_use]
    pub fn with_lang(mut self, lang: impl Into<String>) -> Self {
        self.lang = Some(lang.into());
        self
    }

    /// Replaces the content by well-formed XML that is complete within `jabber:client`.
    #[must_use]
    pub fn with_content(mut self, content: impl Into<Bytes>) -> Self {
        self.content = content.into();
        self
    }

    /// Whether it is a message.
    pub const fn is_message(&self) -> bool {
        matches!(self.kind, Kind::Message(_))
    }

    /// Whether it is a presence.
    pub const fn is_presence(&self) -> bool {
        matches!(self.kind, Kind::Presence(_))
    }

    /// Whether it is an IQ.
    pub const fn is_iq(&self) -> bool {
        matches!(self.kind, Kind::Iq(_))
    }

    /// The type, if it is a message.
    pub const fn message_type(&self) -> Option<MessageType> {
        match self.kind {
            Kind::Message(t) => Some(t),
            Kind::Presence(_) | Kind::Iq(_) => None,
        }
    }

    /// The type, if it is a presence.
    pub const fn presence_type(&self) -> Option<PresenceType> {
        match self.kind {
            Kind::Presence(t) => Some(t),
            Kind::Message(_) | Kind::Iq(_) => None,
        }
    }

    /// The type, if it is an IQ.
    pub const fn iq_type(&self) -> Option<IqType> {
        match self.kind {
            Kind::Iq(t) => Some(t),
            Kind::Message(_) | Kind::Presence(_) => None,
        }
    }

    /// Whether its type is `error`: such a stanza is never answered.
    pub const fn is_error(&self) -> bool {
        matches!(
            self.kind,
            Kind::Message(MessageType::Error)
                | Kind::Presence(PresenceType::Error)
                | Kind::Iq(IqType::Error)
        )
    }

    /// The child elements.
    pub fn children(&self) -> Children<'_> {
        Children::within(text(&self.content), Scope::client())
    }

    /// The first child of this local name and namespace.
    pub fn child(&self, name: &str, namespace: &str) -> Option<ElementRef<'_>> {
        self.children().find(|child| child.is(name, namespace))
    }

    /// The first child: of an IQ what it is about.
    pub fn payload(&self) -> Option<ElementRef<'_>> {
        self.children().next()
    }

    /// The priority of a presence, 0 when absent or invalid. RFC 6121 §4.7.2.3.
    pub fn priority(&self) -> i8 {
        let text = self
            .child("priority", ns::CLIENT)
            .map(|priority| priority.text());
        text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    /// The empty result of an IQ: same id, sender and recipient exchanged.
    pub fn result(&self) -> Self {
        self.answer(Kind::Iq(IqType::Result))
    }

    /// The result of an IQ, with this content.
    pub fn result_with(&self, content: impl Into<Bytes>) -> Self {
        self.result().with_content(content)
    }

    /// The stanza error that answers this one: same kind and id, sender and recipient exchanged.
    /// The content is not sent back (RFC 6120 §8.3.1 leaves that open).
    pub fn error(&self, error: &StanzaError) -> Self {
        let kind = match self.kind {
            Kind::Message(_) => Kind::Message(MessageType::Error),
            Kind::Presence(_) => Kind::Presence(PresenceType::Error),
            Kind::Iq(_) => Kind::Iq(IqType::Error),
        };
        self.answer(kind).with_content(error.encode())
    }

    fn answer(&self, kind: Kind) -> Self {
        Self {
            kind,
            id: self.id.clone(),
            from: self.to.clone(),
            to: self.from.clone(),
            lang: None,
            content: Bytes::new(),
        }
    }

    /// Serialises it, once for any number of recipients.
    pub fn encode(&self) -> Encoded {
        Encoded::of(self)
    }
}

/// The routing attributes as they are written.
#[derive(Default)]
struct Draft<'a> {
    id: Option<&'a str>,
    from: Option<&'a str>,
    to: Option<&'a str>,
    kind: Option<&'a str>,
    lang: Option<&'a str>,
}

impl<'a> Draft<'a> {
    fn read(element: &'a Element) -> Self {
        let mut draft = Self::default();
        for attribute in element.tag().attributes().map_while(Result::ok) {
            let place = match attribute.name {
                "id" => &mut draft.id,
                "from" => &mut draft.from,
                "to" => &mut draft.to,
                "type" => &mut draft.kind,
                "xml:lang" => &mut draft.lang,
                _ => continue,
            };
            *place = Some(attribute.value);
        }
        draft
    }

    /// The kind, and what is wrong with it if its type is unknown.
    fn kind(&self, element: &Element) -> Result<(Kind, Option<StanzaCondition>), StanzaProblem> {
        let value = self.kind.map(escape::unescape_attr);
        let value = value.as_deref();
        let (kind, known) = match element.name() {
            "message" => (Kind::Message(MessageType::from_attr(value)), true),
            "presence" => {
                let known = PresenceType::from_attr(value);
                (
                    Kind::Presence(known.unwrap_or(PresenceType::Available)),
                    known.is_some(),
                )
            }
            "iq" => {
                let known = IqType::from_attr(value);
                (Kind::Iq(known.unwrap_or(IqType::Get)), known.is_some())
            }
            _ => return Err(StanzaProblem::NotAStanza),
        };
        Ok((kind, (!known).then_some(StanzaCondition::BadRequest)))
    }
}

fn parse_jid(raw: &str) -> Option<Jid> {
    Jid::new(&escape::unescape_attr(raw)).ok()
}
