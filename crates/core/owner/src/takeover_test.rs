//! From one owner to the next: nobody is said to be gone who is not.

use crate::testing::{A, B, Net, ONE};
use crate::{Input, OwnerEvent};
use muster_envelope::{Envelope, ToOwner, ToPeer};
use muster_types::{Bare as _, SessionId};
use std::time::Duration;

const GRACE: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_secs(1);

/// Alice on A, bob on B, and carol on A, who will be lost with it. All see bob; bob sees all.
fn three() -> (Net, SessionId, SessionId, SessionId) {
    let mut net = Net::pair();
    let alice = net.login(A, "alice@example.com/a");
    let bob = net.login(B, "bob@example.com/b");
    let carol = net.login(A, "carol@example.com/c");
    net.befriend(alice, bob);
    net.befriend(carol, bob);
    (net, alice, bob, carol)
}

fn gone(net: &mut Net, session: SessionId) -> Vec<String> {
    net.take(session)
        .into_iter()
        .filter(|got| got.contains("unavailable"))
        .collect()
}

fn opened_warm(net: &Net) -> bool {
    let mut opened = Vec::new();
    for event in &net.events {
        if let OwnerEvent::Opened {
            slot: ONE, warm, ..
        } = event
        {
            opened.push(*warm);
        }
    }
    *opened.last().unwrap()
}

#[test]
fn a_takeover_with_a_warm_copy_shows_watchers_nothing() {
    let (mut net, _, bob, _) = three();
    assert!(net.replica(ONE, B).is_warm());
    net.kill(A);
    net.open(ONE, B);
    assert!(opened_warm(&net));
    assert_eq!(gone(&mut net, bob), Vec::<String>::new());

    // Alice comes back on the other node, carol does not.
    net.pass(GRACE / 2);
    let alice = net.bind(B, "alice@example.com/a");
    net.publish(alice, "<show>away</show>");
    assert!(
        net.take(bob)
            .contains(&"alice@example.com/a available <show>away</show>".to_owned())
    );
    assert!(
        net.take(alice)
            .contains(&"bob@example.com/b available".to_owned())
    );
    net.pass(GRACE);
    assert_eq!(gone(&mut net, bob), ["carol@example.com/c unavailable"]);
    net.pass(2 * GRACE);
    assert_eq!(net.take(bob), Vec::<String>::new());
}

#[test]
fn a_takeover_without_a_copy_says_nobody_is_gone_before_the_grace_is_over() {
    let (mut net, _, bob, _) = three();
    net.lose = |envelope| matches!(envelope, Envelope::ToPeer { .. });
    net.kill(B);
    net.start(B);
    let bob = {
        let _ = bob;
        net.login(B, "bob@example.com/b")
    };
    net.publish(bob, "");
    net.forget();
    net.kill(A);
    net.open(ONE, B);
    assert!(!opened_warm(&net));
    assert_eq!(gone(&mut net, bob), Vec::<String>::new());
    let alice = net.bind(B, "alice@example.com/a");
    net.publish(alice, "");
    net.pass(GRACE - MOMENT);
    assert_eq!(gone(&mut net, bob), Vec::<String>::new());
    net.pass(2 * MOMENT);
    assert_eq!(gone(&mut net, bob), ["carol@example.com/c unavailable"]);
}

#[test]
fn a_client_that_was_back_where_the_copy_does_not_reach_has_its_whole_grace() {
    let (mut net, _, bob, carol) = three();
    net.leave(carol, false);
    net.lose = |envelope| matches!(envelope, Envelope::ToPeer { .. });
    net.input(ONE, A, Input::Close);
    net.open(ONE, A);
    net.pass(GRACE / 2);
    let carol = net.login(A, "carol@example.com/c");
    net.leave(carol, false);
    net.forget();
    net.kill(A);
    net.open(ONE, B);
    assert!(!opened_warm(&net));
    net.pass(GRACE - MOMENT);
    assert!(!gone(&mut net, bob).contains(&"carol@example.com/c unavailable".to_owned()));
    net.pass(2 * MOMENT);
    assert!(gone(&mut net, bob).contains(&"carol@example.com/c unavailable".to_owned()));
}

#[test]
fn a_client_the_copy_did_not_know_is_found_by_its_nodes_announcement() {
    let (mut net, _, bob, _) = three();
    net.lose = |envelope| matches!(envelope, Envelope::ToPeer { .. });
    let dave = net.login(B, "dave@example.com/d");
    net.befriend(dave, bob);
    net.publish(bob, "<show>dnd</show>");
    net.lose = |_| false;
    net.forget();
    net.kill(A);
    net.open(ONE, B);
    assert_eq!(gone(&mut net, bob), Vec::<String>::new());
    assert_eq!(gone(&mut net, dave), Vec::<String>::new());
    net.publish(dave, "<show>xa</show>");
    assert!(
        net.take(bob)
            .contains(&"dave@example.com/d available <show>xa</show>".to_owned())
    );
    net.pass(GRACE + MOMENT);
    let mut gone = gone(&mut net, bob);
    gone.sort();
    assert_eq!(
        gone,
        [
            "alice@example.com/a unavailable",
            "carol@example.com/c unavailable"
        ]
    );
}

