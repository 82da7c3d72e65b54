//! One node: the machines of the core, and the driver that joins them as `musterd` does.

mod drive;
mod sabotage;

use crate::raft::{Message, Raft};
use crate::{LinkNews, Plan, Rng, Sabotage};
use muster_cluster::{Addresses, ClusterState, ControlCommand, Proposal, Role, SoftwareVersion};
use muster_envelope::Envelope;
use muster_ha::{Identity, NodeMachine, SlotRole, Timing};
use muster_owner::{Accounts, Body, Replica};
use muster_router::{Directory, Router};
use muster_slot::{SlotCommand, SlotState};
use muster_types::{
    BareJid, Boot, Epoch, Fork, Instant, Limits, LogIndex, Machine, NodeId, Replicated, SessionId,
    SlotId, Timestamp,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// How long a node waits at its start for news of the control log.
const CONTROL_WAIT: Duration = Duration::from_secs(1);
/// After so long without contact to any other node the clients are sent away.
const ALONE: Duration = Duration::from_secs(5);

/// What one node sends another.
#[derive(Clone, Debug)]
pub(crate) enum Packet {
    /// Of the control log.
    Control(Message<Proposal>),
    /// Of a slot's log.
    Slot(SlotId, Message<SlotCommand>),
    /// A proposal on its way to the leader of the control log.
    Forward(Proposal),
}

/// What happens to a node.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// A packet on the Raft lane.
    Packet { from: NodeId, packet: Packet },
    /// A message on the data lane.
    Data { from: NodeId, envelope: Envelope },
    /// A link came up or broke; the other end and its process start.
    Link {
        other: NodeId,
        boot: Boot,
        news: LinkNews,
    },
    /// From a client, or about one.
    Client(muster_router::Input),
    /// An operator's command.
    Operator(ControlCommand),
}

/// What a node wants of the world.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Send on the Raft lane.
    Packet { to: NodeId, packet: Packet },
    /// Send on the data lane.
    Data { to: NodeId, envelope: Envelope },
    /// Do something for a client.
    Client(muster_router::Output),
    /// A slot's state took an entry.
    Applied {
        slot: SlotId,
        index: LogIndex,
        command: Arc<SlotCommand>,
    },
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

struct View(Arc<ClusterState>);

impl Accounts for View {
    fn slot_of(&self, user: &BareJid) -> Option<SlotId> {
        self.0.account_slot(user)
    }

    fn is_barred(&self, user: &BareJid) -> bool {
        self.0.is_barred(user)
    }

    fn barred(&self, slot: SlotId) -> Vec<BareJid> {
        self.0.barred(slot).cloned().collect()
    }

    fn next_removal(&self, slot: SlotId) -> Option<(LogIndex, BareJid)> {
        let (at, user) = self.0.next_removal(slot)?;
        Some((at, user.clone()))
    }

    fn fork(&self) -> Fork {
        self.0.settings().fork
    }
}

struct Part {
    raft: Raft<SlotCommand>,
    replica: Replica,
    role: Option<SlotRole>,
}

/// One node with its disk.
pub(crate) struct Node {
    /// Its id.
    pub(crate) id: NodeId,
    /// Its process start.
    pub(crate) boot: Boot,
    /// Whether it runs.
    pub(crate) condition: Condition,
    /// What arrived while it was paused.
    pub(crate) backlog: VecDeque<Arrival>,
    /// The clients' sessions.
    pub(crate) sessions: BTreeSet<SessionId>,
    role: Role,
    limits: Limits,
    sabotage: Option<Sabotage>,
    cluster: ClusterState,
    control: Raft<Proposal>,
    control_leader: Option<NodeId>,
    leads_control: bool,
    parts: BTreeMap<SlotId, Part>,
    machine: NodeMachine,
    router: Router,
    connected: BTreeMap<NodeId, Boot>,
    alone_since: Option<Instant>,
    started: Instant,
    fed: bool,
    proposals: u64,
    next_session: u64,
    local: VecDeque<Envelope>,
    /// An operator's commands on their way to the control log.
    wishes: VecDeque<ControlCommand>,
}

fn identity(node: NodeId, boot: Boot) -> Identity {
    let version = SoftwareVersion { wire: 1, data: 1 };
    Identity {
        node,
        boot,
        version,
        addresses: Addresses::default(),
    }
}

fn new_router(limits: &Limits, cluster: &ClusterState) -> Router {
    let host = muster_xep::HostInfo {
        name: "Muster".to_owned(),
        version: "0".to_owned(),
        os: None,
        domain: String::new(),
        features: Vec::new(),
    };
    let directory: Arc<dyn Directory> = Arc::new(cluster.clone());
    Router::new(
        muster_router::Config {
            limits: limits.clone(),
            host,
        },
        directory,
    )
}

