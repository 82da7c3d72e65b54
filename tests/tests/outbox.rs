//! What waits for a client: presence while nobody looks at it, everything while it does not read.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use muster_testkit::{
    Client, Event, Library, Outcome, PATIENCE, Quickstart, Raw, UserFacts, until,
};
use muster_tests::{Couple, c2s, log_in};
use serde_json::json;

/// Bytes of a large stanza: nearly as many as a client may send at once.
const LARGE: usize = 200_000;
/// What a node keeps for a client that does not read, beyond the kernel, is less than this.
const KEPT: usize = 4 << 20;
/// What others are sent meanwhile takes no longer than this.
const AT_ONCE: Duration = Duration::from_secs(5);

/// More bytes than the kernel takes for a client that does not read: a whole send buffer and some receive buffers.
fn kernel_takes() -> Result<usize> {
    let bytes = |name: &str, column: usize| {
        let text = fs::read_to_string(format!("/proc/sys/net/ipv4/{name}"))?;
        let figure = text.split_whitespace().nth(column);
        figure
            .and_then(|figure| figure.parse::<usize>().ok())
            .with_context(|| format!("{name} says {text:?}"))
    };
    Ok(bytes("tcp_wmem", 2)? + 4 * bytes("tcp_rmem", 1)?)
}

/// A client made of bytes at a node.
fn raw(cluster: &Quickstart, user: &UserFacts, node: &str, resource: &str) -> Result<Raw> {
    let address = c2s(cluster.node(node)?)?;
    Raw::login(address, &cluster.trust()?, user, resource)
}

/// Somebody who is neither of a couple.
fn third(cluster: &Quickstart, couple: &Couple) -> Result<UserFacts> {
    let mut users = cluster.facts().users.iter();
    let third = users.find(|user| **user != couple.alice && **user != couple.bob);
    third.cloned().context("there are two accounts only")
}

fn ping(client: &mut Raw, id: &str) -> Result<String> {
    client.send(format!(
        "<iq type='get' id='{id}'><ping xmlns='urn:xmpp:ping'/></iq>"
    ))?;
    client.read_until(&format!("id='{id}'"))
}

/// What a client says of itself is known when its ping is answered.
fn say_state(client: &mut Client, active: bool) -> Result<()> {
    client.ask(json!({"do": "client-state", "active": active}))?;
    client.ask(json!({"do": "ping"})).map(drop)
}

fn say_presence(client: &mut Client, show: &str, status: &str) -> Result<()> {
    client
        .ask(json!({"do": "presence", "show": show, "status": status}))
        .map(drop)
}

#[test]
fn presence_waits_for_an_inactive_client_and_the_newest_comes_when_it_wakes() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    let mut phone = log_in(&cluster, Library::Slixmpp, &couple.bob, &couple.peer)?;
    alice.befriend(&mut phone)?;
    // Bob's other client shows what the phone would be shown too: both are at one node.
    let mut desk = log_in(&cluster, Library::Slixmpp, &couple.bob, &couple.peer)?;
    let seen = |e: &Event| e.is_presence("available", &couple.alice.jid);
    desk.expect(0, "alice", seen)?;
    let at_desk = desk.ready(0)?.text("jid").to_owned();
    phone.expect(0, "bob's desk", |e| e.is_presence("available", &at_desk))?;

    say_state(&mut phone, false)?;
    let (asleep, there) = (phone.mark(), desk.mark());
    for (show, status) in [("away", "one"), ("xa", "two"), ("dnd", "three")] {
        say_presence(&mut alice, show, status)?;
        desk.expect(there, status, |e| seen(e) && e.text("status") == status)?;
    }
    alice.ask(json!({"do": "presence", "type": "unavailable"}))?;
    desk.expect(there, "alice is gone", |e| {
        e.is_presence("unavailable", &couple.alice.jid)
    })?;
    say_presence(&mut alice, "away", "newest")?;
    desk.expect(there, "alice is back", |e| {
        seen(e) && e.text("status") == "newest"
    })?;
    alice.chat(&couple.bob.jid, "wake up")?;
    phone.expect(asleep, "a message at once", |e| e.is_message("wake up"))?;
    phone.ask(json!({"do": "ping"}))?;
    let came = phone.since(asleep);
    assert!(!came.iter().any(|e| e.is("presence")), "{came:?}");

    let awake = phone.mark();
    say_state(&mut phone, true)?;
    let came = phone.since(awake);
    let presence: Vec<_> = came.iter().filter(|e| e.is("presence")).collect();
    assert_eq!(presence.len(), 1, "{came:?}");
    assert!(seen(presence[0]), "{came:?}");
    assert_eq!(
        (presence[0].text("show"), presence[0].text("status")),
        ("away", "newest")
    );
    say_presence(&mut alice, "dnd", "seen at once")?;
    phone.expect(awake, "presence at once", |e| {
        seen(e) && e.text("status") == "seen at once"
    })?;
    Ok(())
}

