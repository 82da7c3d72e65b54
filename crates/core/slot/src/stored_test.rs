//! The stored form is the state: whatever the log held, the records written make the same state.

use crate::testing::{Replica, Store, jid, message, presence, sends};
use crate::{AccessModel, OutboxItem, PepEdit, SlotCommand, SlotState, UserChange};
use muster_roster::{Access, RosterEdit, SubscriptionStanza, Whom};
use muster_types::{Jid, Limits, LoadError, LogIndex, Replicated, SlotId, encode_value};

/// Enough of a generator to mix commands (xorshift; the seed is the test's).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        let at = self.roll(of.len() as u64);
        of[usize::try_from(at).unwrap()]
    }

    fn name(&mut self) -> &'static str {
        self.pick(&["juliet", "romeo", "nurse", "tybalt"])
    }

    fn kind(&mut self) -> SubscriptionStanza {
        use SubscriptionStanza::{Subscribe, Subscribed, Unsubscribe, Unsubscribed};
        self.pick(&[
            Subscribe,
            Subscribe,
            Subscribed,
            Subscribed,
            Unsubscribe,
            Unsubscribed,
        ])
    }

    fn slot(&mut self) -> Option<SlotId> {
        self.pick(&[None, Some(SlotId(1)), Some(SlotId(2))])
    }
}

fn random_change(dice: &mut Dice, user: &str) -> UserChange {
    let contact = dice.name();
    let text = contact.to_owned();
    match dice.roll(22) {
        0 | 1 => {
            let groups = if dice.roll(2) == 0 {
                vec![]
            } else {
                vec!["friends".to_owned()]
            };
            UserChange::RosterSet(RosterEdit {
                contact: jid(contact),
                name: Some(text),
                groups,
            })
        }
        2 => UserChange::RosterRemove {
            contact: jid(contact),
            contact_slot: dice.slot(),
        },
        3..=8 => {
            let (kind, contact_slot) = (dice.kind(), dice.slot());
            let stanza = presence(kind, user, contact);
            UserChange::Subscription {
                kind,
                contact: jid(contact),
                contact_slot,
                stanza,
            }
        }
        9 => UserChange::VcardSet(text.into_bytes()),
        10 | 11 => {
            let namespace = format!("urn:{}", dice.roll(5));
            UserChange::PrivateSet {
                name: text,
                namespace,
                element: b"<x/>".to_vec(),
            }
        }
        12 | 13 => UserChange::OfflineStore(message(contact)),
        14 => UserChange::OfflineTaken {
            up_to: dice.roll(400),
        },
        15 | 16 => {
            let whom = match dice.roll(4) {
                0 => Whom::Everybody,
                1 => Whom::Jid(Jid::new("*").unwrap()),
                2 => Whom::Jid(Jid::new("example.com").unwrap()),
                _ => Whom::Jid(jid(contact).into()),
            };
            let access = [None, Some(Access::Allow), Some(Access::Block)];
            let access = access[usize::try_from(dice.roll(3)).unwrap()];
            UserChange::AccessSet(vec![(whom, access)])
        }
        18..=20 => random_pep(dice),
        _ if dice.roll(3) == 0 => UserChange::RemoveUser {
            at: LogIndex(dice.roll(50)),
            contact_slots: [(jid("romeo"), SlotId(2))].into(),
        },
        _ => UserChange::OfflineTaken { up_to: 0 },
    }
}

fn random_pep(dice: &mut Dice) -> UserChange {
    let access = dice.pick(&[None, Some(AccessModel::Presence), Some(AccessModel::Open)]);
    let id = dice.pick(&["current", "other"]).to_owned();
    let edit = match dice.roll(6) {
        0..=2 => PepEdit::Publish {
            id,
            payload: b"<x/>".to_vec(),
            access,
        },
        3 => PepEdit::Retract { id },
        4 => PepEdit::Configure {
            access: access.unwrap_or_default(),
        },
        _ => PepEdit::Delete,
    };
    let node = format!("urn:{}", dice.roll(4));
    UserChange::Pep { node, edit }
}

