//! A small world for the machines: two serving nodes and a witness (or more), slot logs that elect
//! a leader when one dies, a control log that applies at once, and a virtual clock.

use crate::log_test::{A, B, Log, SLOT_A, SLOT_B, W, pair_and_witness};
use crate::{
    HaEvent, Identity, Input, NodeMachine, Output, Readiness, ServiceDown, ServiceKind, SlotRole,
    Timing,
};
use muster_cluster::{
    Addresses, ClusterState, ControlCommand, ControlOutcome, HaReason, HaState, Refusal, Setting,
    SoftwareVersion,
};
use muster_types::{Boot, Epoch, Instant, LogIndex, Machine, NodeId, SlotId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

pub(crate) const HALF_HOUR: Duration = Duration::from_secs(30 * 60);
pub(crate) const NORMAL: (HaState, HaReason) = (HaState::Normal, HaReason::None);

const STEP: Duration = Duration::from_millis(10);
const BEAT_STEPS: u64 = 5;
const ELECTION: Duration = Duration::from_millis(300);

/// One slot's Raft group.
struct SlotLog {
    leader: Option<NodeId>,
    leaderless_since: Option<Instant>,
    opens: u64,
    last_open: Option<(NodeId, Epoch)>,
    opened: Option<(NodeId, Epoch)>,
    sent: BTreeMap<NodeId, SlotRole>,
}

/// The world.
pub(crate) struct World {
    pub(crate) now: Instant,
    steps: u64,
    pub(crate) log: Log,
    machines: BTreeMap<NodeId, NodeMachine>,
    boots: BTreeMap<NodeId, u64>,
    slots: BTreeMap<SlotId, SlotLog>,
    /// Who wins elections, first to last.
    pub(crate) favourites: Vec<NodeId>,
    /// Nodes that cannot catch up.
    pub(crate) behind: BTreeSet<NodeId>,
    /// Nodes whose replicas do nothing any more.
    pub(crate) stuck: BTreeSet<NodeId>,
    /// Slots that stuck nodes would serve, had they a lease.
    zombies: BTreeMap<(SlotId, NodeId), Epoch>,
    /// Pairs whose link is cut, both ways, smaller id first.
    pub(crate) cut: BTreeSet<(NodeId, NodeId)>,
    pub(crate) control_leader: NodeId,
    /// Whether the control log takes no proposals.
    pub(crate) control_down: bool,
    /// Set when cuts were healed: everybody gets the last snapshot.
    pub(crate) healed: bool,
    published: Option<ClusterState>,
    pub(crate) events: Vec<(NodeId, HaEvent)>,
    pub(crate) refused: Vec<Refusal>,
    pub(crate) stopped: BTreeSet<NodeId>,
    timing: Timing,
    /// All states of a and b that were in the log.
    pub(crate) seen: BTreeSet<[(HaState, HaReason); 2]>,
}

impl World {
    /// All nodes of the log start at once.
    pub(crate) fn new(log: Log) -> Self {
        Self::with(log, Timing::default())
    }

    /// The same at other times.
    pub(crate) fn with(log: Log, timing: Timing) -> Self {
        let nodes: Vec<_> = log.state.members().map(|node| node.id).collect();
        let new_slot = || SlotLog {
            leader: None,
            leaderless_since: None,
            opens: 0,
            last_open: None,
            opened: None,
            sent: BTreeMap::new(),
        };
        let slots = log
            .state
            .slots()
            .map(|slot| (slot.id, new_slot()))
            .collect();
        let mut world = Self {
            now: Instant::ZERO + Duration::from_secs(1),
            steps: 0,
            timing,
            log,
            machines: BTreeMap::new(),
            boots: BTreeMap::new(),
            slots,
            favourites: nodes.clone(),
            behind: BTreeSet::new(),
            stuck: BTreeSet::new(),
            zombies: BTreeMap::new(),
            cut: BTreeSet::new(),
            control_leader: W,
            control_down: false,
            healed: false,
            published: None,
            events: Vec::new(),
            refused: Vec::new(),
            stopped: BTreeSet::new(),
            seen: BTreeSet::new(),
        };
        nodes.into_iter().for_each(|node| world.start(node));
        world
    }

    /// A pair with its witness, everything at home and Normal.
    pub(crate) fn settled() -> Self {
        let mut world = Self::new(pair_and_witness(true));
        world.run(Duration::from_secs(2));
        assert_eq!(world.status(), [NORMAL; 2]);
        world
    }

    pub(crate) fn start(&mut self, node: NodeId) {
        let boot = self.boots.entry(node).or_default();
        *boot += 1;
        let identity = Identity {
            node,
            boot: Boot(*boot),
            version: SoftwareVersion { wire: 1, data: 1 },
            addresses: Addresses::default(),
        };
        let mut machine = NodeMachine::new(identity, self.timing.clone(), self.now);
        machine.handle(self.now, Input::Cluster(Arc::new(self.log.state.clone())));
        self.machines.insert(node, machine);
        self.drain();
    }

    pub(crate) fn kill(&mut self, node: NodeId) {
        self.machines.remove(&node);
        self.stopped.remove(&node);
        self.thaw(node);
        for slot in self.slots.values_mut() {
            slot.sent.remove(&node);
            if slot.leader == Some(node) {
                (slot.leader, slot.opened) = (None, None);
            }
        }
        if self.control_leader == node {
            self.control_leader = self.machines.keys().copied().next().unwrap_or(node);
        }
    }

    pub(crate) fn input(&mut self, node: NodeId, input: Input) {
        let now = self.now;
        self.machines
            .get_mut(&node)
            .expect("the node runs")
            .handle(now, input);
        self.drain();
    }

    /// What the probes of a node say is down since now, each with a delay of 10 s.
    pub(crate) fn services_down(&mut self, node: NodeId, names: &[&'static str]) {
        let since = self.now;
        let down = names.iter().map(|name| ServiceDown {
            name,
            since,
            delay: secs(10),
            critical: true,
            kind: match *name {
                "store" => ServiceKind::Store,
                "clock" => ServiceKind::Clock,
                _ => ServiceKind::Work,
            },
        });
        let down = down.collect();
        self.input(node, Input::Services(down));
    }

    /// A stuck node works again.
    pub(crate) fn thaw(&mut self, node: NodeId) {
        self.stuck.remove(&node);
        self.zombies.retain(|(_, zombie), _| *zombie != node);
    }

    /// Whether a node runs.
    pub(crate) fn runs(&self, node: NodeId) -> bool {
        self.machines.contains_key(&node)
    }

    /// An operator's command.
    pub(crate) fn command(&mut self, command: ControlCommand) {
        let outcome = self.log.apply(self.now, command);
        self.note_states();
        assert!(
            !matches!(outcome, ControlOutcome::Refused(_)),
            "{outcome:?}"
        );
    }

    pub(crate) fn set(&mut self, setting: Setting) {
        self.command(ControlCommand::SettingsSet(vec![setting]));
    }

    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step();
        }
    }

    /// Runs until `done`; fails after a simulated minute. Returns how long it took.
    pub(crate) fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) -> Duration {
        let begin = self.now;
        while !done(self) {
            self.step();
            assert!(
                self.now.since(begin) < Duration::from_secs(60),
                "never {what}: {:?}",
                self.status()
            );
        }
        self.now.since(begin)
    }

    /// Advances by one step.
    pub(crate) fn step(&mut self) {
        self.now = self.now + STEP;
        self.steps += 1;
        if self.steps.is_multiple_of(BEAT_STEPS) {
            self.beat();
        }
        self.elect();
        self.publish();
        self.send_roles();
        let now = self.now;
        for machine in self.machines.values_mut() {
            if machine.deadline().is_some_and(|due| due <= now) {
                machine.wake(now);
                assert!(
                    machine.deadline().is_none_or(|due| due > now),
                    "a timer that never ends"
                );
            }
        }
        self.drain();
    }

    fn beat(&mut self) {
        let nodes: Vec<_> = self.machines.keys().copied().collect();
        for from in &nodes {
            for to in &nodes {
                if from != to && !self.cut.contains(&(*from.min(to), *from.max(to))) {
                    let machine = self.machines.get_mut(to).expect("it is in the list");
                    machine.handle(self.now, Input::Heard(*from));
                }
            }
        }
    }

    /// Whether a node runs and hears another: two of three are a quorum.
    fn has_quorum(&self, node: NodeId) -> bool {
        let cut = |other: NodeId| self.cut.contains(&(node.min(other), node.max(other)));
        let runs = self.machines.contains_key(&node);
        runs && self
            .machines
            .keys()
            .any(|other| *other != node && !cut(*other))
    }

    fn elect(&mut self) {
        let alive: BTreeSet<_> = self
            .machines
            .keys()
            .copied()
            .filter(|node| self.has_quorum(*node))
            .collect();
        for (id, slot) in &mut self.slots {
            let voters = crate::desired_voters(&self.log.state, *id);
            if voters.len() > 1 && slot.leader.is_some_and(|leader| !alive.contains(&leader)) {
                (slot.leader, slot.opened) = (None, None);
            }
            if slot.leader.is_some() {
                slot.leaderless_since = None;
                continue;
            }
            let since = *slot.leaderless_since.get_or_insert(self.now);
            let votes = voters.iter().filter(|voter| alive.contains(voter)).count();
            if self.now.since(since) >= ELECTION && votes * 2 > voters.len() {
                let fits = |n: &&NodeId| {
                    alive.contains(n) && voters.contains(n) && !self.behind.contains(n)
                };
                slot.leader = self.favourites.iter().find(fits).copied();
            }
        }
    }

    fn publish(&mut self) {
        let healed = std::mem::take(&mut self.healed);
        if !healed && self.published.as_ref() == Some(&self.log.state) {
            return;
        }
        self.published = Some(self.log.state.clone());
        let (now, state) = (self.now, Arc::new(self.log.state.clone()));
        let reached: BTreeSet<_> = self
            .machines
            .keys()
            .copied()
            .filter(|node| self.has_quorum(*node))
            .collect();
        for (node, machine) in self
            .machines
            .iter_mut()
            .filter(|(node, _)| reached.contains(node))
        {
            machine.handle(
                now,
                Input::ControlRole {
                    leading: *node == self.control_leader,
                },
            );
            machine.handle(now, Input::Cluster(Arc::clone(&state)));
        }
    }

    fn send_roles(&mut self) {
        let now = self.now;
        for (id, slot) in &mut self.slots {
            let voters = crate::desired_voters(&self.log.state, *id);
            for (node, machine) in &mut self.machines {
                let leading = slot.leader == Some(*node);
                let follows = |other: &NodeId| other != node && !self.behind.contains(other);
                let caught_up = voters
                    .iter()
                    .copied()
                    .filter(|n| leading && follows(n))
                    .collect();
                let zombie = self.zombies.get(&(*id, *node)).copied();
                let opened = slot
                    .opened
                    .filter(|(owner, _)| owner == node)
                    .map(|(_, epoch)| epoch)
                    .or(zombie);
                let role = SlotRole {
                    slot: *id,
                    leading,
                    caught_up,
                    opened,
                    last_open: slot.last_open,
                };
                if slot.sent.get(node) != Some(&role) {
                    slot.sent.insert(*node, role.clone());
                    machine.handle(now, Input::SlotRole(role));
                }
            }
        }
    }

    fn drain(&mut self) {
        let nodes: Vec<_> = self.machines.keys().copied().collect();
        for node in nodes {
            while let Some(output) = self.machines.get_mut(&node).and_then(NodeMachine::poll) {
                self.carry_out(node, output);
            }
        }
    }

    fn carry_out(&mut self, node: NodeId, output: Output) {
        match output {
            Output::OpenSlot(id) => {
                let slot = self.slots.get_mut(&id).expect("a slot of the log");
                if slot.leader == Some(node) && !self.stuck.contains(&node) {
                    slot.opens += 1;
                    let open = (node, Epoch::opened_at(LogIndex(slot.opens)));
                    (slot.opened, slot.last_open) = (Some(open), Some(open));
                }
            }
            Output::CloseSlot(_) if self.stuck.contains(&node) => {}
            Output::CloseSlot(id) => {
                self.slots.get_mut(&id).expect("a slot of the log").opened = None
            }
            Output::Transfer { slot: id, to } => {
                let slot = self.slots.get_mut(&id).expect("a slot of the log");
                let leads = slot.leader == Some(node);
                if let Some((owner, epoch)) = slot.opened.filter(|_| leads) {
                    assert!(
                        self.stuck.contains(&owner),
                        "a slot is closed before its leadership goes"
                    );
                    self.zombies.insert((id, owner), epoch);
                }
                let ok = leads && self.machines.contains_key(&to) && !self.behind.contains(&to);
                if leads {
                    slot.opened = None;
                }
                if ok {
                    slot.leader = Some(to);
                }
                self.machines
                    .get_mut(&node)
                    .expect("it asked for this")
                    .handle(self.now, Input::Transferred { slot: id, ok });
            }
            Output::Propose(command) => {
                if !self.has_quorum(node) || self.control_down {
                    return;
                }
                if let ControlOutcome::Refused(why) = self.log.apply(self.now, command) {
                    self.refused.push(why);
                }
                self.note_states();
            }
            Output::Event(event) => self.events.push((node, event)),
            Output::Stopped => drop(self.stopped.insert(node)),
        }
    }

    fn note_states(&mut self) {
        self.seen.insert(self.status());
    }

    /// State and reason of a and b.
    pub(crate) fn status(&self) -> [(HaState, HaReason); 2] {
        [A, B].map(|node| {
            let ha = self.log.state.node(node).expect("a node of the pair").ha;
            (ha.state, ha.reason)
        })
    }

    /// Who serves a slot.
    pub(crate) fn owner(&self, slot: SlotId) -> Option<NodeId> {
        self.slots[&slot].opened.map(|(node, _)| node)
    }

    pub(crate) fn owners(&self) -> [Option<NodeId>; 2] {
        [SLOT_A, SLOT_B].map(|slot| self.owner(slot))
    }
}

pub(crate) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) fn everybody_ready() -> Readiness {
    let all = BTreeSet::from([A, B, W]);
    Readiness {
        live: all.clone(),
        caught_up: all,
    }
}

/// a was killed, b serves its users, a is back.
pub(crate) fn failed_over_and_back() -> World {
    let mut world = World::settled();
    world.favourites = vec![B, W, A];
    world.kill(A);
    world.until("taken over", |world| world.owner(SLOT_A) == Some(B));
    world.start(A);
    let back = (HaState::FailedOver, HaReason::Initialization);
    world.until("back", |world| world.status()[0] == back);
    world
}