#[test]
fn a_planned_move_shows_watchers_nothing_and_goes_back() {
    let (mut net, alice, bob, carol) = three();
    for to in [B, A, B] {
        let from = if to == A { B } else { A };
        net.input(ONE, from, Input::Close);
        assert!(net.replica(ONE, from).serving().is_none());
        net.open(ONE, to);
        assert!(opened_warm(&net), "to {to}");
        assert!(net.replica(ONE, to).serving().is_some());
        for session in [alice, bob, carol] {
            assert_eq!(gone(&mut net, session), Vec::<String>::new(), "to {to}");
        }
        net.publish(alice, &format!("<status>{to}</status>"));
        assert!(net.take(bob).contains(&format!(
            "alice@example.com/a available <status>{to}</status>"
        )));
    }
    net.pass(2 * GRACE);
    assert_eq!(gone(&mut net, bob), Vec::<String>::new());
}

#[test]
fn a_step_that_is_lost_is_asked_for_again() {
    let (mut net, ..) = three();
    net.lose = |envelope| {
        matches!(
            envelope,
            Envelope::ToPeer {
                body: ToPeer::Update { .. },
                ..
            }
        )
    };
    let dave = net.login(A, "dave@example.com/d");
    net.lose = |_| false;
    net.publish(dave, "<show>away</show>");
    assert!(net.replica(ONE, B).is_warm(), "the gap was seen and filled");
    net.kill(A);
    net.open(ONE, B);
    assert_eq!(net.replica(ONE, B).sessions().len(), 4);
}

#[test]
fn a_large_copy_is_said_in_portions() {
    let mut net = Net::pair();
    let early = net.bind(A, "early@example.com/x");
    let ended = net.login(A, "ended@example.com/x");
    for n in 0..600 {
        net.bind(A, &format!("user{n}@example.com/x"));
        net.bind(A, &format!("a{n}@example.com/x"));
    }
    net.kill(B);
    net.start(B);
    assert!(!net.replica(ONE, B).is_warm());
    net.pass(Duration::from_millis(5));
    // Changes of what was said already, while the rest is being said.
    net.publish(early, "");
    net.leave(ended, true);
    net.bind(A, "late@example.com/x");
    net.pass(MOMENT);
    assert!(net.replica(ONE, B).is_warm());
    net.kill(A);
    net.open(ONE, B);
    // Of the others nobody was available, so nobody else is expected back.
    let sessions = net.replica(ONE, B).sessions();
    let expected: Vec<SessionId> = sessions.iter().map(|info| info.session).collect();
    assert_eq!(expected, [early]);
}

#[test]
fn messages_wait_until_it_is_known_who_is_here() {
    let (mut net, _, bob, _) = three();
    let dave = net.login(B, "dave@example.com/d");
    net.silent.insert(B);
    net.kill(A);
    net.open(ONE, B);
    net.send(
        bob,
        "<message type='chat' to='dave@example.com'><body>hi</body></message>",
    );
    net.send(
        bob,
        "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>",
    );
    assert!(net.take(dave).is_empty());
    net.pass(Duration::from_secs(6));
    // B did not announce in time, so dave is expected back and the message is kept.
    assert_eq!(
        net.replica(ONE, B)
            .state()
            .offline_count(&net.jid(dave).bare()),
        1
    );
    assert!(net.take(bob).iter().any(|got| got.contains("id='p'")));
    assert!(
        net.events
            .iter()
            .any(|event| matches!(event, OwnerEvent::Settled { missing: 1, .. }))
    );
}

#[test]
fn an_owner_that_was_replaced_decides_nothing() {
    let (mut net, alice, ..) = three();
    net.open(ONE, B);
    assert!(net.replica(ONE, A).serving().is_none());
    let epoch = net.replica(ONE, B).serving().unwrap();
    assert_eq!(net.replica(ONE, A).state().epoch(), epoch);
    let before = net.log_len(ONE);
    let presence = ToOwner::Unbind {
        session: alice,
        graceful: true,
    };
    let body = crate::Body::ToOwner(presence);
    net.input(
        ONE,
        A,
        Input::Envelope {
            from: A,
            epoch,
            body: body.clone(),
        },
    );
    net.input(
        ONE,
        B,
        Input::Envelope {
            from: A,
            epoch: muster_types::Epoch::NONE,
            body,
        },
    );
    assert_eq!(net.log_len(ONE), before);
    assert!(
        net.replica(ONE, B)
            .sessions()
            .iter()
            .any(|info| info.session == alice && !info.expected)
    );
}

#[test]
fn a_node_that_comes_back_by_itself_keeps_its_clients() {
    let (mut net, alice, bob, _) = three();
    net.input(ONE, A, Input::NodeLost(B));
    assert!(
        net.replica(ONE, A)
            .sessions()
            .iter()
            .any(|info| info.session == bob && info.expected)
    );
    net.input(
        ONE,
        A,
        Input::NodeUp {
            node: B,
            boot: muster_types::Boot(1),
        },
    );
    assert!(
        net.replica(ONE, A)
            .sessions()
            .iter()
            .all(|info| !info.expected)
    );
    net.pass(2 * GRACE);
    assert_eq!(gone(&mut net, alice), Vec::<String>::new());
}

