//! Programs follow users: what they are told, and when.

use crate::testing::{A, B, Net, ONE};
use muster_envelope::{Composed, Envelope, FOLLOW_LEASE, Question, ToOwner};
use muster_presence::Version;
use muster_presence::rules::SHIPPED_TEXT;
use muster_presence::source::{FromNow, Policy, Report, Says, Span};
use muster_types::{BareJid, NodeId};
use std::time::Duration;

const ALICE: &str = "alice@example.com";
const GRACE: Duration = Duration::from_secs(60);

fn jid(user: &str) -> BareJid {
    BareJid::new(user).unwrap()
}

fn says(source: &str, word: &str, from: u64, millis: u64) -> Report<FromNow> {
    let source = source.parse().unwrap();
    let span = Span {
        says: Says::read(&source, word).unwrap(),
        note: None,
        begins: FromNow::ahead(from),
        ends: Some(FromNow::ahead(from + millis)),
        until: None,
    };
    let spans = vec![span];
    Report { source, spans }
}

impl Net {
    fn follow(&mut self, at: NodeId, known: Option<Version>) {
        let users = vec![(jid(ALICE), known)];
        let no_more = Vec::new();
        let question = Question::Follow { users, no_more };
        self.raw(at, ToOwner::Ask { ask: 0, question });
    }

    fn say(&mut self, report: Report<FromNow>) {
        let reports = vec![(jid(ALICE), report)];
        self.ask(B, Question::Reports(reports));
    }

    /// What a node was told since this was asked last.
    fn told(&mut self, at: NodeId) -> Vec<Composed> {
        let all = std::mem::take(&mut self.followed);
        let here = all.into_iter().filter(|(to, ..)| *to == at);
        here.map(|(_, _, now)| now.unwrap()).collect()
    }

    fn states(&mut self, at: NodeId) -> Vec<String> {
        let told = self.told(at).into_iter();
        told.map(|composed| composed.presence.state).collect()
    }
}

#[test]
fn who_follows_is_told_what_is_and_each_change_once() {
    let mut net = Net::pair();
    net.follow(B, None);
    let first = net.told(B).remove(0);
    assert_eq!(first.presence.state, "offline");
    let alice = net.login(A, "alice@example.com/desk");
    assert_eq!(net.states(B), ["available"]);
    net.publish(alice, "<status>nothing new</status>");
    assert_eq!(net.states(B), Vec::<String>::new());
    net.say(says("phone/1", "off-hook", 0, 30_000));
    let call = net.told(B).remove(0);
    assert_eq!(call.presence.state, "on-the-phone");
    assert!(call.version > first.version && call.presence.said.is_empty());

    // It asks again with what it knows, or with what it missed.
    net.follow(B, Some(call.version));
    assert_eq!(net.told(B), []);
    net.follow(B, Some(first.version));
    assert_eq!(net.told(B), [call]);
    net.pass(Duration::from_secs(31));
    assert_eq!(net.states(B), ["available"], "the call ends by its time");
    net.decide(ALICE, Policy::SharingOff, true);
    assert_eq!(net.states(B), ["offline"]);
    net.decide(ALICE, Policy::SharingOff, false);
    assert_eq!(net.states(B), ["available"]);
    net.leave(alice, true);
    assert_eq!(net.states(B), ["offline"]);
}

#[test]
fn other_rules_and_idle_clients_are_told_too() {
    let mut net = Net::pair();
    let alice = net.login(A, "alice@example.com/desk");
    net.follow(A, None);
    net.publish(
        alice,
        "<idle xmlns='urn:xmpp:idle:1' since='1970-01-01T00:00:01Z'/>",
    );
    assert_eq!(net.states(A), ["available"]);
    net.pass(Duration::from_secs(290));
    net.follow(A, None);
    assert_eq!(net.states(A), ["available"]);
    net.pass(Duration::from_secs(20));
    assert_eq!(net.states(A), ["away"]);
    let other = SHIPPED_TEXT.replace("idle-after = 300", "idle-after = 900");
    assert_ne!(other, SHIPPED_TEXT);
    net.set_rules(&other);
    assert_eq!(net.states(A), ["available"]);
}

#[test]
fn who_does_not_ask_again_or_wants_no_more_is_told_nothing() {
    let mut net = Net::pair();
    net.follow(A, None);
    net.follow(B, None);
    net.pass(FOLLOW_LEASE / 2);
    net.follow(B, None);
    net.pass(FOLLOW_LEASE / 2 + Duration::from_secs(1));
    net.followed.clear();
    net.login(A, "alice@example.com/desk");
    assert_eq!(net.followed.len(), 1, "{:?}", net.followed);
    assert_eq!(net.states(B), ["available"]);
    let (users, no_more) = (Vec::new(), vec![jid(ALICE)]);
    let question = Question::Follow { users, no_more };
    net.raw(B, ToOwner::Ask { ask: 0, question });
    net.say(says("phone/1", "off-hook", 0, 60_000));
    assert_eq!(net.states(B), Vec::<String>::new());
}

#[test]
fn a_new_owner_goes_on_and_says_nobody_is_gone_whom_it_does_not_know() {
    let mut net = Net::pair();
    net.login(B, "bob@example.com/b");
    net.login(A, "alice@example.com/desk");
    net.follow(B, None);
    let known = net.told(B).remove(0);
    assert_eq!(known.presence.state, "available");
    // The copy is lost: the next owner has never heard of alice's client.
    net.lose = |envelope| matches!(envelope, Envelope::ToPeer { .. });
    net.kill(B);
    net.start(B);
    net.kill(A);
    net.open(ONE, B);
    net.follow(B, Some(known.version));
    assert_eq!(net.states(B), Vec::<String>::new(), "unknown is not gone");
    net.pass(GRACE / 2);
    net.follow(B, Some(known.version));
    assert_eq!(net.states(B), Vec::<String>::new(), "nor is it later");
    net.pass(GRACE / 2 + Duration::from_secs(1));
    let gone = net.told(B).remove(0);
    assert_eq!(gone.presence.state, "offline");
    assert!(gone.version > known.version, "epochs grow");
}

#[test]
fn a_takeover_with_a_warm_copy_tells_the_same_state() {
    let mut net = Net::pair();
    net.login(A, "alice@example.com/desk");
    net.say(says("phone/1", "off-hook", 0, 600_000));
    net.follow(B, None);
    let before = net.told(B).remove(0);
    net.kill(A);
    net.open(ONE, B);
    net.follow(B, Some(before.version));
    let after = net.told(B).remove(0);
    assert_eq!(after.presence, before.presence);
    assert!(after.version > before.version);
    net.follow(A, None);
    assert_eq!(net.told(A), [], "a dead node is told nothing");
}