fn random_command(dice: &mut Dice, replica: &mut Replica) -> SlotCommand {
    let epoch = replica.state.epoch();
    let slot = SlotId(u16::try_from(dice.roll(2) + 1).unwrap());
    match dice.roll(20) {
        0 => {
            // A process counts its proposals anew, so every opening here is a new boot.
            let (node, boot) = replica.state.owner().unwrap();
            let boot = muster_types::Boot(boot.0 + dice.roll(2));
            SlotCommand::Open { node, boot }
        }
        1..=4 => {
            let (kind, from, to) = (dice.kind(), dice.name(), dice.name());
            let item = OutboxItem::Subscription {
                kind,
                stanza: presence(kind, from, to),
            };
            // Mostly the next one, sometimes a duplicate or a gap.
            let number = (replica.state.received(slot) + dice.roll(10).min(2)).max(1);
            let at = muster_types::Timestamp(0);
            SlotCommand::Inbound {
                epoch,
                from: slot,
                number,
                at,
                item: Some(item),
            }
        }
        5 => SlotCommand::Confirm {
            epoch,
            to: slot,
            number: dice.roll(60),
        },
        6 if dice.roll(20) == 0 => SlotCommand::Anew,
        _ => {
            let user = dice.name();
            let change = random_change(dice, user);
            replica.command(user, change)
        }
    }
}

#[test]
fn any_log_makes_one_state_on_every_replica_and_in_every_store() {
    for seed in 1..=40 {
        let mut dice = Dice(seed << 32 | 0x9E37_79B9);
        let (mut one, mut two) = (Replica::opened(), Replica::opened());
        let limits = Limits {
            private_items: 5,
            roster_items: 3,
            offline_messages: 4,
            pep_nodes: 3,
            ..Limits::default()
        };
        one.state.set_limits(limits.clone());
        two.state.set_limits(limits.clone());
        for step in 0..300 {
            let command = random_command(&mut dice, &mut one);
            let again = command.clone();
            assert_eq!(
                one.apply(command),
                two.apply(again),
                "seed {seed}, step {step}"
            );
        }
        assert_eq!(one.state, two.state, "seed {seed}");
        assert_eq!(one.store, two.store, "seed {seed}");
        check_rosters(&one.state);
        let snapshot = one.state.records();
        assert!(snapshot.is_sorted(), "seed {seed}");
        assert_eq!(
            snapshot.iter().cloned().collect::<Store>(),
            one.store,
            "seed {seed}"
        );
        let mut loaded = SlotState::load(&mut snapshot.into_iter()).unwrap();
        loaded.set_limits(limits);
        assert_eq!(loaded, one.state, "seed {seed}");
    }
}

/// A request waits exactly where the state says so.
fn check_rosters(state: &SlotState) {
    for (user, data) in &state.users {
        let roster = &data.roster;
        for (contact, subscription) in roster.contacts() {
            let waits = roster.request(contact).is_some();
            assert_eq!(waits, subscription.pending_in(), "{contact} of {user}");
        }
    }
}