/// Presence of so many bytes that a few of them fill what the kernel takes.
fn large_presence(n: usize) -> String {
    let pad = "x".repeat(LARGE);
    format!(
        "<presence><status>change {n}</status><pad xmlns='urn:example:pad'>{pad}</pad></presence>"
    )
}

/// Changes somebody's presence and waits until a reader is shown it.
fn change(presentity: &mut Raw, n: usize, reader: &mut Raw) -> Result<()> {
    presentity.send(large_presence(n))?;
    let status = format!("<status>change {n}</status>");
    // Who says it is shown it, too, and has to read that.
    presentity.read_until(&status)?;
    reader.read_until(&status).map(drop)
}

#[test]
fn who_reads_again_gets_the_newest_presence_of_each_and_every_message() -> Outcome {
    const WORDS: usize = 50;
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let third = third(&cluster, &couple)?;
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    let mut carol = log_in(&cluster, Library::Slixmpp, &third, &couple.home)?;
    let mut bob = log_in(&cluster, Library::Slixmpp, &couple.bob, &couple.peer)?;
    alice.befriend(&mut bob)?;
    carol.befriend(&mut bob)?;
    alice.quit()?;
    bob.quit()?;
    let mut alice = raw(&cluster, &couple.alice, &couple.home, "desk")?;
    // Two clients of bob at one node are shown the same; one of them reads it.
    let mut reader = raw(&cluster, &couple.bob, &couple.peer, "reader")?;
    let mut deaf = raw(&cluster, &couple.bob, &couple.peer, "deaf")?;
    say_presence(&mut carol, "away", "carol one")?;
    alice.send(large_presence(0))?;
    for client in [&mut reader, &mut deaf] {
        client.send("<presence/>")?;
        let both = client.read_until("</status>")? + &client.read_until("</status>")?;
        for status in ["change 0<", "carol one<"] {
            if !both.contains(status) {
                client.read_until(status)?;
            }
        }
    }

    // From here on one of them does not read.
    let last = kernel_takes()? / LARGE + 10;
    for n in 1..last {
        change(&mut alice, n, &mut reader)?;
    }
    for status in ["carol two", "carol three"] {
        say_presence(&mut carol, "dnd", status)?;
        reader.read_until(&format!("{status}<"))?;
    }
    let to = format!("{}/deaf", couple.bob.jid);
    for n in 0..WORDS {
        carol.chat(&to, &format!("word {n}"))?;
    }
    change(&mut alice, last, &mut reader)?;

    let mut text = deaf.read_until(&format!("word {}<", WORDS - 1))?;
    text += &ping(&mut deaf, "end")?;
    let count = |part: &str| text.matches(part).count();
    let changes = count("<status>change ");
    assert!(changes < last, "{changes} of {last} changes came");
    for once in [format!("change {last}<"), "carol three<".to_owned()] {
        assert_eq!(count(&once), 1, "{once}");
    }
    assert_eq!(count("carol two<"), 0);
    let words: Vec<_> = text.split("<body>word ").skip(1).collect();
    assert_eq!(words.len(), WORDS);
    for (n, word) in words.into_iter().enumerate() {
        assert!(word.starts_with(&format!("{n}<")), "word {n}");
    }
    Ok(())
}

