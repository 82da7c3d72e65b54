//! Personal eventing (XEP-0163): who may publish, who may read, and who is told.

use crate::testing::{A, B, Net, ONE};
use muster_envelope::{AskItems, Envelope, ToNode, ToOwner};
use muster_presence::source::Policy;
use muster_types::SessionId;

const MOOD: &str = "http://jabber.org/protocol/mood";

/// A request to the service of an account; returns what came back, and nothing else.
fn ask(net: &mut Net, who: SessionId, to: &str, kind: &str, pubsub: &str) -> String {
    net.forget();
    let to = match to {
        "" => String::new(),
        to => format!(" to='{to}@example.com'"),
    };
    net.send(who, &format!("<iq type='{kind}' id='q'{to}>{pubsub}</iq>"));
    let got = net.take(who).into_iter();
    got.filter(|got| got.contains("id='q'")).collect()
}

fn pubsub(inside: &str) -> String {
    format!("<pubsub xmlns='http://jabber.org/protocol/pubsub'>{inside}</pubsub>")
}

fn owner(inside: &str) -> String {
    format!("<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'>{inside}</pubsub>")
}

fn mood(what: &str) -> String {
    let item = format!("<item id='1'><mood xmlns='{MOOD}'><{what}/></mood></item>");
    pubsub(&format!("<publish node='{MOOD}'>{item}</publish>"))
}

fn form(fields: &[(&str, &str)]) -> String {
    let field = |(var, value): &(&str, &str)| {
        format!("<field var='pubsub#{var}'><value>{value}</value></field>")
    };
    let fields: String = fields.iter().map(field).collect();
    format!("<x xmlns='jabber:x:data' type='submit'>{fields}</x>")
}

fn items(node: &str) -> String {
    pubsub(&format!("<items node='{node}'/>"))
}

/// Alice and bob see each other; zoe sees nobody. All are homed where bob and zoe are not.
fn friends() -> (Net, SessionId, SessionId, SessionId) {
    let mut net = Net::pair();
    let alice = net.login(A, "alice@example.com/a");
    let bob = net.login(B, "bob@example.com/b");
    let zoe = net.login(B, "zoe@example.com/z");
    net.befriend(alice, bob);
    (net, alice, bob, zoe)
}

/// What a client was told of items of alice.
fn told(net: &mut Net, who: SessionId) -> Vec<String> {
    let got = net.take(who).into_iter();
    got.filter_map(|got| Some(got.strip_prefix("alice@example.com: ")?.to_owned()))
        .collect()
}

#[test]
fn an_item_is_kept_and_told_to_those_who_see_the_user() {
    let (mut net, alice, bob, zoe) = friends();
    let done = ask(&mut net, alice, "", "set", &mood("happy"));
    assert!(
        done.contains("type='result'") && done.contains("<item id='1'/>"),
        "{done}"
    );
    let event = format!(
        "<event xmlns='http://jabber.org/protocol/pubsub#event'><items node='{MOOD}'>\
         <item id='1'><mood xmlns='{MOOD}'><happy/></mood></item></items></event>"
    );
    assert_eq!(told(&mut net, bob), [event]);
    assert_eq!(told(&mut net, zoe), [""; 0]);
    ask(&mut net, alice, "", "set", &mood("sad"));
    assert_eq!(told(&mut net, bob).len(), 1);

    let got = ask(&mut net, bob, "alice", "get", &items(MOOD));
    assert!(got.contains("<sad/>") && !got.contains("<happy/>"), "{got}");
    let refused = ask(&mut net, zoe, "alice", "get", &items(MOOD));
    assert!(
        refused.contains("not-authorized") && refused.contains("presence-subscription-required"),
        "{refused}"
    );
    let retract = format!("<retract node='{MOOD}'><item id='1'/></retract>");
    let done = ask(&mut net, alice, "", "set", &pubsub(&retract));
    assert!(done.contains("type='result'"), "{done}");
    assert!(told(&mut net, bob).concat().contains("<retract id='1'/>"));
    let got = ask(&mut net, bob, "alice", "get", &items(MOOD));
    assert!(
        got.contains("type='result'") && !got.contains("<item "),
        "{got}"
    );
    let delete = owner(&format!("<delete node='{MOOD}'/>"));
    ask(&mut net, alice, "", "set", &delete);
    let gone = told(&mut net, bob).concat();
    assert!(gone.contains(&format!("<delete node='{MOOD}'/>")), "{gone}");
    let got = ask(&mut net, bob, "alice", "get", &items(MOOD));
    assert!(got.contains("item-not-found"), "{got}");
}

