use crate::testing::*;

#[test]
fn a_client_is_bound_by_the_owner_of_its_user() {
    let mut talk = Talk::new();
    assert_eq!(talk.open(MINE, 5), ["n2 s1 e5 announce [] []"]);
    assert_eq!(talk.bind(1, "desk"), ["1 is alice@x/desk"]);
    let user = BareJid::new("eve@x").unwrap();
    let bind = Input::Bind {
        session: session(2),
        user,
        wanted: None,
        generated: resource("g"),
    };
    assert_eq!(talk.feed(bind), ["2 refused: NoAccount"]);
}

#[test]
fn a_bind_waits_for_an_owner_five_seconds() {
    let mut talk = Talk::new();
    let user = BareJid::new("alice@x").unwrap();
    let bind = |serial| Input::Bind {
        session: session(serial),
        user: user.clone(),
        wanted: None,
        generated: resource("g"),
    };
    assert_eq!(talk.feed(bind(1)), EMPTY);
    assert_eq!(talk.pass(4), EMPTY);
    assert_eq!(
        talk.open(MINE, 5),
        ["n2 s1 e5 announce [] []", "n2 s1 e5 bind 1 alice@x"]
    );
    assert_eq!(
        talk.pass(1),
        ["n2 s1 e5 unbind 1 cut", "1 refused: TooBusy"],
        "an owner that does not answer counts as none"
    );
    let outcome = BindOutcome::Bound(FullJid::new("alice@x/desk").unwrap());
    assert_eq!(
        talk.tell(
            MINE,
            5,
            ToNode::Bound {
                session: session(1),
                outcome
            }
        ),
        ["n2 s1 e5 unbind 1 cut"],
        "too late"
    );
}

#[test]
fn a_client_with_much_waiting_is_paused() {
    let mut talk = Talk::with_alice();
    talk.close(HIS, 7);
    for text in ["1", "2", "3"] {
        assert_eq!(talk.send(1, mail("bob@x", text)), EMPTY);
    }
    assert_eq!(talk.send(1, mail("bob@x", "4")), ["1 pause"]);
    for text in ["5", "6", "7", "8"] {
        assert_eq!(talk.send(1, mail("bob@x", text)), EMPTY);
    }
    let refused = talk.send(1, mail("bob@x", "9"));
    assert!(refused[0].contains("resource-constraint"), "{refused:?}");
    talk.open(HIS, 9);
    assert_eq!(talk.confirm(HIS, 9, 5), EMPTY);
    assert_eq!(talk.confirm(HIS, 9, 6), ["1 resume"]);
}

#[test]
fn an_iq_waits_for_an_owner_five_seconds() {
    let mut talk = Talk::with_alice();
    assert_eq!(
        talk.send(1, get("q1")),
        ["n2 s1 e5 submit 1 #1 Iq(Get) q1 None"]
    );
    talk.close(MINE, 5);
    talk.pass(3);
    talk.send(1, get("q2"));
    let refused = talk.pass(2);
    assert_eq!(refused.len(), 1);
    assert!(refused[0].contains("q1") && refused[0].contains("resource-constraint"));
    assert_eq!(
        talk.open(MINE, 9),
        [
            "n2 s1 e9 announce [alice@x/desk] []",
            "n2 s1 e9 submit 1 #2 Iq(Get) q2 None"
        ]
    );
    assert_eq!(talk.pass(9), EMPTY, "a living owner may take its time");
}

#[test]
fn subscription_stanzas_are_submitted_bare() {
    let mut talk = Talk::with_alice();
    assert_eq!(
        talk.send(
            1,
            to(Stanza::presence(PresenceType::Subscribe), "bob@x/phone")
        ),
        ["n2 s1 e5 submit 1 #1 Presence(Subscribe) to bob@x Some(s2)"]
    );
}

#[test]
fn an_answer_acknowledges_the_messages_before_it() {
    let mut talk = Talk::with_alice();
    talk.send(1, chat("bob@x", "one"));
    let ping = to(Stanza::iq(IqType::Get, "p"), "x").with_content("<ping xmlns='urn:xmpp:ping'/>");
    assert_eq!(talk.send(1, ping.clone()), EMPTY);
    talk.send(1, chat("bob@x", "two"));
    assert_eq!(
        talk.confirm(HIS, 7, 1),
        ["1 <- <iq from='x' id='p' type='result' to='alice@x/desk'/>"],
        "only those before it"
    );
    assert_eq!(talk.send(1, ping), EMPTY);
    let late = talk.pass(5);
    assert!(late[0].contains("resource-constraint"), "{late:?}");
}

