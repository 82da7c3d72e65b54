//! Rosters, presence and messages between other people's clients whose users live on different nodes.

use std::time::{Duration, Instant};

use muster_testkit::{Library, Options, Outcome, PATIENCE, Quickstart, Raw, never};
use muster_tests::{Couple, log_in};
use serde_json::json;

#[test]
fn two_people_subscribe_see_each_other_and_chat() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    let mut bob = log_in(&cluster, Library::Aioxmpp, &couple.bob, &couple.peer)?;
    alice.befriend(&mut bob)?;
    for (own, other) in [(&mut alice, &couple.bob.jid), (&mut bob, &couple.alice.jid)] {
        let roster = own.roster()?;
        assert_eq!(roster.len(), 1, "{roster:?}");
        assert_eq!(
            (&roster[0]["jid"], &roster[0]["subscription"]),
            (&json!(other), &json!("both"))
        );
    }

    let mark = bob.mark();
    alice.ask(json!({"do": "presence", "show": "away", "status": "at lunch", "priority": 5}))?;
    let seen = bob.expect(mark, "alice is away", |e| {
        e.is_presence("available", &couple.alice.jid)
    })?;
    assert_eq!(
        (seen.text("show"), seen.text("status")),
        ("away", "at lunch")
    );

    alice.chat(&couple.bob.jid, "hello")?;
    let hello = bob.expect(mark, "a message", |e| e.is_message("hello"))?;
    let mark = alice.mark();
    bob.chat(hello.text("from"), "hello to you")?;
    alice.expect(mark, "an answer", |e| e.is_message("hello to you"))?;

    let mark = bob.mark();
    alice.quit()?;
    bob.expect(mark, "alice has left", |e| {
        e.is_presence("unavailable", &couple.alice.jid)
    })?;
    Ok(())
}

#[test]
fn a_stranger_sees_no_presence() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let mut bob = log_in(&cluster, Library::Slixmpp, &couple.bob, &couple.peer)?;
    let _alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    bob.ask(json!({"do": "presence", "type": "probe", "to": couple.alice.jid}))?;
    bob.ask(json!({"do": "ping"}))?;
    never("a stranger saw presence", Duration::from_secs(2), || {
        Ok(bob
            .since(0)
            .into_iter()
            .find(|e| e.is_presence("available", &couple.alice.jid)))
    })?;
    Ok(())
}

#[test]
fn a_message_to_someone_who_is_away_waits_and_says_when_it_was_sent() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    alice.chat(&couple.bob.jid, "first")?;
    alice.chat(&couple.bob.jid, "second")?;
    alice.ask(json!({"do": "ping"}))?;
    let mut bob = log_in(&cluster, Library::Slixmpp, &couple.bob, &couple.peer)?;
    bob.expect(0, "the second message", |e| e.is_message("second"))?;
    let stored: Vec<_> = bob
        .since(0)
        .into_iter()
        .filter(|e| e.is("message"))
        .collect();
    assert_eq!(
        stored.iter().map(|e| e.text("body")).collect::<Vec<_>>(),
        ["first", "second"]
    );
    assert!(
        stored.iter().all(|e| !e.text("delay").is_empty()),
        "{stored:?}"
    );
    Ok(())
}

#[test]
fn a_roster_change_reaches_the_other_clients_of_the_same_user() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let mut desk = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    let mut phone = log_in(&cluster, Library::Aioxmpp, &couple.alice, &couple.peer)?;
    let mark = phone.mark();
    desk.ask(
        json!({"do": "roster-set", "jid": couple.bob.jid, "name": "Bob", "groups": ["friends"]}),
    )?;
    let push = phone.expect(mark, "a roster push", |e| e.is("roster-push"))?;
    assert_eq!(push.value("items")[0]["name"], "Bob");
    assert_eq!(push.value("items")[0]["groups"], json!(["friends"]));

    let mark = desk.mark();
    phone.ask(json!({"do": "roster-remove", "jid": couple.bob.jid}))?;
    let push = desk.expect(mark, "a roster push", |e| e.is("roster-push"))?;
    assert_eq!(push.value("items")[0]["subscription"], "remove");
    assert!(desk.roster()?.is_empty());
    Ok(())
}

#[test]
fn someone_who_is_removed_from_the_roster_sees_unavailable() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    let mut bob = log_in(&cluster, Library::Slixmpp, &couple.bob, &couple.peer)?;
    alice.befriend(&mut bob)?;
    let mark = bob.mark();
    alice.ask(json!({"do": "roster-remove", "jid": couple.bob.jid}))?;
    bob.expect(mark, "alice is gone", |e| {
        e.is_presence("unavailable", &couple.alice.jid)
    })?;
    bob.expect(mark, "alice took her permission back", |e| {
        e.is_presence("unsubscribed", &couple.alice.jid)
    })?;
    let roster = bob.roster()?;
    assert_eq!(roster[0]["subscription"], "none", "{roster:?}");
    Ok(())
}

#[test]
fn a_chat_message_goes_to_every_client_until_one_has_answered() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let mut bob = log_in(&cluster, Library::Slixmpp, &couple.bob, &couple.peer)?;
    let mut desk = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    let mut phone = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.peer)?;
    bob.chat(&couple.alice.jid, "to all")?;
    let to_all = desk.expect(0, "the desk gets it", |e| e.is_message("to all"))?;
    phone.expect(0, "the phone gets it", |e| e.is_message("to all"))?;
    phone.chat(to_all.text("from"), "here")?;
    bob.expect(0, "an answer", |e| e.is_message("here"))?;
    bob.chat(&couple.alice.jid, "to the phone")?;
    phone.expect(0, "the phone gets it", |e| e.is_message("to the phone"))?;
    never("the desk got it too", Duration::from_secs(1), || {
        Ok(desk
            .since(0)
            .into_iter()
            .find(|e| e.is_message("to the phone")))
    })?;
    desk.ask(json!({"do": "ping"}))?;
    Ok(())
}

