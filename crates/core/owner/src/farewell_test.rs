//! Farewells that are late or lost.

use crate::Input;
use crate::testing::{A, B, Net, ONE};
use muster_envelope::{AnnouncedSession, Announcement, Envelope, ToOwner};
use muster_types::SessionId;
use std::time::Duration;

const GRACE: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_secs(1);

#[test]
fn a_farewell_that_was_lost_with_the_link_is_noticed_at_the_next_announcement() {
    let mut net = Net::pair();
    let alice = net.login(B, "alice@example.com/a");
    let bob = net.login(B, "bob@example.com/b");
    net.befriend(alice, bob);
    net.lose = |envelope| matches!(envelope, Envelope::ToOwner { .. });
    net.leave(alice, true);
    net.lose = |_| false;
    assert!(
        !net.take(bob)
            .contains(&"alice@example.com/a unavailable".to_owned())
    );
    // The link is back: node B announces what it has.
    let boot = net
        .replica(ONE, A)
        .serving()
        .map(|_| muster_types::Boot(1))
        .unwrap();
    net.input(ONE, A, Input::NodeUp { node: B, boot });
    net.pass(GRACE + MOMENT);
    assert_eq!(net.take(bob), ["alice@example.com/a unavailable"]);
}

#[test]
fn who_left_a_node_that_was_cut_off_and_has_been_elsewhere_since_is_not_said_to_have_gone() {
    let mut net = Net::pair();
    let alice = net.login(A, "alice@example.com/a");
    let bob = net.login(A, "bob@example.com/b");
    net.befriend(alice, bob);
    // Alice is cut off and expected back. Node B comes back, which she left before.
    net.leave(alice, false);
    let left = SessionId { node: B, ..alice };
    let session = AnnouncedSession {
        session: left,
        jid: "alice@example.com/a".parse().unwrap(),
        presence: None,
        said_ms_ago: 0,
        interested: true,
        leaving: true,
    };
    net.raw(
        B,
        ToOwner::Announce(Announcement {
            heard: None,
            sessions: vec![session],
            watches: Vec::new(),
            first: true,
            last: true,
        }),
    );
    let (session, graceful) = (left, true);
    net.raw(B, ToOwner::Unbind { session, graceful });
    net.pass(GRACE - MOMENT);
    assert_eq!(net.take(bob), Vec::<String>::new());
    net.pass(2 * MOMENT);
    assert_eq!(net.take(bob), ["alice@example.com/a unavailable"]);
}
