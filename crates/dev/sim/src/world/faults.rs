//! Faults as they happen: processes die, stop and start, links break, operators interfere.

use super::{Event, World};
use crate::node::{Arrival, Condition, Node};
use crate::plan::NODES;
use crate::{Fault, LinkNews};
use muster_ha::Readiness;
use muster_types::{NodeId, SlotId};
use std::collections::{BTreeSet, VecDeque};

impl World {
    pub(super) fn start(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        node.start(self.now, &mut self.rng, self.beginning);
        self.settle(id);
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        self.note(&format!("{fault:?}"));
        match fault {
            Fault::Crash(node) => self.crash(node),
            Fault::Restart(node) => {
                if self.condition(node) == Some(Condition::Down) {
                    self.start(node);
                }
            }
            Fault::Pause(node) => {
                if let Some(node) = self.nodes.get_mut(&node)
                    && node.condition == Condition::Running
                {
                    node.condition = Condition::Paused;
                }
            }
            Fault::Resume(node) => self.resume(node),
            Fault::Isolate(node) => {
                for (other, _) in NODES.iter().filter(|(other, _)| *other != node) {
                    self.net.cut(node, *other);
                }
            }
            Fault::Cut(one, other) => self.net.cut(one, other),
            Fault::Heal => self.net.heal(),
            Fault::Failover(node) => self.failover(node),
        }
    }

    pub(super) fn condition(&self, node: NodeId) -> Option<Condition> {
        self.nodes.get(&node).map(|node| node.condition)
    }

    pub(super) fn crash(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        let sessions: Vec<_> = node.sessions.iter().copied().collect();
        node.die();
        for other in self.net.break_all(id) {
            self.tell_link(other, id, LinkNews::Lost);
        }
        for session in sessions {
            let Some(client) = self.client_of(session) else {
                continue;
            };
            self.missing(client);
            let when = self.now + self.rng.millis(20..1500);
            self.schedule(when, Event::Noticed { client, session });
        }
    }

    pub(super) fn resume(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        if node.condition != Condition::Paused {
            return;
        }
        node.condition = Condition::Running;
        let backlog: VecDeque<_> = std::mem::take(&mut node.backlog);
        self.settle(id);
        for arrival in backlog {
            self.arrive(id, arrival);
        }
    }

    pub(super) fn failover(&mut self, id: NodeId) {
        let Some(node) = self
            .nodes
            .get(&id)
            .filter(|node| node.condition == Condition::Running)
        else {
            return;
        };
        let running = |node: &&Node| node.condition == Condition::Running;
        let live: BTreeSet<_> = self
            .nodes
            .values()
            .filter(running)
            .map(|node| node.id)
            .collect();
        let caught_up: BTreeSet<_> = self
            .nodes
            .values()
            .filter(running)
            .flat_map(|node| {
                [SlotId(1), SlotId(2)]
                    .into_iter()
                    .filter_map(|slot| node.caught_up(slot))
                    .flatten()
            })
            .collect();
        let outcome = muster_ha::check_failover(node.cluster(), id, &Readiness { live, caught_up });
        match outcome {
            Ok(command) => self.arrive(id, Arrival::Operator(command)),
            Err(why) => self.note(&format!("refused: {why}")),
        }
    }

    /// Everything that is broken is repaired.
    pub(super) fn repair(&mut self) {
        self.note("repair");
        self.net.heal();
        for id in self.nodes.keys().copied().collect::<Vec<_>>() {
            match self.condition(id) {
                Some(Condition::Down) => self.start(id),
                Some(Condition::Paused) => self.resume(id),
                Some(Condition::Running) | None => {}
            }
        }
    }
}
