//! What goes into a stream's machine and what comes out of it.

use muster_sasl::{ChannelBindings, Lookup, SaslCondition};
use muster_stanza::{Frame, Stanza, StreamCondition, StreamError};
use muster_types::{BareJid, FullJid, ResourcePart};
use std::fmt;

/// What happens to a stream. `Debug` does not show what the client said: it may be a password.
pub enum Input {
    /// The client sent this. Only while [`C2s::takes_frames`](crate::C2s::takes_frames).
    Frame(Frame),
    /// The framer refused the client's bytes.
    FrameError(StreamError),
    /// Whether the framer, read empty, holds the beginning of an element. Said after each read.
    Unfinished(bool),
    /// Answers [`Output::StartTls`]; with [`Security::Direct`](crate::Security::Direct) it comes
    /// first of all, unasked.
    TlsEstablished(TlsFacts),
    /// Answers [`Output::LookUp`].
    Account(Lookup),
    /// The account just asked for is served elsewhere, as `host:port`. Said before
    /// [`Input::Account`]: who proves to be that user is sent there instead of being let in.
    OtherHost(String),
    /// Answers [`Output::Bind`].
    Bound(BindAnswer),
    /// End the stream with this error: `system-shutdown`, `conflict`, `see-other-host` …
    End(StreamError),
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(_) => f.write_str("Frame(***)"),
            Self::FrameError(error) => write!(f, "FrameError({error})"),
            Self::Unfinished(unfinished) => write!(f, "Unfinished({unfinished})"),
            Self::TlsEstablished(_) => f.write_str("TlsEstablished(***)"),
            Self::Account(lookup) => write!(f, "Account({lookup:?})"),
            Self::OtherHost(host) => write!(f, "OtherHost({host})"),
            Self::Bound(answer) => write!(f, "Bound({answer:?})"),
            Self::End(error) => write!(f, "End({error})"),
        }
    }
}

/// What is known of an established TLS connection.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TlsFacts {
    /// What logins can be bound to.
    pub bindings: ChannelBindings,
    /// The server name that the client asked for.
    pub server_name: Option<String>,
}

/// What came of a resource binding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BindAnswer {
    /// The session has this address.
    Bound(FullJid),
    /// Another session has the resource and keeps it: `conflict` (RFC 6120 §7.7.2.2).
    Conflict,
    /// The user has as many sessions as allowed: `resource-constraint` (§7.6.2.1).
    TooMany,
    /// Nobody serves the user just now: `resource-constraint`, the client may ask again.
    TooBusy,
    /// The account has gone since the login: ends the stream with `not-authorized`.
    NoAccount,
}

/// Whether somebody looks at the client just now (XEP-0352). A stream begins active.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientState {
    /// What is for the client goes out as it comes.
    Active,
    /// What can wait may wait.
    Inactive,
}

/// What a stream wants done, in order.
#[derive(Clone, PartialEq, Debug)]
pub enum Output {
    /// Send these bytes.
    Write(Vec<u8>),
    /// Flush, refuse bytes that came after `<starttls/>` already, do the TLS handshake, begin the
    /// framer anew, answer with [`Input::TlsEstablished`].
    StartTls,
    /// Look the account up; answer with [`Input::Account`].
    LookUp(BareJid),
    /// An authentication failed: count it. `account` is whom it was for, existing or not.
    AuthFailed {
        /// The account looked up, if it came so far.
        account: Option<BareJid>,
        /// What the client was told.
        condition: SaslCondition,
    },
    /// The client is this user. From now on it may send elements as large as stanzas.
    Authenticated {
        /// The user.
        user: BareJid,
    },
    /// The client begins a new stream on the same connection: restart the framer.
    Restart,
    /// The client wants a resource; answer with [`Input::Bound`].
    Bind {
        /// The user.
        user: BareJid,
        /// The resource asked for.
        wanted: Option<ResourcePart>,
        /// A fresh random one.
        generated: ResourcePart,
    },
    /// A bound client sent this; `from` is its full JID, `to` as it was.
    Stanza(Stanza),
    /// The client says how it is; it gets no reply.
    ClientState(ClientState),
    /// Flush, then close the connection. The last output.
    Close(End),
}

/// Why a stream ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// The client closed it.
    ByClient,
    /// The client reported a stream error.
    ClientError,
    /// The client asked for STARTTLS where there is none to have (RFC 6120 §5.4.2.2).
    StartTlsRefused,
    /// The server ended it with this error.
    Error(StreamError),
}

impl End {
    /// Whether the client meant to leave, as against being cut off.
    pub const fn is_graceful(&self) -> bool {
        match self {
            Self::ByClient => true,
            Self::ClientError | Self::StartTlsRefused | Self::Error(_) => false,
        }
    }

    /// The condition of the error that the server sent.
    pub const fn condition(&self) -> Option<StreamCondition> {
        match self {
            Self::Error(error) => Some(error.condition),
            Self::ByClient | Self::ClientError | Self::StartTlsRefused => None,
        }
    }
}
