//! The shard: the owner of a slot whose user is watched by many, half of them on each of two nodes. The other node keeps a
//! warm copy.

use crate::accounts::Homes;
use crate::{Workload, address, encode};
use muster_envelope::{Announcement, Envelope, ToNode, ToOwner, WatchRequest};
use muster_owner::{Body, Config, Input, Output, Replica};
use muster_roster::SubscriptionStanza;
use muster_slot::{OutboxItem, SlotCommand, SlotState, UserChange};
use muster_stanza::Stanza;
use muster_types::{
    BareJid, Boot, Epoch, Instant, Limits, LogIndex, Machine, NodeId, Origin, Replicated,
    SessionId, SlotId, Timestamp,
};
use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::Duration;

const HERE: NodeId = NodeId(1);
const NODES: [NodeId; 2] = [HERE, NodeId(2)];
const SLOT: SlotId = SlotId(1);
const WATCHERS: u64 = 50;
/// Until an owner is certain of everything.
const SETTLED: Duration = Duration::from_secs(600);

pub(crate) const PUBLISH: Workload = Workload {
    name: "publish",
    does: "takes a presence of a watched user and tells the nodes of its watchers, and the warm copy",
    unit: "watcher",
    units: WATCHERS,
    prepare: || {
        let mut owner = Owner::prepare();
        Box::new(move || owner.publish())
    },
};

struct Owner {
    replica: Replica,
    now: Instant,
    /// Two that differ, said in turn.
    presences: [Stanza; 2],
    runs: usize,
}

impl Owner {
    fn prepare() -> Self {
        let (state, index) = beginning();
        let config = Config {
            node: HERE,
            boot: Boot(1),
            slot: SLOT,
            limits: Limits::default(),
        };
        let mut owner = Self {
            replica: Replica::new(config, state),
            now: Instant::from_nanos(1_000_000_000),
            presences: ["<show>away</show>", "<show>xa</show>"]
                .map(|show| encode::presence().with_content(show)),
            runs: 0,
        };
        owner.open(index);
        for (serial, user) in (1..).zip(everybody()) {
            owner.log_in(address::session(node_of(serial), serial), &user);
        }
        owner.now = owner.now + SETTLED;
        owner.replica.wake(owner.now);
        while owner.replica.poll().is_some() {}
        owner
    }

    /// Begins to serve with an entry of the log, and hears from both nodes that they have nothing.
    fn open(&mut self, index: LogIndex) {
        let homes = Homes::new(everybody().map(|user| (user, SLOT)));
        self.feed(Input::View(homes));
        self.feed(Input::Nodes {
            alive: BTreeSet::from(NODES),
            replicas: NODES.to_vec(),
        });
        self.feed(Input::Open);
        self.feed(Input::Committed {
            index,
            command: open(),
        });
        for node in NODES {
            let nothing = Announcement {
                heard: None,
                sessions: Vec::new(),
                watches: Vec::new(),
                first: true,
                last: true,
            };
            self.say(node, ToOwner::Announce(nothing));
        }
    }

    /// A client comes; the first user sees everybody, and everybody sees it.
    fn log_in(&mut self, session: SessionId, user: &BareJid) {
        let jid = address::client(user);
        self.say(
            session.node,
            ToOwner::Bind {
                session,
                user: user.clone(),
                wanted: None,
                generated: address::resource(),
            },
        );
        let presence = encode::presence().with_from(jid);
        self.say(session.node, ToOwner::Publish { session, presence });
        if *user != address::alice() {
            let request = |contact: &BareJid, watcher: &BareJid| WatchRequest {
                contact: contact.clone(),
                watcher: watcher.clone(),
                temporary: false,
                known: None,
            };
            let alice = address::alice();
            self.say(session.node, ToOwner::Watch(vec![request(&alice, user)]));
            self.say(HERE, ToOwner::Watch(vec![request(user, &alice)]));
        }
    }

    fn feed(&mut self, input: Input) {
        self.replica.handle(self.now, input);
        while self.replica.poll().is_some() {}
    }

    fn say(&mut self, from: NodeId, body: ToOwner) {
        let input = said(self.replica.state().epoch(), from, body);
        self.feed(input);
    }

    /// The watched user says something else; how many watchers are to be told.
    fn publish(&mut self) -> u64 {
        self.runs += 1;
        let session = address::session(node_of(1), 1);
        let presence = self.presences[self.runs % self.presences.len()].clone();
        let body = ToOwner::Publish { session, presence };
        let input = said(self.replica.state().epoch(), session.node, body);
        self.replica.handle(self.now, input);
        let outputs = std::iter::from_fn(|| self.replica.poll());
        outputs.map(|output| watchers(black_box(&output))).sum()
    }
}

/// The watched user, then its watchers.
fn everybody() -> impl Iterator<Item = BareJid> {
    std::iter::once(address::alice()).chain((0..WATCHERS).map(address::user))
}

/// The clients are spread over the nodes; the watched user's is the first.
fn node_of(serial: u64) -> NodeId {
    NODES[usize::from(serial.is_multiple_of(2))]
}

fn said(epoch: Epoch, from: NodeId, body: ToOwner) -> Input {
    let body = Body::ToOwner(body);
    Input::Envelope { from, epoch, body }
}

/// How many watchers a node is told to show a presence to.
fn watchers(output: &Output) -> u64 {
    match output {
        Output::Send {
            envelope:
                Envelope::ToNode {
                    body: ToNode::Presence(batch),
                    ..
                },
            ..
        } => batch.watchers.len() as u64,
        _ => 0,
    }
}

const fn open() -> SlotCommand {
    let (node, boot) = (HERE, Boot(1));
    SlotCommand::Open { node, boot }
}

/// A log in which every watcher has asked the first user and was allowed; and the index of its next entry.
fn beginning() -> (SlotState, LogIndex) {
    let mut state = SlotState::new(Limits::default());
    let mut index = LogIndex(1);
    let mut apply = |command: SlotCommand| {
        state.apply(index, command, &mut Vec::new());
        index = LogIndex(index.0 + 1);
    };
    apply(open());
    let epoch = Epoch::opened_at(LogIndex(1));
    for number in 1..=WATCHERS {
        let watcher = address::user(number - 1);
        apply(asked(epoch, number, &watcher));
        apply(allowed(epoch, number, watcher));
    }
    (state, index)
}

fn asked(epoch: Epoch, number: u64, watcher: &BareJid) -> SlotCommand {
    let kind = SubscriptionStanza::Subscribe;
    let stanza = Stanza::presence(kind.presence_type())
        .with_from(watcher.clone())
        .with_to(address::alice());
    SlotCommand::Inbound {
        epoch,
        from: SLOT,
        number,
        at: Timestamp(0),
        item: Some(OutboxItem::Subscription { kind, stanza }),
    }
}

fn allowed(epoch: Epoch, serial: u64, contact: BareJid) -> SlotCommand {
    let kind = SubscriptionStanza::Subscribed;
    let stanza = Stanza::presence(kind.presence_type())
        .with_from(address::alice())
        .with_to(contact.clone());
    SlotCommand::Change {
        epoch,
        origin: Origin {
            node: HERE,
            boot: Boot(1),
            serial,
        },
        user: address::alice(),
        at: Timestamp(0),
        change: UserChange::Subscription {
            kind,
            contact,
            contact_slot: None,
            stanza,
        },
    }
}
