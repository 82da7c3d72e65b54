//! The session side of a node: users who all see each other and one contact whose owner is elsewhere.

use crate::accounts::Homes;
use crate::{Workload, address, encode, repeat};
use muster_envelope::{BindOutcome, Envelope, PresenceBatch, ResourcePresence, ToNode, ToOwner};
use muster_presence::Version;
use muster_router::{Config, Input, Output, Router};
use muster_stanza::Stanza;
use muster_types::{
    BareJid, Boot, Epoch, Instant, Limits, LogIndex, Machine, NodeId, SessionId, SlotId, Timestamp,
};
use std::hint::black_box;
use std::sync::Arc;

const HERE: NodeId = NodeId(1);
const MINE: SlotId = SlotId(1);
const HERS: SlotId = SlotId(2);
const USERS: u64 = 50;
/// Presences that a client says in one run.
const SAID: u64 = 10;
const NOW: Instant = Instant::from_nanos(1_000_000_000);

pub(crate) const IN: Workload = Workload {
    name: "route-in",
    does: "takes a client's presence and hands it to the owner of its user",
    unit: "presence",
    units: SAID,
    prepare: || {
        let mut node = Node::prepare();
        Box::new(move || repeat(SAID, || node.publish()))
    },
};

pub(crate) const OUT: Workload = Workload {
    name: "route-out",
    does: "takes a contact's presence and hands it to the clients of all its watchers",
    unit: "delivery",
    units: USERS,
    prepare: || {
        let mut node = Node::prepare();
        Box::new(move || node.deliver())
    },
};

const fn epoch() -> Epoch {
    Epoch::opened_at(LogIndex(5))
}

/// A node with clients.
struct Node {
    router: Router,
    /// Two that differ, said in turn.
    presences: [Stanza; 2],
    watchers: Vec<BareJid>,
    runs: usize,
}

impl Node {
    fn prepare() -> Self {
        let users: Vec<BareJid> = (0..USERS).map(address::user).collect();
        let homes = users.iter().map(|user| (user.clone(), MINE));
        let host = muster_xep::HostInfo {
            name: "Muster".to_owned(),
            version: "0".to_owned(),
            os: None,
            domain: address::DOMAIN.to_owned(),
            features: Vec::new(),
        };
        let limits = Limits::default();
        let homes = Homes::new(homes.chain([(address::alice(), HERS)]));
        let mut node = Self {
            router: Router::new(Config { limits, host }, homes),
            presences: ["<show>away</show>", "<show>xa</show>"]
                .map(|show| encode::presence().with_content(show)),
            watchers: users,
            runs: 0,
        };
        for (slot, owner) in [(MINE, HERE), (HERS, NodeId(2))] {
            node.feed(Input::Envelope(Envelope::Opened {
                slot,
                epoch: epoch(),
                node: owner,
                boot: Boot(1),
            }));
        }
        for (serial, user) in (0..).zip(node.watchers.clone()) {
            node.log_in(serial, user);
        }
        node
    }

    fn log_in(&mut self, serial: u64, user: BareJid) {
        let session = address::session(HERE, serial);
        let jid = address::client(&user);
        let mut contacts = self.watchers.clone();
        contacts.retain(|other| *other != user);
        contacts.push(address::alice());
        self.feed(Input::Bind {
            session,
            user,
            wanted: None,
            generated: address::resource(),
        });
        let outcome = BindOutcome::Bound(jid.clone());
        self.tell(MINE, ToNode::Bound { session, outcome });
        self.said(session, encode::presence().with_from(jid));
        self.tell(MINE, ToNode::Contacts { session, contacts });
    }

    fn feed(&mut self, input: Input) {
        self.router.handle(NOW, input);
        while self.router.poll().is_some() {}
    }

    fn tell(&mut self, slot: SlotId, body: ToNode) {
        self.feed(told(slot, body));
    }

    fn said(&mut self, session: SessionId, stanza: Stanza) {
        self.feed(said(session, stanza));
        self.tell(MINE, ToNode::Published { session });
    }

    fn next(&mut self) -> Stanza {
        self.runs += 1;
        self.presences[self.runs % self.presences.len()].clone()
    }

    /// A client says something else of itself, and its owner has dealt with it.
    fn publish(&mut self) -> u64 {
        let session = address::session(HERE, 7);
        let stanza = self.next();
        self.router.handle(NOW, said(session, stanza));
        let mut published = 0;
        while let Some(output) = self.router.poll() {
            let to_owner = matches!(
                black_box(&output),
                Output::Send {
                    envelope: Envelope::ToOwner {
                        body: ToOwner::Publish { .. },
                        ..
                    },
                    ..
                }
            );
            published += u64::from(to_owner);
        }
        self.tell(MINE, ToNode::Published { session });
        published
    }

    /// The owner of the contact says something new. That the message is made here counts too.
    fn deliver(&mut self) -> u64 {
        let stanza = self.next();
        let batch = PresenceBatch {
            presentity: address::alice(),
            version: Version {
                epoch: epoch(),
                seq: self.runs as u64,
            },
            resources: vec![ResourcePresence {
                resource: address::resource(),
                stanza,
            }],
            full: false,
            watchers: self.watchers.iter().cloned().map(Arc::new).collect(),
        };
        self.router.handle(NOW, told(HERS, ToNode::Presence(batch)));
        let outputs = std::iter::from_fn(|| self.router.poll());
        let delivered = |output: Output| matches!(black_box(output), Output::Deliver { .. });
        outputs.map(|output| u64::from(delivered(output))).sum()
    }
}

fn told(slot: SlotId, body: ToNode) -> Input {
    let epoch = epoch();
    Input::Envelope(Envelope::ToNode { slot, epoch, body })
}

fn said(session: SessionId, stanza: Stanza) -> Input {
    let at = Timestamp(0);
    Input::Stanza {
        session,
        stanza,
        at,
    }
}
