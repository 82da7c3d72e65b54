//! One slot's replica on a node.

use super::sabotage::Forgotten;
use super::{Clock, Setup};
use crate::raft::{Cx, Raft};
use muster_cluster::ClusterState;
use muster_ha::SlotRole;
use muster_owner::{Accounts, Bounds, Replica};
use muster_presence::rules::Rules;
use muster_presence::source::Policies;
use muster_slot::{SlotCommand, SlotState};
use muster_types::{BareJid, Boot, Fork, Instant, LogIndex, Machine, Replicated, SlotId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// So often a leader's view of who has caught up is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// The accounts of a node's copy of the control log.
pub(super) struct View(pub(super) Arc<ClusterState>);

impl Accounts for View {
    fn slot_of(&self, user: &BareJid) -> Option<SlotId> {
        self.0.account_slot(user)
    }

    fn is_barred(&self, user: &BareJid) -> bool {
        self.0.is_barred(user)
    }

    fn barred(&self, slot: SlotId) -> Vec<BareJid> {
        self.0.barred(slot).cloned().collect()
    }

    fn next_removal(&self, slot: SlotId) -> Option<(LogIndex, BareJid)> {
        let (at, user) = self.0.next_removal(slot)?;
        Some((at, user.clone()))
    }

    fn policies(&self, user: &BareJid) -> Policies {
        self.0.policies(user)
    }

    fn restricted(&self, slot: SlotId) -> BTreeMap<BareJid, Policies> {
        let restricted = self.0.restricted(slot);
        restricted
            .map(|(user, policies)| (user.clone(), policies))
            .collect()
    }

    fn rules(&self) -> Arc<Rules> {
        Arc::clone(self.0.presence_rules().rules())
    }

    fn fork(&self) -> Fork {
        self.0.settings().fork
    }

    fn auto_authorise(&self) -> bool {
        self.0.settings().auto_authorise
    }

    fn dnd_is_manual(&self) -> bool {
        self.0.settings().dnd_is_manual
    }

    fn bounds(&self) -> Bounds {
        let (contacts, watchers) = self.0.settings().bounds();
        Bounds { contacts, watchers }
    }
}

/// A replica with its log.
pub(super) struct Part {
    pub(super) raft: Raft<SlotCommand>,
    pub(super) replica: Replica,
    /// Something has happened to it.
    pub(super) dirty: bool,
    /// When the replica has to be woken, while nothing has happened to it since that was asked.
    due: Option<Option<Instant>>,
    /// A crash took entries back that were applied.
    pub(super) lost_entries: bool,
    pub(super) forgotten: Forgotten,
    role: Option<SlotRole>,
    looked_at: Instant,
}

impl Part {
    /// A replica of a process that starts, from what its disk has.
    pub(super) fn new(
        setup: &Setup,
        boot: Boot,
        slot: SlotId,
        raft: Raft<SlotCommand>,
        state: SlotState,
    ) -> Self {
        let limits = super::sabotage::owner_limits(setup.sabotage, &setup.limits);
        let config = muster_owner::Config {
            node: setup.id,
            boot,
            slot,
            limits,
        };
        Self {
            raft,
            replica: Replica::new(config, state),
            dirty: true,
            due: None,
            lost_entries: false,
            forgotten: Forgotten::default(),
            role: None,
            looked_at: Instant::ZERO,
        }
    }

    /// Tells the replica something.
    pub(super) fn tell(
        &mut self,
        (now, world, clock): (Instant, Instant, Clock),
        input: muster_owner::Input,
    ) {
        let wall = muster_owner::Input::Wall(clock.wall(world));
        self.replica.handle(now, wall);
        self.replica.handle(now, input);
        self.due = None;
        self.dirty = true;
    }

    /// When the replica has to be woken.
    pub(super) fn due(&mut self) -> Option<Instant> {
        *self.due.get_or_insert_with(|| self.replica.deadline())
    }

    /// Lets the replica's timers fire, if they are due.
    pub(super) fn wake(&mut self, now: Instant) {
        if self.due().is_some_and(|due| due <= now) {
            self.replica.wake(now);
            self.due = None;
            self.dirty = true;
        }
    }

    /// What the HA machine has to be told of it.
    pub(super) fn news(&mut self, now: Instant, slot: SlotId) -> Option<SlotRole> {
        let state = self.replica.state();
        let last_open = state.owner().map(|(node, _)| (node, state.epoch()));
        let (leading, opened) = (self.raft.is_leading(), self.replica.serving());
        let told = self.role.as_ref();
        let same = told.is_some_and(|role| {
            (role.leading, role.opened, role.last_open) == (leading, opened, last_open)
        });
        if same && (!leading || now.since(self.looked_at) < LOOK) {
            return None;
        }
        self.looked_at = now;
        let role = SlotRole {
            slot,
            leading,
            caught_up: self.raft.caught_up(),
            opened,
            last_open,
        };
        if told == Some(&role) {
            return None;
        }
        self.role = Some(role.clone());
        Some(role)
    }

    /// Lets the log go on; messages to itself arrive at once.
    pub(super) fn pump(&mut self, cx: &mut Cx<'_>) {
        if self.raft.deadline() <= cx.now {
            self.raft.wake(cx);
        }
    }
}

/// A slot's state after the first `count` entries of its log.
pub(super) fn replay(setup: &Setup, raft: &Raft<SlotCommand>, count: usize) -> SlotState {
    let mut state = SlotState::new(setup.limits.clone());
    for (index, command) in raft.commands(count) {
        state.apply(index, (**command).clone(), &mut Vec::new());
    }
    state
}
