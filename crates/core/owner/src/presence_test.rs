//! Presence between users: subscriptions, who sees what, and sessions that come and go.

use crate::testing::{A, B, Net, ONE};
use crate::{Input, OwnerEvent};
use muster_envelope::{BindOutcome, ToOwner, WatchRequest};
use muster_types::{Bare as _, Boot, FullJid, Limits, LogIndex, ResourcePart, SessionId};
use std::time::Duration;

const GRACE: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_secs(1);

#[test]
fn two_users_subscribe_and_see_each_other() {
    let mut net = Net::pair();
    // In two slots: what one owner owes the other goes through the outbox.
    let alice = net.login(A, "alice@example.com/a");
    let zoe = net.login(B, "zoe@example.com/z");

    net.send(alice, "<presence type='subscribe' to='zoe@example.com'/>");
    let request = "<presence from='alice@example.com' type='subscribe' to='zoe@example.com'/>";
    assert_eq!(net.take(zoe), [request]);
    let push = net.take(alice);
    assert!(
        push[0].contains("subscription='none'") && push[0].contains("ask='subscribe'"),
        "{push:?}"
    );
    assert_eq!(push.len(), 1);

    net.send(zoe, "<presence type='subscribed' to='alice@example.com'/>");
    let seen = net.take(alice);
    assert!(
        seen[0].contains("type='subscribed'") && seen[0].contains("from='zoe@example.com'"),
        "{seen:?}"
    );
    assert!(seen[1].contains("subscription='to'"), "{seen:?}");
    assert_eq!(seen[2], "zoe@example.com/z available");
    assert_eq!(seen.len(), 3);

    net.take(zoe);
    net.publish(zoe, "<show>away</show>");
    assert_eq!(
        net.take(alice),
        ["zoe@example.com/z available <show>away</show>"]
    );
    net.publish(alice, "<show>dnd</show>");
    assert_eq!(
        net.take(zoe).len(),
        1,
        "zoe sees only herself: alice has not let her"
    );
}

#[test]
fn a_request_waits_until_its_user_comes() {
    let mut net = Net::pair();
    let alice = net.login(A, "alice@example.com/a");
    net.send(alice, "<presence type='subscribe' to='bob@example.com'/>");
    for _ in 0..2 {
        let bob = net.bind(B, "bob@example.com/b");
        net.publish(bob, "");
        assert!(
            net.take(bob)
                .iter()
                .any(|got| got.contains("type='subscribe'"))
        );
        net.leave(bob, true);
    }
}

#[test]
fn who_loses_sight_sees_the_user_go() {
    let mut net = Net::pair();
    let alice = net.login(A, "alice@example.com/a");
    let bob = net.login(B, "bob@example.com/b");
    net.befriend(alice, bob);

    net.send(
        alice,
        "<presence type='unsubscribed' to='bob@example.com'/>",
    );
    let seen = net.take(bob);
    assert!(
        seen.contains(&"alice@example.com/a unavailable".to_owned()),
        "{seen:?}"
    );
    net.take(alice);
    net.publish(alice, "<show>away</show>");
    assert_eq!(net.take(bob), Vec::<String>::new());
    net.publish(bob, "<show>away</show>");
    assert!(
        net.take(alice)
            .contains(&"bob@example.com/b available <show>away</show>".to_owned())
    );

    net.send(alice, "<iq type='set' id='x'><query xmlns='jabber:iq:roster'><item jid='bob@example.com' subscription='remove'/></query></iq>");
    let seen = net.take(alice);
    assert!(
        seen.iter()
            .any(|got| got.contains("type='result'") && got.contains("id='x'")),
        "{seen:?}"
    );
    assert!(
        seen.contains(&"bob@example.com/b unavailable".to_owned()),
        "{seen:?}"
    );
}

