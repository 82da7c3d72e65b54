//! The shards of a node announce one after the other: a client of one may bind again while another announces.

use crate::testing::{A, B, Net, ONE};
use muster_envelope::{Announcement, Envelope, ToOwner};
use muster_types::{Bare as _, NodeId, SessionId};
use std::time::Duration;

const GRACE: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_secs(1);

/// Alice on A and bob on B, who see each other.
fn two() -> (Net, SessionId, SessionId) {
    let mut net = Net::pair();
    let alice = net.login(A, "alice@example.com/a");
    let bob = net.login(B, "bob@example.com/b");
    net.befriend(alice, bob);
    (net, alice, bob)
}

fn announce_nobody(net: &mut Net, first: bool) {
    let part = Announcement {
        sessions: Vec::new(),
        watches: Vec::new(),
        heard: None,
        first,
        last: !first,
    };
    net.raw(B, ToOwner::Announce(part));
}

fn bind_again(net: &mut Net, session: SessionId) {
    let jid = net.jid(session);
    net.raw(
        B,
        ToOwner::Bind {
            session,
            user: jid.bare(),
            wanted: Some(jid.resource().to_owned()),
            generated: jid.resource().to_owned(),
        },
    );
}

/// Whether the owner expects the session back; `None` if it does not know it.
fn is_expected(net: &Net, owner: NodeId, session: SessionId) -> Option<bool> {
    let sessions = net.replica(ONE, owner).sessions();
    let found = sessions.iter().find(|info| info.session == session);
    found.map(|info| info.expected)
}

#[test]
fn a_client_that_binds_again_while_its_node_announces_is_not_lost() {
    let (mut net, alice, bob) = two();
    announce_nobody(&mut net, true);
    bind_again(&mut net, bob);
    announce_nobody(&mut net, false);
    assert_eq!(is_expected(&net, A, bob), Some(false));
    // Who says nothing is.
    announce_nobody(&mut net, true);
    announce_nobody(&mut net, false);
    assert_eq!(is_expected(&net, A, bob), Some(true));
    net.take(alice);
    net.pass(GRACE + MOMENT);
    assert_eq!(net.take(alice), ["bob@example.com/b unavailable"]);
}

#[test]
fn nor_is_one_that_a_new_owner_knows_from_the_old_one() {
    let (mut net, _, bob) = two();
    net.lose = |envelope| {
        let announces = |body: &ToOwner| matches!(body, ToOwner::Announce(_));
        matches!(envelope, Envelope::ToOwner { body, .. } if announces(body))
    };
    net.kill(A);
    net.open(ONE, B);
    net.lose = |_| false;
    announce_nobody(&mut net, true);
    bind_again(&mut net, bob);
    announce_nobody(&mut net, false);
    assert_eq!(is_expected(&net, B, bob), Some(false));
}
