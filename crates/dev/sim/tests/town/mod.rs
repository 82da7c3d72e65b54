//! Three nodes that hold sessions, one slot with replicas on two of them, and 10,000 users of it.

mod people;

use muster_envelope::{Envelope, ToPeer};
use muster_owner::{Body, Config, Input, Output, Replica};
use muster_router::{Input as RouterInput, Output as RouterOutput, Router};
use muster_slot::{SlotCommand, SlotState};
use muster_types::{
    Boot, FullJid, Instant, Limits, LogIndex, Machine, NodeId, Replicated, SessionId, SlotId,
    encode_value,
};
use people::Everybody;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

pub(crate) const A: NodeId = NodeId(1);
pub(crate) const B: NodeId = NodeId(2);
pub(crate) const C: NodeId = NodeId(3);
const NODES: [NodeId; 3] = [A, B, C];
const SLOT: SlotId = SlotId(1);
const BOOT: Boot = Boot(1);

pub(crate) const USERS: usize = 10_000;
/// Contacts of each, half of them on either side.
pub(crate) const CONTACTS: usize = 20;

/// Which steps of the warm copy are lost.
pub(crate) enum Loss {
    Nothing,
    /// Those between, and the wish to begin again: the copy notices.
    Gap(std::ops::Range<usize>),
    /// All after so many: the copy cannot notice.
    Tail(usize),
}

/// What was said between (and within) nodes.
#[derive(Default, Debug)]
pub(crate) struct Said {
    pub(crate) probes: usize,
    pub(crate) envelopes: usize,
    pub(crate) bytes: usize,
    pub(crate) largest: usize,
    /// The most that one call of a machine wanted to be sent.
    pub(crate) of_one_call: usize,
}

pub(crate) struct Town {
    now: Instant,
    replicas: BTreeMap<NodeId, Replica>,
    routers: BTreeMap<NodeId, Router>,
    alive: BTreeSet<NodeId>,
    log: u64,
    queue: VecDeque<(NodeId, NodeId, Envelope)>,
    loss: Loss,
    steps: usize,
    said: Said,
    /// What each client sees of each address.
    views: HashMap<SessionId, HashMap<Arc<FullJid>, Vec<u8>>>,
    /// Users and nodes of the living sessions.
    sessions: BTreeMap<SessionId, usize>,
    returned: BTreeSet<SessionId>,
    serial: u64,
    shown: usize,
    shown_to_returned: usize,
    unavailable: usize,
    twice: usize,
}

impl Town {
    /// Everybody online, a third on each node, and A serving.
    pub(crate) fn online(loss: Loss) -> Self {
        let mut town = Self {
            now: Instant::from_nanos(1_000_000_000),
            replicas: BTreeMap::new(),
            routers: NODES.map(|node| (node, people::router())).into(),
            alive: NODES.into(),
            log: 0,
            queue: VecDeque::new(),
            loss,
            steps: 0,
            said: Said::default(),
            views: HashMap::new(),
            sessions: BTreeMap::new(),
            returned: BTreeSet::new(),
            serial: 0,
            shown: 0,
            shown_to_returned: 0,
            unavailable: 0,
            twice: 0,
        };
        for node in [A, B] {
            let state = SlotState::load(&mut people::rosters().into_iter()).expect("good records");
            let limits = Limits::default();
            let slot = SLOT;
            let boot = BOOT;
            let config = Config {
                node,
                boot,
                slot,
                limits,
            };
            town.replicas.insert(node, Replica::new(config, state));
            town.tell(node, Input::View(Arc::new(Everybody)));
        }
        town.tell_nodes();
        town.open(A);
        for user in 0..USERS {
            town.login(user, NODES[user % 3]);
        }
        town.settle();
        town.pass(Duration::from_secs(120));
        town.begin_count();
        town
    }

    pub(crate) fn begin_count(&mut self) {
        self.said = Said::default();
        (self.shown, self.unavailable, self.twice) = (0, 0, 0);
        self.shown_to_returned = 0;
    }

    pub(crate) fn kill(&mut self, node: NodeId) {
        self.alive.remove(&node);
        self.replicas.remove(&node);
        self.routers.remove(&node);
        self.views.retain(|session, _| session.node != node);
        for at in self.alive.clone() {
            self.tell_router(at, RouterInput::NodeLost(node));
            self.tell(at, Input::NodeLost(node));
        }
        self.tell_nodes();
        self.settle();
    }

    fn tell_nodes(&mut self) {
        for node in [A, B] {
            let (alive, replicas) = (self.alive.clone(), vec![A, B]);
            self.tell(node, Input::Nodes { alive, replicas });
        }
    }

