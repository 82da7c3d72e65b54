//! Whom a user lets in: XEP-0191, rules, and what an operator allows.

use crate::testing::{A, B, Net, ONE};
use muster_envelope::{Answer, Envelope, Question, Seen};
use muster_roster::Access;
use muster_types::{Bare as _, SessionId};
use std::time::Duration;

fn command(net: &mut Net, session: SessionId, name: &str, jids: &[&str]) {
    let items: String = jids
        .iter()
        .map(|jid| format!("<item jid='{jid}'/>"))
        .collect();
    let kind = if name == "blocklist" { "get" } else { "set" };
    let query = format!("<{name} xmlns='urn:xmpp:blocking'>{items}</{name}>");
    net.send(session, &format!("<iq type='{kind}' id='c'>{query}</iq>"));
}

/// Bob of slot one and zoe of slot two see each other.
fn friends() -> (Net, SessionId, SessionId) {
    let mut net = Net::pair();
    let bob = net.login(A, "bob@example.com/b");
    let zoe = net.login(B, "zoe@example.com/z");
    net.befriend(bob, zoe);
    (net, bob, zoe)
}

fn has(got: &[String], part: &str) -> bool {
    got.iter().any(|got| got.contains(part))
}

#[test]
fn the_list_is_read_added_to_and_taken_from() {
    let (mut net, bob, _) = friends();
    command(&mut net, bob, "block", &["zoe@example.com", "evil.example"]);
    let got = net.take(bob);
    assert!(
        has(&got, "id='c'") && has(&got, "<block "),
        "pushed too: {got:?}"
    );
    command(&mut net, bob, "blocklist", &[]);
    let got = net.take(bob);
    assert!(
        has(&got, "zoe@example.com") && has(&got, "evil.example"),
        "{got:?}"
    );
    command(&mut net, bob, "unblock", &["zoe@example.com"]);
    let got = net.take(bob);
    assert!(
        has(&got, "<unblock ") && !has(&got, "evil.example"),
        "{got:?}"
    );
    command(&mut net, bob, "unblock", &[]);
    assert!(has(&net.take(bob), "evil.example"));
    command(&mut net, bob, "blocklist", &[]);
    assert!(!has(&net.take(bob), "<item"));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (mut net, bob, zoe) = friends();
    for (name, jids, error) in [
        ("block", &[][..], "bad-request"),
        ("block", &["bob@example.com"], "not-allowed"),
        ("block", &["@example.com"], "jid-malformed"),
        ("block", &["*"], "jid-malformed"),
        ("blocks", &["zoe@example.com"], "bad-request"),
    ] {
        command(&mut net, bob, name, jids);
        let got = net.take(bob);
        assert!(has(&got, error), "{name} {jids:?}: {got:?}");
    }
    net.send(
        zoe,
        "<iq type='get' id='c' to='bob@example.com'><blocklist xmlns='urn:xmpp:blocking'/></iq>",
    );
    assert!(has(&net.take(zoe), "forbidden"), "another's list");
}

#[test]
fn who_is_blocked_sees_the_user_go_and_come_again_and_the_other_way_round() {
    for blocked in ["zoe@example.com", "example.com"] {
        let (mut net, bob, zoe) = friends();
        command(&mut net, bob, "block", &[blocked]);
        assert_eq!(
            net.take(zoe),
            ["bob@example.com/b unavailable"],
            "{blocked}"
        );
        assert!(
            has(&net.take(bob), "zoe@example.com/z unavailable"),
            "{blocked}"
        );
        net.publish(bob, "<show>dnd</show>");
        net.publish(zoe, "<show>dnd</show>");
        let seen = net.take(zoe);
        assert!(!has(&seen, "bob@"), "{blocked}: {seen:?}");
        let seen = net.take(bob);
        assert!(!has(&seen, "zoe@"), "{blocked}: {seen:?}");
        let watcher = Some("zoe@example.com".parse().unwrap());
        let user = "bob@example.com".parse().unwrap();
        let Answer::Explained(why) = net.ask(A, Question::Explain { user, watcher }) else {
            panic!("no explanation")
        };
        assert_eq!(why.seen, Some(Seen::Blocked));

        command(&mut net, bob, "unblock", &[blocked]);
        assert!(has(
            &net.take(zoe),
            "bob@example.com/b available <show>dnd</show>"
        ));
        assert!(has(
            &net.take(bob),
            "zoe@example.com/z available <show>dnd</show>"
        ));
    }
}

