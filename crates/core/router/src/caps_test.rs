//! Which clients are notified, and what is asked for them.

use crate::testing::*;
use muster_envelope::ItemNews;

/// Features of which XEP-0115 §5.1 makes this hash.
const FEATURES: &str = "<identity category='client' type='pc'/><feature var='urn:mood+notify'/>";
const VER: &str = "8g7EjWb2Gd2T7nm7v9ob7t84Ezk=";

fn with_caps(ver: &str) -> Stanza {
    let c = format!(
        "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:client' ver='{ver}'/>"
    );
    available().with_content(c.into_bytes())
}

fn answer(id: &str, features: &str) -> Stanza {
    let query = format!("<query xmlns='http://jabber.org/protocol/disco#info'>{features}</query>");
    to(Stanza::iq(IqType::Result, id), "x").with_content(query.into_bytes())
}

fn news(node: &str, at: u64) -> ItemNews {
    ItemNews {
        node: node.to_owned(),
        message: Stanza::message(MessageType::Headline)
            .with_from(BareJid::new("bob@x").unwrap())
            .with_content(&b"<event/>"[..]),
        at: LogIndex(at),
    }
}

fn item(talk: &mut Talk, node: &str) -> Vec<String> {
    let (news, watchers) = (news(node, 9), vec![BareJid::new("alice@x").unwrap().into()]);
    talk.tell(HIS, 7, ToNode::Item { news, watchers })
}

fn is_question(line: &str) -> bool {
    line.contains("disco#info")
}

/// Alice's first client has said what it can do.
fn with_notified_alice() -> Talk {
    let mut talk = Talk::with_alice();
    talk.watch_bob();
    talk.send(1, with_caps(VER));
    talk.send(1, answer("caps1", FEATURES));
    talk
}

#[test]
fn a_client_is_asked_once_what_it_can_do_and_then_told_what_there_is() {
    let mut talk = Talk::with_alice();
    talk.watch_bob();
    assert_eq!(item(&mut talk, "urn:mood"), EMPTY, "nothing is known of it");
    let said = talk.send(1, with_caps(VER));
    let asked = format!(
        "1 <- <iq from='x' id='caps1' type='get' to='alice@x/desk'>\
         <query xmlns='http://jabber.org/protocol/disco#info' node='urn:client#{VER}'/></iq>"
    );
    assert!(said.contains(&asked), "{said:?}");
    assert_eq!(
        talk.send(1, answer("caps1", FEATURES)),
        [
            "n2 s1 e5 items of alice@x for 1: urn:mood",
            "n3 s2 e7 items of bob@x for 1: urn:mood"
        ]
    );
    let told = ["1 <- <message from='bob@x' type='headline' to='alice@x/desk'><event/></message>"];
    assert_eq!(item(&mut talk, "urn:mood"), told);
    assert_eq!(item(&mut talk, "urn:tune"), EMPTY, "not asked for");
    let said = talk.send(1, with_caps(VER));
    assert!(!said.iter().any(|line| is_question(line)), "{said:?}");
    talk.send(1, unavailable());
    assert_eq!(item(&mut talk, "urn:mood"), EMPTY, "not available");
}

#[test]
fn what_one_client_has_proven_holds_for_others_and_what_is_not_proven_does_not() {
    let mut talk = with_notified_alice();
    talk.bind(2, "phone");
    let said = talk.send(2, with_caps(VER));
    assert!(!said.iter().any(|line| is_question(line)), "{said:?}");
    assert!(
        said.contains(&"n3 s2 e7 items of bob@x for 2: urn:mood".to_owned()),
        "{said:?}"
    );
    assert_eq!(item(&mut talk, "urn:mood").len(), 2);
    // A hash that stands for something else.
    talk.bind(3, "pad");
    let said = talk.send(3, with_caps("another"));
    assert!(said.iter().any(|line| is_question(line)), "{said:?}");
    talk.send(3, answer("caps2", "<feature var='urn:tune+notify'/>"));
    assert_eq!(item(&mut talk, "urn:tune").len(), 1, "for itself it holds");
    talk.bind(4, "tv");
    let said = talk.send(4, with_caps("another"));
    assert!(said.iter().any(|line| is_question(line)), "{said:?}");
    let refused = to(Stanza::iq(IqType::Error, "caps3"), "x");
    assert_eq!(talk.send(4, refused), EMPTY);
    assert_eq!(item(&mut talk, "urn:tune").len(), 1);
}

