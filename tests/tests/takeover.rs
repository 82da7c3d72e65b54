//! A node dies; its users are served by the peer, and nobody who watches them notices.

use std::time::Duration;

use anyhow::{Result, ensure};
use muster_testkit::{Client, Event, Library, Outcome, PATIENCE, Quickstart, never, until};
use muster_tests::{Couple, c2s, from_node, log_in};
use serde_json::json;

/// What the project promises for a machine that does something else besides.
const TAKEOVER: Duration = Duration::from_secs(10);

/// Fails if a watcher was ever told that somebody had left.
fn saw_nobody_leave(watcher: &Client, mark: usize, jid: &str) -> Result<()> {
    let gone: Vec<_> = watcher
        .since(mark)
        .into_iter()
        .filter(|e| e.is_presence("unavailable", jid))
        .collect();
    ensure!(gone.is_empty(), "false unavailable: {gone:?}");
    Ok(())
}

#[test]
fn killed_nodes_users_are_served_by_the_peer_and_watchers_see_nothing() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    let mut bob = log_in(&cluster, Library::Aioxmpp, &couple.bob, &couple.peer)?;
    alice.befriend(&mut bob)?;
    alice.ask(json!({"do": "roster-set", "jid": "carol@elsewhere.example", "name": "Carol"}))?;

    let (here, there) = (alice.mark(), bob.mark());
    cluster.kill(&couple.home)?;
    let back = alice.expect_within(here, "alice is back", TAKEOVER, |e| e.is("connected"))?;
    assert_eq!(back.text("address"), c2s(cluster.node(&couple.peer)?)?);
    alice.expect(here, "alice sees bob", |e| {
        e.is_presence("available", &couple.bob.jid)
    })?;
    let roster = alice.roster()?;
    assert!(
        roster.iter().any(|item| item["name"] == "Carol"),
        "an acknowledged change is lost: {roster:?}"
    );

    bob.chat(&couple.alice.jid, "still there?")?;
    alice.expect(here, "a message", |e| e.is_message("still there?"))?;
    alice.chat(&couple.bob.jid, "of course")?;
    bob.expect(there, "an answer", |e| e.is_message("of course"))?;
    saw_nobody_leave(&bob, there, &couple.alice.jid)?;

    let ctl = cluster.ctl();
    until("the cluster says who serves", PATIENCE, || {
        Ok((ctl.owner_of(&couple.home)?.as_deref() == Some(couple.peer.as_str())).then_some(()))
    })?;
    until("the cluster says why", PATIENCE, || {
        let (state, reason) = ctl.state_of(&couple.peer)?;
        Ok((state == "Running in Backup Mode" && reason == "Peer Down").then_some(()))
    })?;
    Ok(())
}

#[test]
fn a_client_on_the_living_node_stays_connected_when_its_users_node_dies() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.peer)?;
    let mut bob = log_in(&cluster, Library::Slixmpp, &couple.bob, &couple.peer)?;
    alice.befriend(&mut bob)?;
    let (here, there) = (alice.mark(), bob.mark());
    cluster.kill(&couple.home)?;
    bob.chat(&couple.alice.jid, "sent at once")?;
    alice.expect_within(here, "a message", TAKEOVER, |e| {
        e.is_message("sent at once")
    })?;
    alice.ask(json!({"do": "presence", "show": "dnd"}))?;
    bob.expect(there, "new presence", |e| {
        e.is_presence("available", alice.jid()) && e.text("show") == "dnd"
    })?;
    assert!(
        !alice.since(here).iter().any(|e| e.is("disconnected")),
        "alice lost her connection"
    );
    saw_nobody_leave(&bob, there, &couple.alice.jid)?;
    Ok(())
}

#[test]
fn an_acknowledged_offline_message_survives_the_death_of_its_node() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let mut bob = log_in(&cluster, Library::Slixmpp, &couple.bob, &couple.peer)?;
    bob.chat(&couple.alice.jid, "for later")?;
    bob.ask(json!({"do": "ping"}))?;
    cluster.kill(&couple.home)?;
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.peer)?;
    let message = alice.expect(0, "the stored message", |e| e.is_message("for later"))?;
    assert!(!message.text("delay").is_empty());
    Ok(())
}

