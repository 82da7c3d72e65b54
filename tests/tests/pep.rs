//! Personal eventing as real clients see it: who is notified of what a user does and feels, and what is kept.

use anyhow::{Context, Result};
use muster_testkit::{Client, Event, Library, Outcome, PATIENCE, Quickstart, never};
use muster_tests::{Couple, log_in};
use serde_json::json;
use std::time::Duration;

const MOOD: &str = "http://jabber.org/protocol/mood";
const ACTIVITY: &str = "http://jabber.org/protocol/activity";
const CHOICE: &str = "urn:muster:presence:choice";

/// A client on slixmpp that wants to be notified.
fn notified(
    cluster: &Quickstart,
    user: &muster_testkit::UserFacts,
    node: &str,
    nodes: &[&str],
) -> Result<Client> {
    let mut client = log_in(cluster, Library::Slixmpp, user, node)?;
    client.ask(json!({"do": "notify", "nodes": nodes}))?;
    Ok(client)
}

/// News of a node of this user with this in it.
fn is_item(event: &Event, from: &str, node: &str, part: &str) -> bool {
    event.is("item")
        && event.text("from") == from
        && event.text("node") == node
        && event.text("payload").contains(part)
}

fn publish_mood(client: &mut Client, mood: &str) -> Result<()> {
    client.ask(json!({"do": "mood", "value": mood})).map(drop)
}

fn items(client: &mut Client, of: &str, node: &str) -> Result<String> {
    let query = format!(
        "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{node}'/></pubsub>"
    );
    let request = json!({"do": "iq", "type": "get", "to": of, "payload": query});
    Ok(client.ask(request)?.text("payload").to_owned())
}

#[test]
fn mood_and_activity_reach_who_asks_for_them_and_survive_a_takeover() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let (a, b) = (couple.alice.jid.clone(), couple.bob.jid.clone());
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    let mut bob = notified(&cluster, &couple.bob, &couple.peer, &[MOOD, ACTIVITY])?;
    // The same user with a client that has not asked for anything.
    let mut other = log_in(&cluster, Library::Aioxmpp, &couple.bob, &couple.home)?;
    alice.befriend(&mut bob)?;

    let (mark, quiet) = (bob.mark(), other.mark());
    publish_mood(&mut alice, "happy")?;
    bob.expect(mark, "her mood", |e| is_item(e, &a, MOOD, "happy"))?;
    alice.ask(json!({"do": "activity", "value": "working"}))?;
    bob.expect(mark, "what she does", |e| {
        is_item(e, &a, ACTIVITY, "working")
    })?;
    alice.chat(&b, "did you see?")?;
    other.expect(quiet, "a message", |e| e.is_message("did you see?"))?;
    let told = other.since(quiet).into_iter();
    let told: Vec<_> = told.filter(|e| e.text("type") == "headline").collect();
    assert!(told.is_empty(), "it did not ask: {told:?}");

    // Who comes (again) is told what there is, on another node and by another library too.
    let mark = bob.mark();
    bob.ask(json!({"do": "presence", "type": "unavailable"}))?;
    bob.ask(json!({"do": "presence"}))?;
    bob.expect(mark, "both again", |e| is_item(e, &a, MOOD, "happy"))?;
    bob.expect(mark, "both again", |e| is_item(e, &a, ACTIVITY, "working"))?;
    other.quit()?;
    bob.quit()?;
    let mut bob = log_in(&cluster, Library::Aioxmpp, &couple.bob, &couple.peer)?;
    let mark = bob.mark();
    bob.ask(json!({"do": "notify", "nodes": [MOOD]}))?;
    bob.expect(mark, "her last mood", |e| is_item(e, &a, MOOD, "happy"))?;

    let (here, there) = (alice.mark(), bob.mark());
    cluster.kill(&couple.home)?;
    alice.expect_within(here, "she is served by the peer", PATIENCE, |e| {
        e.is("ready")
    })?;
    let kept = items(&mut alice, &a, MOOD)?;
    assert!(kept.contains("happy"), "{kept}");
    publish_mood(&mut alice, "sad")?;
    bob.expect(there, "her mood from the new owner", |e| {
        is_item(e, &a, MOOD, "sad")
    })?;
    let again = bob.since(there).into_iter();
    let again = again.filter(|e| is_item(e, &a, MOOD, "happy")).count();
    assert_eq!(again, 0, "of the takeover nobody is told");
    Ok(())
}

#[test]
fn strangers_and_the_blocked_see_no_item_and_get_none() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let (a, b) = (couple.alice.jid.clone(), couple.bob.jid.clone());
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    let mut bob = notified(&cluster, &couple.bob, &couple.peer, &[MOOD])?;
    let mut users = cluster.facts().users.iter();
    let stranger = users
        .find(|user| **user != couple.alice && **user != couple.bob)
        .context("a third user")?;
    let mut eve = notified(&cluster, stranger, &couple.peer, &[MOOD])?;
    alice.befriend(&mut bob)?;
    let (mark, hers) = (bob.mark(), eve.mark());
    publish_mood(&mut alice, "happy")?;
    bob.expect(mark, "her mood", |e| is_item(e, &a, MOOD, "happy"))?;
    let read = "<pubsub xmlns='http://jabber.org/protocol/pubsub'>\
                <items node='http://jabber.org/protocol/mood'/></pubsub>";
    let read = json!({"do": "iq", "type": "get", "to": a, "payload": read});
    assert_eq!(eve.refused(read.clone())?, "not-authorized");

    alice.ask(json!({"do": "block", "jids": [b]}))?;
    bob.expect(mark, "alice goes", |e| e.is_presence("unavailable", &a))?;
    let mark = bob.mark();
    publish_mood(&mut alice, "angry")?;
    assert_eq!(bob.refused(read)?, "service-unavailable");
    never("an item for whom it is not", Duration::from_secs(2), || {
        let item = |e: &Event| e.is("item");
        let bobs = bob.since(mark).into_iter().find(item);
        Ok(bobs.or_else(|| eve.since(hers).into_iter().find(item)))
    })?;
    alice.ask(json!({"do": "unblock", "jids": [b]}))?;
    bob.expect(mark, "her mood again", |e| is_item(e, &a, MOOD, "angry"))?;
    Ok(())
}

