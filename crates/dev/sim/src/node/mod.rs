//! One node: the machines of the core, and the driver that joins them as `musterd` does.

mod arrive;
mod clock;
mod drive;
mod lifecycle;
mod part;
mod parts;
mod sabotage;
mod services;
mod shards;
mod upkeep;

use crate::LinkNews;
use crate::device::Device;
use crate::plan::Sabotage;
use crate::raft::{Members, Message, Raft, RaftTiming};
pub(crate) use clock::Clock;
use muster_cluster::{ClusterState, ControlCommand, Proposal, Role};
use muster_envelope::Envelope;
use muster_ha::{Clocks, NodeMachine};
use muster_slot::SlotCommand;
use muster_types::{
    BareJid, Boot, Epoch, Instant, Limits, LogIndex, Machine, NodeId, SessionId, SlotId,
};
use part::Part;
use parts::Parts;
use shards::Shards;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// What one node sends another on the Raft lane.
#[derive(Clone, Debug)]
pub(crate) enum Packet {
    /// Of the control log.
    Control(Message<Proposal>),
    /// Of a slot's log.
    Slot(SlotId, Message<SlotCommand>),
    /// A proposal on its way to the leader of the control log.
    Forward(Box<Proposal>),
}

/// What happens to a node.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// A packet on the Raft lane.
    Packet { from: NodeId, packet: Packet },
    /// A message on the data lane.
    Data {
        from: NodeId,
        envelope: Box<Envelope>,
    },
    /// A link came up or broke; the other end and its process start.
    Link {
        other: NodeId,
        boot: Boot,
        news: LinkNews,
    },
    /// From a client, or about one.
    Client(Box<muster_router::Input>),
    /// An operator's command.
    Operator(Box<ControlCommand>),
    /// A critical service of the process stops working, or works again.
    Service { works: bool },
    /// The process is asked to end.
    Stop,
}

/// What a node wants of the world.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Send on the Raft lane.
    Packet { to: NodeId, packet: Packet },
    /// Send on the data lane.
    Data { to: NodeId, envelope: Box<Envelope> },
    /// Do something for a client.
    Client(Box<muster_router::Output>),
    /// A slot's state took an entry.
    Applied {
        slot: SlotId,
        index: LogIndex,
        command: Arc<SlotCommand>,
    },
    /// The cluster's state took an entry.
    Controlled {
        index: LogIndex,
        proposal: Arc<Proposal>,
    },
    /// The disk failed: the process ends.
    Died,
    /// The machines tell each other things without end.
    Restless,
    /// Something worth a line.
    Note(String),
}

/// Whether the process runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Condition {
    /// It runs.
    Running,
    /// It is stopped and will go on.
    Paused,
    /// It is dead.
    Down,
}

/// What a node is given once.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) id: NodeId,
    pub(crate) role: Role,
    pub(crate) limits: Limits,
    pub(crate) raft: RaftTiming,
    pub(crate) sabotage: Option<Sabotage>,
    /// That of the run.
    pub(crate) seed: u64,
    /// Whether somebody reads its notes.
    pub(crate) noisy: bool,
}

/// One node with its disk.
pub(crate) struct Node {
    pub(crate) setup: Setup,
    /// Its process start.
    pub(crate) boot: Boot,
    /// Which version of the software it runs.
    pub(crate) version: u32,
    /// Whether it runs.
    pub(crate) condition: Condition,
    /// When it died or was paused last.
    pub(crate) silent_at: Instant,
    /// When the world will wake it next.
    pub(crate) wakes_at: Instant,
    /// What arrived while it was paused.
    pub(crate) backlog: VecDeque<Arrival>,
    /// The clients' sessions.
    pub(crate) sessions: BTreeSet<SessionId>,
    pub(crate) clock: Clock,
    /// How it runs in comparison with the others'.
    clocks: Clocks,
    /// A critical service of its process does not work, since then.
    hangs_since: Option<Instant>,
    /// Its clock is found to be wrong, since then.
    wrong_since: Option<Instant>,
    pub(crate) device: Device,
    /// It was asked to end, and has handed everything over.
    pub(crate) stopped: bool,
    stopping: bool,
    cluster: ClusterState,
    /// Who should belong to which log, until the cluster changes.
    wanted: Option<upkeep::Wanted>,
    control: Raft<Proposal>,
    control_dirty: bool,
    /// A crash took entries back that were applied.
    lost_control: bool,
    control_leader: Option<NodeId>,
    leads_control: bool,
    parts: Parts,
    machine: NodeMachine,
    router: Shards,
    connected: BTreeMap<NodeId, Boot>,
    /// Since when it has neither lease nor quorum.
    cut_off_since: Option<Instant>,
    /// Its clients were sent away.
    away: bool,
    started: Instant,
    /// The machine has seen the cluster.
    fed: bool,
    upkeep_at: Instant,
    proposals: u64,
    next_session: u64,
    local: VecDeque<Envelope>,
    /// For other nodes, from a replica that was just added.
    outgoing: Vec<(NodeId, Envelope)>,
    /// An operator's commands on their way to the control log.
    wishes: VecDeque<ControlCommand>,
    owners: BTreeMap<SlotId, (NodeId, Epoch)>,
}