#[test]
fn who_has_chosen_to_be_offline_is_answered_for_like_somebody_who_is() {
    let (mut net, alice, bob, _) = friends();
    ask(&mut net, alice, "", "set", &mood("happy"));
    let seen = ask(&mut net, bob, "alice", "get", &items(MOOD));
    let node = "urn:muster:presence:choice";
    let choice = format!("<choice xmlns='{node}'><state>offline</state></choice>");
    let choice = format!("<publish node='{node}'><item>{choice}</item></publish>");
    let done = ask(&mut net, alice, "", "set", &pubsub(&choice));
    assert!(done.contains("type='result'"), "{done}");
    assert_eq!(ask(&mut net, bob, "alice", "get", &items(MOOD)), seen);
    net.forget();
    ask(&mut net, alice, "", "set", &mood("sad"));
    assert_eq!(told(&mut net, bob), [""; 0], "and nobody is told by itself");
}

#[test]
fn what_makes_no_sense_or_is_too_large_is_refused() {
    let (mut net, alice, bob, _) = friends();
    let item = |content: &str| format!("<publish node='n'><item>{content}</item></publish>");
    let large = item(&format!("<x>{}</x>", "y".repeat(66_000)));
    let long = format!("<items node='{}'/>", "n".repeat(600));
    let two = "<publish node='n'><item><x/></item><item><x/></item></publish>";
    for (kind, request, error, detail) in [
        (
            "set",
            pubsub("<publish node='n'/>"),
            "bad-request",
            "item-required",
        ),
        ("set", pubsub(two), "bad-request", "publish one"),
        ("set", pubsub(&item("")), "bad-request", "invalid-payload"),
        (
            "set",
            pubsub(&item("<x/><y/>")),
            "bad-request",
            "invalid-payload",
        ),
        ("set", pubsub(&large), "not-acceptable", "payload-too-big"),
        (
            "set",
            pubsub("<publish><item><x/></item></publish>"),
            "bad-request",
            "nodeid-required",
        ),
        (
            "set",
            pubsub("<retract node='n'/>"),
            "bad-request",
            "item-required",
        ),
        (
            "set",
            pubsub("<retract node='n'><item id='1'/></retract>"),
            "item-not-found",
            "no such node",
        ),
        (
            "set",
            pubsub("<subscribe node='n' jid='alice@example.com'/>"),
            "feature-not-implemented",
            "feature='subscribe'",
        ),
        (
            "get",
            pubsub("<affiliations/>"),
            "feature-not-implemented",
            "feature='retrieve-affiliations'",
        ),
        ("set", pubsub("<dance node='n'/>"), "bad-request", ""),
        (
            "set",
            pubsub("<publish xmlns='urn:x' node='n'/>"),
            "bad-request",
            "",
        ),
        ("get", pubsub(""), "bad-request", ""),
        ("get", pubsub(&long), "not-acceptable", "512 bytes"),
        ("get", items("n"), "item-not-found", ""),
        ("get", owner("<configure node='n'/>"), "item-not-found", ""),
        ("set", owner("<delete node='n'/>"), "item-not-found", ""),
    ] {
        let got = ask(&mut net, alice, "", kind, &request);
        let short = &got[..got.len().min(500)];
        assert!(
            got.contains("type='error'") && got.contains(error) && got.contains(detail),
            "{request:.100}: {short}"
        );
    }
    for request in [
        mood("happy"),
        pubsub("<retract node='n'><item id='1'/></retract>"),
        owner("<delete node='n'/>"),
    ] {
        let got = ask(&mut net, bob, "alice", "set", &request);
        assert!(got.contains("forbidden"), "another's node: {got}");
    }
}

