//! A node is frozen, and thaws later with an old idea of who it is.

use std::time::Duration;

use anyhow::Result;
use muster_testkit::{Client, ClientOptions, Library, Outcome, PATIENCE, Quickstart, never, until};
use muster_tests::{Couple, from_node, log_in};
use serde_json::json;

/// Longer than for a kill: the client itself has to notice.
const TAKEOVER: Duration = Duration::from_secs(15);

/// A client that asks for a sign of life each second.
fn alert(cluster: &Quickstart, couple: &Couple) -> Result<Client> {
    let options = ClientOptions {
        ping_s: 1,
        ..from_node(cluster, Library::Slixmpp, &couple.home)?
    };
    let mut client = cluster.client(&couple.alice, &options)?;
    client.ready(0)?;
    Ok(client)
}

#[test]
fn paused_nodes_users_are_served_by_the_peer_and_watchers_see_nothing() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let mut alice = alert(&cluster, &couple)?;
    let mut bob = log_in(&cluster, Library::Slixmpp, &couple.bob, &couple.peer)?;
    alice.befriend(&mut bob)?;
    let (here, there) = (alice.mark(), bob.mark());
    cluster.pause(&couple.home)?;
    alice.expect_within(here, "alice is back", TAKEOVER, |e| e.is("ready"))?;
    bob.chat(&couple.alice.jid, "frozen?")?;
    alice.expect(here, "a message", |e| e.is_message("frozen?"))?;
    cluster.resume(&couple.home)?;
    never("false unavailable", Duration::from_secs(5), || {
        Ok(bob
            .since(there)
            .into_iter()
            .find(|e| e.is_presence("unavailable", &couple.alice.jid)))
    })?;
    Ok(())
}

#[test]
fn a_thawed_node_decides_nothing_on_its_old_epoch() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let ctl = cluster.ctl();
    let mut old = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    cluster.pause(&couple.home)?;
    // Waits in the socket of the frozen node and is read when that one thaws.
    let late = old.tell(json!({"do": "roster-set", "jid": "late@elsewhere.example"}))?;
    until("the peer serves", PATIENCE, || {
        Ok((ctl.owner_of(&couple.home)?.as_deref() == Some(couple.peer.as_str())).then_some(()))
    })?;
    let mut new = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.peer)?;
    new.ask(json!({"do": "roster-set", "jid": "new@elsewhere.example"}))?;
    cluster.resume(&couple.home)?;
    let has = |client: &mut Client, jid: &str| -> Result<bool> {
        Ok(client.roster()?.iter().any(|item| item["jid"] == jid))
    };
    let acknowledged = || {
        old.since(0)
            .iter()
            .any(|e| e.is("reply") && e.value("id") == late && e.value("ok") == true)
    };
    never("the old owner served", Duration::from_secs(5), || {
        let lost = acknowledged() && !has(&mut new, "late@elsewhere.example")?;
        Ok(lost.then_some("an acknowledged write is not in the slot's log"))
    })?;
    assert!(
        has(&mut new, "new@elsewhere.example")?,
        "the new owner's write is lost"
    );
    assert_eq!(
        ctl.owner_of(&couple.home)?.as_deref(),
        Some(couple.peer.as_str()),
        "the old owner took its slot back"
    );
    Ok(())
}

#[test]
fn a_paused_witness_disturbs_nobody() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let mut alice = alert(&cluster, &couple)?;
    let mut bob = log_in(&cluster, Library::Slixmpp, &couple.bob, &couple.peer)?;
    alice.befriend(&mut bob)?;
    let here = alice.mark();
    cluster.pause("w")?;
    for n in 0..20 {
        alice.ask(json!({"do": "roster-set", "jid": format!("contact{n}@elsewhere.example")}))?;
    }
    cluster.resume("w")?;
    assert!(
        !alice.since(here).iter().any(|e| e.is("disconnected")),
        "alice lost her connection"
    );
    Ok(())
}
