//! What was published and who has seen it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use muster_stanza::{Element, ns};
use tokio::sync::mpsc;

use crate::arrive::bare;
use crate::figures::Latencies;
use crate::users::User;

/// The state of all changes; shared by all members.
pub(super) struct Board {
    numbers: HashMap<String, usize>,
    changes: Vec<Change>,
    contacts: u64,
    origin: Instant,
    deliveries: AtomicU64,
    strays: AtomicU64,
    /// From a change being due to one contact seeing it.
    pub(super) latencies: Latencies,
    /// From a change being due to all contacts having seen it.
    pub(super) completions: Latencies,
    /// Users whose change all contacts have seen.
    finished: mpsc::Sender<usize>,
}

/// The last change of one user.
#[derive(Default)]
struct Change {
    /// Which one it is, from 1; 0 before the first.
    serial: AtomicU64,
    /// When it was due, after the origin.
    due_ns: AtomicU64,
    /// How many contacts have not seen it.
    left: AtomicU64,
}

impl Board {
    /// `finished` needs room for each user once.
    pub(super) fn new(users: &[User], contacts: usize, finished: mpsc::Sender<usize>) -> Self {
        let jids = users.iter().map(|user| user.jid.to_string());
        Self {
            numbers: jids
                .enumerate()
                .map(|(number, jid)| (jid, number))
                .collect(),
            changes: users.iter().map(|_| Change::default()).collect(),
            contacts: contacts as u64,
            origin: Instant::now(),
            deliveries: AtomicU64::new(0),
            strays: AtomicU64::new(0),
            latencies: Latencies::new(),
            completions: Latencies::new(),
            finished,
        }
    }

    /// Notes the next change of a user and answers the stanza that makes it.
    pub(super) fn publish(&self, number: usize, due: Instant) -> Vec<u8> {
        let change = &self.changes[number];
        // The serial first: from here on what comes late of the change before is not taken for this one.
        let serial = change.serial.fetch_add(1, Ordering::AcqRel) + 1;
        let due_ns = due.saturating_duration_since(self.origin).as_nanos();
        change
            .due_ns
            .store(u64::try_from(due_ns).unwrap_or(u64::MAX), Ordering::Release);
        change.left.store(self.contacts, Ordering::Release);
        format!("<presence><status>{serial}</status></presence>").into_bytes()
    }

    /// Notes what a user sees. The own presence that a server sends back (RFC 6121 §4.4.2) does not count.
    pub(super) fn note(&self, viewer: usize, element: &Element) {
        if element.name() != "presence" {
            return;
        }
        let from = element.attr("from").unwrap_or_default();
        let Some(&number) = self.numbers.get(bare(&from)) else {
            return;
        };
        let status = element
            .child("status", ns::CLIENT)
            .map(|status| status.text());
        let serial = status.and_then(|serial| serial.parse::<u64>().ok());
        let (Some(serial), true) = (serial, number != viewer) else {
            return;
        };
        self.deliver(number, serial);
    }

    fn deliver(&self, number: usize, serial: u64) {
        let change = &self.changes[number];
        let left = if change.serial.load(Ordering::Acquire) == serial {
            let one_less = |left: u64| left.checked_sub(1);
            change
                .left
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less)
                .ok()
        } else {
            None
        };
        let Some(left) = left else {
            self.strays.fetch_add(1, Ordering::Relaxed);
            return;
        };
        self.deliveries.fetch_add(1, Ordering::Relaxed);
        let due = self.origin + Duration::from_nanos(change.due_ns.load(Ordering::Acquire));
        self.latencies.record(due.elapsed());
        if left == 1 {
            self.completions.record(due.elapsed());
            // A user has one change at a time, so there is room.
            self.finished.try_send(number).ok();
        }
    }

    /// Gives up on a user's last change and answers how many contacts have not seen it.
    pub(super) fn give_up(&self, number: usize) -> u64 {
        self.changes[number].left.swap(0, Ordering::AcqRel)
    }

    /// Changes seen by a contact in time.
    pub(super) fn deliveries(&self) -> u64 {
        self.deliveries.load(Ordering::Relaxed)
    }

    /// Changes seen too late or more often than there are contacts.
    pub(super) fn strays(&self) -> u64 {
        self.strays.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::users::from_pattern;

    fn seen(from: &str, serial: u64) -> Element {
        let xml = format!("<presence from='{from}'><status>{serial}</status></presence>");
        Element::parse(xml.as_bytes()).unwrap()
    }

    #[test]
    fn a_change_is_finished_when_all_contacts_have_seen_it() {
        let users = from_pattern("u{0..2}@b", "x").unwrap();
        let (finished, mut completions) = mpsc::channel(3);
        let board = Board::new(&users, 2, finished);
        let stanza = board.publish(0, Instant::now());
        assert_eq!(stanza, b"<presence><status>1</status></presence>");
        board.note(0, &seen("u0@b/load", 1));
        board.note(1, &seen("u0@b/load", 1));
        assert!(completions.try_recv().is_err());
        board.note(2, &seen("u0@b/load", 1));
        assert_eq!(completions.try_recv(), Ok(0));
        assert_eq!((board.deliveries(), board.strays()), (2, 0));
    }

    #[test]
    fn what_comes_late_or_doubled_is_stray() {
        let users = from_pattern("u{0..1}@b", "x").unwrap();
        let (finished, _completions) = mpsc::channel(2);
        let board = Board::new(&users, 1, finished);
        board.publish(0, Instant::now());
        board.note(1, &seen("u0@b/load", 1));
        board.note(1, &seen("u0@b/load", 1));
        board.publish(0, Instant::now());
        board.note(1, &seen("u0@b/load", 1));
        assert_eq!(board.give_up(0), 1);
        board.note(1, &seen("u0@b/load", 2));
        board.note(1, &seen("stranger@b/load", 2));
        assert_eq!((board.deliveries(), board.strays()), (1, 3));
    }
}
