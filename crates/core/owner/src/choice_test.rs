//! What a user chooses, as a node of its personal eventing service.

use crate::testing::{A, B, Net, ONE};
use muster_envelope::{AskItems, Envelope, Question, ToNode, ToOwner};
use muster_presence::source::{FromNow, Report, Source};
use muster_types::SessionId;
use std::time::Duration;

const NODE: &str = "urn:muster:presence:choice";

/// A request to alice's account; returns what came back, and nothing else.
fn ask(net: &mut Net, who: SessionId, kind: &str, inside: &str) -> String {
    let pubsub = format!("<pubsub xmlns='http://jabber.org/protocol/pubsub'>{inside}</pubsub>");
    let iq = format!("<iq type='{kind}' id='q' to='alice@example.com'>{pubsub}</iq>");
    net.send(who, &iq);
    let got = net.take(who).into_iter();
    got.filter(|got| got.contains("id='q'")).collect()
}

fn publish(choice: &str) -> String {
    format!("<publish node='{NODE}'><item>{choice}</item></publish>")
}

fn choice(inside: &str) -> String {
    format!("<choice xmlns='{NODE}'>{inside}</choice>")
}

fn items() -> String {
    format!("<items node='{NODE}'/>")
}

/// Alice with two clients, and bob who sees her.
fn scene() -> (Net, SessionId, SessionId, SessionId) {
    let mut net = Net::pair();
    let alice = net.login(A, "alice@example.com/a");
    let phone = net.login(B, "alice@example.com/p");
    let bob = net.login(B, "bob@example.com/b");
    net.befriend(alice, bob);
    (net, alice, phone, bob)
}

/// What a client was told of the node.
fn told(net: &mut Net, who: SessionId) -> Vec<String> {
    let got = net.take(who).into_iter();
    got.filter(|got| got.contains(NODE) && got.contains("<event "))
        .collect()
}

#[test]
fn a_published_choice_is_made_and_a_retracted_one_is_taken_back() {
    let (mut net, alice, phone, bob) = scene();
    let inside = "<state>vacation</state><note>Back in May</note>";
    let done = ask(&mut net, alice, "set", &publish(&choice(inside)));
    assert!(
        done.contains("type='result'") && done.contains("<item id='current'/>"),
        "{done}"
    );
    let seen = net.take(bob).concat();
    assert!(
        seen.contains("<show>xa</show><status>Back in May</status>"),
        "{seen}"
    );
    assert!(!seen.contains(NODE), "others see the effect only: {seen}");
    let news = told(&mut net, phone).concat();
    assert!(news.contains("<state>vacation</state>"), "{news}");
    let kept = ask(&mut net, phone, "get", &items());
    assert!(kept.contains("<note>Back in May</note>"), "{kept}");
    let refused = ask(&mut net, bob, "get", &items());
    assert!(refused.contains("closed-node"), "{refused}");

    let retract = format!("<retract node='{NODE}'><item id='current'/></retract>");
    let done = ask(&mut net, phone, "set", &retract);
    assert!(done.contains("type='result'"), "{done}");
    assert!(
        told(&mut net, alice)
            .concat()
            .contains("<retract id='current'/>")
    );
    let seen = net.take(bob).concat();
    assert!(seen.contains("alice@example.com/a available"), "{seen}");
    let kept = ask(&mut net, alice, "get", &items());
    assert!(!kept.contains("<state>"), "{kept}");
    let again = ask(&mut net, alice, "set", &retract);
    assert!(again.contains("item-not-found"), "{again}");
}

#[test]
fn the_users_clients_are_told_however_the_choice_was_made_or_ended() {
    let (mut net, alice, phone, _) = scene();
    let form = "<x xmlns='jabber:x:data' type='submit'><field var='state'><value>busy</value></field>\
         <field var='minutes'><value>30</value></field></x>";
    let command = format!(
        "<iq type='set' id='c'><command xmlns='http://jabber.org/protocol/commands' \
         node='urn:muster:presence:choose' action='complete'>{form}</command></iq>"
    );
    net.send(alice, &command);
    let news = told(&mut net, phone);
    assert_eq!(news.len(), 1);
    assert!(news[0].contains("<state>busy</state><until>"), "{news:?}");
    net.send(alice, &command);
    net.pass(Duration::from_secs(31 * 60));
    let news = told(&mut net, phone).concat();
    assert!(
        news.contains("<retract id='current'/>"),
        "its time is over: {news}"
    );

    ask(
        &mut net,
        alice,
        "set",
        &publish(&choice("<state>away</state>")),
    );
    net.forget();
    let (source, spans) = (
        Source::Manual,
        Vec::<muster_presence::source::Span<FromNow>>::new(),
    );
    let cleared = (
        "alice@example.com".parse().unwrap(),
        Report { source, spans },
    );
    net.ask(A, Question::Reports(vec![cleared]));
    let news = told(&mut net, phone);
    assert_eq!(news.len(), 1, "{news:?}");
    assert!(news[0].contains("<retract "), "{news:?}");
}

