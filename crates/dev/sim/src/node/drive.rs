//! The driver: carries out what the machines want, until nobody wants anything.

use super::{CONTROL_WAIT, Effect, Node, Packet, View};
use crate::Sabotage;
use muster_cluster::{ControlCommand, Proposal};
use muster_ha::SlotRole;
use muster_slot::SlotCommand;
use muster_types::{Instant, Machine, NodeId, Origin, Replicated, SlotId, Timestamp};
use std::sync::Arc;

/// So often at most the machines of one node answer each other at one instant.
const ROUNDS: u32 = 1000;

impl Node {
    /// Lets the machines tell each other what they have to say until nobody has anything left.
    pub(crate) fn settle(&mut self, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        for round in 0.. {
            if round == ROUNDS {
                effects.push(Effect::Restless);
                break;
            }
            self.check_leases(now);
            let mut busy = self.apply_control(now);
            for slot in self.parts.keys().copied().collect::<Vec<_>>() {
                busy |= self.drive_slot(now, slot, &mut effects);
            }
            while let Some(envelope) = self.local.pop_front() {
                busy = true;
                self.envelope(now, self.id, envelope);
            }
            while let Some(output) = self.router.poll() {
                busy = true;
                self.carry_out_router(output, &mut effects);
            }
            while let Some(command) = self.wishes.pop_front() {
                let output = muster_ha::Output::Propose(command);
                self.carry_out_machine(now, output, &mut effects);
            }
            while let Some(output) = self.machine.poll() {
                busy = true;
                self.carry_out_machine(now, output, &mut effects);
            }
            if !busy {
                break;
            }
        }
        let control = self.control.take_out().into_iter();
        effects.extend(control.map(|(to, one)| Effect::Packet {
            to,
            packet: Packet::Control(one),
        }));
        for (slot, part) in &mut self.parts {
            let out = part.raft.take_out().into_iter();
            effects.extend(out.map(|(to, one)| Effect::Packet {
                to,
                packet: Packet::Slot(*slot, one),
            }));
        }
        effects
    }

    /// Takes what the control log has committed.
    fn apply_control(&mut self, now: Instant) -> bool {
        let mut changed = false;
        while let Some((index, proposal)) = self.control.take_committed() {
            self.cluster
                .apply(index, (*proposal).clone(), &mut Vec::new());
            changed = true;
        }
        let leading = self.control.is_leading();
        if leading {
            self.control_leader = Some(self.id);
        }
        if self.leads_control != leading {
            self.leads_control = leading;
            self.machine
                .handle(now, muster_ha::Input::ControlRole { leading });
        }
        let may_feed = self.control_leader.is_some() || now.since(self.started) >= CONTROL_WAIT;
        let first = may_feed && !self.fed;
        if !first && !changed {
            return false;
        }
        let snapshot = Arc::new(self.cluster.clone());
        if self.fed || first {
            self.fed = true;
            self.machine
                .handle(now, muster_ha::Input::Cluster(Arc::clone(&snapshot)));
        }
        self.router
            .handle(now, muster_router::Input::Cluster(snapshot.clone()));
        let view: muster_owner::AccountsView = Arc::new(View(snapshot));
        for part in self.parts.values_mut() {
            part.replica
                .handle(now, muster_owner::Input::View(Arc::clone(&view)));
        }
        self.tell_nodes(now);
        true
    }

    fn drive_slot(&mut self, now: Instant, slot: SlotId, effects: &mut Vec<Effect>) -> bool {
        let mut busy = false;
        let Some(part) = self.parts.get_mut(&slot) else {
            return false;
        };
        while let Some((index, command)) = part.raft.take_committed() {
            busy = true;
            effects.push(Effect::Applied {
                slot,
                index,
                command: Arc::clone(&command),
            });
            let command = (*command).clone();
            part.replica
                .handle(now, muster_owner::Input::Committed { index, command });
        }
        if let Some(ok) = part.raft.transferred() {
            self.machine
                .handle(now, muster_ha::Input::Transferred { slot, ok });
        }
        let role = SlotRole {
            slot,
            leading: part.raft.is_leading(),
            caught_up: part.raft.caught_up(),
            opened: part.replica.serving(),
            last_open: part
                .replica
                .state()
                .owner()
                .map(|(node, _)| (node, part.replica.state().epoch())),
        };
        if part.role.as_ref() != Some(&role) {
            busy = true;
            part.role = Some(role.clone());
            self.machine.handle(now, muster_ha::Input::SlotRole(role));
        }
        while let Some(output) = self
            .parts
            .get_mut(&slot)
            .and_then(|part| part.replica.poll())
        {
            busy = true;
            self.carry_out_replica(now, slot, output, effects);
        }
        busy
    }

