//! What every handler of the serving duty may look at, and where its outputs go.

use crate::world::World;
use crate::{Config, Output, OwnerEvent};
use muster_envelope::{Answer, Envelope, ToNode, ToOwner, ToPeer};
use muster_slot::{SlotCommand, SlotState};
use muster_stanza::Stanza;
use muster_types::{Epoch, Instant, NodeId, Origin, SessionId, SlotId};
use std::collections::{BTreeMap, VecDeque};

/// One call's surroundings: the replicated state and the cluster to read, the queue to write.
pub(crate) struct Cx<'a> {
    pub(crate) now: Instant,
    pub(crate) epoch: Epoch,
    pub(crate) config: &'a Config,
    pub(crate) state: &'a SlotState,
    pub(crate) world: &'a World,
    pub(crate) origins: &'a mut u64,
    pub(crate) out: &'a mut VecDeque<Output>,
}

impl Cx<'_> {
    /// The name of the next proposal of this process.
    pub(crate) const fn next_origin(&mut self) -> Origin {
        *self.origins += 1;
        Origin {
            node: self.config.node,
            boot: self.config.boot,
            serial: *self.origins,
        }
    }

    pub(crate) fn propose(&mut self, command: SlotCommand) {
        self.out.push_back(Output::Propose(command));
    }

    pub(crate) fn event(&mut self, event: OwnerEvent) {
        self.out.push_back(Output::Event(event));
    }

    pub(crate) fn tell_node(&mut self, to: NodeId, body: ToNode) {
        let envelope = Envelope::ToNode {
            slot: self.config.slot,
            epoch: self.epoch,
            body,
        };
        self.out.push_back(Output::Send { to, envelope });
    }

    /// Answers what a node asked.
    pub(crate) fn answer(&mut self, to: NodeId, ask: u64, answer: Answer) {
        let envelope = Envelope::Answer { ask, answer };
        self.out.push_back(Output::Send { to, envelope });
    }

    pub(crate) fn tell_peer(&mut self, to: NodeId, body: ToPeer) {
        let envelope = Envelope::ToPeer {
            slot: self.config.slot,
            epoch: self.epoch,
            body,
        };
        self.out.push_back(Output::Send { to, envelope });
    }

    pub(crate) fn tell_owner(&mut self, to: NodeId, slot: SlotId, epoch: Epoch, body: ToOwner) {
        self.out.push_back(Output::Send {
            to,
            envelope: Envelope::ToOwner { slot, epoch, body },
        });
    }

    pub(crate) const fn opened(&self) -> Envelope {
        Envelope::Opened {
            slot: self.config.slot,
            epoch: self.epoch,
            node: self.config.node,
            boot: self.config.boot,
        }
    }

    /// Hands a stanza to sessions wherever they are: one message a node.
    pub(crate) fn deliver(
        &mut self,
        sessions: impl IntoIterator<Item = SessionId>,
        stanza: &Stanza,
    ) {
        let mut by_node: BTreeMap<NodeId, Vec<SessionId>> = BTreeMap::new();
        for session in sessions {
            by_node.entry(session.node).or_default().push(session);
        }
        for (node, sessions) in by_node {
            self.tell_node(
                node,
                ToNode::Deliver {
                    sessions,
                    stanza: stanza.clone(),
                },
            );
        }
    }
}
