//! A node of three shards beside one of one.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test fails on everything that it does not expect"
)]

use crate::testing::*;
use crate::{Announcing, Split, split};
use muster_envelope::ItemNews;
use muster_types::{ShardId, Shards};
use muster_xep::HostInfo;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub(crate) const USERS: u64 = 12;

pub(crate) fn three() -> Shards {
    Shards::new(3).unwrap()
}

pub(crate) fn user(number: u64) -> BareJid {
    BareJid::new(&format!("u{number}@x")).unwrap()
}

pub(crate) fn users(numbers: impl IntoIterator<Item = u64>) -> Vec<Arc<BareJid>> {
    numbers.into_iter().map(|one| Arc::new(user(one))).collect()
}

/// The session of a user, in the user's shard.
pub(crate) fn id(number: u64) -> SessionId {
    three().session_of(session(number + 1), &user(number))
}

fn jid(number: u64) -> FullJid {
    user(number).with_resource(&resource("desk"))
}

/// Where the users of even numbers live, and the others.
pub(crate) fn home(number: u64) -> SlotId {
    if number.is_multiple_of(2) { MINE } else { HIS }
}

fn owner(slot: SlotId) -> NodeId {
    NodeId(slot.0 + 1)
}

#[derive(Debug)]
struct Everybody;

impl Directory for Everybody {
    fn account_slot(&self, user: &BareJid) -> Option<SlotId> {
        let number: u64 = user.node()?.as_str().strip_prefix('u')?.parse().ok()?;
        (number < USERS).then(|| home(number))
    }

    fn hosts(&self, domain: &str) -> bool {
        domain == "x"
    }
}

fn router() -> Router {
    let host = HostInfo {
        name: "Muster".into(),
        version: "0".into(),
        os: None,
        domain: "x".into(),
        features: Vec::new(),
    };
    let limits = Limits::default();
    Router::new(Config { limits, host }, Arc::new(Everybody))
}

pub(crate) fn told(slot: SlotId, body: ToNode) -> Input {
    let epoch = epoch(5);
    Input::Envelope(Envelope::ToNode { slot, epoch, body })
}

pub(crate) fn opened(slot: SlotId, index: u64) -> Input {
    Input::Envelope(Envelope::Opened {
        slot,
        epoch: epoch(index),
        node: owner(slot),
        boot: Boot(1),
    })
}

pub(crate) fn says(number: u64, stanza: Stanza) -> Input {
    Input::Stanza {
        session: id(number),
        stanza: stanza.with_from(jid(number)),
        at: Timestamp(0),
    }
}

pub(crate) fn batch(
    number: u64,
    seq: u64,
    stanza: Stanza,
    watchers: Vec<Arc<BareJid>>,
) -> PresenceBatch {
    let stanza = stanza.with_from(jid(number));
    PresenceBatch {
        presentity: user(number),
        version: Version {
            epoch: epoch(5),
            seq,
        },
        resources: vec![ResourcePresence {
            resource: resource("desk"),
            stanza,
        }],
        full: false,
        watchers,
    }
}

/// A number of a user and the shards of some.
pub(crate) fn shard(number: u64) -> ShardId {
    three().of_user(&user(number))
}

pub(crate) fn item(at: u64) -> ItemNews {
    ItemNews {
        node: "urn:mood".into(),
        message: Stanza::message(MessageType::Headline).with_from(Jid::from(user(1))),
        at: LogIndex(at),
    }
}

/// The session side of a node: one router, or one for each of three shards.
struct Side {
    shards: Shards,
    routers: Vec<(Router, VecDeque<Input>)>,
    announcing: Announcing,
}

impl Side {
    fn new(shards: Shards) -> Self {
        let router = |_| (router(), VecDeque::new());
        Self {
            shards,
            routers: shards.all().map(router).collect(),
            announcing: Announcing::new(shards),
        }
    }

    fn put(&mut self, input: Input) {
        let parts = match input {
            Input::Envelope(envelope) => match split(self.shards, envelope) {
                Split::Parts(parts) => parts,
                Split::InOrder(input) => self.to_all(&input),
            },
            Input::Bind { session, .. }
            | Input::Stanza { session, .. }
            | Input::Ended { session, .. } => vec![(self.shards.of_session(session), input)],
            Input::NodeLost(_) | Input::NodeUp { .. } | Input::Cluster(_) | Input::Limits(_) => {
                self.to_all(&input)
            }
            Input::Presence { .. } => panic!("made here only"),
        };
        for (shard, input) in parts {
            self.routers[usize::from(shard.0)].1.push_back(input);
        }
    }

