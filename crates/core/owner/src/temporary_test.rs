//! Temporary subscriptions, as the owner of who is seen decides.

use crate::testing::{A, B, Net, ONE};
use muster_envelope::TemporaryOutcome::{Forbidden, Granted, TooMany};
use muster_envelope::{Answer, Question, ToOwner, WatchRequest};
use muster_roster::Access;
use muster_types::{Bare as _, BareJid, SessionId};
use std::time::Duration;

const BOB: &str = "bob@example.com";
const HERE: &str = "bob@example.com/b available";
const GONE: &str = "bob@example.com/b unavailable";
const NOTHING: [&str; 0] = [];

/// Bob of slot one and zoe of slot two, who do not know each other.
fn strangers() -> (Net, SessionId, SessionId) {
    let mut net = Net::pair();
    let bob = net.login(A, "bob@example.com/b");
    let zoe = net.login(B, "zoe@example.com/z");
    (net, bob, zoe)
}

/// Bob's rule for somebody.
fn rule(net: &mut Net, whom: &str, access: Option<Access>) {
    let question = Question::Access {
        user: BareJid::new(BOB).unwrap(),
        set: vec![(whom.parse().unwrap(), access)],
    };
    assert!(matches!(net.ask(A, question), Answer::Access(_)));
}

#[test]
fn who_is_let_in_sees_the_user_for_a_while() {
    let (mut net, bob, zoe) = strangers();
    rule(&mut net, "example.com", Some(Access::Allow));
    assert_eq!(net.watch_temporarily(zoe, BOB), Granted);
    assert_eq!(net.take(zoe), [HERE]);
    net.publish(bob, "<show>away</show>");
    let away = format!("{HERE} <show>away</show>");
    assert_eq!(net.take(zoe), [away]);
    assert_eq!(net.watch_temporarily(zoe, BOB), Granted, "again");
    net.end_temporary(zoe, BOB);
    net.forget();
    net.publish(bob, "");
    assert_eq!(net.take(zoe), NOTHING);
}

#[test]
fn who_is_not_let_in_is_not_told_why() {
    let (mut net, bob, zoe) = strangers();
    assert_eq!(net.watch_temporarily(zoe, BOB), Forbidden, "no rule");
    for (whom, access) in [
        ("zoe@example.com", Access::Ask),
        ("zoe@example.com", Access::Block),
        ("*", Access::Block),
    ] {
        rule(&mut net, whom, Some(access));
        assert_eq!(net.watch_temporarily(zoe, BOB), Forbidden, "{access:?}");
        rule(&mut net, whom, None);
    }
    assert_eq!(net.watch_temporarily(zoe, "carol@example.com"), Forbidden);
    net.set_auto_authorise(true);
    net.remove_account("dave@example.com");
    net.disable_account("eve@example.com");
    assert_eq!(net.watch_temporarily(zoe, "eve@example.com"), Forbidden);
    net.set_auto_authorise(false);
    net.publish(bob, "<show>away</show>");
    assert_eq!(net.take(zoe), NOTHING);
}

#[test]
fn a_rule_lets_nobody_in_who_has_no_temporary_subscription() {
    let (mut net, bob, zoe) = strangers();
    rule(&mut net, "*", Some(Access::Allow));
    let request = WatchRequest {
        contact: BareJid::new(BOB).unwrap(),
        watcher: net.jid(zoe).bare(),
        known: None,
        temporary: false,
    };
    net.raw(B, ToOwner::Watch(vec![request]));
    net.publish(bob, "<show>away</show>");
    assert_eq!(net.take(zoe), NOTHING);
}

#[test]
fn a_temporary_watcher_sees_the_user_go_and_come_with_the_users_rules() {
    let (mut net, bob, zoe) = strangers();
    rule(&mut net, "zoe@example.com", Some(Access::Allow));
    net.watch_temporarily(zoe, BOB);
    assert_eq!(net.take(zoe), [HERE]);
    for refuses in [Some(Access::Block), Some(Access::Ask), None] {
        rule(&mut net, "zoe@example.com", refuses);
        assert_eq!(net.take(zoe), [GONE], "{refuses:?}");
        net.publish(bob, "");
        assert_eq!(net.take(zoe), NOTHING, "{refuses:?}");
        rule(&mut net, "zoe@example.com", Some(Access::Allow));
        assert_eq!(net.take(zoe), [HERE]);
    }
    // Another rule that says the same makes no difference.
    rule(&mut net, "example.com", Some(Access::Block));
    assert_eq!(net.take(zoe), NOTHING);
}

#[test]
fn a_temporary_watcher_sees_the_user_while_an_operator_lets_requests_be_granted() {
    let (mut net, bob, zoe) = strangers();
    net.set_auto_authorise(true);
    assert_eq!(net.watch_temporarily(zoe, BOB), Granted);
    assert_eq!(net.take(zoe), [HERE]);
    net.set_auto_authorise(false);
    assert_eq!(net.take(zoe), [GONE]);
    net.publish(bob, "");
    assert_eq!(net.take(zoe), NOTHING);
    net.set_auto_authorise(true);
    assert_eq!(net.take(zoe), [HERE]);
}

