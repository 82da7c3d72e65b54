//! What is said to many watchers at once.

use crate::testing::{A, B, Net, ONE};
use muster_types::{BareJid, SessionId};
use std::time::Duration;

/// Bob watches alice, whose node has died; her client is back, and has not said anything yet.
fn back_after_a_takeover() -> (Net, SessionId) {
    let mut net = Net::pair();
    let alice = net.login(A, "alice@example.com/a");
    let bob = net.login(B, "bob@example.com/b");
    net.befriend(alice, bob);
    net.kill(A);
    net.open(ONE, B);
    let alice = net.bind(B, "alice@example.com/a");
    (net, alice)
}

#[test]
fn who_comes_back_and_says_the_same_is_no_news() {
    let (mut net, alice) = back_after_a_takeover();
    let name = BareJid::new("alice@example.com").unwrap();
    net.news.clear();
    net.publish(alice, "");
    assert!(!net.news.contains(&name));
    net.publish(alice, "");
    assert!(net.news.contains(&name), "what a client says again is");
}

#[test]
fn who_comes_back_and_says_something_else_is_news() {
    let (mut net, alice) = back_after_a_takeover();
    net.news.clear();
    net.publish(alice, "<show>away</show>");
    let name = BareJid::new("alice@example.com").unwrap();
    assert!(net.news.contains(&name));
}

#[test]
fn those_who_wait_for_a_new_owner_are_answered_in_portions() {
    let mut net = Net::pair();
    let bob = net.login(B, "bob@example.com/b");
    for n in 0..300 {
        let friend = net.login(B, &format!("a{n}@example.com/x"));
        net.befriend(friend, bob);
    }
    net.kill(A);
    net.answered.clear();
    net.open(ONE, B);
    assert_eq!(net.answered.len(), 256, "one portion at once");
    net.pass(Duration::from_secs(1));
    assert_eq!(net.answered.len(), 301, "and the rest soon");
}