#[test]
fn an_answer_to_somebody_else_or_to_nothing_changes_nothing() {
    let mut talk = Talk::with_alice();
    talk.watch_bob();
    talk.send(1, answer("caps1", FEATURES));
    talk.send(1, with_caps(VER));
    for id in ["caps2", "1"] {
        assert_eq!(talk.send(1, answer(id, FEATURES)), EMPTY);
    }
    let other = to(answer("caps1", FEATURES), "bob@x/phone");
    let said = talk.send(1, other);
    assert!(said[0].contains("route"), "{said:?}");
    assert_eq!(item(&mut talk, "urn:mood"), EMPTY);
}

#[test]
fn a_new_owner_is_asked_again_what_was_not_answered_and_told_what_was_heard() {
    let mut talk = with_notified_alice();
    let (session, up_to) = (session(1), Some(LogIndex(8)));
    let news = vec![news("urn:mood", 4), news("urn:tune", 5)];
    let answer = ToNode::Items {
        session,
        news,
        up_to,
    };
    assert_eq!(talk.tell(HIS, 7, answer).len(), 1, "what it asked for");
    let opened = talk.open(HIS, 20);
    assert!(opened[0].ends_with(" heard i8"), "{opened:?}");
    assert!(
        !opened.iter().any(|line| line.contains("items of")),
        "{opened:?}"
    );
    let opened = talk.open(MINE, 21);
    assert!(!opened[0].contains("heard"), "{opened:?}");
    assert!(
        opened.contains(&"n2 s1 e21 items of alice@x for 1: urn:mood".to_owned()),
        "{opened:?}"
    );
    let (news, watchers) = (self::news("urn:mood", 30), Vec::new());
    talk.tell(HIS, 20, ToNode::Item { news, watchers });
    let opened = talk.open(HIS, 40);
    assert!(opened[0].ends_with(" heard i30"), "{opened:?}");
}

#[test]
fn a_client_that_goes_and_comes_all_the_time_asks_once_more_when_it_was_answered() {
    let mut talk = with_notified_alice();
    let asks = |said: &[String]| said.iter().filter(|line| line.contains("items of")).count();
    for _ in 0..10 {
        talk.send(1, unavailable());
        assert_eq!(asks(&talk.send(1, with_caps(VER))), 0);
    }
    let answer = || ToNode::Items {
        session: session(1),
        news: Vec::new(),
        up_to: Some(LogIndex(8)),
    };
    assert_eq!(
        asks(&talk.tell(MINE, 5, answer())),
        0,
        "one is still to come"
    );
    assert_eq!(asks(&talk.tell(HIS, 7, answer())), 2);
    assert_eq!(asks(&talk.tell(MINE, 5, answer())), 0);
    assert_eq!(asks(&talk.tell(HIS, 7, answer())), 0, "and not again");
}

#[test]
fn of_a_new_contact_the_client_is_told_what_there_is() {
    let mut talk = Talk::with_alice();
    talk.send(1, with_caps(VER));
    talk.send(1, answer("caps1", FEATURES));
    let (user, contact) = (
        BareJid::new("alice@x").unwrap(),
        BareJid::new("bob@x").unwrap(),
    );
    let seen = Notice::Sees { user, contact };
    assert_eq!(
        talk.tell(MINE, 5, ToNode::Notice(seen)),
        [
            "n3 s2 e7 watch bob@x by alice@x",
            "n3 s2 e7 items of bob@x for 1: urn:mood"
        ]
    );
}