#[test]
fn a_login_that_meets_a_takeover_waits_and_is_not_refused() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let mut alice = cluster.client(
        &couple.alice,
        &from_node(&cluster, Library::Slixmpp, &couple.peer)?,
    )?;
    cluster.kill(&couple.home)?;
    alice.ready(0)?;
    assert!(
        !alice
            .since(0)
            .iter()
            .any(|e| e.is("refused") || e.is("stream-error")),
        "{:?}",
        alice.since(0)
    );
    alice.ask(json!({"do": "ping"}))?;
    Ok(())
}

#[test]
fn a_node_that_restarts_at_once_is_a_new_boot_and_not_a_ghost() -> Outcome {
    let mut cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    let mut bob = log_in(&cluster, Library::Slixmpp, &couple.bob, &couple.peer)?;
    alice.befriend(&mut bob)?;
    let (here, there) = (alice.mark(), bob.mark());
    cluster.kill(&couple.home)?;
    cluster.restart(&couple.home)?;
    alice.expect_within(here, "alice is back", PATIENCE, |e| e.is("ready"))?;
    bob.chat(&couple.alice.jid, "which one are you?")?;
    alice.expect(here, "a message", |e| e.is_message("which one are you?"))?;
    alice.ask(json!({"do": "ping"}))?;
    let count = alice
        .since(here)
        .iter()
        .filter(|e| e.is_message("which one are you?"))
        .count();
    assert_eq!(count, 1, "delivered more than once");
    saw_nobody_leave(&bob, there, &couple.alice.jid)?;
    Ok(())
}

#[test]
fn the_whole_cluster_killed_and_started_again_has_everything() -> Outcome {
    let mut cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    alice.ask(json!({"do": "roster-set", "jid": couple.bob.jid, "name": "Bob"}))?;
    let here = alice.mark();
    for node in ["a", "b", "w"] {
        cluster.kill(node)?;
    }
    for node in ["a", "b", "w"] {
        cluster.restart(node)?;
    }
    alice.expect_within(here, "alice is back", Duration::from_secs(30), |e| {
        e.is("ready")
    })?;
    assert_eq!(alice.roster()?[0]["name"], "Bob");
    Ok(())
}

#[test]
fn who_does_not_come_back_becomes_unavailable_once_when_the_grace_is_over() -> Outcome {
    const GRACE: Duration = Duration::from_secs(10);
    let mut cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    cluster
        .reconfigure(|text| format!("{text}\n[limits]\ngrace_seconds = {}\n", GRACE.as_secs()))?;
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    let mut bob = log_in(&cluster, Library::Slixmpp, &couple.bob, &couple.peer)?;
    alice.befriend(&mut bob)?;
    let there = bob.mark();
    drop(alice);
    cluster.kill(&couple.home)?;
    let leaves = |e: &Event| e.is_presence("unavailable", &couple.alice.jid);
    never("too early", GRACE.mul_f64(0.8), || {
        Ok(bob.since(there).into_iter().find(leaves))
    })?;
    bob.expect(there, "alice has gone", leaves)?;
    never("a second time", Duration::from_secs(3), || {
        let said = bob.since(there).into_iter().filter(leaves).count();
        Ok((said > 1).then_some(said))
    })?;
    Ok(())
}

#[test]
fn no_acknowledged_write_is_lost_when_the_node_dies_under_load() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    let here = alice.mark();
    let contact = |n: usize| format!("contact{n}@elsewhere.example");
    let mut asked = Vec::new();
    for n in 0..200 {
        asked.push(alice.tell(json!({"do": "roster-set", "jid": contact(n)}))?);
        // Some are acknowledged, some are under way.
        if n == 50 {
            alice.expect(here, "the first answers", |e| e.is("reply"))?;
            cluster.kill(&couple.home)?;
        }
    }
    alice.expect_within(here, "alice is back", TAKEOVER, |e| e.is("connected"))?;
    let acknowledged: Vec<_> = alice
        .since(here)
        .into_iter()
        .filter(|e| e.is("reply") && e.value("ok") == true)
        .filter_map(|e| asked.iter().position(|id| e.value("id") == *id))
        .collect();
    assert!(!acknowledged.is_empty(), "nothing was acknowledged");
    let roster = alice.roster()?;
    for n in acknowledged {
        assert!(
            roster.iter().any(|item| item["jid"] == contact(n)),
            "write {n} was acknowledged and is lost"
        );
    }
    Ok(())
}
