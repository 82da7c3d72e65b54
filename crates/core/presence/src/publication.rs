//! What one source says about a user.

use crate::compose::device_state;
use crate::rules::DeviceState;
use muster_stanza::Stanza;
use muster_types::SessionId;

/// The last available presence of one client. Devices alone never overlay each other, so each
/// passes through as it came (RFC 6121 §4.4).
#[derive(Clone, Debug, PartialEq)]
pub struct Publication {
    /// The session that published it.
    pub session: SessionId,
    /// The presence; `from` is the full JID and `to` is absent.
    pub stanza: Stanza,
    /// Its priority (RFC 6121 §4.7.2.3).
    pub priority: i8,
    /// What it says of the user.
    pub state: DeviceState,
    /// True while the client is expected back: watchers still see the presence, but nothing can
    /// be delivered to it.
    pub expected: bool,
}

impl Publication {
    /// The publication of a living client.
    pub fn new(session: SessionId, stanza: Stanza) -> Self {
        let (priority, state) = (stanza.priority(), device_state(&stanza));
        Self {
            session,
            stanza,
            priority,
            state,
            expected: false,
        }
    }

    /// Whether messages to the bare JID may go to this client (RFC 6121 §8.5.2.1.1).
    pub fn takes_messages(&self) -> bool {
        !self.expected && self.priority >= 0
    }
}
