//! Changes of one user's data: what is stored, what is refused, and that each is applied once.

use crate::testing::{ROMEOS, Replica, jid, message, sends};
use crate::{ORIGIN_WINDOW, OUTBOX_ITEMS, Refusal, SlotCommand, SlotEvent, UserChange};
use muster_roster::{Access, RosterEdit, SubscriptionStanza};
use muster_types::{Boot, Limits, LogIndex, NodeId, Replicated, Timestamp};

fn edit(contact: &str) -> UserChange {
    UserChange::RosterSet(RosterEdit {
        contact: jid(contact),
        name: None,
        groups: vec![],
    })
}

fn private(namespace: &str, element: &str) -> UserChange {
    let (namespace, element) = (namespace.to_owned(), element.as_bytes().to_vec());
    UserChange::PrivateSet {
        name: "x".to_owned(),
        namespace,
        element,
    }
}

fn rule(whom: &str, access: Option<Access>) -> UserChange {
    UserChange::AccessSet(vec![(whom.parse().unwrap(), access)])
}

#[test]
fn a_full_list_of_rules_takes_no_more_and_gives_some_back() {
    let mut replica = Replica::opened();
    replica.state.set_limits(Limits {
        access_rules: 1,
        ..Limits::default()
    });
    let events = replica.change("juliet", rule("romeo@example.com", Some(Access::Block)));
    assert!(
        matches!(events[0], SlotEvent::AccessChanged { .. }),
        "{events:?}"
    );
    let events = replica.change("juliet", rule("paris@example.com", Some(Access::Block)));
    let full = Refusal::AccessFull {
        rules: 1,
        bytes: Limits::default().access_bytes,
    };
    assert_eq!(refusal(&events), Some(&full));
    let events = replica.change("juliet", rule("romeo@example.com", Some(Access::Block)));
    assert!(
        matches!(events[..], [SlotEvent::Done { .. }]),
        "no change: {events:?}"
    );
    replica.change("juliet", rule("romeo@example.com", None));
    assert_eq!(
        replica.state.access(&jid("juliet")),
        None,
        "nothing is kept of her"
    );
}

fn refusal(events: &[SlotEvent]) -> Option<&Refusal> {
    match events {
        [SlotEvent::Refused { why, .. }] => Some(why),
        _ => None,
    }
}

fn small() -> Replica {
    let mut replica = Replica::opened();
    replica.state.set_limits(Limits {
        roster_items: 2,
        roster_bytes: 1_000,
        offline_messages: 2,
        private_items: 2,
        ..Limits::default()
    });
    replica
}

