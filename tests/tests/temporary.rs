//! Temporary subscriptions: a client sees somebody for a while without a roster entry.

use muster_testkit::{Client, Event, Library, Outcome, PATIENCE, Quickstart, never};
use muster_tests::{Couple, log_in};
use serde_json::{Value, json};
use std::time::Duration;

/// The command, as a program sends it: in one step.
fn watch(contact: &str, seconds: u32) -> Value {
    let field =
        |name: &str, value: &str| format!("<field var='{name}'><value>{value}</value></field>");
    let form = field("accountjid", contact) + &field("expires", &seconds.to_string());
    json!({"do": "iq", "type": "set", "payload": format!(
        "<command xmlns='http://jabber.org/protocol/commands' node='urn:muster:presence:watch'>\
         <x xmlns='jabber:x:data' type='submit'>{form}</x></command>"
    )})
}

/// Asks for it; when it was granted, on the machine's clock.
fn watches(client: &mut Client, contact: &str, seconds: u32) -> anyhow::Result<f64> {
    let reply = client.ask(watch(contact, seconds))?;
    assert!(reply.text("payload").contains("completed"), "{reply:?}");
    Ok(reply.at())
}

fn shows(show: &str, from: &str) -> impl Fn(&Event) -> bool {
    move |e| e.is_presence("available", from) && e.value("show").as_str().unwrap_or("") == show
}

#[test]
fn a_temporary_subscription_survives_a_takeover_and_ends_by_itself() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let ctl = cluster.ctl();
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    let mut bob = log_in(&cluster, Library::Slixmpp, &couple.bob, &couple.peer)?;
    let (a, b) = (couple.alice.jid.clone(), couple.bob.jid.clone());
    let nobody = format!("nobody{}", &a[a.find('@').unwrap_or(0)..]);

    // Whoever has to ask is not told whom there is.
    assert_eq!(bob.refused(watch(&a, 60))?, "forbidden");
    assert_eq!(bob.refused(watch(&nobody, 60))?, "forbidden");
    let elsewhere = watch("alice@elsewhere.invalid", 60);
    assert_eq!(bob.refused(elsewhere)?, "remote-server-not-found");

    ctl.run(&["user", "access", &a, &b, "allow"])?;
    let there = bob.mark();
    let granted = watches(&mut bob, &a, 60)?;
    bob.expect(there, "alice", shows("", &a))?;
    assert_eq!(bob.roster()?, Vec::<Value>::new(), "no contact");
    let why = ctl.json(&["explain", &a, "--as", &b])?;
    assert!(why["seen"]["clients"].is_array(), "{why}");

    let here = alice.mark();
    cluster.kill(&couple.home)?;
    alice.expect_within(here, "she is served by the peer", PATIENCE, |e| {
        e.is("ready")
    })?;
    alice.ask(json!({"do": "presence", "show": "dnd"}))?;
    bob.expect(there, "alice as she is", shows("dnd", &a))?;
    let gone = |e: &Event| e.is_presence("unavailable", &a);
    assert!(!bob.since(there).iter().any(gone), "{:?}", bob.since(there));

    let ended = bob.expect_within(there, "the end", Duration::from_secs(75), gone)?;
    let lasted = ended.at() - granted;
    assert!((59.0..70.0).contains(&lasted), "{lasted} s");
    let there = bob.mark();
    alice.ask(json!({"do": "presence", "show": "away"}))?;
    never("bob sees alice", Duration::from_secs(2), || {
        let seen = bob.since(there).into_iter();
        Ok(seen.into_iter().find(|e| e.is_presence("available", &a)))
    })?;
    Ok(())
}

#[test]
fn a_temporary_watcher_sees_the_user_go_who_blocks_it_and_is_served_by_any_node() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let ctl = cluster.ctl();
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    // Bob's client is on the node that serves alice: his own node moves without him.
    let mut bob = log_in(&cluster, Library::Slixmpp, &couple.bob, &couple.home)?;
    let (a, b) = (couple.alice.jid.clone(), couple.bob.jid.clone());
    ctl.run(&["settings", "set", "auto-authorise=on"])?;

    let items = json!({"do": "iq", "type": "get", "to": b, "payload":
        "<query xmlns='http://jabber.org/protocol/disco#items' \
         node='http://jabber.org/protocol/commands'/>"});
    let found = bob.ask(items)?;
    let payload = found.text("payload");
    assert!(payload.contains("urn:muster:presence:watch"), "{payload}");

    let there = bob.mark();
    watches(&mut bob, &a, 3_600)?;
    bob.expect(there, "alice", shows("", &a))?;
    cluster.kill(&couple.peer)?;
    alice.ask(json!({"do": "presence", "show": "dnd"}))?;
    bob.expect(there, "alice is busy", shows("dnd", &a))?;
    let gone = |e: &Event| e.is_presence("unavailable", &a);
    assert!(!bob.since(there).iter().any(gone));

    alice.ask(json!({"do": "block", "jids": [b]}))?;
    bob.expect(there, "alice goes", gone)?;
    let there = bob.mark();
    alice.ask(json!({"do": "unblock", "jids": [b]}))?;
    bob.expect(there, "alice comes", shows("dnd", &a))?;
    watches(&mut bob, &a, 0)?;
    bob.expect(there, "the end", gone)?;
    Ok(())
}
