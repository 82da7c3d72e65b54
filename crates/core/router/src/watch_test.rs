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
    assert_eq!(
        talk.send(1, available())[1..],
        ["n2 s1 e5 watch alice@x by alice@x"]
    );
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
            "n2 s1 e5 unwatch alice@x by alice@x",
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

fn own(client: &str, kind: &str) -> String {
    let kind = if kind.is_empty() {
        String::new()
    } else {
        format!(" type='{kind}'")
    };
    format!("<- <presence from='alice@x/{client}'{kind} to='alice@x'/> [alice@x/{client}]")
}

/// Alice's desk (session 1) and tab (2) are here and available, her phone is elsewhere.
fn desk_tab_phone() -> Talk {
    let mut talk = Talk::with_alice();
    talk.send(1, available());
    talk.published(1);
    let both = [("desk", available()), ("phone", available())];
    assert_eq!(
        talk.alice_is((5, 1), true, &both),
        [
            format!("1 {}", own("desk", "")),
            format!("1 {}", own("phone", ""))
        ]
    );
    talk.bind(2, "tab");
    assert_eq!(
        talk.alice_is((5, 2), false, &both[1..]),
        [format!("1 {}", own("phone", ""))],
        "who is not available is shown nothing"
    );
    assert_eq!(
        talk.send(2, available())[1..],
        [
            format!("2 {}", own("desk", "")),
            format!("2 {}", own("phone", ""))
        ]
    );
    talk.published(2);
    let tab = [("tab", available())];
    assert_eq!(
        talk.alice_is((5, 3), false, &tab),
        [
            format!("1 {}", own("tab", "")),
            format!("2 {}", own("tab", ""))
        ]
    );
    talk
}

#[test]
fn own_clients_are_seen_while_they_and_the_watcher_are_available() {
    let mut talk = desk_tab_phone();
    talk.send(2, unavailable());
    assert_eq!(
        talk.alice_is((5, 4), false, &[("tab", unavailable())]),
        [format!("1 {}", own("tab", "unavailable"))]
    );
    assert_eq!(
        talk.ended(1, true),
        [
            "n2 s1 e5 unwatch alice@x by alice@x",
            "n2 s1 e5 unbind 1 gracefully"
        ]
    );
    assert_eq!(
        talk.alice_is((5, 5), false, &[("phone", available())]),
        EMPTY
    );
}

#[test]
fn a_client_is_not_told_that_it_is_gone_when_it_is_here() {
    let mut talk = desk_tab_phone();
    talk.send(2, unavailable());
    assert_eq!(
        talk.send(2, available()),
        [
            format!("2 {}", own("desk", "")),
            format!("2 {}", own("phone", ""))
        ]
    );
    assert_eq!(
        talk.alice_is((5, 4), false, &[("tab", unavailable())]),
        [format!("1 {}", own("tab", "unavailable"))],
        "the owner answers the client itself"
    );
    assert_eq!(
        talk.alice_is((5, 5), false, &[("tab", available())]),
        [
            format!("1 {}", own("tab", "")),
            format!("2 {}", own("tab", ""))
        ]
    );
}

#[test]
fn own_clients_gone_with_their_owner_are_taken_back_and_asked_anew() {
    let mut talk = desk_tab_phone();
    talk.feed(Input::NodeLost(NodeId(2)));
    assert_eq!(
        talk.pass(60),
        [
            format!("2 {}", own("desk", "unavailable")),
            format!("1 {}", own("phone", "unavailable")),
            format!("2 {}", own("phone", "unavailable")),
            format!("1 {}", own("tab", "unavailable")),
        ]
    );
    assert_eq!(
        talk.open(MINE, 9),
        ["n2 s1 e9 announce [alice@x/desk!, alice@x/tab!] [alice@x since None]"]
    );
}

#[test]
fn an_own_client_that_left_meanwhile_is_asked_for_and_taken_back() {
    let mut talk = desk_tab_phone();
    talk.feed(Input::NodeLost(NodeId(2)));
    assert_eq!(
        talk.open(MINE, 9),
        ["n2 s1 e9 announce [alice@x/desk!, alice@x/tab!] [alice@x since Some(3)]"]
    );
    let both = [("desk", available()), ("tab", available())];
    assert_eq!(
        talk.alice_is((9, 1), true, &both),
        [
            format!("1 {}", own("phone", "unavailable")),
            format!("2 {}", own("phone", "unavailable")),
        ]
    );
}

#[test]
fn a_client_that_was_unavailable_between_owners_sees_itself() {
    let mut talk = desk_tab_phone();
    talk.close(MINE, 5);
    assert_eq!(talk.send(2, unavailable()), EMPTY);
    assert_eq!(
        talk.send(2, available()),
        [
            format!("2 {}", own("desk", "")),
            format!("2 {}", own("phone", ""))
        ]
    );
    assert_eq!(
        talk.open(MINE, 9)[1..],
        [format!("2 {}", own("tab", ""))],
        "the same as before: the next owner's news will not show it"
    );
    assert_eq!(talk.alice_is((9, 1), false, &[("tab", available())]), EMPTY);
}

#[test]
fn a_client_that_comes_back_while_a_new_owner_begins_sees_itself() {
    let mut talk = desk_tab_phone();
    talk.ended(2, false);
    talk.open(MINE, 9);
    let (id, user) = (session(3), BareJid::new("alice@x").unwrap());
    let (outcome, generated) = (
        BindOutcome::Bound(user.with_resource(&resource("tab"))),
        resource("g"),
    );
    talk.feed(Input::Bind {
        session: id,
        user,
        wanted: None,
        generated,
    });
    talk.tell(
        MINE,
        9,
        ToNode::Bound {
            session: id,
            outcome,
        },
    );
    assert_eq!(
        talk.send(3, available())[1..],
        [
            format!("3 {}", own("desk", "")),
            format!("3 {}", own("phone", ""))
        ],
        "what is said of it is out of date"
    );
    let tab = [("tab", available())];
    assert_eq!(
        talk.alice_is((9, 1), false, &tab),
        [format!("3 {}", own("tab", ""))],
        "the others were shown the same before"
    );
}

#[test]
fn contacts_that_an_owner_believes_otherwise_are_asked_for() {
    let mut talk = Talk::with_alice();
    talk.watch_bob();
    let bob = BareJid::new("bob@x").unwrap();
    let digest = |contacts: &[BareJid]| {
        let digest = muster_envelope::contacts_digest(contacts);
        ToNode::ContactsDigests(vec![(session(1), digest), (session(9), 7)])
    };
    assert_eq!(talk.tell(MINE, 5, digest(&[bob])), EMPTY, "the same");
    assert_eq!(
        talk.tell(MINE, 5, digest(&[])),
        ["n2 s1 e5 ask contacts of 1"]
    );
}