#[test]
fn nothing_of_who_is_blocked_gets_through() {
    let (mut net, bob, zoe) = friends();
    command(&mut net, bob, "block", &["zoe@example.com"]);
    net.forget();
    for to in ["bob@example.com", "bob@example.com/b"] {
        net.send(
            zoe,
            &format!("<message type='chat' to='{to}' id='m'><body>hi</body></message>"),
        );
        assert!(
            has(&net.take(zoe), "service-unavailable"),
            "a message to {to}"
        );
        net.send(
            zoe,
            &format!("<iq type='get' to='{to}' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"),
        );
        assert!(
            has(&net.take(zoe), "service-unavailable"),
            "a question to {to}"
        );
        net.send(
            zoe,
            &format!("<presence to='{to}'><status>psst</status></presence>"),
        );
        net.send(zoe, &format!("<iq type='result' to='{to}' id='p'/>"));
        assert_eq!(net.take(zoe), Vec::<String>::new(), "dropped");
    }
    assert_eq!(net.take(bob), Vec::<String>::new());
    net.send(
        zoe,
        "<presence type='unavailable' to='bob@example.com'><status>psst</status></presence>",
    );
    let got = net.take(bob);
    assert!(has(&got, "unavailable") && !has(&got, "psst"), "{got:?}");
    // A rule for one client leaves the others alone.
    command(&mut net, bob, "unblock", &[]);
    command(&mut net, bob, "block", &["zoe@example.com/z"]);
    net.forget();
    let other = net.login(A, "zoe@example.com/y");
    let hello = "<message type='chat' to='bob@example.com' id='m'><body>hi</body></message>";
    net.send(zoe, hello);
    assert!(has(&net.take(zoe), "service-unavailable"));
    net.send(other, hello);
    assert!(has(&net.take(bob), "<message"));
}

#[test]
fn a_request_of_who_is_blocked_is_not_even_kept() {
    let mut net = Net::pair();
    let bob = net.login(A, "bob@example.com/b");
    let zoe = net.login(B, "zoe@example.com/z");
    command(&mut net, bob, "block", &["zoe@example.com"]);
    net.forget();
    net.send(zoe, "<presence type='subscribe' to='bob@example.com'/>");
    assert!(!has(&net.take(bob), "subscribe"));
    let user = "bob@example.com".parse().unwrap();
    assert_eq!(net.replica(ONE, A).state().pending_in(&user).count(), 0);
    assert!(!has(&net.take(zoe), "unsubscribed"), "nobody is told");
}

#[test]
fn a_request_that_waits_is_not_asked_again_once_its_sender_is_blocked() {
    let mut net = Net::pair();
    let bob = net.login(A, "bob@example.com/b");
    let zoe = net.login(B, "zoe@example.com/z");
    net.send(zoe, "<presence type='subscribe' to='bob@example.com'/>");
    assert!(has(&net.take(bob), "subscribe"));
    command(&mut net, bob, "block", &["zoe@example.com"]);
    net.forget();
    let phone = net.bind(B, "bob@example.com/p");
    net.publish(phone, "");
    assert!(!has(&net.take(phone), "subscribe"));
    command(&mut net, bob, "unblock", &[]);
    let desk = net.bind(A, "bob@example.com/d");
    net.publish(desk, "");
    assert!(has(&net.take(desk), "subscribe"), "it waits still");
}

#[test]
fn nodes_know_whom_their_users_let_in_also_after_a_takeover() {
    let (mut net, bob, _) = friends();
    let user = net.jid(bob).bare();
    net.login(B, "bob@example.com/p");
    assert_eq!(net.access.get(&(B, user.clone())), None);
    command(&mut net, bob, "block", &["evil.example"]);
    let count = |net: &Net| net.access[&(B, user.clone())].blocked().count();
    assert_eq!(count(&net), 1);
    net.access.clear();
    net.kill(A);
    net.open(ONE, B);
    assert_eq!(count(&net), 1);
    net.access.clear();
    net.login(B, "bob@example.com/q");
    assert_eq!(count(&net), 1);
}

