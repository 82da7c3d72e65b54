//! What users ask their server.

use crate::testing::{A, B, Net};

const ROSTER: &str = "<query xmlns='jabber:iq:roster'/>";

#[test]
fn queries_are_answered_or_refused() {
    // from bob, who has a subscription, and from zoe, a stranger: to, iq type, payload, what the
    // answer contains
    for (to, kind, payload, bob_gets, zoe_gets) in [
        (
            "alice@example.com",
            "get",
            "<ping xmlns='urn:xmpp:ping'/>",
            "type='result'",
            "type='result'",
        ),
        (
            "alice@example.com",
            "get",
            "<vCard xmlns='vcard-temp'/>",
            "service-unavailable",
            "service-unavailable",
        ),
        (
            "alice@example.com",
            "set",
            "<vCard xmlns='vcard-temp'/>",
            "forbidden",
            "forbidden",
        ),
        (
            "alice@example.com",
            "get",
            ROSTER,
            "not-allowed",
            "not-allowed",
        ),
        (
            "alice@example.com",
            "set",
            "<query xmlns='jabber:iq:roster'><item jid='x@example.com'/></query>",
            "forbidden",
            "forbidden",
        ),
        (
            "alice@example.com",
            "get",
            "<query xmlns='jabber:iq:private'><x xmlns='y'/></query>",
            "forbidden",
            "forbidden",
        ),
        (
            "alice@example.com",
            "get",
            "<query xmlns='http://jabber.org/protocol/disco#info'/>",
            "type='registered'",
            "service-unavailable",
        ),
        (
            "alice@example.com",
            "get",
            "<unknown xmlns='urn:x'/>",
            "service-unavailable",
            "service-unavailable",
        ),
        (
            "alice@example.com/gone",
            "get",
            "<ping xmlns='urn:xmpp:ping'/>",
            "service-unavailable",
            "service-unavailable",
        ),
    ] {
        let mut net = Net::pair();
        let alice = net.login(A, "alice@example.com/a");
        let bob = net.login(B, "bob@example.com/b");
        let zoe = net.login(B, "zoe@example.com/z");
        net.befriend(alice, bob);
        for (asker, answer) in [(bob, bob_gets), (zoe, zoe_gets)] {
            let serial = net.send(
                asker,
                &format!("<iq type='{kind}' id='q' to='{to}'>{payload}</iq>"),
            );
            let got = net.take(asker);
            assert!(
                got.len() == 1 && got[0].contains(answer),
                "{kind} {payload} to {to}: {got:?}"
            );
            assert!(
                got[0].contains("id='q'") && got[0].contains(&format!("from='{to}'")),
                "{got:?}"
            );
            assert_eq!(net.confirmed[&asker], serial);
        }
        assert!(net.take(alice).is_empty());
    }
}

#[test]
fn queries_to_a_client_are_forwarded_and_so_are_answers() {
    let mut net = Net::pair();
    let alice = net.login(A, "alice@example.com/a");
    let bob = net.login(B, "bob@example.com/b");
    net.send(
        bob,
        "<iq type='get' id='q' to='alice@example.com/a'><ping xmlns='urn:xmpp:ping'/></iq>",
    );
    assert!(net.take(alice)[0].contains("from='bob@example.com/b'"));
    net.send(alice, "<iq type='result' id='q' to='bob@example.com/b'/>");
    assert!(net.take(bob)[0].contains("type='result'"));
    net.send(
        alice,
        "<iq type='result' id='q' to='bob@example.com/gone'/>",
    );
    net.send(alice, "<iq type='result' id='q' to='bob@example.com'/>");
    assert!(net.take(bob).is_empty() && net.take(alice).is_empty());
}

#[test]
fn the_own_data_is_kept() {
    let mut net = Net::pair();
    let alice = net.login(A, "alice@example.com/a");
    let mut ask = |kind: &str, payload: &str| {
        net.send(alice, &format!("<iq type='{kind}' id='q'>{payload}</iq>"));
        net.take(alice).join("")
    };
    let vcard = "<vCard xmlns='vcard-temp'><FN>Alice</FN></vCard>";
    assert!(ask("get", "<vCard xmlns='vcard-temp'/>").contains("item-not-found"));
    assert!(ask("set", vcard).contains("type='result'"));
    assert!(ask("get", "<vCard xmlns='vcard-temp'/>").contains(vcard));

    let query = |inside: &str| format!("<query xmlns='jabber:iq:private'>{inside}</query>");
    assert!(ask("get", &query("<x xmlns='y'/>")).contains(&query("<x xmlns='y'/>")));
    assert!(ask("set", &query("<x xmlns='y'>1</x>")).contains("type='result'"));
    assert!(ask("get", &query("<x xmlns='y'/>")).contains(&query("<x xmlns='y'>1</x>")));
    assert!(ask("get", &query("<x xmlns='y'/><x xmlns='z'/>")).contains("not-acceptable"));
    assert!(ask("set", &query("")).contains("bad-request"));
    let large = "x".repeat(65_536);
    assert!(ask("set", &query(&format!("<x xmlns='y'>{large}</x>"))).contains("not-acceptable"));
}

#[test]
fn roster_changes_are_pushed_to_clients_that_asked_for_the_roster() {
    let mut net = Net::pair();
    let desk = net.login(A, "alice@example.com/desk");
    let phone = net.login(B, "alice@example.com/phone");
    let deaf = net.bind(A, "alice@example.com/deaf");
    net.forget();
    net.send(desk, "<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='bob@example.com' name='Bob'/></query></iq>");
    let (to_desk, to_phone) = (net.take(desk), net.take(phone));
    assert_eq!(to_desk.len(), 2, "{to_desk:?}");
    assert!(
        to_desk
            .iter()
            .any(|got| got.contains("type='result'") && got.contains("id='s'"))
    );
    assert!(
        to_phone[0].contains("to='alice@example.com/phone'") && to_phone[0].contains("name='Bob'")
    );
    assert!(net.take(deaf).is_empty());

    net.send(phone, &format!("<iq type='get' id='g'>{ROSTER}</iq>"));
    let full = net.take(phone).join("");
    assert!(full.contains("name='Bob'"), "{full}");
    let version = full
        .split("ver='")
        .nth(1)
        .unwrap()
        .split('\'')
        .next()
        .unwrap()
        .to_owned();
    net.send(
        phone,
        &format!("<iq type='get' id='g'><query xmlns='jabber:iq:roster' ver='{version}'/></iq>"),
    );
    assert!(
        !net.take(phone).join("").contains("<query"),
        "nothing new since that version"
    );

    for (item, error) in [
        ("<item jid='alice@example.com'/>", "not-allowed"),
        (
            "<item jid='nobody@example.com' subscription='remove'/>",
            "item-not-found",
        ),
        ("<item/>", "bad-request"),
        (
            "<item jid='x@example.com'><group/></item>",
            "not-acceptable",
        ),
    ] {
        net.send(
            desk,
            &format!("<iq type='set' id='s'><query xmlns='jabber:iq:roster'>{item}</query></iq>"),
        );
        let got = net.take(desk);
        assert!(got.len() == 1 && got[0].contains(error), "{item}: {got:?}");
    }
}
