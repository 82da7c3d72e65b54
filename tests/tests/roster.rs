//! What other servers' users expect of a roster: versions, pre-approval, capabilities relayed.

use anyhow::Result;
use muster_testkit::{Library, Outcome, Quickstart, Raw};
use muster_tests::{Couple, c2s, log_in};
use serde_json::json;

#[test]
fn a_client_that_knows_the_newest_roster_gets_nothing_again() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    alice.ask(json!({"do": "roster-set", "jid": couple.bob.jid, "name": "Bob"}))?;
    let address = c2s(cluster.node(&couple.peer)?)?;
    let mut raw = Raw::login(address, &cluster.trust()?, &couple.alice, "cached")?;
    let first = roster(&mut raw, "")?;
    assert!(first.contains("Bob"), "{first}");
    let version = first
        .split("ver=")
        .nth(1)
        .and_then(|rest| rest.split(['\'', '"']).nth(1))
        .unwrap_or_default()
        .to_owned();
    assert!(!version.is_empty(), "{first}");
    let again = roster(&mut raw, &version)?;
    assert!(
        !again.contains("Bob") && again.contains("result"),
        "{again}"
    );
    alice.ask(json!({"do": "roster-set", "jid": couple.bob.jid, "name": "Robert"}))?;
    let push = raw.read_until("</iq>")?;
    assert!(push.contains("Robert") && push.contains("ver="), "{push}");
    assert!(roster(&mut raw, &version)?.contains("Robert"));
    Ok(())
}

/// Asks for the roster, knowing a version; returns the answer.
fn roster(raw: &mut Raw, version: &str) -> Result<String> {
    raw.send(format!(
        "<iq type='get' id='r{version}'><query xmlns='jabber:iq:roster' ver='{version}'/></iq>"
    ))?;
    let mut answer = raw.read_until(&format!("id='r{version}'"))?;
    answer += &raw.read_until(">")?;
    if !answer.ends_with("/>") {
        answer += &raw.read_until("</iq>")?;
    }
    Ok(answer)
}

#[test]
fn a_contact_approved_in_advance_is_not_asked_for() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    let mut bob = log_in(&cluster, Library::Slixmpp, &couple.bob, &couple.peer)?;
    alice.subscription("subscribed", &couple.bob.jid)?;
    alice.ask(json!({"do": "ping"}))?;
    let (here, there) = (alice.mark(), bob.mark());
    bob.subscription("subscribe", &couple.alice.jid)?;
    bob.expect(there, "alice's presence", |e| {
        e.is_presence("available", &couple.alice.jid)
    })?;
    let asked = alice
        .since(here)
        .into_iter()
        .find(|e| e.text("type") == "subscribe");
    assert!(asked.is_none(), "{asked:?}");
    Ok(())
}

#[test]
fn entity_capabilities_are_relayed_as_they_are() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    let mut bob = log_in(&cluster, Library::Aioxmpp, &couple.bob, &couple.peer)?;
    alice.befriend(&mut bob)?;
    let address = c2s(cluster.node(&couple.home)?)?;
    let mut raw = Raw::login(address, &cluster.trust()?, &couple.bob, "raw")?;
    raw.send("<presence/>")?;
    raw.read_until(&couple.alice.jid)?;
    let caps = "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://example.org' ver='QgayPKawpkPSDYmwT/WM94uAlu0='/>";
    alice.ask(json!({"do": "raw", "xml": format!("<presence>{caps}</presence>")}))?;
    let seen = raw.read_until("QgayPKawpkPSDYmwT/WM94uAlu0=")?;
    assert!(seen.contains("https://example.org"), "{seen}");
    Ok(())
}
