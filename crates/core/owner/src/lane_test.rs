//! Order, acknowledgement and repetition.

use crate::Input;
use crate::testing::{A, B, Net, ONE};
use muster_envelope::{Envelope, ToOwner};
use muster_stanza::{Element, Stanza};
use muster_types::SessionId;
use std::time::Duration;

fn stanza(net: &Net, from: SessionId, xml: &str) -> Stanza {
    let element = Element::parse(xml.as_bytes()).unwrap();
    Stanza::from_element(&element)
        .unwrap()
        .with_from(net.jid(from))
}

#[test]
fn what_was_had_before_is_confirmed_again_and_not_delivered_again() {
    let mut net = Net::pair();
    let alice = net.login(A, "alice@example.com/a");
    let bob = net.login(B, "bob@example.com/b");
    let message = stanza(
        &net,
        bob,
        "<message to='alice@example.com/a'><body>hi</body></message>",
    );
    let route = |serial| ToOwner::Route {
        session: bob,
        serial,
        stanza: message.clone(),
    };
    for (serial, delivered, confirmed) in [(11, 1, 11), (11, 0, 11), (10, 0, 11), (12, 1, 12)] {
        net.confirmed.clear();
        net.raw(B, route(serial));
        assert_eq!(net.take(alice).len(), delivered, "{serial}");
        assert_eq!(net.confirmed[&bob], confirmed, "{serial}");
    }
}

#[test]
fn what_an_ended_session_left_unconfirmed_is_no_sign_of_life() {
    let mut net = Net::pair();
    let bob = net.login(B, "bob@example.com/b");
    net.send(bob, "<presence/>");
    let cut = ToOwner::Unbind {
        session: bob,
        graceful: false,
    };
    net.raw(B, cut);
    let message = stanza(
        &net,
        bob,
        "<message to='alice@example.com'><body>hi</body></message>",
    );
    // The node sends it again when its link is back.
    net.raw(
        B,
        ToOwner::Route {
            session: bob,
            serial: 20,
            stanza: message,
        },
    );
    let sessions = net.replica(ONE, A).sessions();
    let expected: Vec<_> = sessions.iter().map(|session| session.expected).collect();
    assert_eq!(expected, [true]);
}

#[test]
fn answers_wait_for_the_log_and_keep_their_order() {
    let mut net = Net::pair();
    let alice = net.login(A, "alice@example.com/a");
    let first = net.confirmed[&alice];
    net.log_stands = true;
    net.send(alice, "<iq type='set' id='1'><query xmlns='jabber:iq:roster'><item jid='bob@example.com'/></query></iq>");
    net.send(
        alice,
        "<iq type='get' id='2'><ping xmlns='urn:xmpp:ping'/></iq>",
    );
    let last = net.send(
        alice,
        "<message to='bob@example.com'><body>hi</body></message>",
    );
    assert!(net.take(alice).is_empty());
    assert_eq!(net.confirmed[&alice], first);
    while net.confirmed[&alice] < last {
        net.release_log();
    }
    let ids: Vec<String> = net
        .take(alice)
        .into_iter()
        .filter(|got| got.contains("type='result'"))
        .collect();
    assert!(
        ids[0].contains("id='1'") && ids[1].contains("id='2'"),
        "{ids:?}"
    );
    assert_eq!(
        net.replica(ONE, B)
            .state()
            .offline_count(&"bob@example.com".parse().unwrap()),
        1
    );
}

#[test]
fn a_proposal_that_is_lost_is_made_again() {
    let mut net = Net::pair();
    let alice = net.login(A, "alice@example.com/a");
    net.log_stands = true;
    net.send(
        alice,
        "<iq type='set' id='1'><vCard xmlns='vcard-temp'/></iq>",
    );
    assert_eq!(net.drop_held(), 1);
    net.pass(Duration::from_secs(3));
    assert!(net.take(alice).is_empty());
    net.release_log();
    assert!(net.take(alice)[0].contains("type='result'"));
    let len = net.log_len(ONE);
    net.pass(Duration::from_secs(30));
    assert_eq!(net.log_len(ONE), len, "it is not made a third time");
}

#[test]
fn a_proposal_made_twice_is_answered_once() {
    let mut net = Net::pair();
    let alice = net.login(A, "alice@example.com/a");
    net.log_stands = true;
    net.send(
        alice,
        "<iq type='set' id='1'><vCard xmlns='vcard-temp'/></iq>",
    );
    net.pass(Duration::from_secs(5));
    net.release_log();
    assert_eq!(net.take(alice).len(), 1);
}

#[test]
fn what_is_owed_is_sent_until_it_is_confirmed() {
    for lose in [
        (|envelope| {
            matches!(
                envelope,
                Envelope::ToOwner {
                    body: ToOwner::Owed { .. },
                    ..
                }
            )
        }) as fn(&Envelope) -> bool,
        |envelope| {
            matches!(
                envelope,
                Envelope::ToOwner {
                    body: ToOwner::OwedConfirm { .. },
                    ..
                }
            )
        },
    ] {
        let mut net = Net::pair();
        let alice = net.login(A, "alice@example.com/a");
        let zoe = net.login(B, "zoe@example.com/z");
        net.lose = lose;
        for _ in 0..3 {
            net.send(alice, "<presence type='subscribe' to='zoe@example.com'/>");
        }
        net.pass(Duration::from_secs(3));
        assert!(net.replica(ONE, A).state().outbox_slots().next().is_some());
        net.lose = |_| false;
        net.pass(Duration::from_secs(3));
        assert_eq!(net.replica(ONE, A).state().outbox_slots().count(), 0);
        assert_eq!(net.take(zoe).len(), 1, "asked once, shown once");
    }
}

#[test]
fn what_is_owed_to_a_slot_without_owner_waits_for_one() {
    let mut net = Net::pair();
    let alice = net.login(A, "alice@example.com/a");
    net.input(crate::testing::TWO, B, Input::Close);
    net.send(alice, "<presence type='subscribe' to='zoe@example.com'/>");
    net.pass(Duration::from_secs(5));
    net.open(crate::testing::TWO, A);
    let zoe = net.bind(B, "zoe@example.com/z");
    net.publish(zoe, "");
    assert!(
        net.take(zoe)
            .iter()
            .any(|got| got.contains("type='subscribe'"))
    );
    assert_eq!(net.replica(ONE, A).state().outbox_slots().count(), 0);
}