/// One record of every table, as version 1 wrote them: a later version has to read them.
const VERSION_1: &[(&[u8], &[u8])] = &[
    (b"\x01", b"\x01\x01\x01\x01"),
    (b"\x02j@example.com\x00", b"\x01\x03"),
    (
        b"\x03j@example.com\x00n@example.com",
        b"\x01\rn@example.com\x01\x01N\x01\x01g\x01\x00",
    ),
    (
        b"\x04j@example.com\x00r@example.com",
        b"\x01\x01\x02\x00\x01\rr@example.com\x01\rj@example.com\x00\x00",
    ),
    (b"\x05j@example.com\x00", b"\x01\x01v"),
    (b"\x06j@example.com\x00urn:x\x00x", b"\x01\x01p"),
    (
        b"\x07j@example.com\x00\x00\x00\x00\x00\x00\x00\x00\x07",
        b"\x01\x06\x00\x01\x00\x00\x00\x00\x0f<body>hi</body>",
    ),
    (b"\x08\x00\x02", b"\x01\x01"),
    (
        b"\x09\x00\x02\x00\x00\x00\x00\x00\x00\x00\x01",
        b"\x01\x00\x00\x01\x02\x00\x01\rj@example.com\x01\rn@example.com\x00\x00",
    ),
    (b"\x0a\x00\x03", b"\x01\x01"),
    (
        b"\x0b\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01",
        b"\x01\x00",
    ),
    (
        b"\x0b\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02",
        b"\x01\x00",
    ),
    (
        b"\x0b\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x03",
        b"\x01\x00",
    ),
    (
        b"\x0b\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x04",
        b"\x01\x00",
    ),
    (
        b"\x0b\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x05",
        b"\x01\x00",
    ),
    (
        b"\x0b\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x06",
        b"\x01\x01\x03",
    ),
    (
        b"\x0b\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x07",
        b"\x01\x00",
    ),
    (
        b"\x10j@example.com\x00urn:x",
        b"\x01\x00\x09\x08\x07current\x01\x04<x/>",
    ),
];

#[test]
fn records_of_version_1_are_read() {
    let mut replica = Replica::opened();
    let edit = RosterEdit {
        contact: jid("n"),
        name: Some("N".into()),
        groups: vec!["g".into()],
    };
    replica.change("j", UserChange::RosterSet(edit));
    let kind = SubscriptionStanza::Subscribe;
    replica.change("j", sends(kind, "j", "n", SlotId(2)));
    let item = OutboxItem::Subscription {
        kind,
        stanza: presence(kind, "r", "j"),
    };
    replica.inbound(SlotId(3), 1, &item);
    replica.change("j", UserChange::VcardSet(b"v".to_vec()));
    let (name, namespace, element) = ("x".to_owned(), "urn:x".to_owned(), b"p".to_vec());
    replica.change(
        "j",
        UserChange::PrivateSet {
            name,
            namespace,
            element,
        },
    );
    replica.change("j", UserChange::OfflineStore(message("hi")));
    replica.change(
        "j",
        UserChange::RosterRemove {
            contact: jid("t"),
            contact_slot: None,
        },
    );
    let (id, payload, access) = ("current".to_owned(), b"<x/>".to_vec(), None);
    let edit = PepEdit::Publish {
        id,
        payload,
        access,
    };
    let node = "urn:x".to_owned();
    replica.change("j", UserChange::Pep { node, edit });

    let version_1: Store = VERSION_1
        .iter()
        .map(|(key, value)| (key.to_vec(), value.to_vec()))
        .collect();
    assert_eq!(
        replica.state.records().into_iter().collect::<Store>(),
        version_1
    );
    assert_eq!(
        SlotState::load(&mut version_1.into_iter()).unwrap(),
        replica.state
    );
}

#[test]
fn damaged_records_are_named() {
    let long = |key: &[u8]| (key.to_vec(), encode_value(1, &7_u64));
    for (record, error) in [
        ((vec![], vec![]), LoadError::Damaged { table: 0 }),
        (long(&[99]), LoadError::UnknownTable { table: 99 }),
        (long(b"\x02no end"), LoadError::Damaged { table: 2 }),
        (long(b"\x02@\0"), LoadError::Damaged { table: 2 }),
        (long(b"\x07a@b\0\x01"), LoadError::Damaged { table: 7 }),
        (long(&[8, 1]), LoadError::Damaged { table: 8 }),
        (long(&[8, 0, 1, 1]), LoadError::Damaged { table: 8 }),
        (long(&[11, 0, 1]), LoadError::Damaged { table: 11 }),
        (
            (vec![10, 0, 1], vec![2, 0]),
            LoadError::NewerVersion {
                table: 10,
                version: 2,
            },
        ),
        ((vec![10, 0, 1], vec![1]), LoadError::Damaged { table: 10 }),
    ] {
        let key = record.0.clone();
        let loaded = SlotState::load(&mut [record].into_iter());
        assert_eq!(loaded.unwrap_err(), error, "{key:?}");
    }
}
