//! What becomes of a presentity, step by step.

use crate::{Presentity, Publication, Published};
use muster_stanza::{PresenceType, Stanza};
use muster_types::{Boot, Epoch, LogIndex, NodeId, ResourcePart, SessionId};

fn resource(name: &str) -> ResourcePart {
    ResourcePart::new(name).unwrap().into_owned()
}

fn publication(serial: u64, priority: i8) -> Publication {
    let session = SessionId {
        node: NodeId(1),
        boot: Boot(1),
        serial,
    };
    let content = format!("<priority>{priority}</priority>").into_bytes();
    Publication::new(
        session,
        Stanza::presence(PresenceType::Available).with_content(content),
    )
}

#[test]
fn the_first_presence_is_initial_and_the_next_one_changes_it() {
    let mut who = Presentity::new(Epoch::opened_at(LogIndex(7)));
    assert_eq!(
        who.publish(resource("a"), publication(1, 3)),
        Published::Initial { shown: false }
    );
    assert_eq!(
        who.publish(resource("a"), publication(1, -1)),
        Published::Changed { before: 3 }
    );
    assert_eq!(who.version().seq, 2);
    assert_eq!(who.version().epoch.index(), 7);
}

#[test]
fn a_client_that_comes_back_is_initial_but_was_shown_all_the_time() {
    let mut who = Presentity::new(Epoch::NONE);
    let old = publication(1, 0);
    who.publish(resource("a"), old.clone());
    let seen = who.version();
    assert!(who.set_expected(&resource("a"), old.session, true));
    assert_eq!(who.version(), seen, "watchers see no difference");
    assert_eq!(who.living().count(), 0);
    assert_eq!(
        who.publish(resource("a"), publication(2, 0)),
        Published::Initial { shown: true }
    );
    assert!(
        !who.set_expected(&resource("a"), old.session, true),
        "the older session means nothing now"
    );
    assert_eq!(who.living().count(), 1);
}

#[test]
fn only_living_clients_of_non_negative_priority_take_messages() {
    for (priority, expected, takes) in [
        (0, false, true),
        (127, false, true),
        (-1, false, false),
        (0, true, false),
        (-128, true, false),
    ] {
        let publication = Publication {
            expected,
            ..publication(1, priority)
        };
        assert_eq!(publication.takes_messages(), takes, "{priority} {expected}");
    }
}

#[test]
fn retracting_twice_changes_nothing_the_second_time() {
    let mut who = Presentity::new(Epoch::NONE);
    who.publish(resource("a"), publication(1, 0));
    assert!(who.retract(&resource("a")).is_some());
    let version = who.version();
    assert!(who.retract(&resource("a")).is_none());
    assert_eq!(who.version(), version);
    assert!(who.is_empty());
}
