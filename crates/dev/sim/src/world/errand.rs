//! What takes an operator several steps: each step is repeated until its effect shows.

use super::World;
use super::setup::Machine;
use crate::node::{Arrival, Condition, Node};
use crate::plan::{Operation, Place, beginning::join};
use muster_cluster::{ControlCommand, Role};
use muster_types::{GroupId, Instant, NodeId};
use std::time::Duration;

/// A node is asked to stop for so long; then it is killed.
const STOP: Duration = Duration::from_secs(8);
/// What a node may take to come back during an upgrade.
const START: Duration = Duration::from_secs(12);
/// After so long without effect an operator gives up switching HA off.
const PATIENCE: Duration = Duration::from_secs(8);

/// Something under way.
#[derive(Clone, Debug)]
pub(super) struct Errand {
    task: Task,
    step: Step,
    /// When the step began.
    since: Instant,
}

#[derive(Clone, Debug)]
enum Task {
    /// A new node takes the place of one that is gone.
    Replace {
        place: Place,
        old: NodeId,
        name: String,
    },
    /// A node enters, and leaves again.
    Visitor { name: String },
    /// HA is switched off and on.
    SwitchHa(GroupId),
    /// All nodes get a newer version.
    Upgrade { next: usize, count: usize },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Begin,
    /// A new node runs.
    Arrived(NodeId),
    /// HA is off.
    Off,
    /// A node was asked to stop.
    Stopping,
    /// It is down.
    Stopped,
    /// It was started again.
    Started,
    Done,
}

impl Errand {
    const fn new(task: Task) -> Self {
        Self {
            task,
            step: Step::Begin,
            since: Instant::ZERO,
        }
    }

    pub(super) const fn replace(place: Place, old: NodeId, name: String) -> Self {
        Self::new(Task::Replace { place, old, name })
    }

    pub(super) const fn visitor(name: String) -> Self {
        Self::new(Task::Visitor { name })
    }

    pub(super) const fn switch_ha(group: GroupId) -> Self {
        Self::new(Task::SwitchHa(group))
    }

    pub(super) const fn upgrade(count: usize) -> Self {
        Self::new(Task::Upgrade { next: 0, count })
    }

    /// Whether two are of one kind.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(&self.task) == std::mem::discriminant(&other.task)
    }

    /// Whether it changes who belongs to a group.
    pub(super) const fn moves_members(&self) -> bool {
        !matches!(self.task, Task::Upgrade { .. })
    }
}

impl World {
    /// Every errand goes on.
    pub(super) fn run_errands(&mut self) {
        let mut errands = std::mem::take(&mut self.errands);
        for errand in &mut errands {
            let before = errand.step;
            self.run_errand(errand);
            if errand.step != before || errand.since == Instant::ZERO {
                errand.since = self.now;
            }
        }
        errands.retain(|errand| errand.step != Step::Done);
        self.errands.extend(errands);
        if self.now > self.plan.heal + Duration::from_secs(8) {
            self.tidy_up();
        }
    }

    fn run_errand(&mut self, errand: &mut Errand) {
        let step = errand.step;
        errand.step = match &mut errand.task {
            Task::Replace { place, old, name } => self.replacing(step, *place, *old, name),
            Task::Visitor { name } => self.visiting(step, errand.since, name),
            Task::SwitchHa(group) => self.switching(step, errand.since, *group),
            Task::Upgrade { next, count } => {
                let step = self.upgrading(step, errand.since, Place(*next));
                if step == Step::Done && *next + 1 < *count {
                    *next += 1;
                    Step::Begin
                } else {
                    step
                }
            }
        };
    }

    /// A node of this name enters and starts.
    fn entering(&mut self, name: &str, role: Role) -> Option<NodeId> {
        let member = self.truth.cluster.node_named(name).map(|node| node.id);
        let Some(id) = member else {
            self.count(Operation::Membership);
            join(name, role)
                .into_iter()
                .for_each(|command| self.command(command));
            return None;
        };
        if !self.nodes.contains_key(&id) {
            self.make_node(id, role, false);
        }
        Some(id)
    }

