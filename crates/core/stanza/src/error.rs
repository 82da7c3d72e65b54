//! Stream errors: what ends a stream. RFC 6120 §4.9.

use crate::{Writer, ns};
use std::fmt;

macro_rules! conditions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// Why a stream ends. RFC 6120 §4.9.3.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum StreamCondition { $($(#[$doc])* $variant,)* }

        impl StreamCondition {
            /// The name of the element on the wire.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

conditions! {
    /// XML that cannot be processed. §4.9.3.1
    BadFormat = "bad-format",
    /// A prefix that is missing or not declared. §4.9.3.2
    BadNamespacePrefix = "bad-namespace-prefix",
    /// A newer stream took this one's place. §4.9.3.3
    Conflict = "conflict",
    /// The other side has been silent for too long. §4.9.3.4
    ConnectionTimeout = "connection-timeout",
    /// The domain is not served here any more. §4.9.3.5
    HostGone = "host-gone",
    /// The domain is not served here. §4.9.3.6
    HostUnknown = "host-unknown",
    /// A stanza between servers lacks `to` or `from`. §4.9.3.7
    ImproperAddressing = "improper-addressing",
    /// The server failed. §4.9.3.8
    InternalServerError = "internal-server-error",
    /// A `from` that is not the sender's. §4.9.3.9
    InvalidFrom = "invalid-from",
    /// A stream or content namespace that is not XMPP's. §4.9.3.10
    InvalidNamespace = "invalid-namespace",
    /// XML that a schema forbids. §4.9.3.11
    InvalidXml = "invalid-xml",
    /// Data before the stream was authorised. §4.9.3.12
    NotAuthorized = "not-authorized",
    /// XML that is not well-formed. §4.9.3.13
    NotWellFormed = "not-well-formed",
    /// A local rule was broken, limits included. §4.9.3.14
    PolicyViolation = "policy-violation",
    /// A needed other server cannot be reached. §4.9.3.15
    RemoteConnectionFailed = "remote-connection-failed",
    /// The stream has to be made anew. §4.9.3.16
    Reset = "reset",
    /// The server lacks the resources. §4.9.3.17
    ResourceConstraint = "resource-constraint",
    /// A comment, processing instruction, DTD or other forbidden feature of XML. §4.9.3.18
    RestrictedXml = "restricted-xml",
    /// Connect to another host. §4.9.3.19
    SeeOtherHost = "see-other-host",
    /// The server is going down. §4.9.3.20
    SystemShutdown = "system-shutdown",
    /// None of the others. §4.9.3.21
    UndefinedCondition = "undefined-condition",
    /// An encoding other than UTF-8. §4.9.3.22
    UnsupportedEncoding = "unsupported-encoding",
    /// A mandatory stream feature that the other side lacks. §4.9.3.23
    UnsupportedFeature = "unsupported-feature",
    /// A first-level element that is not a stanza. §4.9.3.24
    UnsupportedStanzaType = "unsupported-stanza-type",
    /// A version of XMPP that is not spoken here. §4.9.3.25
    UnsupportedVersion = "unsupported-version",
}

/// An error that ends the stream.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct StreamError {
    /// Why.
    pub condition: StreamCondition,
    /// Words for people, in English.
    pub text: Option<String>,
    /// Where to connect instead (`see-other-host` only), as `host` or `host:port`.
    pub other_host: Option<String>,
}

impl StreamError {
    /// An error without words.
    pub const fn new(condition: StreamCondition) -> Self {
        Self {
            condition,
            text: None,
            other_host: None,
        }
    }

    /// Adds words for people.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// A `see-other-host` that names the other host. RFC 6120 §4.9.3.19.
    pub fn see_other_host(host: impl Into<String>) -> Self {
        Self {
            condition: StreamCondition::SeeOtherHost,
            text: None,
            other_host: Some(host.into()),
        }
    }

    /// `<stream:error>…</stream:error>`, for a stream whose header declares the prefix `stream`.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.start("stream:error");
        out.start(self.condition.name())
            .attr("xmlns", ns::STREAM_ERRORS);
        if let Some(host) = &self.other_host {
            out.text(host);
        }
        out.end();
        if let Some(text) = &self.text {
            out.start("text")
                .attr("xmlns", ns::STREAM_ERRORS)
                .attr("xml:lang", "en");
            out.text(text).end();
        }
        out.end().finish()
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.condition.name())?;
        match &self.text {
            Some(text) => write!(f, ": {text}"),
            None => Ok(()),
        }
    }
}

impl From<StreamCondition> for StreamError {
    fn from(condition: StreamCondition) -> Self {
        Self::new(condition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_condition_text_and_host() {
        for (error, xml) in [
            (
                StreamError::new(StreamCondition::NotWellFormed),
                "<stream:error><not-well-formed xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
            ),
            (
                StreamError::new(StreamCondition::Conflict).with_text("a < b"),
                "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
                 <text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>a &lt; b</text></stream:error>",
            ),
            (
                StreamError::see_other_host("[2001:db8::1]:5222"),
                "<stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>\
                 [2001:db8::1]:5222</see-other-host></stream:error>",
            ),
        ] {
            assert_eq!(String::from_utf8(error.encode()).unwrap(), xml);
        }
    }
}
