use crate::batch::Batch;
use crate::interest::{Interests, Show};
use crate::shown::Seen;
use muster_envelope::{PresenceBatch, ResourcePresence};
use muster_presence::Version;
use muster_stanza::{PresenceType, Stanza};
use muster_types::{BareJid, Epoch, LogIndex, ResourcePart, SlotId};

use std::sync::Arc;

const SLOT: SlotId = SlotId(1);

fn jid(text: &str) -> BareJid {
    BareJid::new(text).unwrap()
}

fn version(epoch: u64, seq: u64) -> Version {
    Version {
        epoch: Epoch::opened_at(LogIndex(epoch)),
        seq,
    }
}

/// `("phone", "away")` is available with that status, `("phone", "-")` is unavailable.
fn batch(version: Version, full: bool, resources: &[(&str, &str)], watchers: &[&str]) -> Batch {
    let contact = jid("juliet@x");
    let resources = resources.iter().map(|(resource, status)| {
        let resource = ResourcePart::new(resource).unwrap().into_owned();
        let kind = if *status == "-" {
            PresenceType::Unavailable
        } else {
            PresenceType::Available
        };
        let stanza = Stanza::presence(kind)
            .with_from(contact.with_resource(&resource))
            .with_content(format!("<status>{status}</status>").into_bytes());
        ResourcePresence { resource, stanza }
    });
    let batch = PresenceBatch {
        presentity: contact.clone(),
        version,
        resources: resources.collect(),
        full,
        watchers: watchers.iter().map(|one| Arc::new(jid(one))).collect(),
    };
    batch.into()
}

fn watched() -> Interests {
    let mut interests = Interests::default();
    for watcher in ["romeo@x", "nurse@x"] {
        interests.watch(&jid("juliet@x"), &jid(watcher), Some(SLOT));
    }
    interests
}

/// `romeo@x sees phone` or `romeo@x loses phone`.
fn told(shows: &[Show]) -> Vec<String> {
    let verb = |seen: &Seen| if seen.is_available() { "sees" } else { "loses" };
    shows
        .iter()
        .map(|(watcher, seen)| format!("{watcher} {} {}", verb(seen), seen.from.resource()))
        .collect()
}

#[test]
fn news_reaches_the_watchers_it_names_once() {
    let mut all = watched();
    let news = batch(
        version(1, 1),
        false,
        &[("phone", "hi")],
        &["romeo@x", "stranger@x"],
    );
    assert_eq!(told(&all.take(news.clone())), ["romeo@x sees phone"]);
    assert!(all.take(news).is_empty(), "not newer");
    let older = batch(version(1, 0), false, &[("phone", "old")], &["romeo@x"]);
    assert!(all.take(older).is_empty());
    let nurse = batch(version(1, 1), true, &[("phone", "hi")], &["nurse@x"]);
    assert_eq!(
        told(&all.take(nurse)),
        ["nurse@x sees phone"],
        "versions are each watcher's own"
    );
}

#[test]
fn a_resource_never_shown_cannot_go() {
    let mut all = watched();
    assert!(
        all.take(batch(version(1, 1), false, &[("phone", "-")], &["romeo@x"]))
            .is_empty()
    );
    all.take(batch(
        version(1, 2),
        false,
        &[("phone", "hi")],
        &["romeo@x"],
    ));
    let gone = batch(
        version(1, 3),
        false,
        &[("phone", "-")],
        &["romeo@x", "nurse@x"],
    );
    assert_eq!(told(&all.take(gone)), ["romeo@x loses phone"]);
}

