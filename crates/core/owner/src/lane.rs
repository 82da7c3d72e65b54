//! One lane for each session that sends to this slot: what it sent is dealt with in order, once,
//! one commit at a time, and confirmed as far as it is done.

use muster_stanza::Stanza;
use muster_types::{Boot, Instant, NodeId, SessionId, SlotId};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// A lane without work is forgotten after this time; its session sends nothing again that late,
/// because a node repeats only on a new epoch, and a new epoch begins with empty lanes.
const IDLE: Duration = Duration::from_secs(600);

/// Something a session sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Work {
    pub(crate) serial: u64,
    pub(crate) stanza: Stanza,
    pub(crate) kind: WorkKind,
}

/// What it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkKind {
    /// The sender is a user of this slot: the user's own data.
    Submit { contact_slot: Option<SlotId> },
    /// The recipient is a user of this slot.
    Route,
}

/// What to do with an arrival.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Arrival {
    /// New: it waits in the lane.
    Queued,
    /// Had before and done with: confirm again up to this serial.
    Done(u64),
    /// Had before and not done with, so its confirmation is still to come.
    Underway,
    /// More than a node may have unconfirmed; given back.
    Overflow(Box<Work>),
}

#[derive(Default)]
struct Lane {
    /// The highest serial that was taken.
    taken: u64,
    /// The highest serial up to which everything is done.
    done: u64,
    /// Waits for a commit.
    committing: bool,
    waiting: VecDeque<Work>,
    used: Instant,
}

/// The lanes of all sessions that sent something lately.
pub(crate) struct Lanes {
    lanes: BTreeMap<SessionId, Lane>,
    /// Nodes stop reading a client at half of this, so more is a fault of theirs.
    waiting_max: usize,
    sweep: Instant,
}

impl Lanes {
    pub(crate) fn new(now: Instant, waiting_per_session: usize) -> Self {
        Self {
            lanes: BTreeMap::new(),
            waiting_max: waiting_per_session * 2,
            sweep: now + IDLE,
        }
    }

    /// Takes what a session sent.
    pub(crate) fn arrive(&mut self, now: Instant, session: SessionId, work: Work) -> Arrival {
        let lane = self.lanes.entry(session).or_default();
        lane.used = now;
        if work.serial <= lane.taken {
            return if work.serial <= lane.done {
                Arrival::Done(lane.done)
            } else {
                Arrival::Underway
            };
        }
        if lane.waiting.len() >= self.waiting_max {
            return Arrival::Overflow(Box::new(work));
        }
        lane.taken = work.serial;
        lane.waiting.push_back(work);
        Arrival::Queued
    }

    /// What the session's lane would deal with next; `None` while it waits for a commit.
    pub(crate) fn next(&self, session: SessionId) -> Option<&Work> {
        self.lanes
            .get(&session)
            .filter(|lane| !lane.committing)?
            .waiting
            .front()
    }

    /// Takes out what [`next`](Self::next) showed.
    pub(crate) fn take(&mut self, session: SessionId) -> Option<Work> {
        let waiting = &mut self.lanes.get_mut(&session)?.waiting;
        let work = waiting.pop_front();
        if waiting.is_empty() {
            // A session says little at a time: room is for who has something waiting.
            *waiting = VecDeque::new();
        }
        work
    }

    /// The lane waits until [`finish`](Self::finish).
    pub(crate) fn hold(&mut self, session: SessionId) {
        if let Some(lane) = self.lanes.get_mut(&session) {
            lane.committing = true;
        }
    }

    /// Everything up to `serial` is done.
    pub(crate) fn finish(&mut self, session: SessionId, serial: u64) {
        if let Some(lane) = self.lanes.get_mut(&session) {
            lane.done = lane.done.max(serial);
            lane.committing = false;
        }
    }

    /// The sessions with work that could go on.
    pub(crate) fn ready(&self) -> Vec<SessionId> {
        let ready = self
            .lanes
            .iter()
            .filter(|(_, lane)| !lane.committing && !lane.waiting.is_empty());
        ready.map(|(session, _)| *session).collect()
    }

    /// A node runs as `boot` now: what an earlier process of it still has waiting is dealt with,
    /// but nothing more comes.
    pub(crate) fn forget_earlier_boots(&mut self, node: NodeId, boot: Boot) {
        self.lanes.retain(|session, lane| {
            session.node != node
                || session.boot == boot
                || lane.committing
                || !lane.waiting.is_empty()
        });
    }

    pub(crate) fn sweep(&mut self, now: Instant) {
        if now >= self.sweep {
            self.sweep = now + IDLE;
            self.lanes.retain(|_, lane| {
                lane.committing || !lane.waiting.is_empty() || now.since(lane.used) < IDLE
            });
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        (!self.lanes.is_empty()).then_some(self.sweep)
    }
}
