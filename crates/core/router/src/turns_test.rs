//! Clients of a user with many contacts that come and go.

use crate::testing::*;
use std::time::Duration;

const MANY: usize = 5_000;

fn bye() -> Stanza {
    unavailable().with_content("<status>bye</status>")
}

/// The owner says whom alice sees: so many, none of whom is known here but bob.
fn contacts(talk: &mut Talk, serial: u64, many: usize) -> Vec<String> {
    let many = (1..many).map(|n| BareJid::new(&format!("c{n}@x")).unwrap());
    let contacts = many.chain([BareJid::new("bob@x").unwrap()]).collect();
    let session = session(serial);
    talk.tell(MINE, 5, ToNode::Contacts { session, contacts })
}

fn with_contacts(many: usize) -> Talk {
    let mut talk = Talk::with_alice();
    talk.send(1, available());
    contacts(&mut talk, 1, many);
    talk.published(1);
    talk
}

/// The client says these, as fast as the owner deals with them; what the owner is told of them.
fn say(talk: &mut Talk, serial: u64, all: impl IntoIterator<Item = Stanza>) -> Vec<String> {
    let mut said = Vec::new();
    for presence in all {
        said.extend(talk.send(serial, presence));
        said.extend(talk.published(serial));
    }
    publishes(&said)
}

fn publishes(said: &[String]) -> Vec<String> {
    let all = said.iter().filter(|line| line.contains("publish"));
    all.map(|line| line["n2 s1 e5 ".len()..].to_owned())
        .collect()
}

fn in_a_hurry(times: usize) -> impl Iterator<Item = Stanza> {
    std::iter::repeat_with(|| [unavailable(), available()])
        .take(times)
        .flatten()
}

impl Talk {
    fn pass_millis(&mut self, millis: u64) -> Vec<String> {
        self.now = self.now + Duration::from_millis(millis);
        self.router.wake(self.now);
        self.drain()
    }
}

#[test]
fn who_has_few_contacts_comes_and_goes_as_it_likes() {
    let mut talk = with_contacts(200);
    assert_eq!(say(&mut talk, 1, in_a_hurry(50)).len(), 100);
    assert!(say(&mut talk, 1, in_a_hurry(1)).is_empty());
}

#[test]
fn of_what_comes_too_fast_the_newest_is_said_in_its_turn() {
    let mut talk = with_contacts(MANY);
    // It has come once.
    assert_eq!(say(&mut talk, 1, in_a_hurry(100)).len(), 4);
    talk.send(1, bye());
    assert_eq!(talk.pass_millis(249), EMPTY);
    let later = talk.pass_millis(1);
    assert_eq!(later[0], "n2 s1 e5 publish 1 Presence(Unavailable)");
    assert!(later[1].contains("unwatch"), "{later:?}");
    assert_eq!(talk.pass(10), EMPTY);
}

#[test]
fn that_a_client_was_gone_in_between_is_said_too() {
    let mut talk = with_contacts(MANY);
    say(&mut talk, 1, in_a_hurry(2));
    assert!(say(&mut talk, 1, in_a_hurry(3)).is_empty());
    let mut later = talk.pass(1);
    assert!(later.iter().any(|line| line.contains("unwatch bob@x")));
    assert!(later.iter().any(|line| line.contains("watch bob@x by")));
    later.extend(talk.published(1));
    let both = [
        "publish 1 Presence(Unavailable)",
        "publish 1 Presence(Available)",
    ];
    assert_eq!(publishes(&later), both);
}

#[test]
fn directed_presence_of_somebody_absent_is_not_taken_back_by_it() {
    let mut talk = with_contacts(MANY);
    say(&mut talk, 1, in_a_hurry(2));
    let hello = || to(available(), "bob@x/phone");
    talk.send(1, hello());
    let gone = talk.send(1, unavailable());
    assert!(
        gone[0].contains("route 1 #2 Presence(Unavailable) to bob@x/phone"),
        "{gone:?}"
    );
    talk.send(1, hello());
    let later = talk.pass(1);
    assert!(!publishes(&later).is_empty(), "{later:?}");
    assert!(
        !later.iter().any(|line| line.contains("route")),
        "{later:?}"
    );
    let end = talk.ended(1, true);
    let taken_back = "route 1 #4 Presence(Unavailable) to bob@x/phone";
    assert!(end.iter().any(|line| line.contains(taken_back)), "{end:?}");
}