#[test]
fn a_roster_set_is_pushed_with_a_new_version() {
    let mut replica = Replica::opened();
    let events = replica.change("juliet", edit("nurse"));
    let [
        SlotEvent::RosterChanged {
            item: Some(item),
            version,
            ..
        },
        SlotEvent::Done { .. },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(Some(item), replica.item("juliet", "nurse"));
    assert_eq!(
        *version,
        replica.state.roster(&jid("juliet")).unwrap().version()
    );
}

#[test]
fn roster_versions_of_a_name_are_never_used_twice() {
    // A client of the account that had the name before must not take the new roster for its own.
    let mut replica = Replica::opened();
    let version = |replica: &Replica| replica.state.roster(&jid("juliet")).unwrap().version();
    replica.change("juliet", edit("nurse"));
    let before = version(&replica);
    replica.change(
        "juliet",
        UserChange::RemoveUser {
            at: LogIndex(1),
            contact_slots: [].into(),
        },
    );
    replica.change("juliet", edit("nurse"));
    assert!(version(&replica) > before);
}

#[test]
fn what_is_over_a_limit_is_refused_and_leaves_no_trace() {
    let store = |text: &str| UserChange::OfflineStore(message(text));
    for (change, why) in [
        (
            [edit("a"), edit("a"), edit(&"a".repeat(1_000))],
            Refusal::RosterLarge { limit: 1_000 },
        ),
        (
            [edit("a"), edit("b"), edit("c")],
            Refusal::RosterFull { limit: 2 },
        ),
        (
            [store("a"), store("b"), store("c")],
            Refusal::OfflineFull { limit: 2 },
        ),
        (
            [
                private("urn:a", "<x/>"),
                private("urn:b", "<x/>"),
                private("urn:c", "<x/>"),
            ],
            Refusal::PrivateFull { limit: 2 },
        ),
    ] {
        let mut replica = small();
        let [first, second, third] = change;
        replica.change("juliet", first);
        replica.change("juliet", second);
        let before = replica.state.clone();
        assert_eq!(refusal(&replica.change("juliet", third)), Some(&why));
        assert_eq!(replica.state.users, before.users, "{why}");
        assert_eq!(
            replica.store.len(),
            before.records().len() + 1,
            "only the outcome is stored"
        );
    }
}

#[test]
fn a_full_roster_owes_nothing_for_a_refused_request() {
    let mut replica = small();
    replica.change("juliet", edit("a"));
    replica.change("juliet", edit("b"));
    let ask = sends(SubscriptionStanza::Subscribe, "juliet", "romeo", ROMEOS);
    assert_eq!(
        refusal(&replica.change("juliet", ask)),
        Some(&Refusal::RosterFull { limit: 2 })
    );
    assert!(replica.owed(ROMEOS).is_empty());
}

#[test]
fn nothing_more_is_taken_on_for_a_slot_that_confirms_nothing() {
    let mut replica = Replica::opened();
    let ask = |user| sends(SubscriptionStanza::Subscribe, user, "romeo", ROMEOS);
    replica.change("juliet", ask("juliet"));
    let outbox = replica.state.outboxes.slots.get_mut(&ROMEOS).unwrap();
    let item = outbox.items[&1].clone();
    outbox.last = u64::try_from(OUTBOX_ITEMS).unwrap();
    outbox.items = (1..=outbox.last)
        .map(|number| (number, item.clone()))
        .collect();

    let before = replica.state.clone();
    let full = Refusal::OutboxFull {
        limit: OUTBOX_ITEMS,
    };
    let remove = UserChange::RosterRemove {
        contact: jid("romeo"),
        contact_slot: Some(ROMEOS),
    };
    for (user, change) in [("nurse", ask("nurse")), ("juliet", remove)] {
        assert_eq!(refusal(&replica.change(user, change)), Some(&full));
    }
    assert_eq!(replica.state.users, before.users);
    assert_eq!(replica.state.outboxes, before.outboxes);
    // What needs no room there goes on: an answer to one who has not asked is a pre-approval.
    let approve = sends(SubscriptionStanza::Subscribed, "nurse", "romeo", ROMEOS);
    assert_eq!(refusal(&replica.change("nurse", approve)), None);
}

#[test]
fn a_contact_that_is_not_in_the_roster_cannot_be_removed() {
    // RFC 6121 §2.5.3
    let mut replica = Replica::opened();
    let remove = UserChange::RosterRemove {
        contact: jid("nobody"),
        contact_slot: Some(ROMEOS),
    };
    assert_eq!(
        refusal(&replica.change("juliet", remove)),
        Some(&Refusal::NoSuchContact)
    );
    assert!(replica.state.users.is_empty());
}

#[test]
fn vcard_and_private_elements_are_replaced() {
    let mut replica = small();
    for text in ["<a/>", "<b/>"] {
        replica.change("juliet", UserChange::VcardSet(text.as_bytes().to_vec()));
        replica.change("juliet", private("urn:x", text));
        replica.change("juliet", private("urn:y", "<y/>"));
    }
    let juliet = jid("juliet");
    assert_eq!(replica.state.vcard(&juliet), Some(&b"<b/>"[..]));
    assert_eq!(
        replica.state.private(&juliet, "x", "urn:x"),
        Some(&b"<b/>"[..])
    );
    assert_eq!(
        replica.state.private(&juliet, "x", "urn:y"),
        Some(&b"<y/>"[..])
    );
    assert_eq!(replica.state.private(&juliet, "urn:x", "x"), None);
    replica.check_store();
}

#[test]
fn offline_messages_are_taken_in_order() {
    let mut replica = Replica::opened();
    for text in ["one", "two", "three"] {
        replica.change("juliet", UserChange::OfflineStore(message(text)));
    }
    let held: Vec<_> = replica
        .state
        .offline(&jid("juliet"))
        .map(|(number, ..)| number)
        .collect();
    replica.change("juliet", UserChange::OfflineTaken { up_to: held[1] });
    let left: Vec<_> = replica
        .state
        .offline(&jid("juliet"))
        .map(|(.., stanza)| stanza.clone())
        .collect();
    assert_eq!(left, [message("three")]);
    replica.check_store();
    replica.change("juliet", UserChange::OfflineTaken { up_to: u64::MAX });
    assert!(
        replica.state.users.is_empty(),
        "nothing is kept of a user without data"
    );
    replica.check_store();
}

#[test]
fn removing_a_user_leaves_nothing_of_it() {
    let mut replica = Replica::opened();
    for user in ["juliet", "nurse"] {
        replica.change(user, edit("romeo"));
        replica.change(user, UserChange::VcardSet(b"<vCard/>".to_vec()));
        replica.change(user, private("urn:x", "<x/>"));
        replica.change(user, UserChange::OfflineStore(message("hello")));
        replica.change(
            user,
            sends(SubscriptionStanza::Subscribe, user, "romeo", ROMEOS),
        );
    }
    let nurse = replica.state.users[&jid("nurse")].clone();
    replica.change(
        "juliet",
        UserChange::RemoveUser {
            at: LogIndex(1),
            contact_slots: [].into(),
        },
    );
    assert_eq!(replica.state.users, [(jid("nurse"), nurse)].into());
    replica.check_store();
}

#[test]
fn a_proposal_made_twice_is_applied_once() {
    let mut replica = Replica::opened();
    let command = replica.command("juliet", UserChange::OfflineStore(message("hello")));
    let first = replica.apply(command.clone());
    assert_eq!(replica.apply(command), first);
    assert_eq!(replica.state.offline_count(&jid("juliet")), 1);
}

#[test]
fn a_proposal_made_again_by_a_later_epoch_of_the_same_process_is_applied_once() {
    let mut replica = Replica::opened();
    let command = replica.command("juliet", UserChange::OfflineStore(message("hello")));
    let done = replica.apply(command.clone());
    replica.open(2, 1);
    replica.change("juliet", edit("nurse"));
    replica.open(1, 1);
    let SlotCommand::Change {
        origin,
        user,
        at,
        change,
        ..
    } = command
    else {
        panic!()
    };
    let epoch = replica.state.epoch();
    let again = SlotCommand::Change {
        epoch,
        origin,
        user,
        at,
        change,
    };
    assert_eq!(replica.apply(again), done);
    assert_eq!(replica.state.offline_count(&jid("juliet")), 1);
}

#[test]
fn a_refused_proposal_stays_refused() {
    // Its client has been told, although there would be room now.
    let mut replica = small();
    for text in ["a", "b"] {
        replica.change("juliet", UserChange::OfflineStore(message(text)));
    }
    let command = replica.command("juliet", UserChange::OfflineStore(message("c")));
    let refused = replica.apply(command.clone());
    replica.change("juliet", UserChange::OfflineTaken { up_to: u64::MAX });
    assert_eq!(replica.apply(command), refused);
    assert_eq!(replica.state.offline_count(&jid("juliet")), 0);
}

#[test]
fn proposals_may_overtake_each_other_within_the_window() {
    // How far behind the newest; whether it is applied
    for (behind, applied) in [(1, true), (ORIGIN_WINDOW - 1, true), (ORIGIN_WINDOW, false)] {
        let mut replica = Replica::opened();
        let late = replica.command("juliet", UserChange::OfflineStore(message("late")));
        let SlotCommand::Change { origin, .. } = late else {
            panic!()
        };
        let mut newest = origin;
        newest.serial += behind;
        let epoch = replica.state.epoch();
        let change = UserChange::OfflineTaken { up_to: 0 };
        let user = jid("juliet");
        replica.apply(SlotCommand::Change {
            epoch,
            origin: newest,
            user,
            at: Timestamp(0),
            change,
        });
        let events = replica.apply(late);
        assert_eq!(refusal(&events).is_none(), applied, "{behind}");
        assert_eq!(
            replica.state.offline_count(&jid("juliet")),
            usize::from(applied),
            "{behind}"
        );
        replica.check_store();
    }
}

#[test]
fn a_process_is_forgotten_when_its_node_starts_anew() {
    let mut replica = Replica::opened();
    let old = replica.command("juliet", UserChange::OfflineStore(message("old")));
    replica.change("juliet", edit("nurse"));
    replica.open(1, 2);
    replica.change("juliet", edit("nurse"));
    replica.check_store();
    let SlotCommand::Change {
        origin,
        user,
        at,
        change,
        ..
    } = old
    else {
        panic!()
    };
    assert_eq!((origin.node, origin.boot), (NodeId(1), Boot(1)));
    let epoch = replica.state.epoch();
    let events = replica.apply(SlotCommand::Change {
        epoch,
        origin,
        user,
        at,
        change,
    });
    assert_eq!(refusal(&events), Some(&Refusal::Forgotten));
    assert_eq!(replica.state.offline_count(&jid("juliet")), 0);
}

#[test]
fn outcomes_kept_are_bounded() {
    let mut replica = Replica::opened();
    for _ in 0..ORIGIN_WINDOW + 50 {
        replica.change("juliet", UserChange::OfflineTaken { up_to: 0 });
    }
    let kept = replica
        .store
        .keys()
        .filter(|key| key[0] == crate::key::ORIGIN)
        .count();
    assert_eq!(u64::try_from(kept), Ok(ORIGIN_WINDOW));
    replica.check_store();
}
