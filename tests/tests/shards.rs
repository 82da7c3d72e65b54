//! Users of one node in several shards: to each other and to other nodes they are on one node.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use muster_testkit::{Client, Library, Options, Outcome, Quickstart, UserFacts};
use muster_tests::{Couple, from_node, log_in};
use serde_json::json;

const SHARDS: usize = 3;
/// By their names they are in two of the shards, alice in one of these.
const WATCHERS: usize = 4;
/// What the project promises for a machine that does something else besides.
const TAKEOVER: Duration = Duration::from_secs(10);

/// The accounts but one.
fn others(cluster: &Quickstart, user: &UserFacts) -> Vec<UserFacts> {
    let users = cluster.facts().users.iter();
    users.filter(|other| *other != user).cloned().collect()
}

/// A second client of a user.
fn phone(cluster: &Quickstart, user: &UserFacts, node: &str) -> Result<Client> {
    let mut options = from_node(cluster, Library::Slixmpp, node)?;
    options.resource = Some("phone".to_owned());
    let mut client = cluster.client(user, &options)?;
    client.ready(0)?;
    Ok(client)
}

fn saw_nobody_leave(who: &Client, mark: usize) -> Result<()> {
    let seen = who.since(mark).into_iter();
    let gone: Vec<_> = seen
        .filter(|event| event.is("presence") && event.text("type") == "unavailable")
        .collect();
    ensure!(gone.is_empty(), "{}: {gone:?}", who.jid());
    Ok(())
}

#[test]
fn watchers_in_several_shards_see_the_same_and_nothing_of_a_takeover() -> Outcome {
    let mut cluster = Quickstart::start_with(Options {
        users: WATCHERS + 1,
        ..Options::default()
    })?;
    cluster.reconfigure(|text| {
        text.replace("[c2s]\n", &format!("[c2s]\nrouter_shards = {SHARDS}\n"))
    })?;
    let Couple {
        alice, home, peer, ..
    } = Couple::of(&cluster)?;
    let mut desk = log_in(&cluster, Library::Slixmpp, &alice, &home)?;
    let mut phone = phone(&cluster, &alice, &home)?;
    let mut watchers = Vec::new();
    for user in others(&cluster, &alice) {
        let mut watcher = log_in(&cluster, Library::Slixmpp, &user, &peer)?;
        watcher.befriend(&mut desk)?;
        for client in [&desk, &phone] {
            let jid = client.jid().to_owned();
            watcher.expect(0, "both of alice's clients", |e| {
                e.is_presence("available", &jid)
            })?;
        }
        watchers.push(watcher);
    }

    let marks: Vec<_> = watchers.iter().map(Client::mark).collect();
    let (at_desk, on_phone) = (desk.mark(), phone.mark());
    cluster.kill(&home)?;
    for (client, mark) in [(&mut desk, at_desk), (&mut phone, on_phone)] {
        client.expect_within(mark, "alice is back", TAKEOVER, |e| e.is("ready"))?;
    }
    desk.ask(json!({"do": "presence", "show": "dnd"}))?;
    let (desk_jid, phone_jid) = (desk.jid().to_owned(), phone.jid().to_owned());
    for (watcher, mark) in watchers.iter_mut().zip(&marks) {
        watcher.expect(*mark, "what alice says after it", |e| {
            e.is_presence("available", &desk_jid) && e.text("show") == "dnd"
        })?;
        watcher.chat(&alice.jid, "to all of you")?;
    }
    phone.expect(on_phone, "the same of the other client", |e| {
        e.is_presence("available", &desk_jid) && e.text("show") == "dnd"
    })?;
    for (client, mark) in [(&mut desk, at_desk), (&mut phone, on_phone)] {
        client.expect(mark, "a message", |e| e.is_message("to all of you"))?;
    }
    for (watcher, mark) in watchers.iter().zip(marks) {
        saw_nobody_leave(watcher, mark)?;
    }

    phone.quit().context("the phone takes leave")?;
    for watcher in &mut watchers {
        watcher.expect(0, "the phone has gone", |e| {
            e.is_presence("unavailable", &phone_jid)
        })?;
    }
    Ok(())
}
