//! The driver: carries out what the machines want, until nobody wants anything.

use super::part::View;
use super::{Effect, Node, Packet};
use crate::Rng;
use crate::plan::Sabotage;
use crate::raft::Cx;
use muster_cluster::{ControlCommand, Proposal};
use muster_envelope::Envelope;
use muster_types::{Instant, Machine, NodeId, Origin, Replicated, SlotId};
use std::sync::Arc;
use std::time::Duration;

/// So often at most the machines of one node answer each other at one instant.
const ROUNDS: u32 = 1000;
/// How long the first look at the cluster waits for the control log to be up to date.
const FIRST_LOOK: Duration = Duration::from_secs(3);

impl Node {
    /// Lets the machines tell each other what they have to say until nobody has anything left.
    pub(crate) fn settle(&mut self, world: Instant, rng: &mut Rng, effects: &mut Vec<Effect>) {
        let now = self.clock.local(world);
        for round in 0.. {
            if round == ROUNDS {
                effects.push(Effect::Restless);
                return;
            }
            self.check_leases(world);
            let mut busy = self.drive_control(world, rng, effects);
            let mut next = self.next_dirty(None);
            while let Some(slot) = next {
                busy |= self.drive_slot(world, rng, slot, effects);
                next = self.next_dirty(Some(slot));
            }
            for (to, envelope) in self.outgoing.drain(..) {
                let envelope = Box::new(envelope);
                effects.push(Effect::Data { to, envelope });
            }
            while let Some(envelope) = self.local.pop_front() {
                busy = true;
                self.envelope(world, self.id(), envelope);
            }
            while let Some(output) = self.router.poll(now) {
                busy = true;
                self.carry_out_router(output, effects);
            }
            while let Some(command) = self.wishes.pop_front() {
                busy = true;
                self.propose(world, rng, command, effects);
            }
            while let Some(output) = self.machine.poll() {
                busy = true;
                self.carry_out_machine(world, rng, output, effects);
            }
            if !busy {
                break;
            }
        }
        debug_assert!(self.clock.local(world) == now, "no time passes here");
    }

    fn drive_control(&mut self, world: Instant, rng: &mut Rng, effects: &mut Vec<Effect>) -> bool {
        if !std::mem::take(&mut self.control_dirty) {
            return false;
        }
        let now = self.clock.local(world);
        let device = &mut self.device;
        let mut cx = Cx { now, rng, device };
        if self.control.deadline() <= now {
            self.control.wake(&mut cx);
        }
        for _ in 0..self.control.to_send() {
            let Some((to, message)) = self.control.send_next() else {
                break;
            };
            if to == self.setup.id {
                self.control.receive(&mut cx, to, message);
                self.control_dirty = true;
            } else {
                let packet = Packet::Control(message);
                effects.push(Effect::Packet { to, packet });
            }
        }
        self.control_dirty |= self.control.deadline() <= now;
        self.apply_control(world, effects)
    }

    /// Takes what the control log has committed.
    fn apply_control(&mut self, world: Instant, effects: &mut Vec<Effect>) -> bool {
        let now = self.clock.local(world);
        let mut changed = false;
        while let Some((index, proposal)) = self.control.take_committed() {
            self.wanted = None;
            self.cluster
                .apply(index, (*proposal).clone(), &mut Vec::new());
            effects.push(Effect::Controlled { index, proposal });
            changed = true;
        }
        let leading = self.control.is_leading();
        if leading {
            self.control_leader = Some(self.id());
        }
        if self.leads_control != leading {
            self.leads_control = leading;
            self.machine
                .handle(now, muster_ha::Input::ControlRole { leading });
        }
        let may_feed = self.control.has_caught_up() || now.since(self.started) >= FIRST_LOOK;
        let first = may_feed && !self.fed;
        if first || changed {
            self.fed |= first;
            self.tell_cluster(world);
        }
        first || changed || self.control_dirty
    }

    fn tell_cluster(&mut self, world: Instant) {
        let now = self.clock.local(world);
        let snapshot = Arc::new(self.cluster.clone());
        if self.fed {
            self.machine
                .handle(now, muster_ha::Input::Cluster(Arc::clone(&snapshot)));
        }
        self.router
            .handle(now, muster_router::Input::Cluster(snapshot.clone()));
        let view: muster_owner::AccountsView = Arc::new(View(snapshot));
        for slot in self.slots_here() {
            self.tell_part(world, slot, muster_owner::Input::View(Arc::clone(&view)));
        }
        self.tell_nodes(world);
    }

    /// The first slot after that one to which something has happened.
    fn next_dirty(&self, after: Option<SlotId>) -> Option<SlotId> {
        let mut parts = self.parts.iter();
        parts
            .find(|(slot, part)| part.dirty && Some(*slot) > after)
            .map(|(slot, _)| slot)
    }