#[test]
fn a_full_batch_shows_only_differences() {
    let mut all = watched();
    all.take(batch(
        version(1, 5),
        false,
        &[("phone", "a"), ("desk", "a")],
        &["romeo@x"],
    ));
    let same = batch(
        version(2, 1),
        true,
        &[("phone", "a"), ("desk", "a")],
        &["romeo@x"],
    );
    assert!(all.take(same).is_empty(), "a takeover shows nothing");
    let step = batch(version(3, 1), false, &[("phone", "a")], &["romeo@x"]);
    assert!(all.take(step).is_empty(), "nor does its first step");
    let again = batch(version(3, 2), false, &[("phone", "a")], &["romeo@x"]);
    assert_eq!(
        told(&all.take(again)),
        ["romeo@x sees phone"],
        "said again on purpose"
    );
    let other = batch(
        version(4, 1),
        true,
        &[("phone", "b"), ("car", "a")],
        &["romeo@x"],
    );
    assert_eq!(
        told(&all.take(other)),
        [
            "romeo@x loses desk",
            "romeo@x sees phone",
            "romeo@x sees car"
        ]
    );
}

#[test]
fn an_owner_away_too_long_is_told_once_and_asked_anew() {
    let mut all = watched();
    all.take(batch(version(1, 5), false, &[("phone", "a")], &["romeo@x"]));
    let known = |all: &Interests| {
        all.requests(SLOT, &|_, _| false)
            .iter()
            .map(|w| w.known)
            .collect::<Vec<_>>()
    };
    assert_eq!(known(&all), [None, Some(version(1, 5))]);
    assert!(all.forget(SlotId(9)).is_empty());
    assert_eq!(told(&all.forget(SLOT)), ["romeo@x loses phone"]);
    assert!(all.forget(SLOT).is_empty());
    assert_eq!(known(&all), [None, None]);
}

#[test]
fn unwatching_takes_back_what_was_shown() {
    let mut all = watched();
    all.take(batch(version(1, 5), false, &[("phone", "a")], &["romeo@x"]));
    let (slot, gone) = all.unwatch(&jid("juliet@x"), &jid("romeo@x"));
    assert_eq!((slot, gone.len()), (Some(SLOT), 1));
    assert!(!gone[0].is_available());
    assert!(all.seen(&jid("juliet@x"), &jid("romeo@x")).is_empty());
    assert_eq!(all.requests(SLOT, &|_, _| false).len(), 1);
}

#[test]
fn a_contact_without_account_is_found_when_it_gets_one() {
    let mut all = Interests::default();
    all.watch(&jid("juliet@x"), &jid("romeo@x"), None);
    assert!(all.find_homes(&|_| None).is_empty());
    let found = all.find_homes(&|_| Some(SLOT));
    assert_eq!(found[&SLOT].len(), 1);
    assert!(all.find_homes(&|_| Some(SLOT)).is_empty(), "found once");
    assert_eq!(all.requests(SLOT, &|_, _| false).len(), 1);
}

#[test]
fn news_before_a_complete_answer_of_the_same_version_hides_nothing() {
    let mut all = watched();
    let news = batch(version(1, 4), false, &[("phone", "a")], &["romeo@x"]);
    assert_eq!(told(&all.take(news)), ["romeo@x sees phone"]);
    let two = [("desk", "a"), ("phone", "a")];
    let answer = batch(version(1, 4), true, &two, &["romeo@x"]);
    assert_eq!(told(&all.take(answer.clone())), ["romeo@x sees desk"]);
    assert!(all.take(answer).is_empty());
}

#[test]
fn an_answer_repeats_nothing_and_takes_nothing_back_unless_it_is_complete() {
    let mut all = watched();
    let desk = [("desk", "a")];
    all.take(batch(version(2, 1), false, &desk, &["romeo@x"]));
    let so_far = batch(
        version(2, 2),
        false,
        &[("desk", "a"), ("phone", "b")],
        &["romeo@x"],
    );
    assert_eq!(told(&all.take_answer(so_far)), ["romeo@x sees phone"]);
    let without_desk = batch(version(2, 3), false, &[("phone", "b")], &["romeo@x"]);
    assert!(all.take_answer(without_desk).is_empty());
    let complete = batch(version(2, 4), true, &[("phone", "b")], &["romeo@x"]);
    assert_eq!(told(&all.take_answer(complete)), ["romeo@x loses desk"]);
}
