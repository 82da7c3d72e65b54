//! What operators do: commands that are checked against what there is, as the admin service does.

use super::World;
use super::errand::Errand;
use crate::node::{Arrival, Condition, Node};
use crate::plan::{Fault, Operation, Place};
use muster_cluster::{ClusterState, ControlCommand, HaState, Refusal};
use muster_ha::Readiness;
use muster_types::{GroupId, NodeId};
use std::collections::BTreeSet;

impl World {
    pub(super) fn operate(&mut self, fault: Fault) {
        let outcome = match fault {
            Fault::Failover(place) => self.ask(Operation::Failover, |state, ready, world| {
                muster_ha::check_failover(state, world.node_in(place), ready)
            }),
            Fault::Fallback(place) => self.ask(Operation::Fallback, |state, ready, world| {
                muster_ha::check_fallback(state, world.node_in(place), ready)
            }),
            Fault::Recover(group) => self.ask(Operation::Recover, |state, ready, _| {
                muster_ha::check_recover(state, group, ready)
            }),
            Fault::SwitchHa(group) => self.begin(Errand::switch_ha(group)),
            Fault::Visitor => self.visitor(),
            Fault::Upgrade => self.begin(Errand::upgrade(self.machines.len())),
            _ => Ok(()),
        };
        if let Err(why) = outcome {
            self.note(|| format!("refused: {why}"));
        }
    }

    fn visitor(&mut self) -> Result<(), Refusal> {
        let name = self.fresh_name();
        self.begin(Errand::visitor(name))
    }

    pub(super) fn fresh_name(&mut self) -> String {
        self.names += 1;
        format!("x{}", self.names)
    }

    /// One errand of a kind at a time.
    fn begin(&mut self, errand: Errand) -> Result<(), Refusal> {
        let busy = self.errands.iter().any(|other| other.is_like(&errand));
        if !busy && self.now < self.plan.heal {
            self.errands.push(errand);
        }
        Ok(())
    }

    /// Somebody whose disk was lost is replaced.
    pub(super) fn replace(&mut self, place: Place, old: NodeId) {
        let name = self.fresh_name();
        self.errands.push(Errand::replace(place, old, name));
    }

    /// Whether a node's disk may be lost: of the voters of every log a majority keeps theirs, as the
    /// members of each know it, and nobody is being replaced. With less no log can promise anything.
    pub(super) fn may_lose(&self, id: NodeId) -> bool {
        let left: BTreeSet<_> = self.nodes.keys().copied().filter(|n| *n != id).collect();
        let mut logs = self.nodes.values().flat_map(Node::memberships);
        let busy = self.errands.iter().any(Errand::moves_members);
        !busy && logs.all(|members| members.agree(&left))
    }

    /// Sends a command by way of any node that runs.
    fn ask(
        &mut self,
        operation: Operation,
        check: impl Fn(&ClusterState, &Readiness, &Self) -> Result<ControlCommand, Refusal>,
    ) -> Result<(), Refusal> {
        let ready = self.readiness();
        let Some(node) = self.any_node() else {
            return Ok(());
        };
        let state = self.nodes.get(&node).map(Node::cluster);
        let command = check(state.unwrap_or(&self.truth.cluster), &ready, self)?;
        self.count(operation);
        if self.moves_users_blindly() {
            self.alone_with_wrong_clock_at = Some(self.now);
        }
        self.arrive(node, Arrival::Operator(Box::new(command)));
        Ok(())
    }

    /// Sends a command that needs no check.
    pub(super) fn command(&mut self, command: ControlCommand) {
        if let Some(node) = self.any_node() {
            self.arrive(node, Arrival::Operator(Box::new(command)));
        }
    }

    pub(super) fn any_node(&mut self) -> Option<NodeId> {
        let running: Vec<_> = self
            .nodes
            .values()
            .filter(|node| node.is_well())
            .map(Node::id)
            .collect();
        self.rng.pick(&running).copied()
    }

    fn readiness(&self) -> Readiness {
        let running = || {
            self.nodes
                .values()
                .filter(|node| node.condition == Condition::Running)
        };
        let mut caught_up: BTreeSet<_> = self.nodes.keys().copied().collect();
        for slot in self.truth.cluster.slots() {
            let group = self.truth.cluster.group(slot.group);
            let all = running().find_map(|node| Some((node.id(), node.caught_up(slot.id)?)));
            let Some((group, (leader, others))) = group.zip(all) else {
                continue;
            };
            caught_up.retain(|node| {
                !group.nodes.contains(node) || *node == leader || others.contains(node)
            });
        }
        Readiness {
            live: running().map(Node::id).collect(),
            caught_up,
        }
    }

    /// When the faults are over, an operator ends what operators must end.
    pub(super) fn tidy_up(&mut self) {
        let state = self.truth.cluster.clone();
        let in_state =
            |node: NodeId, wanted| state.node(node).is_some_and(|node| node.ha.state == wanted);
        for group in state.groups().filter(|group| group.ha) {
            let failed = |node: &NodeId| in_state(*node, HaState::RunningInFailedMode);
            if group.nodes.iter().any(failed) {
                self.operate(Fault::Recover(group.id));
                continue;
            }
            for node in &group.nodes {
                if in_state(*node, HaState::Idle)
                    && let Some(at) = self.place_of(*node)
                {
                    self.operate(Fault::Fallback(at));
                }
            }
        }
    }

    fn place_of(&self, node: NodeId) -> Option<Place> {
        let at = self
            .machines
            .iter()
            .position(|machine| machine.node == node);
        at.map(Place)
    }

    /// Whether a group's learners have all data, so that HA may be enabled.
    pub(super) fn learners_have_all(&self, group: GroupId) -> bool {
        let state = &self.truth.cluster;
        let Some(nodes) = state.group(group).map(|group| group.nodes.clone()) else {
            return false;
        };
        let has = |slot: &muster_cluster::Slot| {
            let others = nodes.iter().filter(|node| **node != slot.home);
            let leader = self.nodes.values().find(|node| node.leads(slot.id));
            leader.is_some_and(|leader| {
                others
                    .copied()
                    .all(|node| leader.has_nearly_all(slot.id, node))
            })
        };
        state.slots().filter(|slot| slot.group == group).all(has)
    }
}