    fn replacing(&mut self, step: Step, place: Place, old: NodeId, name: &str) -> Step {
        let role = self.machines[place.0].role;
        match step {
            Step::Begin => match self.entering(name, role) {
                Some(new) => {
                    let machine = &mut self.machines[place.0];
                    *machine = Machine {
                        node: new,
                        vacant: false,
                        ..*machine
                    };
                    self.start(new);
                    Step::Arrived(new)
                }
                None => Step::Begin,
            },
            Step::Arrived(new) => {
                let gone = self
                    .truth
                    .cluster
                    .node(old)
                    .is_none_or(|node| !node.is_member());
                if gone {
                    return Step::Done;
                }
                if self.nodes.get(&new).is_some_and(Node::is_well) {
                    self.count(Operation::Membership);
                    self.command(ControlCommand::NodeReplace { old, new });
                }
                step
            }
            Step::Off | Step::Stopping | Step::Stopped | Step::Started | Step::Done => Step::Done,
        }
    }

    fn visiting(&mut self, step: Step, since: Instant, name: &str) -> Step {
        match step {
            Step::Begin => match self.entering(name, Role::Serving) {
                Some(id) => {
                    self.start(id);
                    Step::Arrived(id)
                }
                None => Step::Begin,
            },
            Step::Arrived(id) => {
                let member = self
                    .truth
                    .cluster
                    .node(id)
                    .is_some_and(|node| node.is_member());
                if member && self.now.since(since) > PATIENCE {
                    self.count(Operation::Membership);
                    self.command(ControlCommand::NodeRemove { node: id });
                }
                if member { step } else { Step::Stopping }
            }
            // The others need a moment to do without it.
            Step::Stopping if self.now.since(since) < PATIENCE => step,
            Step::Stopping => {
                if let Some(id) = self.truth.cluster.node_named(name).map(|node| node.id) {
                    self.crash(id);
                    self.nodes.remove(&id);
                }
                Step::Done
            }
            Step::Off | Step::Stopped | Step::Started | Step::Done => Step::Done,
        }
    }

    fn switching(&mut self, step: Step, since: Instant, group: GroupId) -> Step {
        let ha = |world: &Self| {
            world
                .truth
                .cluster
                .group(group)
                .is_some_and(|group| group.ha)
        };
        match step {
            Step::Begin => {
                let pair = self
                    .truth
                    .cluster
                    .group(group)
                    .is_some_and(|g| g.nodes.len() == 2);
                if !pair || since != Instant::ZERO && self.now.since(since) > PATIENCE {
                    return Step::Done;
                }
                if !ha(self) {
                    return Step::Off;
                }
                self.count(Operation::Ha);
                self.command(ControlCommand::GroupDisableHa { group });
                step
            }
            Step::Off => {
                if ha(self) {
                    return Step::Done;
                }
                if self.now.since(since) > Duration::from_secs(4) && self.learners_have_all(group) {
                    self.count(Operation::Ha);
                    self.command(ControlCommand::GroupEnableHa { group });
                }
                step
            }
            Step::Arrived(_) | Step::Stopping | Step::Stopped | Step::Started | Step::Done => {
                Step::Done
            }
        }
    }

    fn upgrading(&mut self, step: Step, since: Instant, place: Place) -> Step {
        let Machine {
            node: id, vacant, ..
        } = self.machines[place.0];
        if vacant {
            self.machines[place.0].version += 1;
            return Step::Done;
        }
        match step {
            Step::Begin => {
                self.count(Operation::Upgrade);
                self.machines[place.0].version += 1;
                self.arrive(id, Arrival::Stop);
                Step::Stopping
            }
            Step::Stopping => {
                let stopped = self.nodes.get(&id).is_none_or(|node| node.stopped);
                if !stopped && self.now.since(since) < STOP {
                    return step;
                }
                self.crash(id);
                Step::Stopped
            }
            Step::Stopped => {
                self.start(id);
                Step::Started
            }
            Step::Started => {
                let well = self.nodes.get(&id).is_some_and(Node::is_well);
                let settled = self.now.since(since) > Duration::from_secs(3);
                if well && settled || self.now.since(since) > START {
                    return Step::Done;
                }
                if self.condition(id) == Some(Condition::Down) {
                    self.start(id);
                }
                step
            }
            Step::Arrived(_) | Step::Off | Step::Done => Step::Done,
        }
    }
}
