use crate::{Room, Roster, RosterEdit, RosterFull, RosterItem, Subscription, SubscriptionStanza};
use muster_stanza::Stanza;
use muster_types::BareJid;

const LIMIT: usize = 3;
const ROOM: Room = Room {
    items: LIMIT,
    bytes: 1_000,
};

fn jid(name: &str) -> BareJid {
    BareJid::new(&format!("{name}@example.com")).unwrap()
}

fn edit(name: &str) -> RosterEdit {
    RosterEdit {
        contact: jid(name),
        name: Some(name.to_owned()),
        groups: vec!["friends".to_owned()],
    }
}

fn request(from: &str) -> Stanza {
    Stanza::presence(SubscriptionStanza::Subscribe.presence_type()).with_from(jid(from))
}

fn asked_by(name: &str) -> Roster {
    let mut roster = Roster::default();
    roster.inbound(
        &jid(name),
        SubscriptionStanza::Subscribe,
        &request(name),
        LIMIT,
        1,
    );
    roster
}

#[test]
fn one_who_has_only_asked_is_not_in_the_roster() {
    // RFC 6121 §3.1.3
    let roster = asked_by("romeo");
    assert!(roster.is_empty());
    assert_eq!(roster.version(), 0);
    assert_eq!(roster.state(&jid("romeo")), Subscription::NonePendingIn);
    assert_eq!(roster.request(&jid("romeo")), Some(&request("romeo")));
    assert_eq!(
        roster.contacts().collect::<Vec<_>>(),
        [(&jid("romeo"), Subscription::NonePendingIn)]
    );
}

#[test]
fn a_request_is_answered_once() {
    // What the user does; whether the contact is in the roster then, and in which state
    for (answer, listed, after) in [
        (SubscriptionStanza::Subscribed, true, Subscription::From),
        (SubscriptionStanza::Unsubscribed, false, Subscription::None_),
    ] {
        let mut roster = asked_by("romeo");
        let step = roster.outbound(&jid("romeo"), answer, ROOM, 2).unwrap();
        assert!(step.route && step.changed.request);
        assert_eq!(step.changed.shown, listed);
        assert_eq!(roster.item(&jid("romeo")).is_some(), listed);
        assert_eq!(roster.state(&jid("romeo")), after);
        assert_eq!(roster.requests().count(), 0);
        let again = roster.outbound(&jid("romeo"), answer, ROOM, 3).unwrap();
        assert!(!again.route && !again.changed.item, "{answer:?}");
    }
}

#[test]
fn a_second_request_changes_nothing() {
    let mut roster = asked_by("romeo");
    let before = roster.clone();
    let other = request("romeo").with_id("again");
    let step = roster.inbound(
        &jid("romeo"),
        SubscriptionStanza::Subscribe,
        &other,
        LIMIT,
        2,
    );
    assert!(!step.deliver && !step.changed.item && !step.changed.request);
    assert_eq!(roster, before);
}

#[test]
fn a_withdrawn_request_is_forgotten() {
    let mut roster = asked_by("romeo");
    let gone = request("romeo");
    let step = roster.inbound(
        &jid("romeo"),
        SubscriptionStanza::Unsubscribe,
        &gone,
        LIMIT,
        2,
    );
    assert!(step.deliver && step.changed.request && !step.changed.shown);
    assert_eq!(roster, Roster::default());
}

#[test]
fn requests_over_the_limit_are_turned_down() {
    let mut roster = Roster::default();
    for name in ["a", "b", "c"] {
        let step = roster.inbound(
            &jid(name),
            SubscriptionStanza::Subscribe,
            &request(name),
            LIMIT,
            1,
        );
        assert_eq!(step.reply, None);
    }
    let before = roster.clone();
    let step = roster.inbound(
        &jid("d"),
        SubscriptionStanza::Subscribe,
        &request("d"),
        LIMIT,
        1,
    );
    assert_eq!(
        (step.reply, step.deliver),
        (Some(SubscriptionStanza::Unsubscribed), false)
    );
    assert_eq!(roster, before);
}

#[test]
fn a_full_roster_takes_no_more_but_lets_edit() {
    let mut roster = Roster::default();
    for name in ["a", "b", "c"] {
        roster.set(edit(name), ROOM, 1).unwrap();
    }
    let before = roster.clone();
    let full = Err(RosterFull::Items { limit: LIMIT });
    assert_eq!(roster.set(edit("d"), ROOM, 2), full);
    for stanza in [
        SubscriptionStanza::Subscribe,
        SubscriptionStanza::Subscribed,
    ] {
        assert_eq!(
            roster.outbound(&jid("d"), stanza, ROOM, 2).map(drop),
            full.map(drop)
        );
    }
    assert_eq!(roster, before);
    assert!(
        roster
            .outbound(&jid("d"), SubscriptionStanza::Unsubscribe, ROOM, 2)
            .unwrap()
            .route
    );
    assert!(roster.set(edit("a"), ROOM, 2).unwrap().shown);
}