impl Node {
    /// A node that has never run, with the control log's beginning.
    pub(crate) fn new(id: NodeId, role: Role, plan: &Plan, beginning: &[Proposal]) -> Self {
        let limits = &plan.limits;
        let mut cluster = ClusterState::default();
        for (at, proposal) in (1..).zip(beginning) {
            cluster.apply(LogIndex(at), proposal.clone(), &mut Vec::new());
        }
        let members: Vec<_> = cluster.members().map(|node| node.id).collect();
        let new_part = |slot| {
            let voters = muster_ha::desired_voters(&cluster, slot);
            let config = owner_config(id, Boot(0), slot, limits);
            let replica = Replica::new(config, SlotState::new(limits.clone()));
            Part {
                raft: Raft::new(id, voters, Vec::new()),
                replica,
                role: None,
            }
        };
        let parts = cluster
            .slots()
            .map(|slot| (slot.id, new_part(slot.id)))
            .collect();
        Self {
            id,
            boot: Boot(0),
            condition: Condition::Down,
            backlog: VecDeque::new(),
            sessions: BTreeSet::new(),
            role,
            limits: limits.clone(),
            sabotage: plan.sabotage,
            control: Raft::new(id, members, beginning.to_vec()),
            control_leader: None,
            leads_control: false,
            parts,
            machine: NodeMachine::new(identity(id, Boot(0)), Timing::default(), Instant::ZERO),
            router: new_router(limits, &cluster),
            cluster,
            connected: BTreeMap::new(),
            alone_since: None,
            started: Instant::ZERO,
            fed: false,
            proposals: 0,
            next_session: 0,
            local: VecDeque::new(),
            wishes: VecDeque::new(),
        }
    }

    /// The process starts: only the disk is left of the one before.
    pub(crate) fn start(&mut self, now: Instant, rng: &mut Rng, beginning: usize) {
        self.boot = Boot(self.boot.0 + 1);
        self.condition = Condition::Running;
        self.started = now;
        (self.fed, self.leads_control, self.control_leader) = (false, false, None);
        let applied = self.control.applied().max(beginning);
        self.control.start(now, rng, applied);
        for (slot, part) in &mut self.parts {
            let applied = part.raft.applied();
            part.raft.start(now, rng, applied);
            let limits = sabotage::owner_limits(self.sabotage, &self.limits);
            let config = owner_config(self.id, self.boot, *slot, &limits);
            part.replica = Replica::new(config, part.replica.state().clone());
            part.role = None;
        }
        self.machine = NodeMachine::new(identity(self.id, self.boot), Timing::default(), now);
        self.router = new_router(&self.limits, &self.cluster);
        self.alone_since = Some(now);
        self.tell_nodes(now);
        let view: muster_owner::AccountsView = Arc::new(View(Arc::new(self.cluster.clone())));
        for part in self.parts.values_mut() {
            part.replica
                .handle(now, muster_owner::Input::View(Arc::clone(&view)));
        }
    }

    /// The process dies.
    pub(crate) fn die(&mut self) {
        self.condition = Condition::Down;
        self.backlog.clear();
        self.sessions.clear();
        self.connected.clear();
        self.local.clear();
        self.wishes.clear();
    }

    /// Whether clients can log in.
    pub(crate) fn takes_clients(&self) -> bool {
        self.role == Role::Serving && self.condition == Condition::Running && !self.is_sent_away()
    }

    fn is_sent_away(&self) -> bool {
        self.connected.is_empty() && self.alone_since.is_none()
    }

    /// A number for a new session.
    pub(crate) fn new_session(&mut self) -> SessionId {
        self.next_session += 1;
        let id = SessionId {
            node: self.id,
            boot: self.boot,
            serial: self.next_session,
        };
        self.sessions.insert(id);
        id
    }

    /// The epoch under which this node decides for a slot at `now`.
    pub(crate) fn decides(&self, now: Instant, slot: SlotId) -> Option<Epoch> {
        let part = self
            .parts
            .get(&slot)
            .filter(|_| self.condition == Condition::Running)?;
        part.replica
            .serving()
            .filter(|_| now < part.raft.lease() || self.sabotage == Some(Sabotage::IgnoreLease))
    }

    /// The state of the control log as this node has it.
    pub(crate) const fn cluster(&self) -> &ClusterState {
        &self.cluster
    }

    /// Whether this node leads a slot, and which voters have all of its log.
    pub(crate) fn caught_up(&self, slot: SlotId) -> Option<Vec<NodeId>> {
        let raft = &self.parts.get(&slot)?.raft;
        raft.is_leading().then(|| raft.caught_up())
    }

    /// Takes one arrival.
    pub(crate) fn arrive(&mut self, now: Instant, rng: &mut Rng, arrival: Arrival) {
        self.check_leases(now);
        match arrival {
            Arrival::Packet { from, packet } => {
                self.machine.handle(now, muster_ha::Input::Heard(from));
                self.packet(now, rng, from, packet);
            }
            Arrival::Data { from, envelope } => {
                self.machine.handle(now, muster_ha::Input::Heard(from));
                self.envelope(now, from, envelope);
            }
            Arrival::Link { other, boot, news } => self.link(now, other, boot, news),
            Arrival::Client(input) => self.router.handle(now, input),
            Arrival::Operator(command) => self.wishes.push_back(command),
        }
    }

