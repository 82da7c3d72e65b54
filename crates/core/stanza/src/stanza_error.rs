//! Stanza errors: what answers one stanza and leaves the stream alone. RFC 6120 §8.3.

use crate::{Writer, ns};
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! conditions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $error_type:ident;)*) => {
        /// Why a stanza was refused. RFC 6120 §8.3.3.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        pub enum StanzaCondition { $($(#[$doc])* $variant,)* }

        impl StanzaCondition {
            /// The name of the element on the wire.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The type the RFC gives it first.
            pub const fn default_type(self) -> ErrorType {
                match self { $(Self::$variant => ErrorType::$error_type,)* }
            }
        }
    };
}

conditions! {
    /// The stanza does not make sense. §8.3.3.1
    BadRequest = "bad-request", Modify;
    /// Something of that name exists. §8.3.3.2
    Conflict = "conflict", Cancel;
    /// Known, but not done here. §8.3.3.3
    FeatureNotImplemented = "feature-not-implemented", Cancel;
    /// The sender may not. §8.3.3.4
    Forbidden = "forbidden", Auth;
    /// The recipient is here no more. §8.3.3.5
    Gone = "gone", Cancel;
    /// The server failed. §8.3.3.6
    InternalServerError = "internal-server-error", Cancel;
    /// No such thing or address. §8.3.3.7
    ItemNotFound = "item-not-found", Cancel;
    /// An address that is none. §8.3.3.8
    JidMalformed = "jid-malformed", Modify;
    /// Against criteria of recipient or server. §8.3.3.9
    NotAcceptable = "not-acceptable", Modify;
    /// Nobody may. §8.3.3.10
    NotAllowed = "not-allowed", Cancel;
    /// The sender must log in first. §8.3.3.11
    NotAuthorized = "not-authorized", Auth;
    /// A local rule was broken. §8.3.3.12
    PolicyViolation = "policy-violation", Modify;
    /// The recipient is away for now. §8.3.3.13
    RecipientUnavailable = "recipient-unavailable", Wait;
    /// Ask somebody else. §8.3.3.14
    Redirect = "redirect", Modify;
    /// Registration is needed first. §8.3.3.15
    RegistrationRequired = "registration-required", Auth;
    /// The remote domain does not resolve. §8.3.3.16
    RemoteServerNotFound = "remote-server-not-found", Cancel;
    /// The remote server does not answer. §8.3.3.17
    RemoteServerTimeout = "remote-server-timeout", Wait;
    /// The server is too busy, or a store is full. §8.3.3.18
    ResourceConstraint = "resource-constraint", Wait;
    /// Nobody here serves this. §8.3.3.19
    ServiceUnavailable = "service-unavailable", Cancel;
    /// A subscription is needed first. §8.3.3.20
    SubscriptionRequired = "subscription-required", Auth;
    /// None of the others. §8.3.3.21
    UndefinedCondition = "undefined-condition", Cancel;
    /// Not now. §8.3.3.22
    UnexpectedRequest = "unexpected-request", Wait;
}

/// What the sender can do about it. RFC 6120 §8.3.2.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum ErrorType {
    /// Try again with credentials.
    Auth,
    /// Do not try again.
    Cancel,
    /// Go on: it was only a warning.
    Continue,
    /// Change the stanza and try again.
    Modify,
    /// Wait and try again.
    Wait,
}

impl ErrorType {
    /// The value on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Cancel => "cancel",
            Self::Continue => "continue",
            Self::Modify => "modify",
            Self::Wait => "wait",
        }
    }
}

/// An error that answers one stanza.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct StanzaError {
    /// Why.
    pub condition: StanzaCondition,
    /// What the sender can do about it.
    pub error_type: ErrorType,
    /// Words for people, in English.
    pub text: Option<String>,
    /// What an extension says of it (RFC 6120 §8.3.4).
    pub detail: Option<ErrorDetail>,
}

