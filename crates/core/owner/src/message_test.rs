//! Messages to users with and without clients, forking, and the offline store.

use crate::testing::{A, B, Net, ONE};
use muster_types::Fork;
use muster_types::{Bare as _, Limits, SessionId};
use std::time::Duration;

const ARRIVED: Duration = Duration::from_secs(2);

fn chat(net: &mut Net, from: SessionId, to: &str) -> u64 {
    net.send(
        from,
        &format!("<message type='chat' to='{to}' id='m'><body>hi</body></message>"),
    )
}

fn got_message(net: &mut Net, session: SessionId) -> usize {
    net.take(session)
        .iter()
        .filter(|got| got.starts_with("<message") && !got.contains("type='error'"))
        .count()
}

fn got_error(net: &mut Net, session: SessionId) -> bool {
    net.take(session)
        .iter()
        .any(|got| got.contains("type='error'"))
}

#[test]
fn a_chat_goes_to_every_client_until_one_has_answered() {
    let mut net = Net::pair();
    let bob = net.login(B, "bob@example.com/b");
    let phone = net.login(A, "alice@example.com/phone");
    let desk = net.login(B, "alice@example.com/desk");
    let away = net.login(B, "alice@example.com/away");
    net.publish(away, "<priority>-1</priority>");
    net.forget();

    let round = |net: &mut Net| {
        chat(net, bob, "alice@example.com");
        [phone, desk, away].map(|session| got_message(net, session))
    };
    assert_eq!(round(&mut net), [1, 1, 0]);
    chat(&mut net, desk, "bob@example.com/b");
    assert_eq!(round(&mut net), [0, 1, 0]);
    // Every message keeps the conversation tied, ten minutes without one end it.
    net.pass(Duration::from_secs(500));
    assert_eq!(round(&mut net), [0, 1, 0]);
    net.pass(Duration::from_secs(599));
    assert_eq!(round(&mut net), [0, 1, 0]);
    net.pass(Duration::from_secs(601));
    assert_eq!(round(&mut net), [1, 1, 0]);

    chat(&mut net, desk, "bob@example.com/b");
    net.publish(desk, "<show>away</show>");
    assert_eq!(round(&mut net), [1, 1, 0], "it sent presence");

    chat(&mut net, desk, "bob@example.com/b");
    net.leave(desk, false);
    assert_eq!(round(&mut net), [1, 0, 0], "it left");
}

#[test]
fn an_answer_to_another_slot_is_told_to_the_own_owner() {
    let mut net = Net::pair();
    let zoe = net.login(B, "zoe@example.com/z");
    let phone = net.login(A, "alice@example.com/phone");
    let desk = net.login(A, "alice@example.com/desk");
    let answer = muster_stanza::Stanza::message(muster_stanza::MessageType::Chat)
        .with_from(net.jid(desk))
        .with_to(net.jid(zoe).bare())
        .with_content(&b"<body/>"[..]);
    net.raw(
        A,
        muster_envelope::ToOwner::Submit {
            session: desk,
            serial: 7,
            stanza: answer,
            contact_slot: None,
        },
    );
    assert_eq!(net.confirmed[&desk], 7);
    net.forget();
    chat(&mut net, zoe, "alice@example.com");
    assert_eq!(
        [phone, desk].map(|session| got_message(&mut net, session)),
        [0, 1]
    );
}

#[test]
fn the_other_fork_rules() {
    for (fork, before, after) in [(Fork::All, [1, 1], [1, 1]), (Fork::Highest, [0, 1], [0, 1])] {
        let mut net = Net::with_fork(fork);
        let bob = net.login(B, "bob@example.com/b");
        let low = net.login(A, "alice@example.com/low");
        let high = net.login(A, "alice@example.com/high");
        net.publish(high, "<priority>5</priority>");
        net.forget();
        chat(&mut net, bob, "alice@example.com");
        assert_eq!(
            [low, high].map(|session| got_message(&mut net, session)),
            before,
            "{fork:?}"
        );
        chat(&mut net, low, "bob@example.com");
        chat(&mut net, bob, "alice@example.com");
        assert_eq!(
            [low, high].map(|session| got_message(&mut net, session)),
            after,
            "{fork:?}"
        );
    }
}

#[test]
fn messages_reach_clients_or_come_back() {
    // to, type, delivered to (plain, negative priority, connected only), error
    for (to, kind, delivered, error) in [
        ("alice@example.com", "normal", [1, 0, 0], false),
        ("alice@example.com", "headline", [1, 0, 0], false),
        ("alice@example.com", "groupchat", [0, 0, 0], true),
        ("alice@example.com/minus", "chat", [0, 1, 0], false),
        ("alice@example.com/quiet", "normal", [0, 0, 1], false),
        ("alice@example.com/nobody", "chat", [1, 0, 0], false),
        ("alice@example.com/nobody", "normal", [0, 0, 0], true),
        ("alice@example.com/nobody", "groupchat", [0, 0, 0], true),
        ("nobody@example.org", "chat", [0, 0, 0], false),
    ] {
        let mut net = Net::pair();
        let bob = net.login(B, "bob@example.com/b");
        let plain = net.login(A, "alice@example.com/plain");
        let minus = net.login(A, "alice@example.com/minus");
        net.publish(minus, "<priority>-1</priority>");
        let quiet = net.bind(A, "alice@example.com/quiet");
        net.forget();
        net.send(
            bob,
            &format!("<message type='{kind}' to='{to}'><body>hi</body></message>"),
        );
        let got = [plain, minus, quiet].map(|session| got_message(&mut net, session));
        assert_eq!(
            (got, got_error(&mut net, bob)),
            (delivered, error),
            "{kind} to {to}"
        );
        assert_eq!(
            net.replica(ONE, A)
                .state()
                .offline_count(&net.jid(plain).bare()),
            0
        );
    }
}