#[test]
fn what_is_blocked_stays_so_after_a_takeover() {
    let (mut net, bob, zoe) = friends();
    let phone = net.login(B, "bob@example.com/p");
    command(&mut net, bob, "block", &["zoe@example.com"]);
    net.forget();
    net.kill(A);
    net.open(ONE, B);
    net.pass(Duration::from_secs(1));
    net.publish(phone, "<show>away</show>");
    assert!(!has(&net.take(zoe), "bob@"));
    net.send(
        zoe,
        "<message type='chat' to='bob@example.com' id='m'><body>hi</body></message>",
    );
    assert!(has(&net.take(zoe), "service-unavailable"));
    command(&mut net, phone, "blocklist", &[]);
    assert!(has(&net.take(phone), "zoe@example.com"));
}

#[test]
fn a_push_that_a_dying_owner_did_not_send_is_sent_by_the_next() {
    let (mut net, bob, _) = friends();
    let phone = net.login(B, "bob@example.com/p");
    net.lose = |envelope| matches!(envelope, Envelope::ToNode { .. });
    command(&mut net, bob, "block", &["zoe@example.com"]);
    assert!(!has(&net.take(phone), "<block "));
    net.lose = |_| false;
    net.kill(A);
    net.open(ONE, B);
    assert!(has(&net.take(phone), "<block "));
}

#[test]
fn requests_are_granted_where_an_operator_wants_it_and_the_user_does_not_object() {
    let ask = |auto: bool, blocks: &[&str]| {
        let mut net = Net::pair();
        let bob = net.login(A, "bob@example.com/b");
        let zoe = net.login(B, "zoe@example.com/z");
        net.set_auto_authorise(auto);
        if !blocks.is_empty() {
            command(&mut net, bob, "block", blocks);
        }
        net.forget();
        net.send(zoe, "<presence type='subscribe' to='bob@example.com'/>");
        let asked = has(&net.take(bob), "type='subscribe'");
        let sees = has(&net.take(zoe), "bob@example.com/b available");
        (asked, sees)
    };
    assert_eq!(ask(false, &[]), (true, false), "the user is asked");
    assert_eq!(ask(true, &[]), (false, true), "granted");
    assert_eq!(ask(true, &["example.com"]), (false, false), "blocked");
}

#[test]
fn a_request_that_waits_is_granted_when_an_operator_or_the_user_says_so() {
    let mut net = Net::pair();
    let bob = net.login(A, "bob@example.com/b");
    let zoe = net.login(B, "zoe@example.com/z");
    net.send(zoe, "<presence type='subscribe' to='bob@example.com'/>");
    net.forget();
    let user: muster_types::BareJid = "bob@example.com".parse().unwrap();
    let set = vec![("zoe@example.com".parse().unwrap(), Some(Access::Allow))];
    let Answer::Access(list) = net.ask(A, Question::Access { user, set }) else {
        panic!("no list")
    };
    assert_eq!(list.len(), 1);
    assert!(has(&net.take(zoe), "bob@example.com/b available"));
    assert!(!has(&net.take(bob), "subscribe'"), "and bob is not asked");
}

#[test]
fn an_operator_bounds_contacts_and_watchers_of_those_who_run() {
    let mut net = Net::pair();
    let bob = net.login(A, "bob@example.com/b");
    let zoe = net.login(B, "zoe@example.com/z");
    let add = |net: &mut Net, jid: &str| {
        net.send(
            bob,
            &format!("<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='{jid}'/></query></iq>"),
        );
        net.take(bob)
    };
    net.set_bounds(1, 0);
    assert!(!has(&add(&mut net, "carol@example.com"), "type='error'"));
    let got = add(&mut net, "dave@example.com");
    assert!(
        has(&got, "resource-constraint") && has(&got, "1 contacts"),
        "{got:?}"
    );
    assert!(
        !has(&add(&mut net, "carol@example.com"), "type='error'"),
        "known already"
    );
    net.send(bob, "<presence type='subscribe' to='dave@example.com'/>");
    assert!(has(&net.take(bob), "resource-constraint"));

    net.set_bounds(2, 0);
    net.send(zoe, "<presence type='subscribe' to='bob@example.com'/>");
    net.forget();
    net.send(bob, "<presence type='subscribed' to='zoe@example.com'/>");
    let got = net.take(bob);
    assert!(
        has(&got, "resource-constraint") && has(&got, "0 others"),
        "{got:?}"
    );
    net.set_bounds(2, 1);
    net.send(bob, "<presence type='subscribed' to='zoe@example.com'/>");
    assert!(has(&net.take(zoe), "bob@example.com/b available"));
}