#[test]
fn own_clients_see_each_other() {
    let mut net = Net::pair();
    let phone = net.login(A, "alice@example.com/phone");
    let desk = net.bind(B, "alice@example.com/desk");
    net.publish(desk, "");
    let both = [
        "alice@example.com/desk available",
        "alice@example.com/phone available",
    ];
    assert_eq!(
        net.take(desk),
        both,
        "itself and the phone, without a contact"
    );
    assert_eq!(net.take(phone), both[..1]);
    net.publish(desk, "<show>away</show>");
    let away = ["alice@example.com/desk available <show>away</show>"];
    assert_eq!(net.take(desk), away);
    assert_eq!(net.take(phone), away);
    net.leave(desk, true);
    assert_eq!(net.take(phone), ["alice@example.com/desk unavailable"]);
}

#[test]
fn nobody_else_is_shown_a_user_by_asking() {
    let mut net = Net::pair();
    let alice = net.login(A, "alice@example.com/a");
    let bob = net.login(A, "bob@example.com/b");
    net.raw(
        A,
        ToOwner::Watch(vec![WatchRequest {
            contact: net.jid(alice).bare(),
            watcher: net.jid(bob).bare(),
            known: None,
            temporary: false,
        }]),
    );
    net.publish(alice, "<show>away</show>");
    assert_eq!(net.take(bob), Vec::<String>::new());
}

#[test]
fn who_comes_gets_the_roster_then_presence_each_once() {
    let mut net = Net::pair();
    let phone = net.login(A, "alice@example.com/phone");
    let bob = net.login(B, "bob@example.com/b");
    net.befriend(phone, bob);
    let desk = net.bind(B, "alice@example.com/desk");
    let ask = "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>";
    net.send(desk, ask);
    net.publish(desk, "");
    let seen = net.take(desk);
    assert!(seen[0].contains("id='r'"), "{seen:?}");
    let mut presence = seen[1..].to_vec();
    presence.sort();
    let all = [
        "alice@example.com/desk",
        "alice@example.com/phone",
        "bob@example.com/b",
    ];
    assert_eq!(presence, all.map(|jid| format!("{jid} available")));
}

#[test]
fn a_client_that_comes_back_elsewhere_is_new_for_its_users_others_too() {
    let mut net = Net::pair();
    let phone = net.login(A, "alice@example.com/phone");
    let desk = net.login(A, "alice@example.com/desk");
    net.forget();
    net.leave(desk, false);
    net.pass(GRACE / 2);
    let desk = net.bind(B, "alice@example.com/desk");
    net.publish(desk, "<show>away</show>");
    let away = "alice@example.com/desk available <show>away</show>";
    assert_eq!(net.take(phone), [away]);
    assert_eq!(net.take(desk), [away, "alice@example.com/phone available"]);
}

#[test]
fn a_client_that_leaves_is_gone_at_once() {
    let mut net = Net::pair();
    let alice = net.login(A, "alice@example.com/a");
    let bob = net.login(B, "bob@example.com/b");
    net.befriend(alice, bob);
    net.publish_unavailable(bob);
    assert_eq!(net.take(alice), ["bob@example.com/b unavailable"]);
    net.publish(bob, "");
    assert_eq!(net.take(alice), ["bob@example.com/b available"]);
    net.leave(bob, true);
    assert_eq!(net.take(alice), ["bob@example.com/b unavailable"]);
    net.pass(GRACE + MOMENT);
    assert_eq!(net.take(alice), Vec::<String>::new());
}

#[test]
fn a_client_that_is_cut_off_is_gone_once_when_the_grace_ends() {
    let mut net = Net::pair();
    let alice = net.login(A, "alice@example.com/a");
    let bob = net.login(B, "bob@example.com/b");
    net.befriend(alice, bob);
    net.leave(bob, false);
    net.pass(GRACE - MOMENT);
    assert_eq!(net.take(alice), Vec::<String>::new());
    net.pass(2 * MOMENT);
    assert_eq!(net.take(alice), ["bob@example.com/b unavailable"]);
    net.pass(2 * GRACE);
    assert_eq!(net.take(alice), Vec::<String>::new());
}