#[test]
fn who_never_reads_is_closed_and_nobody_else_notices() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let mut carol = log_in(
        &cluster,
        Library::Slixmpp,
        &third(&cluster, &couple)?,
        &couple.peer,
    )?;
    let mut desk = log_in(&cluster, Library::Slixmpp, &couple.bob, &couple.peer)?;
    let mut sender = raw(&cluster, &couple.alice, &couple.home, "sender")?;
    let mut deaf = raw(&cluster, &couple.bob, &couple.peer, "deaf")?;
    deaf.send("<presence/>")?;
    deaf.read_until("/deaf'")?;
    let to = format!("{}/deaf", couple.bob.jid);
    let ctl = cluster.ctl();

    let pad = "x".repeat(LARGE);
    let large = (kernel_takes()? + KEPT) / LARGE;
    let mut said = 0;
    let mut say = |carol: &mut Client| {
        if said < large {
            let body = format!("<body>large {said}</body><pad xmlns='urn:example:pad'>{pad}</pad>");
            sender.send(format!("<message to='{to}' type='chat'>{body}</message>"))?;
        }
        said += 1;
        let (mark, word) = (carol.mark(), format!("word {said}"));
        let to = carol.jid().to_owned();
        sender.send(format!(
            "<message to='{to}' type='chat'><body>{word}</body></message>"
        ))?;
        carol.expect_within(mark, &word, AT_ONCE, |e| e.is_message(&word))
    };
    for _ in 0..large {
        say(&mut carol)?;
    }
    until("who does not read is closed", PATIENCE, || {
        say(&mut carol)?;
        let sessions = ctl.json(&["get", "sessions"])?;
        let all = sessions.as_array().context("the sessions are no list")?;
        Ok((!all.iter().any(|session| session["jid"] == to)).then_some(()))
    })?;
    // What is said to it now goes to bob's other client.
    sender.send(format!(
        "<message to='{to}' type='chat'><body>too late</body></message>"
    ))?;
    desk.expect(0, "what came too late", |e| e.is_message("too late"))?;
    ping(&mut sender, "alive")?;
    desk.ask(json!({"do": "ping"}))?;

    let text = deaf.read_to_end(PATIENCE)?;
    let mut came: Vec<_> = text.split("<body>large ").skip(1).collect();
    // The last one may be cut off.
    came.pop();
    assert!(!came.is_empty(), "nothing came: {text}");
    for (n, one) in came.into_iter().enumerate() {
        assert!(one.starts_with(&format!("{n}<")), "large {n} is missing");
    }
    Ok(())
}

#[test]
fn who_reads_gets_everything_however_much_comes_at_once() -> Outcome {
    const STORED: usize = 80;
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let mut sender = raw(&cluster, &couple.alice, &couple.home, "sender")?;
    let (to, pad) = (&couple.bob.jid, "x".repeat(LARGE));
    for n in 0..STORED {
        let body = format!("<body>large {n}</body><pad xmlns='urn:example:pad'>{pad}</pad>");
        sender.send(format!("<message to='{to}' type='chat'>{body}</message>"))?;
    }
    ping(&mut sender, "stored")?;
    let mut bob = raw(&cluster, &couple.bob, &couple.peer, "desk")?;
    bob.send("<presence/>")?;
    let text = bob.read_until(&format!("<body>large {}<", STORED - 1))?;
    let came: Vec<_> = text.split("<body>large ").skip(1).collect();
    assert_eq!(came.len(), STORED);
    for (n, one) in came.into_iter().enumerate() {
        assert!(one.starts_with(&format!("{n}<")), "large {n} is missing");
    }
    ping(&mut bob, "alive")?;
    Ok(())
}
