//! Temporary subscriptions, as the node of the client sees to them.

use crate::testing::*;
use muster_envelope::TemporaryOutcome::{self, Forbidden, Granted, TooMany};

/// The command with this form, as session `serial` sends it.
fn command(talk: &mut Talk, serial: u64, action: &str, form: &str) -> Vec<String> {
    let command = format!(
        "<command xmlns='http://jabber.org/protocol/commands' node='urn:muster:presence:watch' \
         action='{action}'>{form}</command>"
    );
    let iq = Stanza::iq(IqType::Set, "c").with_content(command.into_bytes());
    talk.send(serial, iq)
}

fn ask(talk: &mut Talk, serial: u64, contact: &str, seconds: u64) -> Vec<String> {
    let form = format!(
        "<x xmlns='jabber:x:data' type='submit'><field var='accountjid'><value>{contact}</value>\
         </field><field var='expires'><value>{seconds}</value></field></x>"
    );
    command(talk, serial, "execute", &form)
}

fn answer(talk: &mut Talk, serial: u64, outcome: TemporaryOutcome) -> Vec<String> {
    let answer = ToNode::Temporary {
        session: session(serial),
        watcher: BareJid::new("alice@x").unwrap(),
        contact: BareJid::new("bob@x").unwrap(),
        outcome,
    };
    talk.tell(HIS, 7, answer)
}

/// Bob is shown as he is, by the owner of `index`.
fn bob_is_all(talk: &mut Talk, index: u64, seq: u64, stanza: Stanza) -> Vec<String> {
    let presentity = BareJid::new("bob@x").unwrap();
    let stanza = stanza.with_from(presentity.with_resource(&resource("phone")));
    let batch = PresenceBatch {
        presentity,
        version: Version {
            epoch: epoch(index),
            seq,
        },
        resources: vec![ResourcePresence {
            resource: resource("phone"),
            stanza,
        }],
        full: true,
        watchers: vec![Arc::new(BareJid::new("alice@x").unwrap())],
    };
    talk.tell(HIS, index, ToNode::answer(batch))
}

/// Alice's desk (1) and tab (2) are available, and desk sees bob's phone for 60 s.
fn leased() -> Talk {
    let mut talk = Talk::with_alice();
    talk.send(1, available());
    talk.bind(2, "tab");
    talk.send(2, available());
    assert_eq!(ask(&mut talk, 1, "bob@x", 60), [ASKS]);
    let done = answer(&mut talk, 1, Granted);
    assert!(done[0].contains("status='completed'"), "{done:?}");
    assert_eq!(done.len(), 1);
    assert_eq!(bob_is_all(&mut talk, 7, 1, available()), [line_for(1, "")]);
    talk
}

const ASKS: &str = "n3 s2 e7 watch bob@x by alice@x for a while, asked by 1";
const UNWATCH: &str = "n3 s2 e7 unwatch bob@x by alice@x";

fn line_for(serial: u64, kind: &str) -> String {
    let kind = match kind {
        "" => String::new(),
        kind => format!(" type='{kind}'"),
    };
    format!("{serial} <- <presence from='bob@x/phone'{kind} to='alice@x'/> [bob@x/phone]")
}

#[test]
fn a_client_sees_a_user_until_the_lifetime_is_over_and_no_other_client_does() {
    let mut talk = leased();
    assert_eq!(talk.bob_is(7, 2, available()), [line_for(1, "")]);
    assert_eq!(talk.pass(59), EMPTY);
    assert_eq!(
        talk.pass(1),
        [line_for(1, "unavailable"), UNWATCH.to_owned()]
    );
    assert_eq!(talk.bob_is(7, 3, available()), EMPTY);
    assert_eq!(talk.router.deadline(), None);
}