    fn packet(&mut self, now: Instant, rng: &mut Rng, from: NodeId, packet: Packet) {
        match packet {
            Packet::Control(message) => {
                if matches!(message, Message::Append { .. }) {
                    self.control_leader = Some(from);
                }
                self.control.receive(now, rng, from, message);
            }
            Packet::Slot(slot, message) => {
                if let Some(part) = self.parts.get_mut(&slot) {
                    part.raft.receive(now, rng, from, message);
                }
            }
            Packet::Forward(proposal) => drop(self.control.propose(proposal)),
        }
    }

    fn envelope(&mut self, now: Instant, from: NodeId, mut envelope: Envelope) {
        if self.sabotage == Some(Sabotage::ShowEverybody) {
            sabotage::show_everybody(&self.cluster, &mut envelope);
        }
        match envelope {
            Envelope::Opened {
                slot, epoch, node, ..
            } => {
                for part in self.parts.values_mut() {
                    let known = muster_owner::Input::OwnerKnown { slot, node, epoch };
                    part.replica.handle(now, known);
                }
                self.router
                    .handle(now, muster_router::Input::Envelope(envelope));
            }
            Envelope::ToOwner { slot, epoch, body } => {
                self.tell_replica(now, slot, (from, epoch, Body::ToOwner(body)));
            }
            Envelope::ToPeer { slot, epoch, body } => {
                self.tell_replica(now, slot, (from, epoch, Body::ToPeer(body)));
            }
            Envelope::Closed { .. } | Envelope::ToNode { .. } => {
                self.router
                    .handle(now, muster_router::Input::Envelope(envelope));
            }
        }
    }

    fn tell_replica(&mut self, now: Instant, slot: SlotId, said: (NodeId, Epoch, Body)) {
        let (from, epoch, body) = said;
        if let Some(part) = self.parts.get_mut(&slot) {
            part.replica
                .handle(now, muster_owner::Input::Envelope { from, epoch, body });
        }
    }

    fn link(&mut self, now: Instant, other: NodeId, boot: Boot, news: LinkNews) {
        match news {
            LinkNews::Up => {
                self.connected.insert(other, boot);
                self.alone_since = None;
                self.tell_nodes(now);
                for part in self.parts.values_mut() {
                    part.replica
                        .handle(now, muster_owner::Input::NodeUp { node: other, boot });
                }
                self.router
                    .handle(now, muster_router::Input::NodeUp { node: other, boot });
            }
            LinkNews::Lost => {
                self.connected.remove(&other);
                if self.connected.is_empty() {
                    self.alone_since = Some(now);
                }
                for part in self.parts.values_mut() {
                    part.replica
                        .handle(now, muster_owner::Input::NodeLost(other));
                }
                self.tell_nodes(now);
                self.router
                    .handle(now, muster_router::Input::NodeLost(other));
            }
        }
    }

    /// Tells the replicas who is there.
    fn tell_nodes(&mut self, now: Instant) {
        let cluster = &self.cluster;
        let holds = |node: &NodeId| cluster.node(*node).is_some_and(|node| node.serves());
        let all = self.connected.keys().copied().chain([self.id]);
        let alive: BTreeSet<_> = all.filter(holds).collect();
        for (slot, part) in &mut self.parts {
            let group = cluster
                .slot(*slot)
                .and_then(|slot| cluster.group(slot.group));
            let replicas = group.map(|group| group.nodes.clone()).unwrap_or_default();
            let nodes = muster_owner::Input::Nodes {
                alive: alive.clone(),
                replicas,
            };
            part.replica.handle(now, nodes);
        }
    }

    /// Stops deciding for slots whose lease is over.
    fn check_leases(&mut self, now: Instant) {
        if self.sabotage == Some(Sabotage::IgnoreLease) {
            return;
        }
        for part in self.parts.values_mut() {
            if part.replica.serving().is_some() && now >= part.raft.lease() {
                part.replica.handle(now, muster_owner::Input::Close);
            }
        }
    }

    /// Time passes.
    pub(crate) fn tick(&mut self, now: Instant, rng: &mut Rng) {
        self.check_leases(now);
        self.control.tick(now, rng);
        let wall = Timestamp(1_700_000_000_000 + now.as_nanos() / 1_000_000);
        for part in self.parts.values_mut() {
            part.raft.tick(now, rng);
            part.replica.handle(now, muster_owner::Input::Wall(wall));
            if part.replica.deadline().is_some_and(|due| due <= now) {
                part.replica.wake(now);
            }
        }
        self.machine.wake(now);
        if self.router.deadline().is_some_and(|due| due <= now) {
            self.router.wake(now);
        }
    }

    /// Ends the clients' streams when the node has been alone for too long; answers whose.
    pub(crate) fn send_away(&mut self, now: Instant) -> Vec<SessionId> {
        if self
            .alone_since
            .is_none_or(|since| now.since(since) < ALONE)
        {
            return Vec::new();
        }
        self.alone_since = None;
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
}

fn owner_config(node: NodeId, boot: Boot, slot: SlotId, limits: &Limits) -> muster_owner::Config {
    muster_owner::Config {
        node,
        boot,
        slot,
        limits: limits.clone(),
    }
}