#[test]
fn a_choice_is_made_by_a_node_of_the_account_and_the_users_clients_are_told() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let (a, ctl) = (couple.alice.jid.clone(), cluster.ctl());
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    let mut bob = log_in(&cluster, Library::Aioxmpp, &couple.bob, &couple.peer)?;
    alice.befriend(&mut bob)?;
    let mut phone = notified(&cluster, &couple.alice, &couple.peer, &[CHOICE])?;

    let pubsub = |inside: &str| {
        let pubsub = format!("<pubsub xmlns='http://jabber.org/protocol/pubsub'>{inside}</pubsub>");
        json!({"do": "iq", "type": "set", "payload": pubsub})
    };
    let (here, there) = (phone.mark(), bob.mark());
    alice.ask(pubsub(&format!(
        "<publish node='{CHOICE}'><item><choice xmlns='{CHOICE}'><state>vacation</state>\
         <note>Back in May</note></choice></item></publish>"
    )))?;
    phone.expect(here, "the choice", |e| is_item(e, &a, CHOICE, "vacation"))?;
    let is_shown = |e: &Event, show: &str, status: &str| {
        e.is_presence("available", &a) && e.text("show") == show && e.text("status") == status
    };
    bob.expect(there, "alice on vacation", |e| {
        is_shown(e, "xa", "Back in May")
    })?;
    let kept = items(&mut phone, &a, CHOICE)?;
    assert!(kept.contains("Back in May"), "{kept}");

    // Another way to choose is told too, and it is one choice.
    let here = phone.mark();
    ctl.run(&["presence", "set", &a, "manual", "busy"])?;
    phone.expect(here, "the other choice", |e| is_item(e, &a, CHOICE, "busy"))?;
    let (here, there) = (phone.mark(), bob.mark());
    alice.ask(pubsub(&format!(
        "<retract node='{CHOICE}'><item id='current'/></retract>"
    )))?;
    phone.expect(here, "no choice", |e| {
        e.is("retracted") && e.text("node") == CHOICE
    })?;
    bob.expect(there, "alice as she is", |e| is_shown(e, "", ""))?;

    // One client's "do not disturb" counts for all of them where an operator wants it.
    phone.ask(json!({"do": "presence", "show": "dnd", "status": "Exam"}))?;
    let there = bob.mark();
    ctl.run(&["settings", "set", "dnd-is-manual=on"])?;
    let resource = alice_resource(&mut alice)?;
    bob.expect(there, "her other client too", |e| {
        is_shown(e, "dnd", "Exam") && e.text("from") == resource
    })?;
    Ok(())
}

/// The full address of a client.
fn alice_resource(client: &mut Client) -> Result<String> {
    let ready = client.ready(0)?;
    Ok(ready.text("jid").to_owned())
}

#[test]
fn an_item_of_100_kilobytes_is_refused_and_one_of_a_megabyte_ends_its_sender_only() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    let mut bob = log_in(&cluster, Library::Slixmpp, &couple.bob, &couple.home)?;
    alice.befriend(&mut bob)?;
    let item = |bytes: usize| {
        let much = "x".repeat(bytes);
        let publish = format!(
            "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:much'>\
             <item><much xmlns='urn:much'>{much}</much></item></publish></pubsub>"
        );
        json!({"do": "iq", "type": "set", "payload": publish})
    };
    alice.ask(item(60_000))?;
    assert_eq!(alice.refused(item(100_000))?, "not-acceptable");
    let (here, there) = (alice.mark(), bob.mark());
    // No stanza may be so large: the stream ends with the reason, and the client comes back.
    let iq = item(1_000_000);
    let payload = iq["payload"].as_str().unwrap_or_default();
    let raw = format!("<iq type='set' id='much'>{payload}</iq>");
    alice.ask(json!({"do": "raw", "xml": raw}))?;
    alice.expect(here, "why", |e| {
        e.is("stream-error") && e.text("condition") == "policy-violation"
    })?;
    alice.expect(here, "she comes back", |e| e.is("ready"))?;
    let kept = items(&mut alice, &couple.alice.jid, "urn:much")?;
    assert!(kept.len() > 60_000 && kept.len() < 70_000, "what was there");
    bob.ask(json!({"do": "ping"}))?;
    assert!(!bob.since(there).iter().any(|e| e.is("disconnected")));
    Ok(())
}

#[test]
fn capabilities_and_idle_times_pass_as_they_came() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    let mut bob = log_in(&cluster, Library::Slixmpp, &couple.bob, &couple.peer)?;
    alice.befriend(&mut bob)?;
    let mark = bob.mark();
    let presence = "<presence><show>away</show>\
        <c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:client' ver='abc='/>\
        <idle xmlns='urn:xmpp:idle:1' since='2026-01-02T03:04:05Z'/></presence>";
    alice.ask(json!({"do": "raw", "xml": presence}))?;
    bob.expect(mark, "both", |e| {
        e.is_presence("available", &couple.alice.jid)
            && e.text("caps") == "abc="
            && e.text("idle") == "2026-01-02T03:04:05Z"
    })?;
    Ok(())
}