#[test]
fn a_second_command_renews_it_and_a_lifetime_of_0_ends_it() {
    let mut talk = leased();
    talk.pass(50);
    ask(&mut talk, 1, "bob@x", 120);
    assert_eq!(answer(&mut talk, 1, Granted).len(), 1, "shown already");
    assert_eq!(talk.pass(119), EMPTY);
    let offered = command(&mut talk, 1, "execute", "").concat();
    assert!(offered.contains("bob@x: 1 s"), "{offered}");
    let said = ask(&mut talk, 1, "bob@x", 0);
    assert_eq!(said[..2], [line_for(1, "unavailable"), UNWATCH.to_owned()]);
    assert!(said[2].contains("status='completed'"), "{said:?}");
    assert_eq!(talk.router.deadline(), None);
    let offered = command(&mut talk, 1, "execute", "").concat();
    assert!(!offered.contains("In force"), "{offered}");
}

#[test]
fn it_ends_with_the_client_or_its_presence() {
    let mut talk = leased();
    assert_eq!(
        talk.send(1, unavailable()),
        [UNWATCH],
        "nothing is shown to it any more"
    );

    let mut talk = leased();
    assert_eq!(talk.ended(1, false)[0], UNWATCH);
    assert_eq!(talk.pass(60), EMPTY);

    // The answer comes too late.
    let mut talk = leased();
    ask(&mut talk, 2, "bob@x", 60);
    talk.ended(2, true);
    talk.send(1, unavailable());
    assert_eq!(answer(&mut talk, 2, Granted), [UNWATCH]);
}

#[test]
fn two_clients_see_a_user_each_for_its_own_while() {
    let mut talk = leased();
    ask(&mut talk, 2, "bob@x", 120);
    let said = answer(&mut talk, 2, Granted);
    assert_eq!(said[1..], [line_for(2, "")], "what is known at once");
    assert_eq!(
        talk.bob_is(7, 2, available()),
        [line_for(1, ""), line_for(2, "")]
    );
    assert_eq!(talk.pass(60), [line_for(1, "unavailable")]);
    assert_eq!(talk.bob_is(7, 3, available()), [line_for(2, "")]);
    assert_eq!(
        talk.pass(60),
        [line_for(2, "unavailable"), UNWATCH.to_owned()]
    );
}

#[test]
fn who_becomes_a_contact_is_seen_on_and_so_is_who_is_one_no_more() {
    let mut talk = leased();
    let (user, contact) = (
        BareJid::new("alice@x").unwrap(),
        BareJid::new("bob@x").unwrap(),
    );
    let sees = Notice::Sees {
        user: user.clone(),
        contact: contact.clone(),
    };
    assert_eq!(
        talk.tell(MINE, 5, ToNode::Notice(sees.clone())),
        [
            line_for(2, ""),
            "n3 s2 e7 watch bob@x by alice@x for a while".to_owned()
        ],
        "the other client sees him come"
    );
    let no_more = Notice::SeesNoMore { user, contact };
    assert_eq!(
        talk.tell(MINE, 5, ToNode::Notice(no_more)),
        [line_for(2, "unavailable")]
    );
    talk.tell(MINE, 5, ToNode::Notice(sees));
    assert_eq!(talk.pass(60), ["n3 s2 e7 watch bob@x by alice@x"]);
    assert_eq!(
        talk.bob_is(7, 2, available()),
        [line_for(1, ""), line_for(2, "")]
    );
}

#[test]
fn it_is_announced_to_a_new_owner_and_the_client_sees_nothing_of_that() {
    let mut talk = leased();
    talk.close(HIS, 7);
    let said = talk.open(HIS, 9);
    assert_eq!(
        said,
        ["n3 s2 e9 announce [] [bob@x since Some(1) for a while]"]
    );
    assert_eq!(bob_is_all(&mut talk, 9, 1, available()), EMPTY);
    // The owner of the client's own user makes no difference.
    talk.close(MINE, 5);
    talk.open(MINE, 8);
    assert_eq!(
        talk.pass(60),
        [
            line_for(1, "unavailable"),
            "n3 s2 e9 unwatch bob@x by alice@x".to_owned()
        ]
    );
}

#[test]
fn a_question_waits_for_an_owner_five_seconds() {
    let mut talk = Talk::with_alice();
    talk.send(1, available());
    talk.close(HIS, 7);
    assert_eq!(ask(&mut talk, 1, "bob@x", 60), EMPTY);
    assert_eq!(talk.pass(4), EMPTY);
    assert_eq!(
        talk.open(HIS, 9)[1..],
        ["n3 s2 e9 watch bob@x by alice@x for a while, asked by 1"]
    );
    talk.close(HIS, 9);
    assert_eq!(talk.pass(4), EMPTY);
    let refused = talk.pass(1).concat();
    assert!(refused.contains("resource-constraint"), "{refused}");
    assert_eq!(talk.open(HIS, 10).len(), 1, "asked no more");
}