#[test]
fn a_node_that_restarts_has_lost_its_clients() {
    let (mut net, alice, ..) = three();
    net.kill(B);
    net.start(B);
    net.pass(GRACE + MOMENT);
    assert_eq!(gone(&mut net, alice), ["bob@example.com/b unavailable"]);
}

#[test]
fn an_open_that_commits_after_a_close_does_not_serve() {
    let (mut net, ..) = three();
    net.log_stands = true;
    net.open(ONE, B);
    net.input(ONE, B, Input::Close);
    net.release_log();
    assert!(net.replica(ONE, B).serving().is_none());
    assert!(net.replica(ONE, A).serving().is_none(), "its epoch is over");
    net.open(ONE, A);
    assert!(net.replica(ONE, A).serving().is_some());
}

#[test]
fn opening_twice_begins_a_new_epoch_and_forgets_nobody() {
    let (mut net, alice, bob, carol) = three();
    let first = net.replica(ONE, A).serving().unwrap();
    net.input(ONE, A, Input::Close);
    net.log_stands = true;
    net.open(ONE, A);
    net.open(ONE, A);
    net.release_log();
    assert!(net.replica(ONE, A).serving().unwrap() > first);
    assert_eq!(net.replica(ONE, A).sessions().len(), 3);
    net.pass(2 * GRACE);
    for session in [alice, bob, carol] {
        assert_eq!(gone(&mut net, session), Vec::<String>::new());
    }
}

#[test]
fn a_state_from_a_snapshot_replaces_the_old_one() {
    let (mut net, alice, bob, _) = three();
    let state = net.replica(ONE, A).state().clone();
    net.input(ONE, B, Input::Installed(Box::new(state.clone())));
    assert_eq!(*net.replica(ONE, B).state(), state);
    net.kill(A);
    net.open(ONE, B);
    let _ = alice;
    assert_eq!(gone(&mut net, bob), Vec::<String>::new());
}

#[test]
fn permission_lost_during_a_takeover_is_taken_back() {
    let (mut net, alice, bob, _) = three();
    // The old owner commits it and dies before it can tell anybody.
    net.lose = |envelope| matches!(envelope, Envelope::ToNode { .. });
    net.send(
        bob,
        "<presence type='unsubscribed' to='alice@example.com'/>",
    );
    net.lose = |_| false;
    net.input(ONE, A, Input::Close);
    net.open(ONE, B);
    assert_eq!(gone(&mut net, alice), ["bob@example.com/b unavailable"]);
    net.publish(bob, "<show>away</show>");
    assert_eq!(net.take(alice), Vec::<String>::new());
}

#[test]
fn news_during_a_takeover_do_not_hide_what_was_there() {
    let (mut net, alice, bob, _) = three();
    let phone = net.login(A, "alice@example.com/phone");
    net.forget();
    net.silent.insert(A);
    // A new client that watchers hear of before every node has announced.
    net.input(ONE, A, Input::Close);
    net.open(ONE, B);
    let tablet = net.bind(B, "alice@example.com/tablet");
    net.publish(tablet, "");
    assert!(
        net.take(bob)
            .contains(&"alice@example.com/tablet available".to_owned())
    );
    net.pass(Duration::from_secs(6));
    let shown = net.take(bob).join(" ");
    for resource in ["a", "phone", "tablet"] {
        assert!(
            shown.contains(&format!("alice@example.com/{resource} available")),
            "{shown}"
        );
    }
    // A never announced its clients: they are gone when the grace is over.
    net.pass(GRACE + MOMENT);
    let gone = gone(&mut net, bob);
    for resource in ["a", "phone"] {
        let line = format!("alice@example.com/{resource} unavailable");
        assert_eq!(
            gone.iter().filter(|got| **got == line).count(),
            1,
            "{gone:?}"
        );
    }
    let _ = (alice, phone);
}

#[test]
fn a_new_owner_is_no_reason_to_wait_longer() {
    let mut net = Net::pair();
    let alice = net.login(A, "alice@example.com/a");
    let bob = net.login(B, "bob@example.com/b");
    net.befriend(alice, bob);
    net.kill(A);
    net.open(ONE, B);
    let half = GRACE / 2;
    // The owner loses its lease for a moment; then a copy takes over from it.
    net.pass(half);
    net.input(ONE, B, Input::Close);
    net.open(ONE, B);
    net.start(A);
    net.pass(half / 2);
    net.open(ONE, A);
    let gone = |net: &mut Net| {
        let seen = net.take(bob);
        seen.iter()
            .filter(|seen| seen.ends_with("unavailable"))
            .count()
    };
    assert_eq!(gone(&mut net), 0);
    net.pass(half / 2 + MOMENT);
    assert_eq!(gone(&mut net), 1);
    net.pass(GRACE);
    assert_eq!(gone(&mut net), 0);
}