impl Node {
    /// Its id.
    pub(crate) const fn id(&self) -> NodeId {
        self.setup.id
    }

    /// Whether clients can log in.
    pub(crate) fn takes_clients(&self) -> bool {
        let runs = self.condition == Condition::Running && self.fed;
        self.setup.role == Role::Serving && runs && !self.away && !self.stopping
    }

    /// A number for a new session of a user.
    pub(crate) fn new_session(&mut self, user: &BareJid) -> SessionId {
        self.next_session += 1;
        let id = SessionId {
            node: self.setup.id,
            boot: self.boot,
            serial: self.next_session,
        };
        let id = self.router.session_of(id, user);
        self.sessions.insert(id);
        id
    }

    /// The epoch under which this node decides for a slot.
    pub(crate) fn decides(&self, world: Instant, slot: SlotId) -> Option<Epoch> {
        self.decides_by(world, self.parts.get(slot)?)
    }

    fn decides_by(&self, world: Instant, part: &Part) -> Option<Epoch> {
        let epoch = part.replica.serving()?;
        let leased = self.clock.local(world) < part.raft.lease()
            || self.setup.sabotage == Some(Sabotage::IgnoreLease);
        (leased && self.condition == Condition::Running).then_some(epoch)
    }

    /// The slots that this node serves, whether its lease holds or not.
    pub(crate) fn served(&self) -> impl Iterator<Item = SlotId> {
        let serves = |(_, part): &(SlotId, &Part)| part.replica.serving().is_some();
        self.parts.iter().filter(serves).map(|(slot, _)| slot)
    }

    /// The slots that this node decides for.
    pub(crate) fn decided(&self, world: Instant) -> impl Iterator<Item = (SlotId, Epoch)> + '_ {
        let parts = self.parts.iter();
        parts.filter_map(move |(slot, part)| Some((slot, self.decides_by(world, part)?)))
    }

    /// The state of the control log as this node has it.
    pub(crate) const fn cluster(&self) -> &ClusterState {
        &self.cluster
    }

    /// Whether this node leads a slot, and which voters have all of its log.
    pub(crate) fn caught_up(&self, slot: SlotId) -> Option<Vec<NodeId>> {
        let raft = &self.parts.get(slot)?.raft;
        raft.is_leading().then(|| raft.caught_up())
    }

    /// Whether it leads a slot's log.
    pub(crate) fn leads(&self, slot: SlotId) -> bool {
        let runs = self.condition == Condition::Running;
        runs && self
            .parts
            .get(slot)
            .is_some_and(|part| part.raft.is_leading())
    }

    /// Whether another has nearly all of a slot's log that this node leads.
    pub(crate) fn has_nearly_all(&self, slot: SlotId, other: NodeId) -> bool {
        let part = self.parts.get(slot);
        part.is_some_and(|part| part.raft.is_near(other))
    }

    /// The members of each log that it belongs to, as far as it knows.
    pub(crate) fn memberships(&self) -> impl Iterator<Item = &Members> {
        let slots = self.parts.iter().map(|(_, part)| part.raft.members());
        let all = slots.chain([self.control.members()]);
        all.filter(|members| members.has(self.setup.id))
    }

    /// Whether it serves clients in full view of the cluster.
    pub(crate) fn is_well(&self) -> bool {
        self.condition == Condition::Running && self.cut_off_since.is_none() && self.fed
    }

    /// When it has to be woken.
    pub(crate) fn next_wake(&mut self) -> Instant {
        let mut due = self.upkeep_at.min(self.control.deadline());
        let mut soonest = |at: Option<Instant>| due = due.min(at.unwrap_or(due));
        soonest(self.device.deadline());
        soonest(self.machine.deadline());
        soonest(self.router.deadline());
        for (_, part) in self.parts.iter_mut() {
            soonest(Some(part.raft.deadline()));
            if self.setup.sabotage != Some(Sabotage::LostTimer) {
                soonest(part.due());
            }
            if part.replica.serving().is_some() {
                soonest(Some(part.raft.lease()));
            }
        }
        self.clock.world(due)
    }
}