    fn to_all(&self, input: &Input) -> Vec<(ShardId, Input)> {
        let part = |shard| (shard, input.clone());
        self.shards.all().map(part).collect()
    }

    /// Lets a shard take its next input; false when it has none.
    fn step(&mut self, at: usize, out: &mut Vec<Output>) -> bool {
        let (router, inbox) = &mut self.routers[at];
        let Some(input) = inbox.pop_front() else {
            return false;
        };
        router.handle(Instant::ZERO, input);
        while let Some(mut output) = router.poll() {
            if let Output::Send {
                envelope:
                    Envelope::ToOwner {
                        slot,
                        body: ToOwner::Announce(part),
                        ..
                    },
                ..
            } = &mut output
            {
                let shard = ShardId(u16::try_from(at).unwrap());
                self.announcing.merge(shard, *slot, part);
            }
            out.push(output);
        }
        true
    }

    /// Everything is taken, by one shard after the other or by all in turn.
    fn settle(&mut self, in_turn: bool) -> Vec<Output> {
        let mut out = Vec::new();
        let count = self.routers.len();
        if in_turn {
            loop {
                let busy = (0..count).filter(|at| self.step(*at, &mut out)).count();
                if busy == 0 {
                    break;
                }
            }
        } else {
            for at in (0..count).rev() {
                while self.step(at, &mut out) {}
            }
        }
        out
    }
}

/// What clients see, by session and in order; what each owner hears, in any order.
fn heard(out: &[Output]) -> (BTreeMap<SessionId, Vec<String>>, Vec<String>) {
    let mut clients: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let mut owners = Vec::new();
    for output in out {
        match output {
            Output::Send { to, envelope } => match envelope {
                Envelope::ToOwner { slot, body, .. } => {
                    owners.extend(pieces(body).map(|piece| format!("{to} {slot} {piece}")));
                }
                other => panic!("{other:?}"),
            },
            Output::Deliver { session, .. }
            | Output::Bound { session, .. }
            | Output::End { session, .. }
            | Output::Pause { session }
            | Output::Resume { session } => {
                clients.entry(*session).or_default().push(line(output));
            }
        }
    }
    owners.sort();
    (clients, owners)
}

/// What is cut into messages one way or another, in pieces.
fn pieces(body: &ToOwner) -> impl Iterator<Item = String> + use<> {
    let watches = |all: &[WatchRequest]| -> Vec<_> {
        let one = |one: &WatchRequest| format!("watch {} by {}", one.contact, one.watcher);
        all.iter().map(one).collect()
    };
    let pieces = match body {
        ToOwner::Watch(all) => watches(all),
        ToOwner::Announce(part) => {
            let mut pieces = watches(&part.watches);
            let session = |one: &_| format!("announced: {one:?}");
            pieces.extend(part.sessions.iter().map(session));
            pieces.extend(part.first.then(|| "begins".to_owned()));
            let ends = || format!("ends, having heard {:?}", part.heard);
            pieces.extend(part.last.then(ends));
            pieces
        }
        ToOwner::AskContacts(all) => all.iter().map(|one| format!("ask of {one}")).collect(),
        other => vec![said(other)],
    };
    pieces.into_iter()
}

/// Everybody logs in and sees everybody else.
fn logins() -> Vec<Input> {
    let mut all = vec![opened(MINE, 5), opened(HIS, 5)];
    for node in [MINE, HIS].map(owner) {
        all.push(Input::NodeUp {
            node,
            boot: Boot(1),
        });
    }
    for number in 0..USERS {
        let session = id(number);
        let generated = resource("g");
        all.push(Input::Bind {
            session,
            user: user(number),
            wanted: None,
            generated,
        });
        let outcome = BindOutcome::Bound(jid(number));
        all.push(told(home(number), ToNode::Bound { session, outcome }));
        all.push(says(number, available()));
        all.push(told(home(number), ToNode::Published { session }));
        let others = (0..USERS).filter(|other| *other != number);
        let contacts = others.map(user).collect();
        let contacts = ToNode::Contacts { session, contacts };
        all.push(told(home(number), contacts));
    }
    for number in 0..USERS {
        let batch = batch(number, 1, available(), users(0..USERS));
        all.push(told(home(number), ToNode::answer(batch)));
    }
    all
}