#[test]
fn who_becomes_a_contact_meanwhile_or_is_one_no_more_sees_no_difference() {
    let (mut net, bob, zoe) = strangers();
    rule(&mut net, "zoe@example.com", Some(Access::Allow));
    net.watch_temporarily(zoe, BOB);
    net.forget();
    net.send(zoe, "<presence type='subscribe' to='bob@example.com'/>");
    let bobs = |got: Vec<String>| -> Vec<String> {
        got.into_iter()
            .filter(|line| line.starts_with(BOB))
            .collect()
    };
    assert_eq!(bobs(net.take(zoe)), NOTHING);
    net.send(bob, "<presence type='unsubscribed' to='zoe@example.com'/>");
    assert_eq!(bobs(net.take(zoe)), NOTHING);
    net.publish(bob, "<show>away</show>");
    assert_eq!(bobs(net.take(zoe)).len(), 1);

    // Who is a contact sees the user without the rule, and a rule that is gone changes nothing.
    net.send(zoe, "<presence type='subscribe' to='bob@example.com'/>");
    net.forget();
    rule(&mut net, "zoe@example.com", None);
    assert_eq!(bobs(net.take(zoe)), NOTHING);
    rule(&mut net, "zoe@example.com", Some(Access::Block));
    assert_eq!(bobs(net.take(zoe)), [GONE]);
    rule(&mut net, "zoe@example.com", Some(Access::Allow));
    assert_eq!(bobs(net.take(zoe)), [format!("{HERE} <show>away</show>")]);
}

#[test]
fn a_new_owner_goes_on_with_temporary_subscriptions() {
    let (mut net, bob, zoe) = strangers();
    rule(&mut net, "zoe@example.com", Some(Access::Allow));
    net.watch_temporarily(zoe, BOB);
    net.forget();
    // What a new owner says again, the node of these tests shows again.
    net.open(ONE, B);
    assert_eq!(net.take(zoe), [HERE]);
    net.publish(bob, "<show>away</show>");
    let away = format!("{HERE} <show>away</show>");
    assert_eq!(net.take(zoe), [&*away]);
    net.pass(Duration::from_secs(120));
    assert_eq!(net.take(zoe), [away]);
    // Permission is the new owner's to decide as well.
    rule(&mut net, "zoe@example.com", Some(Access::Block));
    assert_eq!(net.take(zoe), [GONE]);
    net.open(ONE, A);
    net.publish(bob, "");
    assert_eq!(net.take(zoe), NOTHING);
}

#[test]
fn a_rule_that_changed_between_owners_hides_the_user() {
    let (mut net, _, zoe) = strangers();
    rule(&mut net, "zoe@example.com", Some(Access::Allow));
    net.watch_temporarily(zoe, BOB);
    net.forget();
    net.lose = |envelope| matches!(envelope, muster_envelope::Envelope::ToNode { .. });
    let question = Question::Access {
        user: BareJid::new(BOB).unwrap(),
        set: vec![("zoe@example.com".parse().unwrap(), Some(Access::Ask))],
    };
    net.ask(A, question);
    assert_eq!(net.take(zoe), NOTHING, "the old owner's word is lost");
    net.lose = |_| false;
    net.open(ONE, B);
    assert_eq!(net.take(zoe), [GONE]);
}

#[test]
fn temporary_watchers_count_as_watchers_each_once() {
    let (mut net, _, zoe) = strangers();
    let nora = net.login(A, "nora@example.com/n");
    let other = net.login(A, "zoe@example.com/other");
    rule(&mut net, "example.com", Some(Access::Allow));
    net.set_bounds(9, 1);
    assert_eq!(net.watch_temporarily(zoe, BOB), Granted);
    assert_eq!(net.watch_temporarily(other, BOB), Granted, "another client");
    assert_eq!(net.watch_temporarily(nora, BOB), TooMany);
    net.end_temporary(other, BOB);
    assert_eq!(net.watch_temporarily(nora, BOB), TooMany);
    net.end_temporary(zoe, BOB);
    assert_eq!(net.watch_temporarily(nora, BOB), Granted);
    net.end_temporary(nora, BOB);
    // A subscription counts, and who has one is not counted again.
    net.send(zoe, "<presence type='subscribe' to='bob@example.com'/>");
    assert_eq!(net.watch_temporarily(zoe, BOB), Granted);
    assert_eq!(net.watch_temporarily(nora, BOB), TooMany);
    net.set_bounds(9, 2);
    assert_eq!(net.watch_temporarily(nora, BOB), Granted);
}

#[test]
fn temporary_watchers_of_a_node_that_is_dead_do_not_count() {
    let (mut net, _, zoe) = strangers();
    let nora = net.login(A, "nora@example.com/n");
    rule(&mut net, "example.com", Some(Access::Allow));
    net.set_bounds(9, 1);
    assert_eq!(net.watch_temporarily(zoe, BOB), Granted);
    assert_eq!(net.watch_temporarily(nora, BOB), TooMany);
    net.kill(B);
    assert_eq!(net.watch_temporarily(nora, BOB), Granted);
    // Nor does it help a watcher that it was seen to there.
    let zoe = net.login(A, "zoe@example.com/z");
    assert_eq!(net.watch_temporarily(zoe, BOB), TooMany);
}

#[test]
fn who_is_subscribed_as_well_sees_the_user_come_once_when_it_is_unblocked() {
    let (mut net, _, zoe) = strangers();
    rule(&mut net, "zoe@example.com", Some(Access::Allow));
    net.watch_temporarily(zoe, BOB);
    net.send(zoe, "<presence type='subscribe' to='bob@example.com'/>");
    net.forget();
    for allows in [None, Some(Access::Ask), Some(Access::Allow)] {
        rule(&mut net, "zoe@example.com", Some(Access::Block));
        assert_eq!(net.take(zoe), [GONE], "{allows:?}");
        rule(&mut net, "zoe@example.com", allows);
        assert_eq!(net.take(zoe), [HERE], "{allows:?}");
    }
}