#[test]
fn who_is_not_seen_and_who_does_not_exist_look_alike() {
    let mut talk = Talk::with_alice();
    talk.send(1, available());
    let nobody = ask(&mut talk, 1, "nobody@x", 60);
    ask(&mut talk, 1, "bob@x", 60);
    let forbidden = answer(&mut talk, 1, Forbidden);
    assert_eq!(nobody, forbidden[1..]);
    assert!(forbidden[1].contains("<forbidden "), "{forbidden:?}");
    ask(&mut talk, 1, "bob@x", 60);
    let too_many = answer(&mut talk, 1, TooMany).concat();
    assert!(too_many.contains("resource-constraint"), "{too_many}");
    assert_eq!(talk.bob_is(7, 1, available()), EMPTY);
}

#[test]
fn a_renewal_that_is_refused_ends_it() {
    let mut talk = leased();
    ask(&mut talk, 1, "bob@x", 60);
    let said = answer(&mut talk, 1, Forbidden);
    assert_eq!(said[..2], [line_for(1, "unavailable"), UNWATCH.to_owned()]);
    assert!(said[2].contains("forbidden"), "{said:?}");
}

#[test]
fn what_makes_no_sense_is_refused_with_what_to_do() {
    let mut talk = Talk::with_alice();
    let refused = |got: Vec<String>, parts: [&str; 2]| {
        let got = got.concat();
        assert!(
            parts.iter().all(|part| got.contains(part)),
            "{parts:?}: {got}"
        );
    };
    let not_there = ask(&mut talk, 1, "bob@x", 60);
    refused(not_there, ["unexpected-request", "send yours first"]);
    talk.send(1, available());
    let elsewhere = ask(&mut talk, 1, "bob@elsewhere", 60);
    refused(elsewhere, ["remote-server-not-found", "domains"]);
    refused(ask(&mut talk, 1, "alice@x", 60), ["bad-payload", "anyway"]);
    refused(ask(&mut talk, 1, "bob@x", 5), ["bad-payload", "from 60"]);
    refused(ask(&mut talk, 1, "", 60), ["bad-payload", "address"]);
    refused(
        command(&mut talk, 1, "complete", ""),
        ["bad-action", "one form"],
    );
    refused(
        command(&mut talk, 1, "cancel", ""),
        ["canceled", "type='result'"],
    );
    ask(&mut talk, 1, "bob@x", 60);
    refused(
        ask(&mut talk, 1, "bob@x", 0),
        ["resource-constraint", "not answered yet"],
    );
}

#[test]
fn a_client_has_so_many_at_a_time() {
    let mut talk = Talk::with_limit(1);
    talk.send(1, available());
    ask(&mut talk, 1, "bob@x", 60);
    let too_many = ask(&mut talk, 1, "carol@x", 60).concat();
    assert!(
        too_many.contains("resource-constraint") && too_many.contains("end one"),
        "{too_many}"
    );
    answer(&mut talk, 1, Granted);
    let too_many = ask(&mut talk, 1, "carol@x", 60).concat();
    assert!(too_many.contains("resource-constraint"), "{too_many}");
    assert_eq!(ask(&mut talk, 1, "bob@x", 60), [ASKS], "renewed");
}

fn block_bob(talk: &mut Talk) -> Vec<String> {
    let mut access = AccessList::default();
    access.set("bob@x".parse().unwrap(), Some(Access::Block));
    let user = BareJid::new("alice@x").unwrap();
    talk.tell(MINE, 5, ToNode::Access { user, access })
}

#[test]
fn who_is_blocked_is_not_seen_for_a_while_either() {
    let mut talk = leased();
    assert_eq!(
        block_bob(&mut talk),
        [line_for(1, "unavailable"), UNWATCH.to_owned()]
    );
    let refused = ask(&mut talk, 1, "bob@x", 60).concat();
    assert!(
        refused.contains("not-acceptable") && refused.contains("blocked"),
        "{refused}"
    );
}