/// What happens while they are there.
fn life() -> Vec<Input> {
    let sessions = (0..USERS).map(id).collect();
    let stanza = chat("all@x", "hello").with_from(jid(3));
    let away = available().with_content("<show>away</show>");
    let digests = (0..USERS).map(|one| (id(one), one)).collect();
    let mut access = AccessList::default();
    access.set("u4@x".parse().unwrap(), Some(Access::Block));
    vec![
        told(
            HIS,
            ToNode::Presence(batch(1, 2, away.clone(), users(0..USERS))),
        ),
        told(HIS, ToNode::Presence(batch(3, 2, away, users([0, 4, 8])))),
        told(MINE, ToNode::Deliver { sessions, stanza }),
        says(2, chat("u3@x", "one")),
        says(2, get("q")),
        told(
            HIS,
            ToNode::Confirm {
                session: id(2),
                serial: 1,
            },
        ),
        told(
            HIS,
            ToNode::Notice(Notice::SeesNoMore {
                user: user(3),
                contact: user(4),
            }),
        ),
        told(
            MINE,
            ToNode::Access {
                user: user(6),
                access,
            },
        ),
        told(MINE, ToNode::ContactsDigests(digests)),
        told(
            MINE,
            ToNode::Item {
                news: item(3),
                watchers: users(0..USERS),
            },
        ),
        Input::Ended {
            session: id(5),
            graceful: true,
        },
        Input::Ended {
            session: id(7),
            graceful: false,
        },
        told(MINE, ToNode::Replaced { session: id(8) }),
    ]
}

/// Owners go and come.
fn takeover() -> Vec<Input> {
    let (slot, epoch) = (MINE, epoch(5));
    let node = owner(HIS);
    vec![
        says(0, chat("u1@x", "unconfirmed")),
        Input::Envelope(Envelope::Closed { slot, epoch }),
        says(1, chat("u2@x", "waits")),
        Input::NodeLost(node),
        says(3, unavailable()),
        opened(MINE, 9),
        Input::NodeUp {
            node,
            boot: Boot(1),
        },
        opened(HIS, 9),
    ]
}

/// The bytes of a presence are the same ones for clients in all shards.
#[test]
fn a_presence_is_encoded_once_for_all_shards() {
    let mut side = Side::new(three());
    for input in logins() {
        side.put(input);
    }
    side.settle(true);
    let away = available().with_content("<show>away</show>");
    side.put(told(
        HIS,
        ToNode::Presence(batch(1, 2, away, users(0..USERS))),
    ));
    let out = side.settle(true);
    let mut shown = BTreeMap::new();
    for output in &out {
        if let Output::Deliver {
            session, stanza, ..
        } = output
        {
            shown.insert(*session, stanza.as_bytes().as_ptr());
        }
    }
    assert_eq!(shown.len(), 12);
    let bytes: BTreeSet<_> = shown.values().collect();
    assert_eq!(bytes.len(), 1, "{shown:?}");
}

#[test]
fn three_shards_say_what_one_router_says() {
    for in_turn in [false, true] {
        let mut one = Side::new(Shards::ONE);
        let mut many = Side::new(three());
        for (chapter, script) in [logins(), life(), takeover()].into_iter().enumerate() {
            for input in script {
                one.put(input.clone());
                many.put(input);
            }
            let (clients, owners) = heard(&one.settle(true));
            let (same_clients, same_owners) = heard(&many.settle(in_turn));
            for (session, lines) in &clients {
                assert_eq!(
                    same_clients.get(session),
                    Some(lines),
                    "{chapter}: {session}"
                );
            }
            assert_eq!(same_clients.len(), clients.len(), "{chapter}");
            // One of the rounds may be overtaken by the next one.
            let complete = |all: Vec<String>| -> Vec<String> {
                let flags = |line: &String| line.contains(" begins") || line.contains(" ends,");
                all.into_iter().filter(|line| !flags(line)).collect()
            };
            let newest = |all: &[String]| {
                let begins = all.iter().filter(|line| line.contains(" begins")).count();
                let ends = all.iter().filter(|line| line.contains(" ends,")).count();
                assert!(ends <= begins, "{all:?}");
                ends
            };
            if chapter != 1 {
                assert!(newest(&owners) >= 2 && newest(&same_owners) >= 2);
            }
            assert_eq!(complete(same_owners), complete(owners), "{chapter}");
        }
    }
}
