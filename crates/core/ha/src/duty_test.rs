use crate::duty::{Duty, Facts, duty};
use crate::log_test::{A, B, Log, SLOT_A, W, pair_and_witness};
use crate::{Detector, SlotRole, Timing, Why};
use muster_cluster::{ControlCommand, HaReason};
use muster_types::{Epoch, Instant, LogIndex, NodeId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

fn at(ms: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(ms)
}

fn epoch(index: u64) -> Epoch {
    Epoch::opened_at(LogIndex(index))
}

/// Node `me` leads slot a, unserved since 10.0 s; everybody was heard at 9.9 s and is caught up; it
/// is 10.2 s. What differs is said by each case.
struct Case {
    me: NodeId,
    now: Instant,
    log: Log,
    role: SlotRole,
    detector: Detector,
    stopping: bool,
    went_off: BTreeSet<NodeId>,
}

impl Case {
    fn of(me: NodeId) -> Self {
        let mut detector = Detector::new(Duration::from_secs(1));
        for node in [A, B, W] {
            detector.heard(at(9900), node);
        }
        let caught_up = [A, B, W].into_iter().filter(|node| *node != me).collect();
        let role = SlotRole {
            leading: true,
            caught_up,
            ..SlotRole::idle(SLOT_A)
        };
        Self {
            me,
            now: at(10_200),
            log: pair_and_witness(true),
            role,
            detector,
            stopping: false,
            went_off: BTreeSet::new(),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The slot is served by `me` and recorded so.
    fn serving(self) -> Self {
        self.with(|case| {
            let (slot, node) = (SLOT_A, case.me);
            case.log.all([ControlCommand::SlotOwned {
                slot,
                node,
                epoch: epoch(7),
                gap: None,
            }]);
            case.role.opened = Some(epoch(7));
            case.role.last_open = Some((node, epoch(7)));
        })
    }

    fn desired(self, node: NodeId) -> Self {
        let reason = HaReason::AdminRequest;
        self.with(|case| {
            case.log.all([ControlCommand::SlotDesire {
                slot: SLOT_A,
                node,
                reason,
            }])
        })
    }

    fn at(self, ms: u64) -> Self {
        self.with(|case| case.now = at(ms))
    }

    fn heard_nobody(self) -> Self {
        self.with(|case| case.detector = Detector::new(Duration::from_secs(1)))
    }

    fn behind(self, node: NodeId) -> Self {
        self.with(|case| case.role.caught_up.retain(|other| *other != node))
    }

    fn duty(&self) -> Duty {
        duty(&Facts {
            now: self.now,
            me: self.me,
            started: at(9000),
            stopping: self.stopping,
            state: &self.log.state,
            slot: self.log.state.slot(SLOT_A).expect("the pair's first slot"),
            role: &self.role,
            caught_up_at: &BTreeMap::new(),
            unserved_since: at(10_000),
            misplaced_since: at(10_000),
            detector: &self.detector,
            went_off: &self.went_off,
            timing: &Timing::default(),
        })
    }
}

type Row = (&'static str, Case, Duty);

fn check(rows: impl IntoIterator<Item = Row>) {
    for (what, case, wanted) in rows {
        assert_eq!(case.duty(), wanted, "{what}");
    }
}

/// `node` has said that it stops.
fn off(node: NodeId) -> impl FnOnce(&mut Case) {
    move |case| {
        case.went_off.insert(node);
    }
}

#[test]
fn leaders_that_should_not_own_the_slot_hand_it_over() {
    check([
        (
            "a follower rests",
            Case::of(A).with(|c| c.role.leading = false),
            Duty::Rest,
        ),
        ("home opens at once", Case::of(A), Duty::Open(Why::Plan)),
        ("home serves", Case::of(A).serving(), Duty::Rest),
        (
            "the witness hands to the home node",
            Case::of(W),
            Duty::HandOver(A),
        ),
        (
            "the witness hands to the peer if home is behind",
            Case::of(W).behind(A),
            Duty::HandOver(B),
        ),
        (
            "the witness keeps what nobody can take",
            Case::of(W).behind(A).behind(B),
            Duty::Rest,
        ),
        (
            "the witness hands to nobody who is off",
            Case::of(W).with(off(A)),
            Duty::HandOver(B),
        ),
    ]);
}

#[test]
fn a_slot_that_nobody_serves_is_taken_after_its_wait() {
    check([
        (
            "the peer hands back to a living home",
            Case::of(B),
            Duty::HandOver(A),
        ),
        (
            "but not in the first moment",
            Case::of(B).at(10_050),
            Duty::Wait(at(10_100)),
        ),
        (
            "a home that is behind is awaited",
            Case::of(B).behind(A),
            Duty::Wait(at(15_000)),
        ),
        (
            "not for ever",
            Case::of(B).behind(A).at(15_000).with(|c| {
                c.detector.heard(at(14_999), A);
            }),
            Duty::Open(Why::PeerStuck),
        ),
        (
            "a home that stops is followed at once",
            Case::of(B).with(off(A)),
            Duty::Open(Why::PeerReboot),
        ),
        (
            "a home just fallen silent is taken",
            Case::of(B).at(10_900),
            Duty::Open(Why::PeerDown),
        ),
        (
            "one never seen is waited for",
            Case::of(B).heard_nobody(),
            Duty::Wait(at(12_000)),
        ),
        (
            "not for ever either",
            Case::of(B).heard_nobody().at(12_000),
            Duty::Open(Why::PeerDownDuringInitialization),
        ),
    ]);
}

#[test]
fn planned_moves_go_through_or_end() {
    check([
        (
            "a planned move goes to a ready peer",
            Case::of(A).serving().desired(B),
            Duty::HandOver(B),
        ),
        (
            "one to a peer that is behind waits",
            Case::of(A).serving().desired(B).behind(B),
            Duty::Wait(at(40_000)),
        ),
        (
            "and fails at last",
            Case::of(A).serving().desired(B).behind(B).at(40_000),
            Duty::KeepIt,
        ),
        (
            "once closed it goes without a pause",
            Case::of(A)
                .serving()
                .desired(B)
                .at(10_000)
                .with(|c| c.role.opened = None),
            Duty::HandOver(B),
        ),
        (
            "what was closed is opened again if the peer does not take it",
            Case::of(A).serving().desired(B).at(12_000).with(|c| {
                c.role.opened = None;
                c.detector.heard(at(11_900), B);
            }),
            Duty::Open(Why::PeerStuck),
        ),
        (
            "a takeover is kept until it is recorded",
            Case::of(B).with(|c| c.role.opened = Some(epoch(9))),
            Duty::Rest,
        ),
        (
            "a stopping node hands over",
            Case::of(A).serving().with(|c| c.stopping = true),
            Duty::HandOver(B),
        ),
        (
            "but not to one that is off",
            Case::of(A)
                .serving()
                .with(|c| c.stopping = true)
                .with(off(B)),
            Duty::Rest,
        ),
    ]);
}
