//! What arrives at a node.

use super::{Arrival, Node, Packet, sabotage};
use crate::plan::Sabotage;
use crate::raft::Cx;
use crate::{LinkNews, Rng};
use muster_envelope::Envelope;
use muster_ha::Reading;
use muster_owner::Body;
use muster_types::{Boot, Epoch, Instant, Machine, NodeId, SlotId};

impl Node {
    /// Takes one arrival.
    pub(crate) fn arrive(&mut self, world: Instant, rng: &mut Rng, arrival: Arrival) {
        let now = self.clock.local(world);
        self.check_leases(world);
        match arrival {
            Arrival::Packet { from, packet } => {
                self.machine.handle(now, muster_ha::Input::Heard(from));
                self.packet(now, rng, from, packet);
            }
            Arrival::Data { from, envelope } => {
                self.machine.handle(now, muster_ha::Input::Heard(from));
                self.envelope(world, from, *envelope);
            }
            Arrival::Link { other, boot, news } => self.link(world, other, boot, news),
            Arrival::Client(input) => self.router.handle(now, *input),
            Arrival::Operator(command) => self.wishes.push_back(*command),
            Arrival::Service { works } => self.set_service(now, works),
            Arrival::Stop => {
                self.stopping = true;
                self.machine.handle(now, muster_ha::Input::Stopping);
            }
        }
    }

    /// Beats of other nodes, with what their clocks show.
    pub(crate) fn hear(&mut self, world: Instant, from: &[(NodeId, Instant)]) {
        let received = self.clock.local(world);
        for (node, sent) in from {
            self.machine
                .handle(received, muster_ha::Input::Heard(*node));
            let sent = *sent;
            self.clocks.note(*node, Reading { sent, received });
        }
    }

    fn packet(&mut self, now: Instant, rng: &mut Rng, from: NodeId, packet: Packet) {
        let device = &mut self.device;
        let mut cx = Cx { now, rng, device };
        match packet {
            Packet::Control(message) => {
                if message.is_from_leader() {
                    self.control_leader = Some(from);
                }
                self.control.receive(&mut cx, from, message);
                self.control_dirty = true;
            }
            Packet::Slot(slot, message) => {
                if let Some(part) = self.parts.get_mut(slot) {
                    part.raft.receive(&mut cx, from, message);
                    part.dirty = true;
                }
            }
            Packet::Forward(proposal) => {
                self.control.propose(&mut cx, *proposal);
                self.control_dirty = true;
            }
        }
    }

    pub(super) fn envelope(&mut self, world: Instant, from: NodeId, mut envelope: Envelope) {
        let now = self.clock.local(world);
        if self.setup.sabotage == Some(Sabotage::ShowEverybody) {
            sabotage::show_everybody(&self.cluster, &mut envelope);
        }
        match envelope {
            Envelope::Opened {
                slot, epoch, node, ..
            } => {
                let known = self.owners.entry(slot).or_insert((node, epoch));
                if epoch >= known.1 {
                    *known = (node, epoch);
                }
                for slot_here in self.slots_here() {
                    let known = muster_owner::Input::OwnerKnown { slot, node, epoch };
                    self.tell_part(world, slot_here, known);
                }
                self.router
                    .handle(now, muster_router::Input::Envelope(envelope));
            }
            Envelope::ToOwner { slot, epoch, body } => {
                self.tell_replica(world, slot, (from, epoch, Body::ToOwner(body)));
            }
            Envelope::ToPeer { slot, epoch, body } => {
                self.tell_replica(world, slot, (from, epoch, Body::ToPeer(body)));
            }
            Envelope::Closed { .. } | Envelope::ToNode { .. } | Envelope::Answer { .. } => {
                self.router
                    .handle(now, muster_router::Input::Envelope(envelope));
            }
        }
    }

    fn tell_replica(&mut self, world: Instant, slot: SlotId, said: (NodeId, Epoch, Body)) {
        let (from, epoch, body) = said;
        let envelope = muster_owner::Input::Envelope { from, epoch, body };
        self.tell_part(world, slot, envelope);
    }

    pub(super) fn slots_here(&self) -> Vec<SlotId> {
        self.parts.slots().collect()
    }

    pub(super) fn tell_part(&mut self, world: Instant, slot: SlotId, input: muster_owner::Input) {
        let (now, clock) = (self.clock.local(world), self.clock);
        if let Some(part) = self.parts.get_mut(slot) {
            part.tell((now, world, clock), input);
        }
    }

    fn link(&mut self, world: Instant, other: NodeId, boot: Boot, news: LinkNews) {
        let now = self.clock.local(world);
        match news {
            LinkNews::Up => {
                self.connected.insert(other, boot);
                for slot in self.slots_here() {
                    let up = muster_owner::Input::NodeUp { node: other, boot };
                    self.tell_part(world, slot, up);
                }
                self.tell_nodes(world);
                self.router
                    .handle(now, muster_router::Input::NodeUp { node: other, boot });
            }
            LinkNews::Lost => {
                self.connected.remove(&other);
                for slot in self.slots_here() {
                    self.tell_part(world, slot, muster_owner::Input::NodeLost(other));
                }
                self.tell_nodes(world);
                self.router
                    .handle(now, muster_router::Input::NodeLost(other));
            }
        }
    }

    /// Stops deciding for slots whose lease is over.
    pub(super) fn check_leases(&mut self, world: Instant) {
        if self.setup.sabotage == Some(Sabotage::IgnoreLease) {
            return;
        }
        let (now, clock) = (self.clock.local(world), self.clock);
        for (_, part) in self.parts.iter_mut() {
            if part.replica.serving().is_some() && now >= part.raft.lease() {
                part.tell((now, world, clock), muster_owner::Input::Close);
            }
        }
    }
}
