//! When what others say of users begins, and how often it changes what is shown.

use crate::composition_test::{ALICE, MINUTE, jid, nothing, presences, says, watched};
use crate::testing::{B, Net, ONE};
use muster_envelope::{Envelope, Seen, contacts_digest};
use muster_presence::source::{FromNow, Report};
use muster_types::Timestamp;
use std::time::Duration;

#[test]
fn a_meeting_begins_and_ends_by_itself_a_little_later_for_each_user() {
    let (mut net, _, _, bob) = watched();
    net.report(says(
        "calendar/work",
        "busy",
        10 * MINUTE,
        Some(20 * MINUTE),
    ));
    net.pass(Duration::from_millis(10 * MINUTE - 1));
    assert_eq!(presences(&mut net, bob).len(), 0);
    net.pass(Duration::from_secs(51));
    assert!(presences(&mut net, bob)[0].contains("In a meeting"));
    net.pass(Duration::from_millis(10 * MINUTE));
    let seen = presences(&mut net, bob);
    assert!(
        seen.len() == 2 && !seen[0].contains("In a meeting"),
        "{seen:?}"
    );
}

/// How much later than it is said a user's meetings begin, in milliseconds.
fn spread(user: &str) -> u64 {
    contacts_digest([&jid(user)]) % 50_000
}

#[test]
fn each_user_has_a_measure_of_its_own_that_is_the_same_everywhere() {
    let users = [ALICE, "bob@example.com"];
    assert_ne!(spread(users[0]).abs_diff(spread(users[1])), 0);
    for takeover in [false, true] {
        let (mut net, ..) = watched();
        for user in users {
            let meeting = says("calendar/work", "busy", MINUTE, Some(20 * MINUTE));
            assert_eq!(net.report_of(user, meeting), None);
        }
        if takeover {
            net.open(ONE, B);
        }
        let began = net.now;
        let mut order = users;
        order.sort_by_key(|user| spread(user));
        for user in order {
            let begins = began + Duration::from_millis(MINUTE + spread(user));
            net.pass(begins.since(net.now) - Duration::from_millis(1));
            assert_eq!(net.explain_of(user, None).explanation.state, "available");
            net.pass(Duration::from_millis(1));
            assert_eq!(net.explain_of(user, None).explanation.state, "in-a-meeting");
        }
    }
}

#[test]
fn a_meeting_that_is_said_after_it_has_begun_waits_for_the_rest_of_the_measure() {
    let (mut net, ..) = watched();
    let state = |net: &mut Net| net.explain(None).explanation.state;
    let begun = |millis: u64| {
        let mut meeting = says("calendar/work", "busy", 0, Some(20 * MINUTE - millis));
        meeting.spans[0].begins = FromNow::between(millis, 0);
        meeting.spans[0].until = Some(Timestamp(20 * MINUTE));
        meeting
    };
    let spread = spread(ALICE);
    assert!(spread > 2, "{spread}");
    net.report(begun(0));
    assert_eq!(state(&mut net), "in-a-meeting", "from now on");
    net.report(nothing("calendar/work"));
    net.report(begun(1));
    assert_eq!(state(&mut net), "available");
    net.pass(Duration::from_millis(spread - 2));
    net.report(begun(spread - 1));
    assert_eq!(state(&mut net), "available", "also when it is said again");
    net.pass(Duration::from_millis(1));
    assert_eq!(state(&mut net), "in-a-meeting");
    net.report(begun(spread));
    assert_eq!(state(&mut net), "in-a-meeting", "it goes on");
}

#[test]
fn a_program_that_says_something_else_all_the_time_changes_what_is_shown_ten_times_a_second() {
    let (mut net, _, _, bob) = watched();
    let word = |turn: usize| ["off-hook", "on-hook"][turn % 2];
    for turn in 0..1_001 {
        net.report(says("phone/1", word(turn), 0, Some(60 * MINUTE)));
        net.pass(Duration::from_millis(1));
    }
    let clients = 2;
    let seen = presences(&mut net, bob).len() / clients;
    assert!((20..=30).contains(&seen), "{seen}");
    assert_eq!(net.explain(None).explanation.state, "on-the-phone");
    net.pass(Duration::from_millis(200));
    let seen = presences(&mut net, bob);
    assert!(
        seen.is_empty() || seen.iter().all(|xml| xml.contains("On the phone")),
        "{seen:?}"
    );
    let Some(Seen::Clients(clients)) = net.explain(Some("bob@example.com")).seen else {
        panic!("bob sees her");
    };
    assert!(
        clients.iter().all(|client| client.show == "dnd"),
        "{clients:?}"
    );
}

#[test]
fn a_report_with_many_times_is_shown_no_oftener() {
    let (mut net, _, _, bob) = watched();
    let source = says("phone/1", "off-hook", 0, None).source;
    let span = |turn: u64| {
        let word = ["off-hook", "dnd"][usize::from(turn.is_multiple_of(2))];
        let [span] = says("phone/1", word, turn, Some(turn + 1))
            .spans
            .try_into()
            .unwrap();
        span
    };
    for _ in 0..20 {
        let spans = (0..64).map(span).collect();
        net.report(Report {
            source: source.clone(),
            spans,
        });
        net.pass(Duration::from_millis(100));
    }
    let clients = 2;
    let seen = presences(&mut net, bob).len() / clients;
    assert!((20..=45).contains(&seen), "{seen}");
}

#[test]
fn a_node_that_has_just_started_shows_what_began_long_ago_at_once() {
    let (mut net, ..) = watched();
    assert!(net.now.as_nanos() < 60_000_000_000, "{:?}", net.now);
    let mut meeting = says("calendar/work", "busy", 0, Some(20 * MINUTE));
    meeting.spans[0].begins = FromNow::between(60 * MINUTE, 0);
    net.report(meeting);
    assert_eq!(net.explain(None).explanation.state, "in-a-meeting");
}

#[test]
fn who_said_for_how_long_it_is_idle_is_so_under_a_new_owner_too() {
    for warm in [true, false] {
        let (mut net, desk, mobile, _) = watched();
        net.publish_unavailable(mobile);
        if !warm {
            // The client's node is the only one that can tell.
            net.lose = |envelope| matches!(envelope, Envelope::ToPeer { .. });
        }
        net.publish(desk, "<query xmlns='jabber:iq:last' seconds='100'/>");
        let says = |net: &mut Net| net.explain(None).explanation.said[0].says.clone();
        net.pass(Duration::from_secs(150));
        assert_eq!(says(&mut net), "active");
        net.open(ONE, B);
        assert_eq!(says(&mut net), "active");
        net.pass(Duration::from_secs(49));
        assert_eq!(says(&mut net), "active", "{warm}");
        net.pass(Duration::from_secs(1));
        assert_eq!(says(&mut net), "idle", "{warm}");
    }
}