#[test]
fn a_roster_has_so_many_bytes_and_may_always_become_smaller() {
    let named = |name: &str, length: usize| RosterEdit {
        name: Some("x".repeat(length)),
        ..edit(name)
    };
    let groups = "friends".len();
    let rest = |name: &str| jid(name).as_str().len() + groups;
    let room = Room {
        items: 100,
        bytes: rest("a") + rest("b") + 100,
    };
    let mut roster = Roster::default();
    roster.set(named("a", 60), room, 1).unwrap();
    let before = roster.clone();
    let full = RosterFull::Bytes { limit: room.bytes };
    assert_eq!(roster.set(named("b", 41), room, 2), Err(full));
    assert_eq!(roster.set(named("a", 1_000), room, 2), Err(full));
    assert_eq!(roster, before);
    roster.set(named("b", 40), room, 2).unwrap();
    for stanza in [
        SubscriptionStanza::Subscribe,
        SubscriptionStanza::Subscribed,
    ] {
        let outcome = roster.outbound(&jid("c"), stanza, room, 3);
        assert_eq!(outcome.map(drop), Err(full), "{stanza:?}");
        assert!(roster.outbound(&jid("a"), stanza, room, 3).is_ok());
    }

    // Room is made by removing and by shortening, in a roster with less room than it needs, too.
    let narrow = Room { bytes: 10, ..room };
    roster.set(named("a", 59), narrow, 4).unwrap();
    roster.set(named("b", 41), room, 5).unwrap();
    roster.remove(&jid("a"), 6).unwrap();
    roster.set(named("c", 59), room, 7).unwrap();
    let mut restored = Roster::default();
    for item in roster.items() {
        restored.restore_item(item.clone());
    }
    assert_eq!(restored.bytes(), roster.bytes());
    assert_eq!(restored.set(named("d", 0), room, 8), Err(full));
}

#[test]
fn a_set_keeps_the_subscription_and_the_request() {
    // RFC 6121 §2.1.2.5: a client does not set the subscription
    let mut roster = asked_by("romeo");
    let changed = roster.set(edit("romeo"), ROOM, 7).unwrap();
    assert_eq!(changed.after, Subscription::NonePendingIn);
    let item = roster.item(&jid("romeo")).unwrap();
    assert_eq!(
        (item.subscription, item.name.as_deref()),
        (Subscription::NonePendingIn, Some("romeo"))
    );
    assert_eq!((roster.version(), roster.requests().count()), (7, 1));
    let step = roster
        .outbound(&jid("romeo"), SubscriptionStanza::Subscribed, ROOM, 8)
        .unwrap();
    assert_eq!(step.changed.after, Subscription::From);
    assert_eq!(roster.item(&jid("romeo")).unwrap().groups, ["friends"]);
}

#[test]
fn a_request_of_a_contact_in_the_roster_is_not_shown_there() {
    let mut roster = Roster::default();
    roster.set(edit("romeo"), ROOM, 1).unwrap();
    let request = request("romeo");
    let step = roster.inbound(
        &jid("romeo"),
        SubscriptionStanza::Subscribe,
        &request,
        LIMIT,
        2,
    );
    assert!(step.changed.item && !step.changed.shown);
    assert_eq!(roster.version(), 1);
}

#[test]
fn a_pre_approval_brings_the_contact_in_and_answers_it() {
    // RFC 6121 §3.4.2
    let mut roster = Roster::default();
    let romeo = jid("romeo");
    let step = roster
        .outbound(&romeo, SubscriptionStanza::Subscribed, ROOM, 1)
        .unwrap();
    assert!(!step.route && step.changed.shown);
    assert_eq!(
        roster.item(&romeo),
        Some(&RosterItem {
            approved: true,
            ..RosterItem::new(romeo.clone())
        })
    );
    let request = request("romeo");
    let step = roster.inbound(&romeo, SubscriptionStanza::Subscribe, &request, LIMIT, 2);
    assert_eq!(
        (step.deliver, step.reply),
        (false, Some(SubscriptionStanza::Subscribed))
    );
    assert_eq!(
        (roster.state(&romeo), roster.requests().count()),
        (Subscription::From, 0)
    );
    roster
        .outbound(&romeo, SubscriptionStanza::Unsubscribed, ROOM, 3)
        .unwrap();
    let item = roster.item(&romeo).unwrap();
    assert_eq!(
        (item.subscription, item.approved),
        (Subscription::None_, false)
    );
}

#[test]
fn removing_a_contact_takes_its_request_along() {
    let mut roster = asked_by("romeo");
    assert_eq!(roster.remove(&jid("romeo"), 2), None);
    roster.set(edit("romeo"), ROOM, 2).unwrap();
    let changed = roster.remove(&jid("romeo"), 3).unwrap();
    assert!(changed.item && changed.shown && changed.request);
    assert_eq!((roster.contacts().count(), roster.version()), (0, 3));
}

#[test]
fn a_farewell_ends_both_directions() {
    // RFC 6121 §2.5.2
    use SubscriptionStanza::{Unsubscribe, Unsubscribed};
    for (state, farewell) in [
        (Subscription::None_, &[][..]),
        (Subscription::NonePendingOut, &[Unsubscribe]),
        (Subscription::NonePendingIn, &[Unsubscribed]),
        (Subscription::NonePendingOutIn, &[Unsubscribe, Unsubscribed]),
        (Subscription::To, &[Unsubscribe]),
        (Subscription::ToPendingIn, &[Unsubscribe, Unsubscribed]),
        (Subscription::From, &[Unsubscribed]),
        (Subscription::FromPendingOut, &[Unsubscribe, Unsubscribed]),
        (Subscription::Both, &[Unsubscribe, Unsubscribed]),
    ] {
        assert_eq!(state.farewell().collect::<Vec<_>>(), farewell, "{state:?}");
    }
}