#[test]
fn messages_wait_for_a_user_without_clients() {
    let mut net = Net::pair();
    let bob = net.login(B, "bob@example.com/b");
    for kind in ["chat", "normal", "headline", "groupchat", "error"] {
        net.send(
            bob,
            &format!("<message type='{kind}' to='alice@example.com'><body>{kind}</body></message>"),
        );
    }
    net.send(bob, "<message type='chat' to='alice@example.com' id='r'><received xmlns='urn:xmpp:receipts' id='m'/></message>");
    let last = net.send(bob, "<message type='chat' to='alice@example.com'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>");
    assert_eq!(net.take(bob).len(), 1, "groupchat comes back");
    assert_eq!(net.confirmed[&bob], last);

    let silent = net.bind(A, "alice@example.com/silent");
    net.publish(silent, "<priority>-5</priority>");
    assert_eq!(got_message(&mut net, silent), 0);
    net.publish(silent, "");
    let got: Vec<String> = net
        .take(silent)
        .into_iter()
        .filter(|got| got.starts_with("<message"))
        .collect();
    assert_eq!(got.len(), 3, "chat, normal and the receipt: {got:?}");
    assert!(got[0].contains("<body>chat</body>") && got[1].contains("<body>normal</body>"));
    assert!(got[0].contains(
        "<delay xmlns='urn:xmpp:delay' from='example.com' stamp='1970-01-01T00:00:01.000Z'/>"
    ));

    let alice = net.jid(silent).bare();
    assert_eq!(
        net.replica(ONE, A).state().offline_count(&alice),
        3,
        "they may not have arrived"
    );
    let second = net.bind(A, "alice@example.com/second");
    net.publish(second, "");
    assert_eq!(
        got_message(&mut net, second),
        0,
        "another client has got them"
    );
    net.pass(ARRIVED);
    assert_eq!(net.replica(ONE, A).state().offline_count(&alice), 0);
}

#[test]
fn messages_handed_to_a_client_that_is_cut_off_are_kept() {
    for (graceful, again) in [(false, 1), (true, 0)] {
        let mut net = Net::pair();
        let bob = net.login(B, "bob@example.com/b");
        chat(&mut net, bob, "alice@example.com");
        let first = net.bind(A, "alice@example.com/first");
        net.publish(first, "");
        assert_eq!(got_message(&mut net, first), 1);
        net.leave(first, graceful);
        let second = net.bind(A, "alice@example.com/second");
        net.publish(second, "");
        assert_eq!(got_message(&mut net, second), again, "graceful {graceful}");
    }
}

#[test]
fn messages_to_a_client_that_is_expected_back_go_elsewhere() {
    for other in [false, true] {
        for kind in ["chat", "normal"] {
            let mut net = Net::pair();
            let bob = net.login(B, "bob@example.com/b");
            let lost = net.login(A, "alice@example.com/lost");
            let other = other.then(|| net.login(A, "alice@example.com/other"));
            net.leave(lost, false);
            net.forget();
            for to in ["alice@example.com/lost", "alice@example.com"] {
                net.send(
                    bob,
                    &format!("<message type='{kind}' to='{to}'><body>hi</body></message>"),
                );
            }
            let back = net.bind(B, "alice@example.com/lost");
            net.publish(back, "");
            let (to_other, to_back) = match other {
                Some(other) => (got_message(&mut net, other), got_message(&mut net, back)),
                None => (2, 2 - got_message(&mut net, back)),
            };
            assert_eq!((to_other, to_back), (2, 0), "{kind}");
            assert!(!got_error(&mut net, bob));
        }
    }
}

#[test]
fn a_full_offline_store_bounces() {
    let mut net = Net::pair();
    let bob = net.login(B, "bob@example.com/b");
    for _ in 0..Limits::default().offline_messages {
        chat(&mut net, bob, "alice@example.com");
    }
    assert_eq!(net.take(bob), Vec::<String>::new());
    chat(&mut net, bob, "alice@example.com");
    let got = net.take(bob);
    assert!(
        got[0].contains("service-unavailable") && got[0].contains("id='m'"),
        "{got:?}"
    );
}

#[test]
fn a_message_stored_while_its_user_comes_is_handed_over() {
    let mut net = Net::pair();
    let bob = net.login(B, "bob@example.com/b");
    net.log_stands = true;
    chat(&mut net, bob, "alice@example.com");
    let alice = net.bind(A, "alice@example.com/a");
    net.publish(alice, "");
    assert_eq!(got_message(&mut net, alice), 0);
    net.release_log();
    assert_eq!(got_message(&mut net, alice), 1);
    net.pass(ARRIVED);
    assert_eq!(
        net.replica(ONE, A)
            .state()
            .offline_count(&net.jid(alice).bare()),
        0
    );
}