#[test]
fn a_replaced_client_ends_with_conflict() {
    let mut talk = Talk::with_alice();
    talk.send(1, available());
    let replaced = ToNode::Replaced {
        session: session(1),
    };
    assert_eq!(
        talk.tell(MINE, 5, replaced),
        ["n2 s1 e5 unwatch alice@x by alice@x", "1 ends: conflict"]
    );
    assert_eq!(talk.ended(1, false), EMPTY, "its owner knows");
    assert!(talk.router.sessions.is_empty() && talk.router.users.is_empty());
}

#[test]
fn the_owner_of_the_user_hears_of_chats_it_does_not_route() {
    let mut talk = Talk::with_alice();
    assert_eq!(
        talk.send(1, chat("bob@x", "one")),
        [
            "n2 s1 e5 submit 1 #1 Message(Chat) one to bob@x None",
            "n3 s2 e7 route 1 #1 Message(Chat) one to bob@x"
        ]
    );
    assert_eq!(
        talk.send(1, chat("alice@x", "two")),
        ["n2 s1 e5 route 1 #2 Message(Chat) two to alice@x"]
    );
    talk.close(MINE, 5);
    assert_eq!(
        talk.send(1, chat("bob@x", "three")),
        ["n3 s2 e7 route 1 #2 Message(Chat) three to bob@x"]
    );
}

#[test]
fn nothing_goes_to_whom_the_user_has_blocked() {
    let mut talk = Talk::with_alice();
    let mut access = AccessList::default();
    for (whom, rule) in [
        ("x", Access::Block),
        ("dave@x", Access::Allow),
        ("dave@x/spy", Access::Block),
    ] {
        access.set(whom.parse().unwrap(), Some(rule));
    }
    let user = BareJid::new("alice@x").unwrap();
    assert_eq!(talk.tell(MINE, 5, ToNode::Access { user, access }), EMPTY);
    let refused = |lines: Vec<String>| {
        let errors = |line: &String| line.contains("not-acceptable") && line.contains("blocked");
        lines.iter().any(errors)
    };
    assert!(refused(talk.send(1, chat("bob@x", "1"))));
    assert!(refused(talk.send(1, chat("dave@x/spy", "2"))));
    let presence = to(Stanza::presence(PresenceType::Available), "bob@x");
    assert!(refused(talk.send(1, presence)));
    let answer = to(Stanza::iq(IqType::Result, "3"), "bob@x/b");
    assert_eq!(talk.send(1, answer), EMPTY, "an answer is dropped");
    // A new owner says it where it is not the same any more.
    talk.open(MINE, 9);
    assert!(refused(talk.send(1, chat("bob@x", "7"))));
    let user = BareJid::new("alice@x").unwrap();
    let access = AccessList::default();
    assert_eq!(talk.tell(MINE, 9, ToNode::Access { user, access }), EMPTY);
    assert!(!refused(talk.send(1, chat("bob@x", "8"))));
}

#[test]
fn herself_and_the_server_nobody_can_block() {
    let mut talk = Talk::with_alice();
    let mut access = AccessList::default();
    access.set("x".parse().unwrap(), Some(Access::Block));
    access.set("dave@x".parse().unwrap(), Some(Access::Allow));
    let user = BareJid::new("alice@x").unwrap();
    talk.tell(MINE, 5, ToNode::Access { user, access });
    for stanza in [chat("alice@x", "1"), to(get("2"), "x"), chat("dave@x", "3")] {
        let said = talk.send(1, stanza).concat();
        assert!(!said.contains("not-acceptable"), "{said}");
    }
}

#[test]
fn who_was_shown_a_client_and_is_blocked_sees_it_go() {
    let mut talk = Talk::with_alice();
    talk.send(1, to(available(), "bob@x/phone"));
    let mut access = AccessList::default();
    access.set("bob@x".parse().unwrap(), Some(Access::Block));
    let user = BareJid::new("alice@x").unwrap();
    let said = talk.tell(
        MINE,
        5,
        ToNode::Access {
            user: user.clone(),
            access: access.clone(),
        },
    );
    let gone = |lines: &[String]| lines.iter().any(|line| line.contains("Unavailable"));
    assert!(gone(&said), "{said:?}");
    let said = talk.tell(MINE, 5, ToNode::Access { user, access });
    assert!(!gone(&said), "once: {said:?}");
}

#[test]
fn whom_the_user_has_blocked_it_does_not_see_any_more() {
    let mut talk = Talk::with_alice();
    talk.watch_bob();
    assert_eq!(talk.bob_is(7, 1, available()).len(), 1);
    let mut access = AccessList::default();
    access.set("bob@x".parse().unwrap(), Some(Access::Block));
    let user = BareJid::new("alice@x").unwrap();
    let said = talk.tell(MINE, 5, ToNode::Access { user, access });
    assert!(said.concat().contains("type='unavailable'"), "{said:?}");
    assert_eq!(talk.bob_is(7, 2, available()), EMPTY);
}