/// What an extension says of an error: an empty element in its namespace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorDetail {
    /// The sender has blocked whom it writes to (XEP-0191 §3.2).
    Blocked,
    /// The command has no such step now (XEP-0050 §4.4).
    BadAction,
    /// There is no such step of a command.
    MalformedAction,
    /// The form of a command makes no sense.
    BadPayload,
    /// A publish or a retraction names no item (XEP-0060 §7.1.3, §7.2.3).
    ItemRequired,
    /// An item has no payload, or more than one (XEP-0060 §7.1.3).
    InvalidPayload,
    /// A request names no node (XEP-0060 §7.1.3, §7.2.3).
    NodeIdRequired,
    /// The item is larger than is taken (XEP-0060 §7.1.3).
    PayloadTooBig,
    /// The node is not as its publisher wants it (XEP-0060 §7.1.5).
    PreconditionNotMet,
    /// Only those who see the user's presence may read it (XEP-0060 §6.5.9).
    PresenceSubscriptionRequired,
    /// Nobody but the user may read it (XEP-0060 §6.5.9).
    ClosedNode,
    /// A feature of publish-subscribe that is not served, by its name.
    Unsupported(&'static str),
}

impl ErrorDetail {
    /// The element's name and namespace.
    const fn element(self) -> (&'static str, &'static str) {
        match self {
            Self::Blocked => ("blocked", ns::BLOCKING_ERRORS),
            Self::BadAction => ("bad-action", ns::COMMANDS),
            Self::MalformedAction => ("malformed-action", ns::COMMANDS),
            Self::BadPayload => ("bad-payload", ns::COMMANDS),
            Self::ItemRequired => ("item-required", ns::PUBSUB_ERRORS),
            Self::InvalidPayload => ("invalid-payload", ns::PUBSUB_ERRORS),
            Self::NodeIdRequired => ("nodeid-required", ns::PUBSUB_ERRORS),
            Self::PayloadTooBig => ("payload-too-big", ns::PUBSUB_ERRORS),
            Self::PreconditionNotMet => ("precondition-not-met", ns::PUBSUB_ERRORS),
            Self::PresenceSubscriptionRequired => {
                ("presence-subscription-required", ns::PUBSUB_ERRORS)
            }
            Self::ClosedNode => ("closed-node", ns::PUBSUB_ERRORS),
            Self::Unsupported(_) => ("unsupported", ns::PUBSUB_ERRORS),
        }
    }
}

impl StanzaError {
    /// An error of the condition's usual type, without words.
    pub const fn new(condition: StanzaCondition) -> Self {
        Self {
            condition,
            error_type: condition.default_type(),
            text: None,
            detail: None,
        }
    }

    /// Gives it another type.
    #[must_use]
    pub const fn with_type(mut self, error_type: ErrorType) -> Self {
        self.error_type = error_type;
        self
    }

    /// Adds words for people.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Adds what an extension says of it.
    #[must_use]
    pub const fn with_detail(mut self, detail: ErrorDetail) -> Self {
        self.detail = Some(detail);
        self
    }

    /// `<error …>…</error>`, without namespace of its own: it takes the stanza's.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.start("error").attr("type", self.error_type.name());
        out.start(self.condition.name())
            .attr("xmlns", ns::STANZAS)
            .end();
        if let Some(text) = &self.text {
            out.start("text")
                .attr("xmlns", ns::STANZAS)
                .attr("xml:lang", "en");
            out.text(text).end();
        }
        if let Some(detail) = self.detail {
            let (name, namespace) = detail.element();
            out.start(name).attr("xmlns", namespace);
            if let ErrorDetail::Unsupported(feature) = detail {
                out.attr("feature", feature);
            }
            out.end();
        }
        out.end().finish()
    }
}

impl fmt::Display for StanzaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.condition.name())?;
        match &self.text {
            Some(text) => write!(f, ": {text}"),
            None => Ok(()),
        }
    }
}

impl From<StanzaCondition> for StanzaError {
    fn from(condition: StanzaCondition) -> Self {
        Self::new(condition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_type_condition_and_text() {
        let plain = StanzaError::new(StanzaCondition::ItemNotFound);
        assert_eq!(
            String::from_utf8(plain.encode()).unwrap(),
            "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
        );
        let worded = StanzaError::new(StanzaCondition::ResourceConstraint)
            .with_type(ErrorType::Cancel)
            .with_text("full & over");
        assert_eq!(
            String::from_utf8(worded.encode()).unwrap(),
            "<error type='cancel'><resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
             <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>full &amp; over</text></error>"
        );
        let detailed =
            StanzaError::new(StanzaCondition::NotAcceptable).with_detail(ErrorDetail::Blocked);
        assert_eq!(
            String::from_utf8(detailed.encode()).unwrap(),
            "<error type='modify'><not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
             <blocked xmlns='urn:xmpp:blocking:errors'/></error>"
        );
    }
}