    fn carry_out_replica(
        &mut self,
        now: Instant,
        slot: SlotId,
        output: muster_owner::Output,
        effects: &mut Vec<Effect>,
    ) {
        match output {
            muster_owner::Output::Propose(command) => {
                self.propose_to_slot(now, slot, command);
            }
            muster_owner::Output::Persist { .. } => {}
            muster_owner::Output::Send { to, envelope } if to == self.id => {
                self.local.push_back(envelope);
            }
            muster_owner::Output::Send { to, envelope } => {
                effects.push(Effect::Data { to, envelope });
            }
            muster_owner::Output::Broadcast(envelope) => {
                for to in self.connected.keys().copied() {
                    effects.push(Effect::Data {
                        to,
                        envelope: envelope.clone(),
                    });
                }
                self.local.push_back(envelope);
            }
            muster_owner::Output::Event(event) => {
                effects.push(Effect::Note(format!("{} {event:?}", self.id)));
            }
        }
    }

    fn propose_to_slot(&mut self, now: Instant, slot: SlotId, command: SlotCommand) {
        let Some(part) = self.parts.get_mut(&slot) else {
            return;
        };
        part.raft.propose(command);
        if self.sabotage == Some(Sabotage::CommitAlone) {
            part.raft.commit_alone(now);
        }
    }

    fn carry_out_router(&mut self, output: muster_router::Output, effects: &mut Vec<Effect>) {
        match output {
            muster_router::Output::Send { to, envelope } if to == self.id => {
                self.local.push_back(envelope);
            }
            muster_router::Output::Send { to, envelope } => {
                effects.push(Effect::Data { to, envelope });
            }
            other => effects.push(Effect::Client(other)),
        }
    }

    fn carry_out_machine(
        &mut self,
        now: Instant,
        output: muster_ha::Output,
        effects: &mut Vec<Effect>,
    ) {
        match output {
            muster_ha::Output::OpenSlot(slot) => {
                if let Some(part) = self.parts.get_mut(&slot) {
                    part.replica.handle(now, muster_owner::Input::Open);
                }
            }
            muster_ha::Output::CloseSlot(slot) => {
                if let Some(part) = self.parts.get_mut(&slot) {
                    part.replica.handle(now, muster_owner::Input::Close);
                }
            }
            muster_ha::Output::Transfer { slot, to } => {
                if let Some(part) = self.parts.get_mut(&slot) {
                    part.raft.transfer(now, to);
                }
            }
            muster_ha::Output::Propose(command) => {
                effects.push(Effect::Note(format!("{} proposes {command:?}", self.id)));
                if let Some((to, proposal)) = self.forward(now, command) {
                    effects.push(Effect::Packet {
                        to,
                        packet: Packet::Forward(proposal),
                    });
                }
            }
            muster_ha::Output::Event(event) => {
                effects.push(Effect::Note(format!("{} {event:?}", self.id)));
            }
            muster_ha::Output::Stopped => {}
        }
    }

    /// Proposes to the control log: here, or to whom the proposal has to be sent.
    fn forward(&mut self, now: Instant, command: ControlCommand) -> Option<(NodeId, Proposal)> {
        self.proposals += 1;
        let origin = Origin {
            node: self.id,
            boot: self.boot,
            serial: self.proposals,
        };
        let at = Timestamp(1_700_000_000_000 + now.as_nanos() / 1_000_000);
        let proposal = Proposal {
            origin,
            at,
            command,
        };
        if self.control.is_leading() {
            self.control.propose(proposal);
            return None;
        }
        self.control_leader
            .filter(|leader| *leader != self.id)
            .map(|leader| (leader, proposal))
    }
}
