//! What can go wrong with one connection.

use std::io;
use std::time::Duration;

use muster_stanza::{Children, Element, StreamError};

use super::scram::ScramError;

/// Why a login failed or a session ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    /// No TCP connection.
    #[error("cannot connect: {}", brief(.0))]
    Connect(io::Error),
    /// No TLS connection.
    #[error("TLS handshake: {0}")]
    Tls(io::Error),
    /// The connection broke.
    #[error("connection lost: {}", brief(.0))]
    Lost(io::Error),
    /// The server closed the stream or the connection.
    #[error("closed by the server")]
    Closed,
    /// The server ended the stream with an error.
    #[error("stream error {0}")]
    Stream(String),
    /// What the server sends is not XMPP.
    #[error("unreadable stream: {0}")]
    Unreadable(StreamError),
    /// The server offers nothing that was asked for.
    #[error("the server does not offer {wanted}, but {offered}")]
    NotOffered {
        wanted: &'static str,
        offered: String,
    },
    /// SASL failed.
    #[error("login refused: {0}")]
    Refused(String),
    /// The server's side of SCRAM is wrong.
    #[error("{0}")]
    Scram(#[from] ScramError),
    /// An IQ was answered by an error.
    #[error("IQ error {0}")]
    IqError(String),
    /// Something else than the protocol has at this place.
    #[error("{found} instead of {wanted}")]
    Unexpected { wanted: &'static str, found: String },
    /// The server does not take what is sent.
    #[error("the server does not read: {0} bytes wait")]
    Blocked(usize),
    /// Too late.
    #[error("no answer within {} s", .0.as_secs_f32())]
    Timeout(Duration),
    /// The random source failed.
    #[error("no random bytes")]
    Random,
}

impl SessionError {
    /// Something else came than the protocol has at this place.
    pub(super) fn unexpected(wanted: &'static str, found: &Element) -> Self {
        Self::Unexpected {
            wanted,
            found: found.name().to_owned(),
        }
    }

    /// Whether another address of the same server would say the same.
    pub(crate) const fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Refused(_) | Self::NotOffered { .. } | Self::Scram(_)
        )
    }
}

/// The kind without the number, so that equal failures are counted together.
fn brief(error: &io::Error) -> String {
    error.kind().to_string()
}

/// The name of the first child: of an error its condition.
pub(super) fn condition(mut children: Children<'_>) -> String {
    let unnamed = || "without condition".to_owned();
    children
        .next()
        .map_or_else(unnamed, |child| child.name().to_owned())
}
