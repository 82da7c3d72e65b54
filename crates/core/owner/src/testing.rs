//! A cluster in memory for the tests: replicas over an instant log, and nodes that do what a
//! router does as far as an owner can tell.

mod client;
mod router;

use crate::{Accounts, Body, Bounds, Config, Input, Output, OwnerEvent, Replica};
use muster_envelope::{
    Answer, BindOutcome, Composed, Envelope, Question, TemporaryOutcome, ToOwner,
};
use muster_presence::Version;
use muster_presence::rules::Rules;
use muster_presence::source::{Policies, Policy};
use muster_roster::AccessList;
use muster_slot::{SlotCommand, SlotState};
use muster_stanza::Stanza;
use muster_types::{
    BareJid, Boot, Epoch, Fork, FullJid, Instant, Limits, LogIndex, Machine, NodeId, ResourcePart,
    SessionId, SlotId, Timestamp,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

pub(crate) const A: NodeId = NodeId(1);
pub(crate) const B: NodeId = NodeId(2);
pub(crate) const ONE: SlotId = SlotId(1);
pub(crate) const TWO: SlotId = SlotId(2);

/// Users whose names begin with a to m live in slot one, the others in slot two; those on
/// `removed` nowhere.
#[derive(Default, Clone)]
struct Alphabet {
    fork: Fork,
    removed: BTreeSet<BareJid>,
    disabled: BTreeSet<BareJid>,
    /// Removed, and the data is to go.
    removals: BTreeMap<LogIndex, BareJid>,
    policies: BTreeMap<BareJid, Policies>,
    /// An operator's own.
    rules: Option<Arc<Rules>>,
    auto_authorise: bool,
    dnd_is_manual: bool,
    bounds: Option<Bounds>,
}

impl Accounts for Alphabet {
    fn slot_of(&self, user: &BareJid) -> Option<SlotId> {
        let first = user.node()?.as_str().bytes().next()?;
        (!self.removed.contains(user) && user.domain().as_str() == "example.com")
            .then_some(if first <= b'm' { ONE } else { TWO })
    }

    fn is_barred(&self, user: &BareJid) -> bool {
        self.disabled.contains(user) || self.removals.values().any(|removed| removed == user)
    }

    fn barred(&self, slot: SlotId) -> Vec<BareJid> {
        let all = Self::default();
        let users = self.disabled.iter().chain(self.removals.values());
        users
            .filter(|user| all.slot_of(user) == Some(slot))
            .cloned()
            .collect()
    }

    fn next_removal(&self, slot: SlotId) -> Option<(LogIndex, BareJid)> {
        let all = Self::default();
        let of_slot = |(_, user): &(&LogIndex, &BareJid)| all.slot_of(user) == Some(slot);
        let (at, user) = self.removals.iter().find(of_slot)?;
        Some((*at, user.clone()))
    }

    fn policies(&self, user: &BareJid) -> Policies {
        self.policies.get(user).copied().unwrap_or_default()
    }

    fn restricted(&self, slot: SlotId) -> BTreeMap<BareJid, Policies> {
        let all = self.policies.iter();
        let of_slot = all.filter(|(user, _)| self.slot_of(user) == Some(slot));
        of_slot
            .map(|(user, policies)| (user.clone(), *policies))
            .collect()
    }

    fn rules(&self) -> Arc<Rules> {
        let rules = self.rules.as_ref();
        rules.map_or_else(Rules::shipped, Arc::clone)
    }

    fn fork(&self) -> Fork {
        self.fork
    }

    fn auto_authorise(&self) -> bool {
        self.auto_authorise
    }

    fn dnd_is_manual(&self) -> bool {
        self.dnd_is_manual
    }

    fn bounds(&self) -> Bounds {
        self.bounds.unwrap_or(Bounds::NONE)
    }
}

struct Client {
    jid: FullJid,
    presence: Option<Stanza>,
    /// When it said so.
    said: Instant,
    interested: bool,
    serials: BTreeMap<SlotId, u64>,
}

/// The router's side of a node.
#[derive(Default)]
struct Node {
    clients: BTreeMap<SessionId, Client>,
    watches: BTreeMap<(BareJid, BareJid), Shown>,
    /// The last change of an item it was told of, of slot one.
    heard: BTreeMap<SlotId, LogIndex>,
}

/// What was shown to a watcher of a contact.
#[derive(Default)]
struct Shown {
    version: Option<Version>,
    temporary: bool,
    resources: BTreeSet<ResourcePart>,
}

pub(crate) struct Net {
    pub(crate) now: Instant,
    replicas: BTreeMap<(SlotId, NodeId), Replica>,
    logs: BTreeMap<SlotId, Vec<SlotCommand>>,
    /// Proposals are kept back while this is set.
    pub(crate) log_stands: bool,
    held: Vec<(SlotId, SlotCommand)>,
    boots: BTreeMap<NodeId, Boot>,
    down: BTreeSet<NodeId>,
    nodes: BTreeMap<NodeId, Node>,
    owners: BTreeMap<SlotId, (Epoch, NodeId)>,
    serial: u64,
    queue: VecDeque<(SlotId, NodeId, Output)>,
    /// What each client has received.
    got: BTreeMap<SessionId, Vec<String>>,
    pub(crate) confirmed: BTreeMap<SessionId, u64>,
    pub(crate) bound: BTreeMap<SessionId, BindOutcome>,
    answer: Option<Answer>,
    /// What became of temporary subscriptions.
    pub(crate) temporary: Vec<TemporaryOutcome>,
    /// What nodes were told of users they follow.
    pub(crate) followed: Vec<(NodeId, BareJid, Option<Composed>)>,
    /// What nodes were told of whom their users let in.
    pub(crate) access: BTreeMap<(NodeId, BareJid), AccessList>,
    pub(crate) events: Vec<OwnerEvent>,
    /// Users of whom nodes were told something new.
    pub(crate) news: BTreeSet<BareJid>,
    /// Users of whom nodes were told in answers.
    pub(crate) answered: BTreeSet<BareJid>,
    /// Envelopes for which this says true are lost.
    pub(crate) lose: fn(&Envelope) -> bool,
    /// Nodes that do not announce themselves to a new owner.
    pub(crate) silent: BTreeSet<NodeId>,
    accounts: Alphabet,
}

impl Net {
    /// Two nodes; slot one is served by A, slot two by B.
    pub(crate) fn pair() -> Self {
        Self::with_fork(Fork::UntilAnswered)
    }

    pub(crate) fn with_fork(fork: Fork) -> Self {
        let mut net = Self {
            now: Instant::from_nanos(1_000_000_000),
            replicas: BTreeMap::new(),
            logs: BTreeMap::from([(ONE, Vec::new()), (TWO, Vec::new())]),
            log_stands: false,
            held: Vec::new(),
            boots: BTreeMap::from([(A, Boot(1)), (B, Boot(1))]),
            down: BTreeSet::from([A, B]),
            nodes: BTreeMap::from([(A, Node::default()), (B, Node::default())]),
            owners: BTreeMap::new(),
            serial: 0,
            queue: VecDeque::new(),
            got: BTreeMap::new(),
            confirmed: BTreeMap::new(),
            bound: BTreeMap::new(),
            answer: None,
            temporary: Vec::new(),
            followed: Vec::new(),
            access: BTreeMap::new(),
            events: Vec::new(),
            news: BTreeSet::new(),
            answered: BTreeSet::new(),
            lose: |_| false,
            silent: BTreeSet::new(),
            accounts: Alphabet {
                fork,
                ..Alphabet::default()
            },
        };
        net.start(A);
        net.start(B);
        net.open(ONE, A);
        net.open(TWO, B);
        net
    }

    /// Starts a node with what the logs hold.
    pub(crate) fn start(&mut self, node: NodeId) {
        let boot = self.boots[&node];
        self.down.remove(&node);
        for slot in [ONE, TWO] {
            let config = Config {
                node,
                boot,
                slot,
                limits: Limits::default(),
            };
            let mut replica = Replica::new(config, SlotState::new(Limits::default()));
            for (index, command) in self.logs[&slot].iter().enumerate() {
                let index = LogIndex(index as u64 + 1);
                replica.handle(
                    self.now,
                    Input::Committed {
                        index,
                        command: command.clone(),
                    },
                );
            }
            while replica.poll().is_some() {}
            self.replicas.insert((slot, node), replica);
        }
        self.give_view();
        self.tell_nodes();
        for slot in [ONE, TWO] {
            for other in [A, B] {
                self.input(slot, other, Input::NodeUp { node, boot });
            }
        }
    }

    /// The administrator decides something about a user.
    pub(crate) fn decide(&mut self, user: &str, policy: Policy, on: bool) {
        let user = BareJid::new(user).unwrap();
        let policies = self.accounts.policies(&user).with(policy, on);
        self.accounts.policies.insert(user, policies);
        self.accounts
            .policies
            .retain(|_, policies| !policies.is_empty());
        self.give_view();
    }

    /// An operator lets requests be granted without asking.
    pub(crate) fn set_auto_authorise(&mut self, on: bool) {
        self.accounts.auto_authorise = on;
        self.give_view();
    }

    /// An operator lets a client's "do not disturb" count as its user's choice.
    pub(crate) fn set_dnd_is_manual(&mut self, on: bool) {
        self.accounts.dnd_is_manual = on;
        self.give_view();
    }

    /// An operator sets how many contacts and watchers a user may have.
    pub(crate) fn set_bounds(&mut self, contacts: usize, watchers: usize) {
        self.accounts.bounds = Some(Bounds { contacts, watchers });
        self.give_view();
    }

    /// The control log forgets what was decided, as it does in the entry that removes an account; no owner
    /// has seen that yet.
    pub(crate) fn forget_decisions(&mut self) {
        self.accounts.policies.clear();
    }

    /// Another rule table is put in force.
    pub(crate) fn set_rules(&mut self, rules: &str) {
        self.accounts.rules = Some(Arc::new(Rules::read(rules).unwrap()));
        self.give_view();
    }

    /// Node `at` asks the owner of slot one.
    pub(crate) fn ask(&mut self, at: NodeId, question: Question) -> Answer {
        self.raw(at, ToOwner::Ask { ask: 1, question });
        self.answer.take().expect("an answer")
    }

    fn give_view(&mut self) {
        let accounts = Arc::new(self.accounts.clone());
        for slot in [ONE, TWO] {
            for node in [A, B] {
                self.input(slot, node, Input::View(accounts.clone()));
            }
        }
    }

    /// The process dies: sockets, soft state and clients are gone, the log stays.
    pub(crate) fn kill(&mut self, node: NodeId) {
        self.down.insert(node);
        self.replicas.retain(|(_, at), _| *at != node);
        self.nodes.insert(node, Node::default());
        if let Some(boot) = self.boots.get_mut(&node) {
            boot.0 += 1;
        }
        self.tell_nodes();
    }

    fn tell_nodes(&mut self) {
        let alive: BTreeSet<NodeId> = [A, B]
            .into_iter()
            .filter(|node| !self.down.contains(node))
            .collect();
        for slot in [ONE, TWO] {
            for node in [A, B] {
                let replicas = vec![A, B];
                self.input(
                    slot,
                    node,
                    Input::Nodes {
                        alive: alive.clone(),
                        replicas,
                    },
                );
            }
        }
    }

    pub(crate) fn open(&mut self, slot: SlotId, node: NodeId) {
        self.input(slot, node, Input::Open);
    }

    pub(crate) fn replica(&self, slot: SlotId, node: NodeId) -> &Replica {
        &self.replicas[&(slot, node)]
    }

    /// Feeds one input and everything that follows from it.
    pub(crate) fn input(&mut self, slot: SlotId, node: NodeId, input: Input) {
        let Some(replica) = self.replicas.get_mut(&(slot, node)) else {
            return;
        };
        replica.handle(
            self.now,
            Input::Wall(Timestamp(self.now.as_nanos() / 1_000_000)),
        );
        replica.handle(self.now, input);
        self.drain(slot, node);
        self.settle();
    }

    fn drain(&mut self, slot: SlotId, node: NodeId) {
        let Some(replica) = self.replicas.get_mut(&(slot, node)) else {
            return;
        };
        while let Some(output) = replica.poll() {
            self.queue.push_back((slot, node, output));
        }
    }

    fn settle(&mut self) {
        while let Some((slot, node, output)) = self.queue.pop_front() {
            match output {
                Output::Propose(command) if self.log_stands => self.held.push((slot, command)),
                Output::Propose(command) => self.commit(slot, command),
                Output::Persist { .. } => (),
                Output::Send { to, envelope } => self.carry(node, to, envelope),
                Output::Broadcast(envelope) => {
                    for to in [A, B] {
                        self.carry(node, to, envelope.clone());
                    }
                }
                Output::Event(event) => self.events.push(event),
            }
        }
    }

    /// The log goes on with what was kept back.
    pub(crate) fn release_log(&mut self) {
        self.log_stands = false;
        for (slot, command) in std::mem::take(&mut self.held) {
            self.commit(slot, command);
        }
        self.settle();
    }

    /// What was proposed while the log stood still is lost.
    pub(crate) fn drop_held(&mut self) -> usize {
        std::mem::take(&mut self.held).len()
    }

    fn commit(&mut self, slot: SlotId, command: SlotCommand) {
        let log = self.logs.get_mut(&slot).unwrap();
        log.push(command.clone());
        let index = LogIndex(log.len() as u64);
        for node in [A, B] {
            if let Some(replica) = self.replicas.get_mut(&(slot, node)) {
                replica.handle(
                    self.now,
                    Input::Committed {
                        index,
                        command: command.clone(),
                    },
                );
                self.drain(slot, node);
            }
        }
    }

    pub(crate) fn log_len(&self, slot: SlotId) -> usize {
        self.logs[&slot].len()
    }

    fn carry(&mut self, from: NodeId, to: NodeId, envelope: Envelope) {
        if self.down.contains(&to) || self.down.contains(&from) || (self.lose)(&envelope) {
            return;
        }
        match envelope {
            Envelope::Opened {
                slot, epoch, node, ..
            } => self.opened(slot, epoch, node, to),
            Envelope::Closed { slot, epoch } => {
                if self.owners.get(&slot).is_some_and(|owner| owner.0 == epoch) {
                    self.owners.remove(&slot);
                }
            }
            Envelope::ToOwner { slot, epoch, body } => {
                self.hand(slot, to, from, epoch, Body::ToOwner(body));
            }
            Envelope::ToPeer { slot, epoch, body } => {
                self.hand(slot, to, from, epoch, Body::ToPeer(body))
            }
            Envelope::Answer {
                answer: Answer::Followed(users),
                ..
            } => {
                let users = users.into_iter().map(|(user, now)| (to, user, now));
                self.followed.extend(users);
            }
            Envelope::Answer { answer, .. } => self.answer = Some(answer),
            Envelope::ToNode { slot, epoch, body } => {
                // Several replies can be on their way while an owner is replaced.
                if self.owners.get(&slot).is_none_or(|owner| owner.0 <= epoch) {
                    self.node_gets(to, body);
                }
            }
        }
    }

    fn hand(&mut self, slot: SlotId, to: NodeId, from: NodeId, epoch: Epoch, body: Body) {
        if let Some(replica) = self.replicas.get_mut(&(slot, to)) {
            replica.handle(self.now, Input::Envelope { from, epoch, body });
            self.drain(slot, to);
        }
    }
}