#[test]
fn an_owner_that_stays_away_for_longer_than_the_grace_is_asked_anew() {
    let mut talk = leased();
    ask(&mut talk, 1, "bob@x", 600);
    answer(&mut talk, 1, Granted);
    talk.close(HIS, 7);
    assert_eq!(
        talk.pass(60),
        [line_for(1, "unavailable")],
        "to whom saw him"
    );
    assert_eq!(
        talk.open(HIS, 9),
        ["n3 s2 e9 announce [] [bob@x since None for a while]"]
    );
    assert_eq!(bob_is_all(&mut talk, 9, 1, available()), [line_for(1, "")]);
}

fn notice(talk: &mut Talk, sees: bool) -> Vec<String> {
    let (user, contact) = (
        BareJid::new("alice@x").unwrap(),
        BareJid::new("bob@x").unwrap(),
    );
    let notice = match sees {
        true => Notice::Sees { user, contact },
        false => Notice::SeesNoMore { user, contact },
    };
    talk.tell(MINE, 5, ToNode::Notice(notice))
}

const WATCH: &str = "n3 s2 e7 watch bob@x by alice@x";
const WATCH_FOR_A_WHILE: &str = "n3 s2 e7 watch bob@x by alice@x for a while";

#[test]
fn a_lease_that_ends_while_its_renewal_is_asked_for_is_not_taken_back_at_the_owner() {
    let mut talk = leased();
    talk.pass(59);
    assert_eq!(ask(&mut talk, 1, "bob@x", 60), [ASKS]);
    assert_eq!(talk.pass(1), [line_for(1, "unavailable")]);
    assert_eq!(talk.bob_is(7, 2, available()), EMPTY, "nobody sees him now");
    let said = answer(&mut talk, 1, Granted);
    assert_eq!(said[1..], [line_for(1, "")], "the owner says no more");
    assert_eq!(
        talk.pass(60),
        [line_for(1, "unavailable"), UNWATCH.to_owned()]
    );

    // The same while another client's first ask is on its way.
    let mut talk = leased();
    ask(&mut talk, 2, "bob@x", 60);
    assert_eq!(talk.pass(60), [line_for(1, "unavailable")]);
    assert_eq!(answer(&mut talk, 2, Granted)[1..], [line_for(2, "")]);

    // Refused, nothing is left of it.
    let mut talk = leased();
    ask(&mut talk, 1, "bob@x", 60);
    talk.pass(60);
    let said = answer(&mut talk, 1, Forbidden);
    assert_eq!(said[0], UNWATCH);
    assert_eq!(said.len(), 2);
    talk.close(HIS, 7);
    assert_eq!(talk.open(HIS, 9), ["n3 s2 e9 announce [] []"]);
}

#[test]
fn a_client_that_goes_before_its_answer_does_not_undo_what_another_asks() {
    let mut talk = Talk::with_alice();
    talk.send(1, available());
    talk.bind(2, "tab");
    talk.send(2, available());
    ask(&mut talk, 1, "bob@x", 60);
    ask(&mut talk, 2, "bob@x", 60);
    let unwatch = |said: &[String]| said.iter().any(|line| line == UNWATCH);
    assert!(!unwatch(&talk.ended(1, false)));
    assert_eq!(answer(&mut talk, 1, Granted), EMPTY);
    assert_eq!(bob_is_all(&mut talk, 7, 1, available()), EMPTY);
    assert_eq!(answer(&mut talk, 2, Granted).len(), 1);
    assert_eq!(bob_is_all(&mut talk, 7, 1, available()), [line_for(2, "")]);

    // The one who sees him goes, and the other's answer is refused.
    ask(&mut talk, 2, "bob@x", 60);
    talk.bind(3, "cell");
    talk.send(3, available());
    ask(&mut talk, 3, "bob@x", 60);
    assert!(!unwatch(&talk.ended(2, false)));
    assert!(unwatch(&answer(&mut talk, 3, TooMany)));
}

