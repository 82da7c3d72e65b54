use crate::testing::*;

#[test]
fn contacts_are_watched_while_a_client_is_available() {
    let mut talk = Talk::with_alice();
    let contacts = vec![
        BareJid::new("bob@x").unwrap(),
        BareJid::new("dave@x").unwrap(),
    ];
    let told = ToNode::Contacts {
        session: session(1),
        contacts,
    };
    assert_eq!(talk.tell(MINE, 5, told.clone()), EMPTY, "not available");
    talk.send(1, available());
    assert_eq!(
        talk.tell(MINE, 5, told.clone()),
        ["n3 s2 e7 watch bob@x by alice@x"]
    );
    assert_eq!(talk.tell(MINE, 5, told), EMPTY, "said again");
    assert_eq!(
        talk.bob_is(7, 1, available()),
        ["1 <- <presence from='bob@x/phone' to='alice@x'/> [bob@x/phone]"]
    );
    talk.bind(2, "phone");
    assert_eq!(
        talk.send(2, available())[1..],
        ["2 <- <presence from='bob@x/phone' to='alice@x'/> [bob@x/phone]"],
        "who comes later is shown what is known"
    );
    let late = Input::Cluster(Arc::new(Accounts { late: true }));
    assert_eq!(talk.feed(late), ["n3 s2 e7 watch dave@x by alice@x"]);
    assert_eq!(talk.ended(1, true), ["n2 s1 e5 unbind 1 gracefully"]);
    assert_eq!(
        talk.ended(2, false),
        [
            "n3 s2 e7 unwatch bob@x by alice@x",
            "n3 s2 e7 unwatch dave@x by alice@x",
            "n2 s1 e5 unbind 2 cut"
        ]
    );
    assert_eq!(talk.bob_is(7, 2, available()), EMPTY);
}

#[test]
fn a_contact_no_longer_seen_is_taken_back() {
    let mut talk = Talk::with_alice();
    talk.watch_bob();
    talk.bob_is(7, 1, available());
    let (user, contact) = (
        BareJid::new("alice@x").unwrap(),
        BareJid::new("bob@x").unwrap(),
    );
    let lost = Notice::SeesNoMore {
        user: user.clone(),
        contact: contact.clone(),
    };
    assert_eq!(
        talk.tell(MINE, 5, ToNode::Notice(lost)),
        [
            "n3 s2 e7 unwatch bob@x by alice@x",
            "1 <- <presence from='bob@x/phone' type='unavailable' to='alice@x'/> [bob@x/phone]"
        ]
    );
    let seen = Notice::Sees { user, contact };
    assert_eq!(
        talk.tell(MINE, 5, ToNode::Notice(seen)),
        ["n3 s2 e7 watch bob@x by alice@x"]
    );
}

#[test]
fn directed_presence_is_taken_back_at_the_end() {
    let mut talk = Talk::with_alice();
    let routed = talk.send(1, to(available(), "bob@x/phone"));
    assert_eq!(
        routed,
        ["n3 s2 e7 route 1 #1 Presence(Available) to bob@x/phone"]
    );
    assert_eq!(
        talk.ended(1, true),
        [
            "n3 s2 e7 route 1 #2 Presence(Unavailable) to bob@x/phone",
            "n2 s1 e5 unbind 1 gracefully"
        ]
    );
}

#[test]
fn directed_presence_of_a_client_that_was_cut_off_waits_for_the_grace() {
    let mut talk = Talk::with_alice();
    talk.send(1, to(available(), "bob@x/phone"));
    assert_eq!(talk.ended(1, false), ["n2 s1 e5 unbind 1 cut"]);
    talk.confirm(HIS, 7, 1);
    assert_eq!(talk.pass(59), EMPTY);
    assert_eq!(
        talk.pass(1),
        ["n3 s2 e7 route 1 #2 Presence(Unavailable) to bob@x/phone"]
    );
    talk.confirm(HIS, 7, 2);
    assert!(talk.router.sessions.is_empty(), "nothing is left of it");
}

#[test]
fn a_client_that_comes_back_inherits_its_directed_presence() {
    let mut talk = Talk::with_alice();
    talk.send(1, to(available(), "bob@x/phone"));
    talk.confirm(HIS, 7, 1);
    talk.ended(1, false);
    talk.bind(2, "desk");
    assert_eq!(talk.pass(99), EMPTY);
    assert_eq!(talk.router.sessions.len(), 1);
    assert_eq!(
        talk.ended(2, true)[0],
        "n3 s2 e7 route 2 #1 Presence(Unavailable) to bob@x/phone"
    );
}

#[test]
fn a_client_that_was_unavailable_between_owners_sees_its_contacts_again() {
    let mut talk = Talk::with_alice();
    talk.watch_bob();
    talk.close(MINE, 5);
    assert_eq!(
        talk.send(1, unavailable()),
        ["n3 s2 e7 unwatch bob@x by alice@x"]
    );
    assert_eq!(
        talk.send(1, available()),
        ["n3 s2 e7 watch bob@x by alice@x"]
    );
}
