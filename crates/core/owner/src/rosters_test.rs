//! Large rosters, and large requests.

use crate::testing::{A, B, Net};
use muster_types::SessionId;
use std::time::Duration;

const LATER: Duration = Duration::from_secs(1);

fn ask(net: &mut Net, session: SessionId, id: &str) {
    let query = "<query xmlns='jabber:iq:roster'/>";
    net.send(session, &format!("<iq type='get' id='{id}'>{query}</iq>"));
}

fn rosters(got: &[String]) -> Vec<&str> {
    let rosters = got.iter().filter(|got| got.contains("jabber:iq:roster"));
    let id = |got: &'_ String| {
        let from = got.find("id='")? + 4;
        let to = from + got[from..].find('\'')?;
        Some(from..to)
    };
    rosters.filter_map(|got| got.get(id(got)?)).collect()
}

/// A user with a roster of some 40 KB.
fn with_large_roster(net: &mut Net) -> SessionId {
    let alice = net.login(A, "alice@example.com/desk");
    for n in 0..40 {
        let name = "x".repeat(1_000);
        let item = format!("<item jid='c{n}@example.com' name='{name}'/>");
        net.send(
            alice,
            &format!(
                "<iq type='set' id='s{n}'><query xmlns='jabber:iq:roster'>{item}</query></iq>"
            ),
        );
    }
    net.pass(LATER);
    net.forget();
    alice
}

#[test]
fn a_users_large_rosters_go_one_after_the_other_and_others_do_not_wait() {
    let mut net = Net::pair();
    let desk = with_large_roster(&mut net);
    let phone = net.bind(B, "alice@example.com/phone");
    let bob = net.login(A, "bob@example.com/b");
    net.forget();
    ask(&mut net, desk, "one");
    ask(&mut net, phone, "two");
    for id in ["three", "four"] {
        ask(&mut net, desk, id);
    }
    assert_eq!(rosters(&net.take(desk)), ["one"]);
    assert!(rosters(&net.take(phone)).is_empty());
    ask(&mut net, bob, "his");
    assert_eq!(rosters(&net.take(bob)), ["his"]);

    // The pause is some milliseconds for such a roster: one each, in the order they were asked for.
    let mut came = Vec::new();
    for _ in 0..100 {
        net.pass(Duration::from_millis(5));
        for session in [desk, phone] {
            let got = net.take(session);
            let ids = rosters(&got).into_iter().map(str::to_owned);
            came.push(ids.collect::<Vec<_>>());
        }
    }
    assert!(came.iter().all(|at_once| at_once.len() <= 1), "{came:?}");
    assert_eq!(came.concat(), ["two", "three", "four"]);
}

#[test]
fn who_has_gone_waits_for_no_roster_and_what_it_said_is_not_lost() {
    let mut net = Net::pair();
    let desk = with_large_roster(&mut net);
    let bob = net.login(A, "bob@example.com/b");
    ask(&mut net, desk, "one");
    for n in 0..20 {
        let phone = net.bind(B, &format!("alice@example.com/{n}"));
        if n % 2 == 0 {
            net.publish(phone, "");
        }
        ask(&mut net, phone, "gone");
        ask(&mut net, phone, "gone too");
        let letter = format!("<message to='bob@example.com/b' id='m{n}'><body>x</body></message>");
        net.send(phone, &letter);
        net.leave(phone, n % 3 == 0);
    }
    // One that takes the place of another.
    let older = net.bind(B, "alice@example.com/tablet");
    ask(&mut net, older, "replaced");
    net.bind(B, "alice@example.com/tablet");
    net.take(desk);
    ask(&mut net, desk, "two");
    assert_eq!(net.take(bob).len(), 20);

    // The pause after one roster.
    net.pass(Duration::from_millis(10));
    assert_eq!(rosters(&net.take(desk)), ["two"]);
}

#[test]
fn who_has_the_roster_need_not_wait_to_hear_so() {
    let mut net = Net::pair();
    let alice = with_large_roster(&mut net);
    ask(&mut net, alice, "one");
    let got = net.take(alice).concat();
    let from = got.find("ver='").unwrap() + 5;
    let version = &got[from..from + got[from..].find('\'').unwrap()];
    let query = format!("<query xmlns='jabber:iq:roster' ver='{version}'/>");
    net.send(alice, &format!("<iq type='get' id='two'>{query}</iq>"));
    let got = net.take(alice).concat();
    assert!(got.contains("id='two'") && !got.contains("<item"), "{got}");
}

#[test]
fn what_is_asked_behind_a_roster_comes_after_it() {
    let mut net = Net::pair();
    let alice = with_large_roster(&mut net);
    ask(&mut net, alice, "one");
    ask(&mut net, alice, "two");
    net.send(
        alice,
        "<iq type='get' id='vcard'><vCard xmlns='vcard-temp'/></iq>",
    );
    let got = net.take(alice).concat();
    assert!(!got.contains("id='vcard'"), "{got}");
    net.pass(LATER);
    let got = net.take(alice).concat();
    assert!(got.find("id='two'").unwrap() < got.find("id='vcard'").unwrap());
}

#[test]
fn a_request_to_see_somebody_is_no_letter() {
    let mut net = Net::pair();
    let alice = net.login(A, "alice@example.com/desk");
    let zoe = net.login(B, "zoe@example.com/z");
    net.forget();
    for kind in ["subscribe", "subscribed", "unsubscribe", "unsubscribed"] {
        let status = "x".repeat(9_000);
        net.send(
            alice,
            &format!(
                "<presence type='{kind}' to='zoe@example.com'><status>{status}</status></presence>"
            ),
        );
        let got = net.take(alice).concat();
        let text = "9017 bytes within it, 8192 may be kept";
        assert!(
            got.contains("not-acceptable") && got.contains(text),
            "{kind}: {got}"
        );
    }
    assert!(net.take(zoe).is_empty());
    let status = "x".repeat(8_000);
    net.send(
        alice,
        &format!(
            "<presence type='subscribe' to='zoe@example.com'><status>{status}</status></presence>"
        ),
    );
    assert!(net.take(zoe).concat().contains(&status));
}