#[test]
fn the_server_answers_what_clients_ask() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    let domain = &cluster.facts().domain;
    let own = &couple.alice.jid;
    for (what, to, payload, expected) in [
        (
            "XEP-0030",
            domain,
            "<query xmlns='http://jabber.org/protocol/disco#info'/>",
            "category=\"server\"",
        ),
        (
            "XEP-0030 items",
            domain,
            "<query xmlns='http://jabber.org/protocol/disco#items'/>",
            "disco#items",
        ),
        (
            "XEP-0030 account",
            own,
            "<query xmlns='http://jabber.org/protocol/disco#info'/>",
            "type=\"registered\"",
        ),
        (
            "XEP-0092",
            domain,
            "<query xmlns='jabber:iq:version'/>",
            "Muster",
        ),
        ("XEP-0202", domain, "<time xmlns='urn:xmpp:time'/>", "utc"),
        ("XEP-0199", domain, "<ping xmlns='urn:xmpp:ping'/>", ""),
    ] {
        let answer = alice.ask(json!({"do": "iq", "type": "get", "to": to, "payload": payload}))?;
        assert!(
            answer.text("payload").contains(expected),
            "{what}: {answer:?}"
        );
    }
    let condition = alice.refused(
        json!({"do": "iq", "type": "get", "to": domain, "payload": "<x xmlns='urn:none'/>"}),
    )?;
    assert_eq!(condition, "service-unavailable");
    Ok(())
}

#[test]
fn private_data_and_vcards_are_kept() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    let mut bob = log_in(&cluster, Library::Slixmpp, &couple.bob, &couple.peer)?;
    let private = "<query xmlns='jabber:iq:private'><notes xmlns='urn:example:notes'>buy milk</notes></query>";
    let asked = "<query xmlns='jabber:iq:private'><notes xmlns='urn:example:notes'/></query>";
    let vcard = "<vCard xmlns='vcard-temp'><FN>Alice</FN></vCard>";
    for payload in [private, vcard] {
        alice.ask(json!({"do": "iq", "type": "set", "payload": payload}))?;
    }
    let notes = alice.ask(json!({"do": "iq", "type": "get", "payload": asked}))?;
    assert!(notes.text("payload").contains("buy milk"), "{notes:?}");
    let to = &couple.alice.jid;
    let card = bob.ask(
        json!({"do": "iq", "type": "get", "to": to, "payload": "<vCard xmlns='vcard-temp'/>"}),
    )?;
    assert!(card.text("payload").contains("Alice"), "{card:?}");
    bob.refused(json!({"do": "iq", "type": "get", "to": to, "payload": asked}))?;
    Ok(())
}

#[test]
fn a_terminal_client_chats() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let mut bob = log_in(&cluster, Library::Slixmpp, &couple.bob, &couple.peer)?;
    let mut alice = log_in(&cluster, Library::Profanity, &couple.alice, &couple.home)?;
    alice.chat(&couple.bob.jid, "from a terminal")?;
    let message = bob.expect(0, "a message", |e| e.is_message("from a terminal"))?;
    let mark = alice.mark();
    bob.chat(message.text("from"), "to a terminal")?;
    alice.expect(mark, "an answer", |e| e.is_message("to a terminal"))?;
    Ok(())
}

/// More than a node keeps for one client.
const BURST: usize = 5_000;

#[test]
fn who_sends_thousands_of_messages_at_once_waits_and_none_is_refused() -> Outcome {
    let cluster = Quickstart::start_with(Options {
        plaintext: true,
        ..Options::default()
    })?;
    let addresses = cluster.plaintext()?;
    let (from, to) = (cluster.user(0), cluster.user(1));
    let mut alice = Raw::login_plaintext(&addresses[0], from, "one")?;
    let mut bob = Raw::login_plaintext(&addresses[1], to, "one")?;
    bob.send("<presence/><iq type='get' id='there'><ping xmlns='urn:xmpp:ping'/></iq>")?;
    bob.read_until("id='there'")?;
    let message = |n| {
        format!(
            "<message to='{}' type='chat' id='m{n}'><body>{n}</body></message>",
            to.jid
        )
    };
    // Sent from another thread: alice is made to wait.
    let all: String = (0..BURST).map(message).collect();
    let sending = std::thread::spawn(move || {
        alice.send(all + "<iq type='get' id='sent'><ping xmlns='urn:xmpp:ping'/></iq>")?;
        alice.read_until("id='sent'")
    });
    let mut heard = String::new();
    let begun = Instant::now();
    while !heard.contains(&format!("id='m{}'", BURST - 1)) {
        heard += &bob.read_some()?;
        let last = &heard[heard.len().saturating_sub(80)..];
        assert!(begun.elapsed() < PATIENCE, "the last that came is {last}");
    }
    let said = sending
        .join()
        .map_err(|_| anyhow::anyhow!("alice has failed"))??;
    assert!(!said.contains("error"), "{said}");
    let mut next = 0;
    for (at, _) in heard.match_indices(" id='m") {
        let id = format!(" id='m{next}'");
        assert!(heard[at..].starts_with(&id), "{}", &heard[at..at + 80]);
        next += 1;
    }
    assert_eq!(next, BURST);
    Ok(())
}
