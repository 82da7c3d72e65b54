//! Who is expected back, and until when.

use muster_types::{Instant, SessionId};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// The grace timers: one a session at most.
#[derive(Default)]
pub(crate) struct Grace {
    due: BTreeSet<(Instant, SessionId)>,
    until: BTreeMap<SessionId, Instant>,
}

impl Grace {
    /// Expects a session back until then; returns until when it is expected. One that is expected
    /// already keeps its first deadline: being lost twice is no reason to wait longer.
    pub(crate) fn start(&mut self, session: SessionId, until: Instant) -> Instant {
        match self.until.entry(session) {
            Entry::Vacant(vacant) => {
                vacant.insert(until);
                self.due.insert((until, session));
                until
            }
            Entry::Occupied(first) => *first.get(),
        }
    }

    /// The session is back, or has ended.
    pub(crate) fn cancel(&mut self, session: SessionId) {
        if let Some(until) = self.until.remove(&session) {
            self.due.remove(&(until, session));
        }
    }

    /// The next session whose grace is over at `now`.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<SessionId> {
        let (until, session) = *self.due.first()?;
        if until > now {
            return None;
        }
        self.cancel(session);
        Some(session)
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.due.first().map(|(until, _)| *until)
    }
}
