//! A pair and its witness as a node answers, for tests.

use super::state::{Moment, News, State};
use crate::command::watch::Told;
use muster_admin::proto::{Alarm, Event, Node, Protection, Role, Session, Slot, StatusResponse};
use muster_types::Timestamp;
use std::time::Duration;

/// In milliseconds.
pub(super) const MINUTE: u64 = 60_000;
/// A quarter past twelve.
pub(super) const NOW: Timestamp = Timestamp(1_795_868_100_000);

/// So many seconds after the start, at [`NOW`] and as much.
pub(super) fn after(seconds: u64) -> Moment {
    Moment {
        up: Duration::from_secs(seconds),
        day: Timestamp(NOW.0 + seconds * 1_000),
    }
}

/// All is well since twelve minutes, and `a` answers.
pub(super) fn pair() -> StatusResponse {
    let node = |id: u32, name: &str, role: Role| Node {
        id,
        name: name.to_owned(),
        role: role.into(),
        group: if role == Role::Serving { "main" } else { "" }.to_owned(),
        state: "Normal".to_owned(),
        since: Timestamp(NOW.0 - 12 * MINUTE).to_string(),
        reachable: true,
        meaning: "in service".to_owned(),
        advice: "nothing to do".to_owned(),
        ..Node::default()
    };
    let slot = |id: u32, home: &str, users: u64| Slot {
        id,
        group: "main".to_owned(),
        home: home.to_owned(),
        desired: home.to_owned(),
        owner: home.to_owned(),
        users,
        last_log: 100,
        ..Slot::default()
    };
    StatusResponse {
        cluster: "c-1".to_owned(),
        answered_by: 1,
        nodes: vec![
            node(1, "a", Role::Serving),
            node(2, "b", Role::Serving),
            node(3, "w", Role::Witness),
        ],
        slots: vec![slot(1, "a", 3), slot(2, "b", 2)],
        control_quorum: true,
        control_leader: 1,
        users: 5,
        protection: vec![Protection {
            group: "main".to_owned(),
            protected: true,
            words: "protected: if a or b fails now, its users are served by the other".to_owned(),
        }],
        ..StatusResponse::default()
    }
}

/// `a` was killed and is back for so many minutes; its users are still served by `b`, which answers.
pub(super) fn failed_over(minutes: u64) -> StatusResponse {
    let mut status = pair();
    let [a, b, ..] = &mut status.nodes[..] else {
        panic!("a pair has two nodes");
    };
    for (node, state, reason) in [
        (a, "Failed Over", "Initialization"),
        (b, "Running in Backup Mode", "Peer Down"),
    ] {
        node.state = state.to_owned();
        node.reason = reason.to_owned();
        node.since = Timestamp(NOW.0 - minutes * MINUTE).to_string();
    }
    status.nodes[0].fallback_in_ms = Some((30 - minutes) * MINUTE);
    status.alarms.push(Alarm {
        name: "Failover".to_owned(),
        severity: "warning".to_owned(),
        words: "this node serves the users of a too".to_owned(),
        ..Alarm::default()
    });
    (status.answered_by, status.control_leader) = (2, 2);
    let slot = &mut status.slots[0];
    (slot.owner, slot.desired) = ("b".to_owned(), "b".to_owned());
    status.protection[0] = Protection {
        group: "main".to_owned(),
        protected: false,
        words: "not protected: a has users of its own at b".to_owned(),
    };
    status
}

/// `top` with the addresses of `a` and `b`, asked every second.
pub(super) fn top() -> State {
    let addresses = ["unix:/run/a.sock", "unix:/run/b.sock"];
    let addresses = addresses.map(str::to_owned).to_vec();
    State::new(addresses, true, Duration::from_secs(1))
}

/// What the node at an address answers.
pub(super) fn status(at: usize, status: StatusResponse) -> News {
    News::Status(at, Box::new(status))
}

/// So many sessions on the node at an address.
pub(super) fn sessions(at: usize, count: usize) -> News {
    let session = |number: usize| Session {
        jid: format!("user{number}@example.com/phone"),
        ..Session::default()
    };
    News::Sessions(at, (0..count).map(session).collect())
}

/// Something that happened at [`NOW`].
pub(super) fn event(kind: &str, text: &str) -> News {
    News::Told(Told::Event(Event {
        at: NOW.to_string(),
        kind: kind.to_owned(),
        text: text.to_owned(),
        ..Event::default()
    }))
}