#[test]
fn a_client_that_comes_back_was_never_gone() {
    let mut net = Net::pair();
    let alice = net.login(A, "alice@example.com/a");
    let bob = net.login(B, "bob@example.com/b");
    net.befriend(alice, bob);
    net.leave(bob, false);
    net.pass(GRACE / 2);
    let bob = net.bind(A, "bob@example.com/b");
    assert_eq!(net.take(alice), Vec::<String>::new());
    net.publish(bob, "<show>away</show>");
    assert_eq!(
        net.take(alice),
        ["bob@example.com/b available <show>away</show>"]
    );
    net.pass(2 * GRACE);
    assert_eq!(net.take(alice), Vec::<String>::new());
}

#[test]
fn a_client_that_comes_back_and_leaves_without_a_word_is_gone() {
    let mut net = Net::pair();
    let alice = net.login(A, "alice@example.com/a");
    let bob = net.login(B, "bob@example.com/b");
    net.befriend(alice, bob);
    net.leave(bob, false);
    let bob = net.bind(A, "bob@example.com/b");
    net.leave(bob, true);
    assert_eq!(net.take(alice), ["bob@example.com/b unavailable"]);
    net.pass(2 * GRACE);
    assert_eq!(net.take(alice), Vec::<String>::new());
}

#[test]
fn the_newer_of_two_clients_wins_the_resource() {
    let mut net = Net::pair();
    let alice = net.login(A, "alice@example.com/a");
    let old = net.login(A, "bob@example.com/b");
    net.befriend(alice, old);
    let new = net.bind(B, "bob@example.com/b");
    assert_eq!(
        net.bound[&new],
        BindOutcome::Bound(FullJid::new("bob@example.com/b").unwrap())
    );
    assert_eq!(net.take(old), ["conflict"]);
    // The replaced client's node says that it ended: that concerns nobody any more.
    net.raw(
        A,
        ToOwner::Unbind {
            session: old,
            graceful: true,
        },
    );
    net.publish(new, "");
    net.pass(2 * GRACE);
    assert_eq!(net.take(alice), ["bob@example.com/b available"]);
}

#[test]
fn binding_is_limited_and_needs_an_account() {
    let mut net = Net::pair();
    let limit = Limits::default().sessions_per_user;
    for n in 0..limit {
        let session = net.bind(A, &format!("alice@example.com/{n}"));
        assert!(matches!(net.bound[&session], BindOutcome::Bound(_)));
    }
    let surplus = net.bind(A, "alice@example.com/surplus");
    assert_eq!(net.bound[&surplus], BindOutcome::TooMany);

    net.set_account_known("carol@example.com", false);
    let session = SessionId {
        node: A,
        boot: Boot(1),
        serial: 1000,
    };
    let generated = ResourcePart::new("g").unwrap().into_owned();
    let user = FullJid::new("carol@example.com/x").unwrap().bare();
    let bind = ToOwner::Bind {
        session,
        user,
        wanted: None,
        generated,
    };
    net.raw(A, bind.clone());
    assert!(
        !net.bound.contains_key(&session),
        "the account may be on its way"
    );
    net.pass(2 * MOMENT);
    assert_eq!(net.bound[&session], BindOutcome::NoAccount);
    net.raw(A, bind);
    net.set_account_known("carol@example.com", true);
    assert_eq!(
        net.bound[&session],
        BindOutcome::Bound(FullJid::new("carol@example.com/g").unwrap())
    );
}

#[test]
fn a_node_that_is_lost_takes_its_clients_along_after_the_grace() {
    let mut net = Net::pair();
    let alice = net.login(A, "alice@example.com/a");
    let bob = net.login(B, "bob@example.com/b");
    net.befriend(alice, bob);
    net.kill(B);
    assert_eq!(net.take(alice), Vec::<String>::new());
    net.pass(GRACE + MOMENT);
    assert_eq!(net.take(alice), ["bob@example.com/b unavailable"]);
    assert!(net.events.contains(&OwnerEvent::SessionDown {
        session: bob,
        jid: FullJid::new("bob@example.com/b").unwrap()
    }));
}

#[test]
fn a_removed_user_is_gone_for_everybody() {
    let mut net = Net::pair();
    let alice = net.login(A, "alice@example.com/a");
    let bob = net.login(B, "bob@example.com/b");
    net.befriend(alice, bob);
    net.remove_account("bob@example.com");
    let seen = net.take(alice);
    assert!(
        seen.contains(&"bob@example.com/b unavailable".to_owned()),
        "{seen:?}"
    );
    assert!(net.take(bob).contains(&"conflict".to_owned()));
    net.send(
        alice,
        "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>",
    );
    let roster = net.take(alice).join("");
    assert!(roster.contains("subscription='none'"), "{roster}");
}

