//! Timers as data.

use muster_types::{BareJid, Instant, SessionId, SlotId};
use std::collections::BTreeSet;

/// What is to be looked at again. A timer is never taken back: when it fires, whoever set it looks
/// whether its reason still stands.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Timer {
    /// When a client has waited long enough for its resource.
    Bind(SessionId),
    /// When an IQ has waited long enough for an owner of the slot.
    Request(SessionId, SlotId, u64),
    /// When an answer has waited long enough for the messages before it.
    Answer(SessionId),
    /// When a client's presence has its turn.
    Turn(SessionId),
    /// When an owner has been away for longer than the grace.
    Away(SlotId),
    /// When a client that was cut off is no longer expected back.
    Departed(SessionId),
    /// When a temporary subscription has waited long enough for an owner of the contact.
    Temporary(SessionId, BareJid),
}

/// All timers in the order they are due.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeSet<(Instant, Timer)>,
}

impl Timers {
    pub(crate) fn set(&mut self, at: Instant, timer: Timer) {
        self.due.insert((at, timer));
    }

    pub(crate) fn earliest(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The next timer that is due at `now`.
    pub(crate) fn fire(&mut self, now: Instant) -> Option<Timer> {
        if self.earliest()? > now {
            return None;
        }
        self.due.pop_first().map(|(_, timer)| timer)
    }
}
