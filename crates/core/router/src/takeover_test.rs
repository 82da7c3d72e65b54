use crate::testing::*;

#[test]
fn messages_wait_in_order_and_are_said_again_until_confirmed() {
    let mut talk = Talk::with_alice();
    assert_eq!(
        talk.send(1, mail("bob@x", "one")),
        ["n3 s2 e7 route 1 #1 Message(Normal) one to bob@x"]
    );
    talk.confirm(HIS, 7, 1);
    talk.send(1, mail("bob@x", "two"));
    talk.close(HIS, 7);
    assert_eq!(talk.send(1, mail("bob@x", "three")), EMPTY);
    assert_eq!(
        talk.open(HIS, 9),
        [
            "n3 s2 e9 announce [] []",
            "n3 s2 e9 route 1 #2 Message(Normal) two to bob@x",
            "n3 s2 e9 route 1 #3 Message(Normal) three to bob@x"
        ]
    );
    assert_eq!(
        talk.confirm(HIS, 7, 3),
        EMPTY,
        "of an owner that was replaced"
    );
    talk.confirm(HIS, 9, 2);
    assert_eq!(
        talk.open(HIS, 11)[1..],
        ["n3 s2 e11 route 1 #3 Message(Normal) three to bob@x"]
    );
}

#[test]
fn presence_without_an_owner_is_announced_to_the_next() {
    let mut talk = Talk::with_alice();
    assert_eq!(
        talk.send(1, available()),
        [
            "n2 s1 e5 publish 1 Presence(Available)",
            "n2 s1 e5 watch alice@x by alice@x"
        ]
    );
    talk.close(MINE, 5);
    assert_eq!(talk.send(1, unavailable()), EMPTY);
    assert_eq!(talk.send(1, available()), EMPTY);
    assert_eq!(
        talk.open(MINE, 9),
        ["n2 s1 e9 announce [alice@x/desk!] [alice@x since None]"]
    );
}

#[test]
fn an_owner_away_for_longer_than_the_grace_is_told_to_watchers_once() {
    let mut talk = Talk::with_alice();
    talk.watch_bob();
    talk.bob_is(7, 1, available());
    talk.feed(Input::NodeLost(NodeId(3)));
    assert_eq!(talk.pass(59), EMPTY);
    let told = talk.pass(1);
    assert_eq!(
        told,
        ["1 <- <presence from='bob@x/phone' type='unavailable' to='alice@x'/> [bob@x/phone]"]
    );
    assert_eq!(talk.pass(99), EMPTY);
    assert_eq!(
        talk.open(HIS, 9),
        ["n3 s2 e9 announce [] [bob@x since None]"]
    );
}

#[test]
fn a_takeover_within_the_grace_shows_nothing() {
    let mut talk = Talk::with_alice();
    talk.watch_bob();
    talk.bob_is(7, 4, available());
    talk.feed(Input::NodeLost(NodeId(3)));
    talk.pass(2);
    assert_eq!(
        talk.open(HIS, 9),
        ["n3 s2 e9 announce [] [bob@x since Some(4)]"]
    );
    assert_eq!(talk.bob_is(9, 1, available()), EMPTY, "the same again");
    assert_eq!(
        talk.bob_is(7, 5, unavailable()),
        EMPTY,
        "the old owner is not believed"
    );
    assert_eq!(talk.pass(99), EMPTY);
}

#[test]
fn a_link_that_comes_back_is_told_everything_again() {
    let mut talk = Talk::with_alice();
    talk.send(1, chat("bob@x", "one"));
    talk.feed(Input::NodeLost(NodeId(3)));
    let up = |boot| Input::NodeUp {
        node: NodeId(3),
        boot: Boot(boot),
    };
    assert_eq!(talk.feed(up(2)), EMPTY, "a restarted node owns nothing");
    assert_eq!(
        talk.feed(up(1)),
        [
            "n3 s2 e7 announce [] []",
            "n3 s2 e7 route 1 #1 Message(Chat) one to bob@x"
        ]
    );
}

#[test]
fn what_was_sent_by_a_client_that_has_gone_is_still_said() {
    let mut talk = Talk::with_alice();
    talk.close(HIS, 7);
    talk.close(MINE, 5);
    talk.send(1, chat("bob@x", "one"));
    talk.send(1, get("unanswered"));
    assert_eq!(talk.ended(1, true), EMPTY);
    assert_eq!(
        talk.open(MINE, 9),
        [
            "n2 s1 e9 announce [alice@x/desk] []",
            "n2 s1 e9 unbind 1 gracefully"
        ]
    );
    assert_eq!(talk.open(MINE, 10), ["n2 s1 e10 announce [] []"]);
    assert_eq!(
        talk.open(HIS, 9)[1..],
        ["n3 s2 e9 route 1 #1 Message(Chat) one to bob@x"]
    );
    talk.confirm(HIS, 9, 1);
    assert!(talk.router.sessions.is_empty());
}

#[test]
fn a_replaced_owner_may_only_bring_messages() {
    let mut talk = Talk::with_alice();
    talk.open(MINE, 9);
    let sessions = vec![session(1)];
    let late = ToNode::Deliver {
        sessions: sessions.clone(),
        stanza: chat("alice@x", "late"),
    };
    assert_eq!(talk.tell(MINE, 5, late).len(), 1);
    let push = ToNode::Deliver {
        sessions,
        stanza: get("push"),
    };
    assert_eq!(talk.tell(MINE, 5, push.clone()), EMPTY);
    assert_eq!(talk.tell(MINE, 9, push).len(), 1);
}

#[test]
fn announcements_come_in_parts() {
    let mut talk = Talk::with_alice();
    let heavy = available().with_content(format!("<status>{}</status>", "x".repeat(50_000)));
    for serial in 2..5 {
        talk.bind(serial, &format!("r{serial}"));
        talk.send(serial, heavy.clone());
    }
    assert_eq!(
        talk.open(MINE, 9),
        [
            "n2 s1 e9 announce [alice@x/desk, alice@x/r2!] []",
            "n2 s1 e9 announce [alice@x/r3!] []",
            "n2 s1 e9 announce [alice@x/r4!] [alice@x since None]"
        ]
    );
}