    fn drive_slot(
        &mut self,
        world: Instant,
        rng: &mut Rng,
        slot: SlotId,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let (now, clock) = (self.clock.local(world), self.clock);
        let Some(part) = self.parts.get_mut(slot) else {
            return false;
        };
        part.dirty = false;
        let device = &mut self.device;
        let mut cx = Cx { now, rng, device };
        part.pump(&mut cx);
        for _ in 0..part.raft.to_send() {
            let Some((to, message)) = part.raft.send_next() else {
                break;
            };
            if to == self.setup.id {
                part.raft.receive(&mut cx, to, message);
                part.dirty = true;
            } else {
                let packet = Packet::Slot(slot, message);
                effects.push(Effect::Packet { to, packet });
            }
        }
        while let Some((index, command)) = part.raft.take_committed() {
            effects.push(Effect::Applied {
                slot,
                index,
                command: Arc::clone(&command),
            });
            let command = (*command).clone();
            let committed = muster_owner::Input::Committed { index, command };
            part.tell((now, world, clock), committed);
        }
        if let Some(ok) = part.raft.transferred() {
            self.machine
                .handle(now, muster_ha::Input::Transferred { slot, ok });
        }
        if let Some(role) = part.news(now, slot) {
            self.machine.handle(now, muster_ha::Input::SlotRole(role));
        }
        let mut busy = part.dirty;
        while let Some(output) = self
            .parts
            .get_mut(slot)
            .and_then(|part| part.replica.poll())
        {
            busy = true;
            self.carry_out_replica(world, rng, slot, output, effects);
        }
        let part = self.parts.get_mut(slot);
        part.is_some_and(|part| {
            part.dirty |= part.raft.deadline() <= now || busy;
            part.dirty
        })
    }

    fn carry_out_replica(
        &mut self,
        world: Instant,
        rng: &mut Rng,
        slot: SlotId,
        output: muster_owner::Output,
        effects: &mut Vec<Effect>,
    ) {
        match output {
            muster_owner::Output::Propose(command) => {
                let (now, device) = (self.clock.local(world), &mut self.device);
                let mut cx = Cx { now, rng, device };
                if let Some(part) = self.parts.get_mut(slot) {
                    part.raft.propose(&mut cx, command);
                }
            }
            muster_owner::Output::Persist { .. } => {}
            muster_owner::Output::Send { to, envelope } => {
                if !self.is_forgotten(slot, &envelope) {
                    self.send(to, envelope, effects);
                }
            }
            muster_owner::Output::Broadcast(envelope) => {
                for to in self.connected.keys().copied() {
                    effects.push(Effect::Data {
                        to,
                        envelope: Box::new(envelope.clone()),
                    });
                }
                self.local.push_back(envelope);
            }
            muster_owner::Output::Event(event) => self.note(effects, &event),
        }
    }

    fn is_forgotten(&mut self, slot: SlotId, envelope: &Envelope) -> bool {
        let part = self.parts.get_mut(slot);
        let forgets = self.setup.sabotage == Some(Sabotage::ForgetOutbox);
        forgets && part.is_some_and(|part| part.forgotten.has(&part.replica, envelope))
    }

    fn send(&mut self, to: NodeId, envelope: Envelope, effects: &mut Vec<Effect>) {
        if to == self.id() {
            self.local.push_back(envelope);
        } else {
            let envelope = Box::new(envelope);
            effects.push(Effect::Data { to, envelope });
        }
    }

    fn note(&self, effects: &mut Vec<Effect>, what: &dyn std::fmt::Debug) {
        if self.setup.noisy {
            effects.push(Effect::Note(format!("{} {what:?}", self.id())));
        }
    }

    fn carry_out_router(&mut self, output: muster_router::Output, effects: &mut Vec<Effect>) {
        match output {
            muster_router::Output::Send { to, envelope } => self.send(to, envelope, effects),
            other => effects.push(Effect::Client(Box::new(other))),
        }
    }

    fn carry_out_machine(
        &mut self,
        world: Instant,
        rng: &mut Rng,
        output: muster_ha::Output,
        effects: &mut Vec<Effect>,
    ) {
        match output {
            muster_ha::Output::OpenSlot(slot) => {
                self.tell_part(world, slot, muster_owner::Input::Open);
            }
            muster_ha::Output::CloseSlot(slot) => {
                self.tell_part(world, slot, muster_owner::Input::Close);
            }
            muster_ha::Output::Transfer { slot, to } => {
                let now = self.clock.local(world);
                if let Some(part) = self.parts.get_mut(slot) {
                    part.raft.transfer(now, to);
                    part.dirty = true;
                }
            }
            muster_ha::Output::Propose(command) => {
                if let Some(command) = super::sabotage::proposal(self.setup.sabotage, command) {
                    self.propose(world, rng, command, effects);
                }
            }
            muster_ha::Output::Event(event) => self.note(effects, &event),
            muster_ha::Output::Stopped => self.stopped = true,
        }
    }

    /// Proposes to the control log: here, or through its leader.
    fn propose(
        &mut self,
        world: Instant,
        rng: &mut Rng,
        command: ControlCommand,
        effects: &mut Vec<Effect>,
    ) {
        self.note(effects, &command);
        self.proposals += 1;
        let proposal = Proposal {
            origin: Origin {
                node: self.id(),
                boot: self.boot,
                serial: self.proposals,
            },
            at: self.clock.wall(world),
            command,
        };
        if self.control.is_leading() {
            let (now, device) = (self.clock.local(world), &mut self.device);
            let mut cx = Cx { now, rng, device };
            self.control.propose(&mut cx, proposal);
            self.control_dirty = true;
        } else if let Some(to) = self.control_leader.filter(|leader| *leader != self.id()) {
            let packet = Packet::Forward(Box::new(proposal));
            effects.push(Effect::Packet { to, packet });
        }
    }
}