#[test]
fn a_removal_goes_on_under_the_next_owner_and_ends_once() {
    let mut net = Net::pair();
    let alice = net.login(A, "alice@example.com/a");
    let bob = net.login(A, "bob@example.com/b");
    net.befriend(alice, bob);
    net.log_stands = true;
    net.remove_account("alice@example.com");
    // The proposal dies with its owner.
    net.kill(B);
    net.input(ONE, A, Input::Close);
    net.log_stands = false;
    net.open(ONE, A);
    let purged = OwnerEvent::UserPurged {
        user: "alice@example.com".parse().unwrap(),
        at: LogIndex(1),
    };
    let times = net.events.iter().filter(|event| **event == purged).count();
    assert_eq!(times, 1);
    assert!(net.take(alice).contains(&"conflict".to_owned()));
    assert!(
        net.replica(ONE, A)
            .state()
            .roster(&"alice@example.com".parse().unwrap())
            .is_none()
    );
}

#[test]
fn a_copy_of_the_accounts_that_is_behind_removes_nobody_who_was_added_anew() {
    let mut net = Net::pair();
    let bob = net.login(B, "bob@example.com/b");
    let alice = net.login(A, "alice@example.com/a");
    net.befriend(alice, bob);
    net.remove_account("alice@example.com");
    net.add_account_again("alice@example.com");
    let alice = net.login(A, "alice@example.com/new");
    net.befriend(alice, bob);
    net.open(ONE, B);
    let user = "alice@example.com".parse().unwrap();
    let state = net.replica(ONE, B).state();
    assert_eq!(state.contacts(&user).count(), 1, "her new contact is there");
    assert_eq!(state.removed_up_to(), LogIndex(1));
}

#[test]
fn a_disabled_users_sessions_end_and_do_not_come_back() {
    let mut net = Net::pair();
    let alice = net.login(A, "alice@example.com/a");
    let bob = net.login(B, "bob@example.com/b");
    net.befriend(alice, bob);
    net.disable_account("alice@example.com");
    assert!(net.take(alice).contains(&"conflict".to_owned()));
    assert_eq!(net.take(bob), ["alice@example.com/a unavailable"]);
    let again = net.bind(A, "alice@example.com/again");
    assert_eq!(net.bound.get(&again), Some(&BindOutcome::NoAccount));
}

#[test]
fn a_client_sees_its_own_unavailable() {
    let mut net = Net::pair();
    let alice = net.login(A, "alice@example.com/a");
    let others = [
        net.login(A, "alice@example.com/x"),
        net.login(B, "alice@example.com/y"),
    ];
    net.forget();
    net.publish_unavailable(alice);
    let own = "<presence from='alice@example.com/a' type='unavailable' to='alice@example.com'/>";
    assert_eq!(net.take(alice), [own]);
    for other in others {
        assert_eq!(net.take(other), ["alice@example.com/a unavailable"]);
    }
    net.publish(others[0], "<show>away</show>");
    assert_eq!(net.take(alice), Vec::<String>::new(), "it is not available");
}

#[test]
fn directed_presence_reaches_whom_it_is_directed_at() {
    let mut net = Net::pair();
    let alice = net.login(A, "alice@example.com/a");
    let bob = net.login(B, "bob@example.com/b");
    for to in ["bob@example.com", "bob@example.com/b"] {
        net.send(
            alice,
            &format!("<presence to='{to}'><show>chat</show></presence>"),
        );
        assert_eq!(net.take(bob).len(), 1, "{to}");
    }
    for (to, kind) in [
        ("bob@example.com/x", "unavailable"),
        ("bob@example.com", "probe"),
    ] {
        net.send(alice, &format!("<presence to='{to}' type='{kind}'/>"));
        assert_eq!(net.take(bob), Vec::<String>::new(), "{to}");
    }
}
