//! What a user chooses by its client.

use crate::testing::{A, B, Net};
use muster_types::SessionId;
use std::time::Duration;

/// Sends a step of the command; returns what came back.
fn step(net: &mut Net, session: SessionId, action: &str, form: &str) -> String {
    let command = format!(
        "<command xmlns='http://jabber.org/protocol/commands' node='urn:muster:presence:choose' \
         action='{action}'>{form}</command>"
    );
    net.forget();
    net.send(session, &format!("<iq type='set' id='c'>{command}</iq>"));
    net.take(session).concat()
}

fn form(fields: &[(&str, &str)]) -> String {
    let field = |(name, value): &(&str, &str)| {
        format!("<field var='{name}'><value>{value}</value></field>")
    };
    let fields: String = fields.iter().map(field).collect();
    format!("<x xmlns='jabber:x:data' type='submit'>{fields}</x>")
}

fn friends() -> (Net, SessionId, SessionId) {
    let mut net = Net::pair();
    let alice = net.login(A, "alice@example.com/a");
    let bob = net.login(B, "bob@example.com/b");
    net.befriend(alice, bob);
    (net, alice, bob)
}

#[test]
fn a_choice_is_made_by_a_form_and_watchers_see_it_until_its_time_is_over() {
    let (mut net, alice, bob) = friends();
    let offered = step(&mut net, alice, "execute", "");
    for part in [
        "status='executing'",
        "<value>vacation</value>",
        "Out of office",
        "4 hours",
    ] {
        assert!(offered.contains(part), "{part}: {offered}");
    }
    let chosen = [
        ("state", "vacation"),
        ("note", "Back in May"),
        ("minutes", "30"),
    ];
    let done = step(&mut net, alice, "complete", &form(&chosen));
    assert!(done.contains("status='completed'"), "{done}");
    let seen = net.take(bob).concat();
    assert!(
        seen.contains("<show>xa</show><status>Back in May</status>"),
        "{seen}"
    );
    net.pass(Duration::from_secs(31 * 60));
    let seen = net.take(bob).concat();
    assert_eq!(seen, "alice@example.com/a available", "as she is");
}

#[test]
fn no_choice_takes_a_choice_back() {
    let (mut net, alice, bob) = friends();
    step(&mut net, alice, "execute", &form(&[("state", "busy")]));
    assert!(net.take(bob).concat().contains("<show>dnd</show>"));
    step(&mut net, alice, "complete", &form(&[("state", "none")]));
    assert_eq!(net.take(bob), ["alice@example.com/a available"]);
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let (mut net, alice, bob) = friends();
    let long = "x".repeat(257);
    for (action, form, error) in [
        ("complete", String::new(), "bad-action"),
        ("prev", String::new(), "bad-action"),
        ("dance", String::new(), "malformed-action"),
        ("complete", form(&[]), "bad-payload"),
        ("complete", form(&[("state", "invisible")]), "bad-payload"),
        (
            "complete",
            form(&[("state", "busy"), ("note", &long)]),
            "bad-payload",
        ),
        (
            "complete",
            form(&[("state", "busy"), ("minutes", "7")]),
            "bad-payload",
        ),
    ] {
        let got = step(&mut net, alice, action, &form);
        assert!(
            got.contains(error) && got.contains("bad-request"),
            "{action}: {got}"
        );
    }
    assert!(step(&mut net, alice, "cancel", "").contains("canceled"));
    assert_eq!(net.take(bob), Vec::<String>::new());
    net.send(
        bob,
        "<iq type='set' id='c' to='alice@example.com'><command \
         xmlns='http://jabber.org/protocol/commands' node='urn:muster:presence:choose'/></iq>",
    );
    assert!(net.take(bob).concat().contains("forbidden"));
}

#[test]
fn the_command_is_found_by_discovery_of_the_own_account() {
    let (mut net, alice, bob) = friends();
    let ask = |net: &mut Net, who: SessionId, to: &str, what: &str, node: &str| {
        let query = format!("<query xmlns='http://jabber.org/protocol/disco#{what}'{node}/>");
        net.forget();
        net.send(who, &format!("<iq type='get' id='d'{to}>{query}</iq>"));
        net.take(who).concat()
    };
    let commands = " node='http://jabber.org/protocol/commands'";
    let own = ask(&mut net, alice, "", "info", "");
    assert!(own.contains("protocol/commands"), "{own}");
    let items = ask(&mut net, alice, "", "items", commands);
    assert!(items.contains("urn:muster:presence:choose"), "{items}");
    let info = ask(
        &mut net,
        alice,
        "",
        "info",
        " node='urn:muster:presence:choose'",
    );
    assert!(info.contains("command-node"), "{info}");
    let other = ask(&mut net, bob, " to='alice@example.com'", "info", "");
    assert!(!other.contains("protocol/commands"), "{other}");
    let items = ask(&mut net, bob, " to='alice@example.com'", "items", commands);
    assert!(items.contains("item-not-found"), "{items}");
}
