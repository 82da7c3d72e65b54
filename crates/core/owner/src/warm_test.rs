//! Numbered steps into a copy.

use crate::warm::{Resync, WarmCopy};
use muster_envelope::{ToPeer, WarmUpdate};
use muster_presence::source::{FromNow, Report, Says, Source, Span};
use muster_types::{BareJid, Boot, Epoch, FullJid, Instant, LogIndex, NodeId, SessionId};
use std::time::Duration;

const OWNER: NodeId = NodeId(1);

fn session(serial: u64) -> SessionId {
    SessionId {
        node: OWNER,
        boot: Boot(1),
        serial,
    }
}

fn update(seq: u64, serial: u64) -> ToPeer {
    let jid = FullJid::new(&format!("alice@example.com/{serial}")).unwrap();
    let session = session(serial);
    let update = WarmUpdate::Session {
        session,
        jid,
        presence: None,
        idle_ms: None,
        interested: false,
        expected_ms: None,
    };
    ToPeer::Update {
        seq,
        update: Box::new(update),
    }
}

fn gone(seq: u64, serial: u64) -> ToPeer {
    ToPeer::Update {
        seq,
        update: Box::new(WarmUpdate::Gone {
            session: session(serial),
        }),
    }
}

#[test]
fn a_copy_is_complete_only_without_gaps() {
    let begin = |seq| ToPeer::Begin { seq };
    let complete = |seq| ToPeer::Complete { seq };
    // steps of epoch 5, complete, sessions
    for (steps, is_complete, count) in [
        (vec![update(1, 1), complete(2)], false, 0),
        (vec![begin(1), update(2, 1)], false, 1),
        (
            vec![begin(1), update(2, 1), update(3, 1), complete(4)],
            true,
            1,
        ),
        (
            vec![
                begin(1),
                update(2, 1),
                complete(3),
                update(4, 2),
                gone(5, 1),
            ],
            true,
            1,
        ),
        (vec![begin(1), complete(2), update(4, 1)], false, 0),
        (
            vec![begin(1), complete(2), update(4, 1), update(5, 2)],
            false,
            0,
        ),
        (vec![begin(1), complete(2), update(2, 1)], false, 0),
        (
            vec![
                begin(1),
                complete(2),
                update(4, 1),
                begin(5),
                update(6, 1),
                complete(7),
            ],
            true,
            1,
        ),
        (vec![begin(u64::MAX), complete(0)], false, 0),
    ] {
        let mut copy = WarmCopy::default();
        let epoch = Epoch::opened_at(LogIndex(5));
        for step in steps.clone() {
            copy.step(Instant::ZERO, OWNER, epoch, step);
        }
        assert_eq!(
            (copy.is_complete(), copy.into_copied().sessions.len()),
            (is_complete, count),
            "{steps:?}"
        );
    }
}

#[test]
fn the_owner_is_asked_to_begin_again_once_a_second() {
    let mut copy = WarmCopy::default();
    let epoch = Epoch::opened_at(LogIndex(5));
    let at = |ms| Instant::ZERO + Duration::from_millis(ms);
    for (ms, asked) in [
        (0, true),
        (500, false),
        (999, false),
        (1000, true),
        (1001, false),
    ] {
        let resync = copy.step(at(ms), OWNER, epoch, update(9, 1));
        assert_eq!(
            resync,
            asked.then_some(Resync {
                owner: OWNER,
                epoch
            }),
            "{ms}"
        );
    }
}

#[test]
fn a_newer_owner_makes_the_copy_incomplete_but_forgets_nobody() {
    let epoch = |index| Epoch::opened_at(LogIndex(index));
    let mut copy = WarmCopy::default();
    for step in [
        ToPeer::Begin { seq: 1 },
        update(2, 1),
        ToPeer::Complete { seq: 3 },
    ] {
        copy.step(Instant::ZERO, OWNER, epoch(5), step);
    }
    copy.outdate(epoch(6));
    assert!(!copy.is_complete());
    copy.step(Instant::ZERO, OWNER, epoch(5), gone(4, 1));
    assert_eq!(
        copy.into_copied().sessions.len(),
        1,
        "the older owner is not listened to"
    );
}

#[test]
fn what_sources_say_is_kept_until_the_owner_that_begins_again_has_said_all() {
    let report = |source: &str| {
        let source: Source = source.parse().unwrap();
        let span = Span {
            says: Says::read(&source, "on-hook").unwrap(),
            note: None,
            begins: FromNow(0),
            ends: Some(FromNow(60_000)),
            until: None,
        };
        let (user, spans) = (BareJid::new("alice@example.com").unwrap(), vec![span]);
        let report = Report { source, spans };
        Box::new(WarmUpdate::Report { user, report })
    };
    let epoch = Epoch::opened_at(LogIndex(1));
    let now = Instant::from_nanos(1);
    let mut copy = WarmCopy::default();
    let mut seq = 0;
    let mut step = |copy: &mut WarmCopy, update: Option<Box<WarmUpdate>>, begins: bool| {
        seq += 1;
        let step = match update {
            Some(update) => ToPeer::Update { seq, update },
            None if begins => ToPeer::Begin { seq },
            None => ToPeer::Complete { seq },
        };
        assert_eq!(copy.step(now, OWNER, epoch, step), None);
    };
    step(&mut copy, None, true);
    step(&mut copy, Some(report("phone/1")), false);
    step(&mut copy, Some(report("phone/2")), false);
    step(&mut copy, None, false);
    step(&mut copy, None, true);
    step(&mut copy, Some(report("phone/2")), false);
    let reported = |copy: &WarmCopy| copy.reported();
    assert_eq!(
        reported(&copy),
        ["phone/1", "phone/2"],
        "the owner may die here"
    );
    step(&mut copy, None, false);
    assert_eq!(reported(&copy), ["phone/2"]);
}

impl WarmCopy {
    fn reported(&self) -> Vec<String> {
        let keys = self.copied().reports.keys();
        keys.map(|(_, source)| source.to_string()).collect()
    }
}