#[test]
fn a_publisher_says_who_may_read_and_asks_for_nothing_that_no_node_has() {
    let (mut net, alice, bob, zoe) = friends();
    let publish = |node: &str, fields: &[(&str, &str)]| {
        let options = format!("<publish-options>{}</publish-options>", form(fields));
        pubsub(&format!(
            "<publish node='{node}'><item><x xmlns='urn:x'/></item></publish>{options}"
        ))
    };
    for (node, model, bob_reads, zoe_reads) in [
        ("urn:open", "open", true, true),
        ("urn:contacts", "presence", true, false),
        ("urn:mine", "whitelist", false, false),
    ] {
        let fields = [("access_model", model), ("persist_items", "true")];
        let done = ask(&mut net, alice, "", "set", &publish(node, &fields));
        assert!(done.contains("type='result'"), "{model}: {done}");
        assert_eq!(told(&mut net, bob).len(), usize::from(bob_reads), "{model}");
        assert_eq!(told(&mut net, zoe).len(), 0, "{model}: no subscription");
        for (who, reads) in [(bob, bob_reads), (zoe, zoe_reads)] {
            let got = ask(&mut net, who, "alice", "get", &items(node));
            assert_eq!(got.contains("type='result'"), reads, "{model}: {got}");
        }
    }
    let got = ask(&mut net, bob, "alice", "get", &items("urn:mine"));
    assert!(got.contains("closed-node"), "{got}");
    for fields in [
        [("access_model", "whitelist")],
        [("access_model", "roster")],
        [("max_items", "max")],
        [("persist_items", "0")],
        [("send_last_published_item", "never")],
        [("title", "My node")],
    ] {
        let got = ask(&mut net, alice, "", "set", &publish("urn:open", &fields));
        assert!(
            got.contains("conflict") && got.contains("precondition-not-met"),
            "{fields:?}: {got}"
        );
    }
    let shown = ask(
        &mut net,
        alice,
        "",
        "get",
        &owner("<configure node='urn:mine'/>"),
    );
    assert!(
        shown.contains("<value>whitelist</value></field>"),
        "{shown}"
    );
    let configure = |fields: &[(&str, &str)]| {
        owner(&format!(
            "<configure node='urn:mine'>{}</configure>",
            form(fields)
        ))
    };
    let refused = ask(
        &mut net,
        alice,
        "",
        "set",
        &configure(&[("max_items", "9")]),
    );
    assert!(refused.contains("not-acceptable"), "{refused}");
    ask(
        &mut net,
        alice,
        "",
        "set",
        &configure(&[("access_model", "presence")]),
    );
    let got = ask(&mut net, bob, "alice", "get", &items("urn:mine"));
    assert!(got.contains("urn:x"), "{got}");
}

#[test]
fn discovery_names_what_is_served_and_the_nodes_one_may_read() {
    let (mut net, alice, bob, _) = friends();
    ask(&mut net, alice, "", "set", &mood("happy"));
    let mine = pubsub(&format!(
        "<publish node='urn:mine'><item><x xmlns='urn:x'/></item></publish>\
         <publish-options>{}</publish-options>",
        form(&[("access_model", "whitelist")])
    ));
    ask(&mut net, alice, "", "set", &mine);
    let disco = |what: &str, node: &str| {
        format!("<query xmlns='http://jabber.org/protocol/disco#{what}'{node}/>")
    };
    let info = ask(&mut net, bob, "alice", "get", &disco("info", ""));
    for part in [
        "type='pep'",
        "pubsub#publish'",
        "pubsub#filtered-notifications",
    ] {
        assert!(info.contains(part), "{part}: {info}");
    }
    let seen = ask(&mut net, bob, "alice", "get", &disco("items", ""));
    assert!(seen.contains(MOOD) && !seen.contains("urn:mine"), "{seen}");
    let own = ask(&mut net, alice, "", "get", &disco("items", ""));
    assert!(own.contains(MOOD) && own.contains("urn:mine"), "{own}");
    let node = format!(" node='{MOOD}'");
    let leaf = ask(&mut net, bob, "alice", "get", &disco("info", &node));
    assert!(leaf.contains("type='leaf'"), "{leaf}");
    let leaf = ask(&mut net, bob, "alice", "get", &disco("items", &node));
    assert!(leaf.contains("name='1'"), "{leaf}");
    let hidden = ask(
        &mut net,
        bob,
        "alice",
        "get",
        &disco("info", " node='urn:mine'"),
    );
    assert!(hidden.contains("item-not-found"), "{hidden}");
}

