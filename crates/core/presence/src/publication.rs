//! What one source says about a user.

use crate::compose::device_state;
use crate::idle::Idle;
use crate::rules::{DeviceState, Rules};
use muster_stanza::Stanza;
use muster_types::{Instant, SessionId, Timestamp};
use std::time::Duration;

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
    /// For how long it has not been used, if it said so (XEP-0319, XEP-0256).
    pub idle: Option<Idle>,
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
            idle: None,
            expected: false,
        }
    }

    /// With the time for which the client says that it has not been used, if it said so this long `ago`; `wall` is
    /// what time it is for people.
    #[must_use]
    pub fn with_idle(mut self, now: Instant, wall: Timestamp, ago: Duration) -> Self {
        self.idle = Idle::read(&self.stanza, now, wall, ago);
        self
    }

    /// What it says of the user at `now`: who does not use it for long is not there, whatever it says.
    pub fn state_at(&self, now: Instant, rules: &Rules) -> DeviceState {
        let lasts = |after| self.idle.is_some_and(|idle| idle.lasts(now, after));
        match self.state {
            DeviceState::Active | DeviceState::Idle if lasts(rules.long_idle_after) => {
                DeviceState::LongIdle
            }
            DeviceState::Active if lasts(rules.idle_after) => DeviceState::Idle,
            DeviceState::Active
            | DeviceState::Idle
            | DeviceState::LongIdle
            | DeviceState::DoNotDisturb => self.state,
        }
    }

    /// When that may change by itself next.
    pub(crate) fn next_change(&self, now: Instant, rules: &Rules) -> Option<Instant> {
        let idle = self.idle?;
        let limits = [rules.idle_after, rules.long_idle_after].into_iter();
        limits.filter_map(|after| idle.reaches(now, after)).min()
    }

    /// Whether messages to the bare JID may go to this client (RFC 6121 §8.5.2.1.1).
    pub fn takes_messages(&self) -> bool {
        !self.expected && self.priority >= 0
    }
}