#[test]
fn a_choice_ends_with_the_last_client_and_not_before() {
    let (mut net, alice, phone, bob) = scene();
    ask(
        &mut net,
        alice,
        "set",
        &publish(&choice("<state>busy</state>")),
    );
    net.leave(alice, true);
    let kept = ask(&mut net, phone, "get", &items());
    assert!(kept.contains("<state>busy</state>"), "{kept}");
    net.leave(phone, true);
    net.forget();
    let alice = net.login(A, "alice@example.com/a");
    let kept = ask(&mut net, alice, "get", &items());
    assert!(!kept.contains("<state>"), "{kept}");
    net.publish(alice, "");
    assert_eq!(net.take(bob), ["alice@example.com/a available"]);
}

#[test]
fn a_choice_that_makes_no_sense_is_refused_and_changes_nothing() {
    let (mut net, alice, _, bob) = scene();
    net.forget();
    let long = format!("<state>busy</state><note>{}</note>", "x".repeat(257));
    for (item, error) in [
        ("<choice/>".to_owned(), "invalid-payload"),
        (choice(""), "invalid-payload"),
        (choice("<state>invisible</state>"), "no state invisible"),
        (choice("<state>Not a word</state>"), "invalid-payload"),
        (choice(&long), "256 bytes"),
        (choice("<state>busy</state><until>soon</until>"), "no time"),
        (
            choice("<state>busy</state><until>1970-01-01T00:00:00Z</until>"),
            "31 days",
        ),
        (
            choice("<state>busy</state><until>2970-01-01T00:00:00Z</until>"),
            "31 days",
        ),
    ] {
        let got = ask(&mut net, alice, "set", &publish(&item));
        assert!(
            got.contains("bad-request") && got.contains(error),
            "{item}: {got}"
        );
    }
    let got = ask(
        &mut net,
        bob,
        "set",
        &publish(&choice("<state>busy</state>")),
    );
    assert!(got.contains("forbidden"), "{got}");
    assert_eq!(net.take(bob), [""; 0]);
}

#[test]
fn a_clients_do_not_disturb_is_shown_for_all_clients_where_an_operator_wants_it() {
    let (mut net, alice, phone, bob) = scene();
    let both = |got: Vec<String>| got.concat().matches("<show>dnd</show>").count();
    net.publish(phone, "<show>dnd</show>");
    assert_eq!(both(net.take(bob)), 1, "as it came");
    net.set_dnd_is_manual(true);
    assert_eq!(both(net.take(bob)), 2, "at once");
    net.publish(alice, "<show>away</show>");
    assert_eq!(both(net.take(bob)), 1, "she is not away for others");
    net.publish(phone, "");
    let seen = net.take(bob);
    assert_eq!(
        seen,
        [
            "alice@example.com/a available <show>away</show>",
            "alice@example.com/p available"
        ]
    );
    net.publish(phone, "<show>xa</show>");
    let seen = net.take(bob);
    assert_eq!(
        seen,
        ["alice@example.com/p available <show>xa</show>"],
        "that is the client's own"
    );
    net.publish(phone, "<show>dnd</show>");
    net.forget();
    net.set_dnd_is_manual(false);
    assert!(
        net.take(bob)
            .concat()
            .contains("/a available <show>away</show>")
    );
    net.set_dnd_is_manual(true);
    net.leave(phone, true);
    assert!(
        net.take(bob)
            .concat()
            .contains("/a available <show>away</show>"),
        "it has signed out"
    );
}

#[test]
fn a_new_owner_tells_the_users_clients_again_what_is_chosen() {
    let (mut net, alice, phone, _) = scene();
    let user = || "alice@example.com".parse().unwrap();
    net.raw(
        B,
        ToOwner::AskItems(AskItems {
            session: phone,
            watcher: user(),
            nodes: vec![NODE.to_owned()],
            contacts: vec![user()],
        }),
    );
    net.lose = |envelope| {
        matches!(
            envelope,
            Envelope::ToNode {
                body: ToNode::Item { .. },
                ..
            }
        )
    };
    ask(
        &mut net,
        alice,
        "set",
        &publish(&choice("<state>busy</state>")),
    );
    assert_eq!(told(&mut net, phone), [""; 0], "it was lost");
    net.lose = |_| false;
    net.open(ONE, B);
    let news = told(&mut net, phone).concat();
    assert!(news.contains("<state>busy</state>"), "{news}");
}