#[test]
fn each_client_has_its_turn_whatever_the_others_do() {
    let mut talk = with_contacts(MANY);
    say(&mut talk, 1, in_a_hurry(2));
    say(&mut talk, 1, in_a_hurry(2));
    talk.bind(2, "phone");
    assert!(say(&mut talk, 2, [available()]).is_empty());
    let mut others = Vec::new();
    for _ in 0..10 {
        let later = talk.pass_millis(250);
        if publishes(&later)
            .iter()
            .any(|line| line.contains("publish 2"))
        {
            return;
        }
        talk.published(1);
        others.extend(publishes(&later));
        say(&mut talk, 1, in_a_hurry(2));
    }
    panic!("not heard for {others:?}");
}

/// How often a client has come when it comes by a new connection each time, in so many milliseconds.
fn comes_by_new_connections(talk: &mut Talk, millis: u64, graceful: bool) -> usize {
    let (mut serial, mut came) = (10, 0);
    for _ in 0..millis {
        talk.pass_millis(1);
        for _ in 0..3 {
            serial += 1;
            talk.bind(serial, "desk");
            if !publishes(&talk.send(serial, available())).is_empty() {
                came += 1;
                contacts(talk, serial, MANY);
            }
            talk.ended(serial, graceful);
        }
    }
    came
}

#[test]
fn who_comes_by_a_new_connection_each_time_waits_too() {
    for graceful in [true, false] {
        let mut talk = Talk::with_alice();
        talk.ended(1, true);
        let came = comes_by_new_connections(&mut talk, 1_000, graceful);
        assert!((3..=5).contains(&came), "{came}");
        // What was not said is not to be paid for.
        talk.pass(1);
        talk.bind(1, "desk");
        let said = talk.send(1, available());
        assert_eq!(publishes(&said), ["publish 1 Presence(Available)"]);
    }
}

#[test]
fn who_has_waited_and_goes_without_a_turn_pays_nothing() {
    let mut talk = with_contacts(MANY);
    say(&mut talk, 1, in_a_hurry(2));
    for serial in 2..100 {
        talk.bind(serial, "phone");
        assert!(say(&mut talk, serial, [available()]).is_empty());
        talk.ended(serial, true);
    }
    talk.send(1, bye());
    assert_eq!(
        publishes(&talk.pass_millis(250)),
        ["publish 1 Presence(Unavailable)"]
    );
}

#[test]
fn who_has_paid_is_forgotten() {
    let mut talk = Talk::new();
    for n in 0..1_000 {
        talk.now = talk.now + Duration::from_millis(50);
        let user = BareJid::new(&format!("u{n}@x")).unwrap();
        talk.router
            .turns
            .charge(talk.now, &user, Duration::ZERO, Duration::from_millis(100));
        assert!(talk.router.turns.known() < 10, "{n}");
    }
}

#[test]
fn who_leaves_meanwhile_says_its_last_words() {
    let mut talk = with_contacts(MANY);
    say(&mut talk, 1, in_a_hurry(2));
    assert!(say(&mut talk, 1, in_a_hurry(1)).is_empty());
    let said = talk.ended(1, true);
    let at = |what: &str| said.iter().position(|line| line.contains(what));
    let (gone, back) = (
        at("publish 1 Presence(Unavailable)"),
        at("publish 1 Presence(Available)"),
    );
    assert!(gone.is_some() && gone < back, "{said:?}");
    assert!(back < at("unbind 1 gracefully"), "{said:?}");
    assert_eq!(talk.pass(10), EMPTY);
}