#[test]
fn who_is_blocked_or_may_see_nobody_is_told_nothing_until_it_may_again() {
    let (mut net, alice, bob, _) = friends();
    let block = |name: &str| {
        format!("<{name} xmlns='urn:xmpp:blocking'><item jid='bob@example.com'/></{name}>")
    };
    ask(&mut net, alice, "", "set", &block("block"));
    ask(&mut net, alice, "", "set", &mood("happy"));
    assert_eq!(told(&mut net, bob), [""; 0]);
    let refused = ask(&mut net, bob, "alice", "get", &items(MOOD));
    assert!(refused.contains("service-unavailable"), "{refused}");
    ask(&mut net, alice, "", "set", &block("unblock"));
    let again = told(&mut net, bob).concat();
    assert!(
        again.contains("<happy/>") && again.contains("<delay xmlns='urn:xmpp:delay'"),
        "the last item, and since when: {again}"
    );

    net.decide("alice@example.com", Policy::SharingOff, true);
    ask(&mut net, alice, "", "set", &mood("sad"));
    assert_eq!(told(&mut net, bob), [""; 0]);
    let refused = ask(&mut net, bob, "alice", "get", &items(MOOD));
    assert!(refused.contains("not-authorized"), "{refused}");
    net.forget();
    net.decide("alice@example.com", Policy::SharingOff, false);
    assert!(told(&mut net, bob).concat().contains("<sad/>"));

    net.send(
        alice,
        "<presence type='unsubscribed' to='bob@example.com'/>",
    );
    ask(&mut net, alice, "", "set", &mood("angry"));
    assert_eq!(told(&mut net, bob), [""; 0]);
}

fn wants(session: SessionId, watcher: &str) -> ToOwner {
    ToOwner::AskItems(AskItems {
        session,
        watcher: watcher.parse().unwrap(),
        nodes: vec![MOOD.to_owned(), "urn:other".to_owned()],
        contacts: vec!["alice@example.com".parse().unwrap()],
    })
}

#[test]
fn a_client_that_comes_is_told_what_there_is_and_a_new_owner_tells_what_was_missed() {
    let (mut net, alice, bob, zoe) = friends();
    ask(&mut net, alice, "", "set", &mood("happy"));
    net.forget();
    net.raw(B, wants(bob, "bob@example.com"));
    net.raw(B, wants(zoe, "zoe@example.com"));
    let last = told(&mut net, bob).concat();
    assert!(
        last.contains("<happy/>") && last.contains("<delay"),
        "{last}"
    );
    assert_eq!(told(&mut net, zoe), [""; 0]);

    net.lose = |envelope| {
        matches!(
            envelope,
            Envelope::ToNode {
                body: ToNode::Item { .. },
                ..
            }
        )
    };
    ask(&mut net, alice, "", "set", &mood("sad"));
    assert_eq!(told(&mut net, bob), [""; 0], "it was lost");
    net.lose = |_| false;
    net.open(ONE, B);
    let missed = told(&mut net, bob);
    assert!(missed.concat().contains("<sad/>"), "{missed:?}");
    assert_eq!(missed.len(), 1);
    net.open(ONE, A);
    assert_eq!(told(&mut net, bob), [""; 0], "nothing happened since");
    let got = ask(&mut net, bob, "alice", "get", &items(MOOD));
    assert!(got.contains("<sad/>"), "{got}");
}