#[test]
fn an_ask_that_is_dropped_is_taken_back_at_the_owner() {
    let mut talk = Talk::with_alice();
    talk.send(1, available());
    ask(&mut talk, 1, "bob@x", 60);
    assert_eq!(talk.ended(1, false)[0], UNWATCH);

    // For want of an owner: the next one hears nothing of him.
    let mut talk = leased();
    talk.pass(58);
    talk.close(HIS, 7);
    ask(&mut talk, 1, "bob@x", 60);
    assert_eq!(talk.pass(2), [line_for(1, "unavailable")]);
    let refused = talk.pass(3).concat();
    assert!(refused.contains("resource-constraint"), "{refused}");
    assert_eq!(talk.open(HIS, 9), ["n3 s2 e9 announce [] []"]);
}

#[test]
fn who_becomes_a_contact_or_is_one_no_more_while_an_ask_is_on_its_way_is_seen_for_a_while() {
    let mut talk = Talk::with_alice();
    talk.send(1, available());
    ask(&mut talk, 1, "bob@x", 60);
    assert_eq!(notice(&mut talk, true), [WATCH_FOR_A_WHILE]);
    assert_eq!(answer(&mut talk, 1, Granted).len(), 1);
    assert_eq!(bob_is_all(&mut talk, 7, 1, available()), [line_for(1, "")]);

    let mut talk = Talk::with_alice();
    talk.watch_bob();
    bob_is_all(&mut talk, 7, 1, available());
    ask(&mut talk, 1, "bob@x", 60);
    assert_eq!(notice(&mut talk, false), [line_for(1, "unavailable")]);
    let said = answer(&mut talk, 1, Granted);
    assert_eq!(said[1..], [line_for(1, "")]);

    // Refused, a contact is seen as one.
    let mut talk = Talk::with_alice();
    talk.send(1, available());
    ask(&mut talk, 1, "bob@x", 60);
    notice(&mut talk, true);
    assert_eq!(answer(&mut talk, 1, TooMany)[0], WATCH);
}

#[test]
fn a_client_that_goes_and_comes_before_its_answer_sees_the_contact_for_a_while() {
    let mut talk = Talk::with_alice();
    talk.watch_bob();
    bob_is_all(&mut talk, 7, 1, available());
    ask(&mut talk, 1, "bob@x", 60);
    let of_bob = |said: Vec<String>| -> Vec<String> {
        let of_bob = said.into_iter().filter(|line| line.contains("bob"));
        of_bob.collect()
    };
    assert_eq!(of_bob(talk.send(1, unavailable())), EMPTY);
    assert_eq!(talk.bob_is(7, 2, available()), EMPTY);
    let said = of_bob(talk.send(1, available()));
    assert_eq!(said, [WATCH_FOR_A_WHILE.to_owned(), line_for(1, "")]);
    assert_eq!(answer(&mut talk, 1, Granted).len(), 1);

    // If it stays away, so does its interest.
    ask(&mut talk, 1, "bob@x", 60);
    talk.send(1, unavailable());
    assert_eq!(answer(&mut talk, 1, Granted)[0], UNWATCH);
}

#[test]
fn who_is_blocked_before_the_answer_is_not_seen() {
    let mut talk = Talk::with_alice();
    talk.send(1, available());
    ask(&mut talk, 1, "bob@x", 60);
    block_bob(&mut talk);
    let said = answer(&mut talk, 1, Granted);
    assert_eq!(said[0], UNWATCH);
    assert!(said[1].contains("not-acceptable"), "{said:?}");
    assert_eq!(bob_is_all(&mut talk, 7, 1, available()), EMPTY);

    // A renewal of what has ended.
    let mut talk = leased();
    ask(&mut talk, 1, "bob@x", 60);
    assert_eq!(block_bob(&mut talk), [line_for(1, "unavailable")]);
    assert_eq!(answer(&mut talk, 1, Granted)[0], UNWATCH);
    assert_eq!(talk.pass(60), EMPTY);
}

#[test]
fn an_owner_that_was_asked_twice_may_refuse_what_it_has_granted() {
    let mut talk = leased();
    assert_eq!(
        answer(&mut talk, 1, Forbidden),
        [line_for(1, "unavailable"), UNWATCH.to_owned()]
    );
}
