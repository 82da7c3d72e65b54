//! How often the clients of a user with many contacts come and go. Each time the contacts are watched,
//! shown or not watched any more, for a stanza of a few bytes, or for a connection: what comes too fast
//! waits, so that nobody else does. Presence is a register, so only the newest of a client waits.

use crate::Router;
use crate::publishing::{is_available, supersede};
use crate::session::User;
use crate::timer::Timer;
use muster_stanza::Stanza;
use muster_types::{BareJid, Instant, SessionId};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

/// What coming or going costs for each contact: some fifty times as long as it takes.
const CONTACT: Duration = Duration::from_micros(50);
/// What all clients of a user together may run up.
const CREDIT: Duration = Duration::from_secs(1);
/// Of how many users it is looked whether all is paid, each time something is added.
const SWEEP: usize = 4;

/// What the clients of each user have cost lately. It stays when the last of them has gone: coming back
/// by another connection is coming back.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// When all of it is paid.
    paid: BTreeMap<BareJid, Instant>,
    /// The user that was looked at last.
    swept: Option<BareJid>,
}

/// What waits for the turn of a client.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// As in `Publishing`: that the client was gone in between makes the owner greet it anew.
    said: Vec<Stanza>,
    /// What it costs: its turn is reserved.
    cost: Duration,
}

impl Turns {
    /// When it is the user's turn, if it is not now.
    fn next(&self, now: Instant, user: &BareJid) -> Option<Instant> {
        let excess = self.paid.get(user)?.since(now + CREDIT);
        (excess > Duration::ZERO).then(|| now + excess)
    }

    /// Adds what something costs instead of what was reserved for it.
    pub(crate) fn charge(
        &mut self,
        now: Instant,
        user: &BareJid,
        reserved: Duration,
        cost: Duration,
    ) {
        if reserved == cost {
            return;
        }
        let unpaid = self
            .paid
            .get(user)
            .map_or(Duration::ZERO, |paid| paid.since(now));
        let unpaid = unpaid.saturating_sub(reserved).saturating_add(cost);
        self.paid.insert(user.clone(), now + unpaid);
        self.sweep(now);
    }

    /// Of how many users something is remembered.
    #[cfg(test)]
    pub(crate) fn known(&self) -> usize {
        self.paid.len()
    }

    /// Forgets who has paid, a few at a time: nobody is added without it.
    fn sweep(&mut self, now: Instant) {
        let after = self.swept.take().map_or(Bound::Unbounded, Bound::Excluded);
        let looked_at = self.paid.range((after, Bound::Unbounded)).take(SWEEP);
        let looked_at: Vec<_> = looked_at
            .map(|(user, paid)| (user.clone(), *paid))
            .collect();
        if looked_at.len() == SWEEP {
            self.swept = looked_at.last().map(|(user, _)| user.clone());
        }
        for (user, _) in looked_at.iter().filter(|(_, paid)| *paid <= now) {
            self.paid.remove(user);
        }
    }
}

/// What it costs to come or to go with so many contacts.
fn cost(contacts: u32) -> Duration {
    CONTACT.saturating_mul(contacts)
}

impl Router {
    /// Keeps a client's presence if it is not its turn; whether it is kept.
    pub(crate) fn holds_back(&mut self, now: Instant, id: SessionId, presence: &Stanza) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else {
            return false;
        };
        let available = is_available(presence);
        if session.held.is_none() && session.presence.is_some() == available {
            return false;
        }
        let contacts = self
            .users
            .get(&session.user)
            .map_or(0, User::contacts_count);
        if available {
            session.counted = contacts;
        }
        if session.held.is_none() {
            let Some(turn) = self.turns.next(now, &session.user) else {
                self.turns
                    .charge(now, &session.user, Duration::ZERO, cost(contacts));
                return false;
            };
            self.timers.set(turn, Timer::Turn(id));
        }
        let held = session.held.get_or_insert_default();
        supersede(&mut held.said, presence.clone());
        let turns = u32::try_from(held.said.len()).unwrap_or(u32::MAX);
        let all = cost(contacts).saturating_mul(turns);
        self.turns.charge(now, &session.user, held.cost, all);
        held.cost = all;
        true
    }

    /// It is the turn of what a client said.
    pub(crate) fn turn_due(&mut self, now: Instant, id: SessionId) {
        let session = self.sessions.get_mut(&id);
        let held = session.and_then(|session| session.held.take());
        for presence in held.map(|held| held.said).unwrap_or_default() {
            self.publish_in_turn(now, id, presence);
        }
    }

    /// The client has gone: its turn is free. Answers what it said meanwhile.
    pub(crate) fn give_up_turn(&mut self, now: Instant, id: SessionId) -> Vec<Stanza> {
        let Some(session) = self.sessions.get_mut(&id) else {
            return Vec::new();
        };
        let Some(held) = session.held.take() else {
            return Vec::new();
        };
        self.turns
            .charge(now, &session.user, held.cost, Duration::ZERO);
        held.said
    }

    /// The owner says whom the user of a client sees. As the client came that was not known, or less.
    pub(crate) fn count_contacts(&mut self, now: Instant, id: SessionId, contacts: usize) {
        let session = self.sessions.get_mut(&id);
        let Some(session) = session.filter(|session| session.is_available()) else {
            return;
        };
        let contacts = u32::try_from(contacts).unwrap_or(u32::MAX);
        let more = contacts.saturating_sub(session.counted);
        session.counted += more;
        self.turns
            .charge(now, &session.user, Duration::ZERO, cost(more));
    }

    /// The client has gone without a word, or was the last to go: if nobody is watched any more for it,
    /// this is counted too.
    pub(crate) fn stop_watching_for(&mut self, now: Instant, id: SessionId) {
        let user = self.sessions.get(&id).map(|session| session.user.clone());
        let Some(user) = user else {
            return;
        };
        let watching = |router: &Self| router.users.get(&user).is_some_and(|user| user.watching);
        let before = watching(self);
        self.stop_watching_if_unavailable(id);
        if before && !watching(self) {
            let contacts = self.users.get(&user).map_or(0, User::contacts_count);
            self.turns
                .charge(now, &user, Duration::ZERO, cost(contacts));
        }
    }
}