    pub(crate) fn open(&mut self, node: NodeId) {
        self.tell(node, Input::Open);
        self.settle();
    }

    pub(crate) fn is_warm(&self, node: NodeId) -> bool {
        self.replicas[&node].is_warm()
    }

    fn tell(&mut self, node: NodeId, input: Input) {
        if let Some(replica) = self.replicas.get_mut(&node) {
            replica.handle(self.now, input);
            self.drain(node);
        }
    }

    fn tell_router(&mut self, node: NodeId, input: RouterInput) {
        if let Some(router) = self.routers.get_mut(&node) {
            router.handle(self.now, input);
            self.drain_router(node);
        }
    }

    fn drain(&mut self, node: NodeId) {
        let mut sent = 0;
        while let Some(output) = self.replicas.get_mut(&node).and_then(Machine::poll) {
            match output {
                Output::Propose(command) => self.commit(command),
                Output::Persist { .. } | Output::Event(_) => (),
                Output::Send { to, envelope } => {
                    sent += 1;
                    self.send(node, to, envelope);
                }
                Output::Broadcast(envelope) => {
                    for to in self.alive.clone() {
                        self.send(node, to, envelope.clone());
                    }
                }
            }
        }
        self.said.of_one_call = self.said.of_one_call.max(sent);
    }

    fn commit(&mut self, command: SlotCommand) {
        self.log += 1;
        let index = LogIndex(self.log);
        for node in [A, B] {
            let command = command.clone();
            self.tell(node, Input::Committed { index, command });
        }
    }

    fn drain_router(&mut self, node: NodeId) {
        while let Some(output) = self.routers.get_mut(&node).and_then(Machine::poll) {
            match output {
                RouterOutput::Send { to, envelope } => self.send(node, to, envelope),
                RouterOutput::Deliver {
                    session,
                    stanza,
                    key,
                    ..
                } => self.deliver(session, &stanza, key),
                RouterOutput::Bound { .. } => (),
                RouterOutput::End { .. }
                | RouterOutput::Pause { .. }
                | RouterOutput::Resume { .. } => panic!("{output:?}"),
            }
        }
    }

    fn send(&mut self, from: NodeId, to: NodeId, envelope: Envelope) {
        if let Envelope::ToPeer { body, .. } = &envelope
            && self.is_lost(body)
        {
            return;
        }
        let bytes = encode_value(1, &envelope).len();
        self.said.envelopes += 1;
        self.said.bytes += bytes;
        self.said.largest = self.said.largest.max(bytes);
        self.queue.push_back((from, to, envelope));
    }

    fn is_lost(&mut self, step: &ToPeer) -> bool {
        self.steps += 1;
        match &self.loss {
            Loss::Nothing => false,
            Loss::Gap(lost) => lost.contains(&self.steps) || *step == ToPeer::Resync,
            Loss::Tail(kept) => self.steps > *kept,
        }
    }

    fn settle(&mut self) {
        while let Some((from, to, envelope)) = self.queue.pop_front() {
            if !self.alive.contains(&from) || !self.alive.contains(&to) {
                continue;
            }
            match envelope {
                Envelope::Opened {
                    slot, epoch, node, ..
                } => {
                    self.tell(to, Input::OwnerKnown { slot, node, epoch });
                    self.tell_router(to, RouterInput::Envelope(envelope));
                }
                Envelope::Closed { .. } | Envelope::ToNode { .. } | Envelope::Answer { .. } => {
                    self.tell_router(to, RouterInput::Envelope(envelope));
                }
                Envelope::ToOwner { epoch, body, .. } => {
                    let body = Body::ToOwner(body);
                    self.tell(to, Input::Envelope { from, epoch, body });
                }
                Envelope::ToPeer { epoch, body, .. } => {
                    let body = Body::ToPeer(body);
                    self.tell(to, Input::Envelope { from, epoch, body });
                }
            }
        }
    }

    /// Lets time pass, timer by timer.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let replicas = self.replicas.values().filter_map(Machine::deadline);
            let routers = self.routers.values().filter_map(Machine::deadline);
            match replicas.chain(routers).min().filter(|due| *due <= end) {
                Some(due) => self.now = due.max(self.now),
                None => break,
            }
            for node in NODES {
                if let Some(replica) = self.replicas.get_mut(&node) {
                    replica.wake(self.now);
                    self.drain(node);
                }
                if let Some(router) = self.routers.get_mut(&node) {
                    router.wake(self.now);
                    self.drain_router(node);
                }
            }
            self.settle();
        }
        self.now = end;
    }

    pub(crate) fn said(&self) -> &Said {
        &self.said
    }
}
