//! Whom a user lets in: by its client (XEP-0191), by an operator, and after the death of its node.

use muster_testkit::{Client, Library, Outcome, PATIENCE, Quickstart, never};
use muster_tests::{Couple, log_in};
use serde_json::json;
use std::time::Duration;

/// A message that comes back with this error.
fn bounces(from: &mut Client, to: &str, condition: &str) -> Outcome {
    let mark = from.mark();
    from.chat(to, "hello?")?;
    from.expect(mark, &format!("{condition} from {to}"), |e| {
        e.is("message") && e.text("condition") == condition
    })?;
    Ok(())
}

#[test]
fn who_is_blocked_sees_nothing_and_gets_nothing_through_and_a_takeover_changes_nothing() -> Outcome
{
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    let mut bob = log_in(&cluster, Library::Slixmpp, &couple.bob, &couple.peer)?;
    alice.befriend(&mut bob)?;
    let (a, b) = (couple.alice.jid.clone(), couple.bob.jid.clone());

    let (here, there) = (alice.mark(), bob.mark());
    alice.ask(json!({"do": "block", "jids": [b]}))?;
    alice.expect(here, "a push", |e| {
        e.is("blocked") && e.value("jids") == &json!([b])
    })?;
    bob.expect(there, "alice goes", |e| e.is_presence("unavailable", &a))?;
    alice.expect(here, "bob goes", |e| e.is_presence("unavailable", &b))?;
    bounces(&mut bob, &a, "service-unavailable")?;
    bounces(&mut alice, &b, "not-acceptable")?;
    let why = cluster.ctl().json(&["explain", &a, "--as", &b])?;
    assert_eq!(why["seen"]["nothing"], "the user has blocked it", "{why}");

    let (here, there) = (alice.mark(), bob.mark());
    cluster.kill(&couple.home)?;
    alice.expect_within(here, "she is served by the peer", PATIENCE, |e| {
        e.is("ready")
    })?;
    let list = alice.ask(json!({"do": "blocklist"}))?;
    assert_eq!(list.value("jids"), &json!([b]), "{list:?}");
    alice.ask(json!({"do": "presence", "show": "dnd"}))?;
    bob.ask(json!({"do": "presence", "show": "dnd"}))?;
    bounces(&mut bob, &a, "service-unavailable")?;
    bounces(&mut alice, &b, "not-acceptable")?;
    never("one sees the other", Duration::from_secs(2), || {
        let seen = |e: &muster_testkit::Event, from: &str| e.is_presence("available", from);
        let by_alice = alice.since(here).into_iter().find(|e| seen(e, &b));
        Ok(by_alice.or_else(|| bob.since(there).into_iter().find(|e| seen(e, &a))))
    })?;

    let (here, there) = (alice.mark(), bob.mark());
    alice.ask(json!({"do": "unblock", "jids": [b]}))?;
    alice.expect(here, "a push", |e| e.is("unblocked"))?;
    let comes = |e: &muster_testkit::Event, who: &str| {
        e.is_presence("available", who) && e.text("show") == "dnd"
    };
    bob.expect(there, "alice comes", |e| comes(e, &a))?;
    alice.expect(here, "bob comes", |e| comes(e, &b))?;
    bob.chat(&a, "hello!")?;
    alice.expect(here, "a message", |e| e.is_message("hello!"))?;
    Ok(())
}

#[test]
fn an_operator_sets_whom_a_user_lets_in_and_how_many() -> Outcome {
    let cluster = Quickstart::start()?;
    let couple = Couple::of(&cluster)?;
    let ctl = cluster.ctl();
    let mut alice = log_in(&cluster, Library::Slixmpp, &couple.alice, &couple.home)?;
    let mut bob = log_in(&cluster, Library::Aioxmpp, &couple.bob, &couple.peer)?;
    let (a, b) = (couple.alice.jid.clone(), couple.bob.jid.clone());

    // A rule for everybody else: requests come to nothing, and bob has one of his own.
    ctl.run(&["user", "access", &a, "*", "block"])?;
    let rules = ctl.json(&["user", "access", &a, &b, "allow"])?;
    let expected = json!([{"whom": "*", "access": "block"}, {"whom": b, "access": "allow"}]);
    assert_eq!(rules, expected);
    let (here, there) = (alice.mark(), bob.mark());
    bob.subscription("subscribe", &a)?;
    bob.expect(there, "alice without a question", |e| {
        e.is_presence("available", &a)
    })?;
    assert!(
        !alice
            .since(here)
            .iter()
            .any(|e| e.is_presence("subscribe", &b))
    );
    let (_, why) = ctl.refused(&["user", "access", &a, "nowhere@@", "block"])?;
    assert!(why.contains("neither an address"), "{why}");

    // Whoever has as many contacts as an operator allows gets no more, at once and for all.
    ctl.run(&["settings", "set", "contacts-max=1"])?;
    let carol = cluster.user(2).jid.clone();
    let set = |jid: &str| json!({"do": "roster-set", "jid": jid});
    assert_eq!(bob.refused(set(&carol))?, "resource-constraint");
    ctl.run(&["settings", "set", "contacts-max=2"])?;
    bob.ask(set(&carol))?;

    // Where an operator wants it, nobody is asked.
    ctl.run(&["settings", "set", "auto-authorise=on"])?;
    let (here, there) = (alice.mark(), bob.mark());
    alice.subscription("subscribe", &b)?;
    alice.expect(here, "bob without a question", |e| {
        e.is_presence("available", &b)
    })?;
    assert!(
        !bob.since(there)
            .iter()
            .any(|e| e.is_presence("subscribe", &a))
    );
    Ok(())
}
