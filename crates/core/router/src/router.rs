//! The machine: its state, and who handles what.

use crate::caps::KnownCaps;
use crate::interest::Interests;
use crate::session::{Session, User};
use crate::slots::Slots;
use crate::temporary::Temporary;
use crate::timer::{Timer, Timers};
use crate::turns::Turns;
use crate::{Config, Directory, Input, Output};
use muster_envelope::{Envelope, ToOwner};
use muster_types::{BareJid, FullJid, Instant, Machine, SessionId, SlotId};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// The session side of one node. See the crate's page.
#[derive(Debug)]
pub struct Router {
    pub(crate) config: Config,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) slots: Slots,
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    pub(crate) users: BTreeMap<BareJid, User>,
    pub(crate) interests: Interests,
    pub(crate) caps: KnownCaps,
    pub(crate) temporary: Temporary,
    pub(crate) turns: Turns,
    /// Sessions that were cut off and owe directed presence, by address.
    pub(crate) departed: BTreeMap<FullJid, SessionId>,
    pub(crate) timers: Timers,
    pub(crate) out: VecDeque<Output>,
}

impl Router {
    /// A router without sessions that knows no owner yet.
    pub fn new(config: Config, directory: Arc<dyn Directory>) -> Self {
        Self {
            config,
            directory,
            slots: Slots::default(),
            sessions: BTreeMap::new(),
            users: BTreeMap::new(),
            interests: Interests::default(),
            caps: KnownCaps::default(),
            temporary: Temporary::default(),
            turns: Turns::default(),
            departed: BTreeMap::new(),
            timers: Timers::default(),
            out: VecDeque::new(),
        }
    }

    /// Says `body` to the owner of `slot`. False when it has none: what still matters then is said
    /// to the next one, see [`resync`](Self::resync).
    pub(crate) fn tell_owner(&mut self, slot: SlotId, body: ToOwner) -> bool {
        let Some(owner) = self.slots.serving(slot) else {
            return false;
        };
        let envelope = Envelope::ToOwner {
            slot,
            epoch: owner.epoch,
            body,
        };
        self.out.push_back(Output::Send {
            to: owner.node,
            envelope,
        });
        true
    }

    fn fire(&mut self, now: Instant, timer: Timer) {
        match timer {
            Timer::Bind(session) => self.bind_overdue(now, session),
            Timer::Request(session, slot, serial) => {
                self.request_overdue(now, session, slot, serial);
            }
            Timer::Answer(session) => self.answer_overdue(now, session),
            Timer::Turn(session) => self.turn_due(now, session),
            Timer::Away(slot) => self.owner_overdue(now, slot),
            Timer::Departed(session) => self.departed_overdue(now, session),
            Timer::Temporary(session, contact) => self.temporary_overdue(now, session, &contact),
        }
    }
}

impl Machine for Router {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Bind {
                session,
                user,
                wanted,
                generated,
            } => {
                self.bind(now, session, user, wanted, generated);
            }
            Input::Stanza {
                session,
                stanza,
                at,
            } => self.stanza(now, session, stanza, at),
            Input::Ended { session, graceful } => self.ended(now, session, graceful),
            Input::Envelope(envelope) => self.envelope(now, envelope),
            Input::Presence {
                slot,
                epoch,
                batches,
                answers,
            } => self.batches((slot, epoch), batches, answers),
            Input::Cluster(directory) => self.directory_changed(directory),
            Input::Limits(limits) => self.config.limits = *limits,
            Input::NodeLost(node) => self.node_lost(now, node),
            Input::NodeUp { node, boot } => self.node_up(now, node, boot),
        }
    }

    fn wake(&mut self, now: Instant) {
        while let Some(timer) = self.timers.fire(now) {
            self.fire(now, timer);
        }
        self.end_due_leases(now);
    }

    fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    fn deadline(&self) -> Option<Instant> {
        let due = [self.timers.earliest(), self.temporary.deadline()];
        due.into_iter().flatten().min()
    }
}
