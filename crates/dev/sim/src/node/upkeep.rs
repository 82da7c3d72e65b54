//! What a node does now and then: timers, members of groups, replicas it should have, and whether
//! it is cut off.

use super::part::{Part, replay};
use super::{Effect, Node};
use crate::Rng;
use crate::plan::Sabotage;
use crate::raft::{Cx, Raft};
use muster_cluster::{ClusterState, ControlCommand};
use muster_envelope::{Envelope, ToPeer};
use muster_ha::{Members, control_members, slot_members};
use muster_types::{Instant, Machine, NodeId, SessionId, SlotId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How often groups are compared with what they should be.
const UPKEEP: Duration = Duration::from_millis(200);
/// How long a node may be cut off before its clients are sent away.
const CUT_OFF: Duration = Duration::from_secs(5);

/// Who should belong to which log.
pub(super) struct Wanted {
    control: Members,
    slots: BTreeMap<SlotId, Members>,
}

impl Wanted {
    /// As the cluster's state has it.
    pub(super) fn of(cluster: &ClusterState) -> Self {
        let slots = cluster.slots().map(|slot| slot.id);
        Self {
            control: control_members(cluster),
            slots: slots
                .map(|slot| (slot, slot_members(cluster, slot)))
                .collect(),
        }
    }

    /// The slots of which a node should have a replica.
    pub(super) fn slots_of(&self, node: NodeId) -> impl Iterator<Item = SlotId> {
        let has = move |(_, members): &(&SlotId, &Members)| members.has(node);
        self.slots.iter().filter(has).map(|(slot, _)| *slot)
    }
}

impl Node {
    /// Time passes: what is due happens. Answers the sessions that are sent away.
    pub(crate) fn wake(
        &mut self,
        world: Instant,
        rng: &mut Rng,
        effects: &mut Vec<Effect>,
    ) -> Vec<SessionId> {
        let now = self.clock.local(world);
        match self.device.wake(now, rng) {
            Ok(Some(ticket)) => self.synced(ticket),
            Ok(None) => {}
            Err(crate::device::SyncFailed) => {
                effects.push(Effect::Died);
                return Vec::new();
            }
        }
        self.check_leases(world);
        self.control_dirty |= self.control.deadline() <= now;
        let timers = self.setup.sabotage != Some(Sabotage::LostTimer);
        for (_, part) in self.parts.iter_mut() {
            part.dirty |= part.raft.deadline() <= now;
            if timers {
                part.wake(now);
            }
        }
        self.machine.wake(now);
        self.router.wake(now);
        if now < self.upkeep_at {
            return Vec::new();
        }
        self.upkeep_at = now + UPKEEP;
        self.look_at_clock(now);
        self.keep_members(world, rng);
        self.look_for_contact(now)
    }

    fn synced(&mut self, ticket: u64) {
        self.control.synced(ticket);
        self.control_dirty = true;
        for (_, part) in self.parts.iter_mut() {
            part.raft.synced(ticket);
            part.dirty = true;
        }
    }

    fn keep_members(&mut self, world: Instant, rng: &mut Rng) {
        let now = self.clock.local(world);
        let wanted = self.wanted.take();
        let wanted = wanted.unwrap_or_else(|| Wanted::of(&self.cluster));
        for slot in wanted.slots_of(self.id()) {
            if self.parts.get(slot).is_none() {
                self.add_part(world, rng, slot);
            }
        }
        let alive: BTreeSet<_> = self.connected.keys().copied().chain([self.id()]).collect();
        let device = &mut self.device;
        let mut cx = Cx { now, rng, device };
        self.control.align(&mut cx, &wanted.control, &alive);
        self.control_dirty = true;
        for (slot, part) in self.parts.iter_mut() {
            part.dirty = true;
            let Some(known) = self.cluster.slot(slot) else {
                continue;
            };
            if known.home == self.setup.id && known.owner.is_none() {
                part.raft.initialize(&mut cx);
            }
            if let Some(wanted) = wanted.slots.get(&slot) {
                part.raft.align(&mut cx, wanted, &alive);
            }
            let voters = &part.raft.members().voters;
            let recorded = || known.voters.iter().copied().collect::<BTreeSet<_>>();
            if part.raft.may_change() && part.raft.is_settled() && recorded() != *voters {
                let voters = voters.iter().copied().collect();
                self.wishes
                    .push_back(ControlCommand::SlotVotersChanged { slot, voters });
            }
        }
        self.wanted = Some(wanted);
    }

    /// A replica that this node has not had.
    fn add_part(&mut self, world: Instant, rng: &mut Rng, slot: SlotId) {
        let timing = self.setup.raft.clone();
        let mut raft = Raft::new(self.id(), timing, self.setup.sabotage, Vec::new());
        raft.start(self.clock.local(world), rng, 0);
        let state = replay(&self.setup, &raft, 0);
        let part = Part::new(&self.setup, self.boot, slot, raft, state);
        self.parts.insert(slot, part);
        self.introduce(world, slot);
        if let Some((owner, epoch)) = self.owners.get(&slot).copied()
            && owner != self.id()
        {
            let body = ToPeer::Resync;
            self.outgoing
                .push((owner, Envelope::ToPeer { slot, epoch, body }));
        }
    }

    /// What a new replica has to know at once.
    pub(super) fn introduce(&mut self, world: Instant, slot: SlotId) {
        let cluster = std::sync::Arc::new(self.cluster.clone());
        let view = muster_owner::Input::View(std::sync::Arc::new(super::part::View(cluster)));
        self.tell_part(world, slot, view);
        let nodes = self.nodes_of(slot);
        self.tell_part(world, slot, nodes);
        let recorded: Vec<_> = self
            .cluster
            .slots()
            .filter_map(|slot| Some((slot.id, slot.owner?)))
            .collect();
        let announced = self.owners.iter().map(|(slot, owner)| (*slot, *owner));
        for (known, (node, epoch)) in recorded.into_iter().chain(announced).collect::<Vec<_>>() {
            let input = muster_owner::Input::OwnerKnown {
                slot: known,
                node,
                epoch,
            };
            self.tell_part(world, slot, input);
        }
        for (node, boot) in self.connected.clone() {
            self.tell_part(world, slot, muster_owner::Input::NodeUp { node, boot });
        }
    }

    /// Tells the replicas who is there.
    pub(super) fn tell_nodes(&mut self, world: Instant) {
        for slot in self.slots_here() {
            let nodes = self.nodes_of(slot);
            self.tell_part(world, slot, nodes);
        }
    }

    fn nodes_of(&self, slot: SlotId) -> muster_owner::Input {
        let serves = |node: &NodeId| self.cluster.node(*node).is_some_and(|node| node.serves());
        let all = self.connected.keys().copied().chain([self.id()]);
        let voters = muster_ha::desired_voters(&self.cluster, slot).into_iter();
        muster_owner::Input::Nodes {
            alive: all.filter(serves).collect(),
            replicas: voters
                .filter(|node| *node != self.id() && serves(node))
                .collect(),
        }
    }

    /// A node without a lease and without a quorum sends its clients away after a while, and takes
    /// clients again when it is back and has caught up.
    fn look_for_contact(&mut self, now: Instant) -> Vec<SessionId> {
        if !self.is_cut_off(now) {
            self.cut_off_since = None;
            self.away &= !self.control.has_caught_up();
            return Vec::new();
        }
        let since = *self.cut_off_since.get_or_insert(now);
        if self.away || now.since(since) < CUT_OFF {
            return Vec::new();
        }
        self.away = true;
        let sessions: Vec<_> = std::mem::take(&mut self.sessions).into_iter().collect();
        for session in &sessions {
            let ended = muster_router::Input::Ended {
                session: *session,
                graceful: false,
            };
            self.router.handle(now, ended);
        }
        sessions
    }

    fn is_cut_off(&self, now: Instant) -> bool {
        let leased = self.parts.iter().any(|(_, part)| now < part.raft.lease());
        let voters: Vec<_> = self.control.members().electors().collect();
        let reached = |node: &&&NodeId| ***node == self.id() || self.connected.contains_key(node);
        !leased && voters.iter().filter(reached).count() * 2 <= voters.len()
    }
}
