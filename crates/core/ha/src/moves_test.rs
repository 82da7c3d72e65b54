use crate::log_test::{A, B, Log, SLOT_A, W, pair_and_witness};
use crate::{Readiness, check_failover, check_fallback, check_recover};
use muster_cluster::{ControlCommand, HaReason, HaState, Refusal};
use muster_types::{GroupId, Instant, NodeId};

const EAST: GroupId = GroupId(1);

fn ready(live: &[NodeId], caught_up: &[NodeId]) -> Readiness {
    Readiness {
        live: live.iter().copied().collect(),
        caught_up: caught_up.iter().copied().collect(),
    }
}

fn all_ready() -> Readiness {
    ready(&[A, B, W], &[A, B, W])
}

fn pair(a: HaState, b: HaState) -> Log {
    let mut log = pair_and_witness(true);
    let reason = HaReason::None;
    log.all([
        ControlCommand::HaTransition {
            node: A,
            state: a,
            reason,
        },
        ControlCommand::HaTransition {
            node: B,
            state: b,
            reason,
        },
    ]);
    log
}

fn failed_over(a: HaState) -> Log {
    let mut log = pair(a, HaState::RunningInBackupMode);
    let reason = HaReason::AdminRequest;
    log.all([ControlCommand::SlotDesire {
        slot: SLOT_A,
        node: B,
        reason,
    }]);
    log
}

#[test]
fn a_failover_needs_high_availability_and_a_ready_peer() {
    let normal = || pair(HaState::Normal, HaState::Normal);
    for (what, log, node, ready, refused) in [
        ("fine", normal(), A, all_ready(), None),
        (
            "peer down",
            normal(),
            A,
            ready(&[A, W], &[B]),
            Some(Refusal::PeerDown { node: B }),
        ),
        (
            "peer behind",
            normal(),
            A,
            ready(&[B], &[A]),
            Some(Refusal::PeerBehind { node: B }),
        ),
        (
            "a witness",
            normal(),
            W,
            all_ready(),
            Some(Refusal::NoGroup { node: W }),
        ),
        (
            "nobody",
            normal(),
            NodeId(9),
            all_ready(),
            Some(Refusal::NoSuchNode { node: NodeId(9) }),
        ),
        (
            "HA off",
            pair_and_witness(false),
            A,
            all_ready(),
            Some(Refusal::HaOff {
                group: "east".to_owned(),
            }),
        ),
    ] {
        assert_eq!(
            check_failover(&log.state, node, &ready).err(),
            refused,
            "{what}"
        );
    }
}

#[test]
fn a_failover_needs_two_normal_nodes() {
    for (what, node, refused) in [
        ("failed over already", A, (A, HaState::Idle)),
        ("the backup itself", B, (B, HaState::RunningInBackupMode)),
    ] {
        let log = failed_over(HaState::Idle);
        let (node_refused, state) = refused;
        let action = "fail over".to_owned();
        let refused = Refusal::WrongState {
            node: node_refused,
            state,
            action,
        };
        assert_eq!(
            check_failover(&log.state, node, &all_ready()),
            Err(refused),
            "{what}"
        );
    }
}

#[test]
fn a_fallback_can_be_asked_of_either_node() {
    let log = failed_over(HaState::FailedOver);
    let from_home = check_fallback(&log.state, A, &all_ready()).unwrap();
    assert_eq!(
        check_fallback(&log.state, B, &all_ready()),
        Ok(from_home.clone())
    );
    let mut log = log;
    log.apply(Instant::ZERO, from_home);
    assert_eq!(log.state.slot(SLOT_A).map(|slot| slot.desired), Some(A));
}

#[test]
fn a_fallback_needs_a_node_that_can_take_its_users() {
    for (what, log, ready, refused) in [
        (
            "behind",
            failed_over(HaState::Idle),
            ready(&[A], &[]),
            Refusal::PeerBehind { node: A },
        ),
        (
            "not heard",
            failed_over(HaState::Idle),
            ready(&[], &[]),
            Refusal::PeerDown { node: A },
        ),
        (
            "unreachable",
            failed_over(HaState::Unreachable),
            all_ready(),
            Refusal::PeerDown { node: A },
        ),
        (
            "without services",
            failed_over(HaState::FailedOverCriticalServicesNotRunning),
            all_ready(),
            Refusal::WrongState {
                node: A,
                state: HaState::FailedOverCriticalServicesNotRunning,
                action: "fall back".to_owned(),
            },
        ),
        (
            "at home",
            pair(HaState::Normal, HaState::Normal),
            all_ready(),
            Refusal::WrongState {
                node: A,
                state: HaState::Normal,
                action: "fall back".to_owned(),
            },
        ),
    ] {
        assert_eq!(
            check_fallback(&log.state, A, &ready).err(),
            Some(refused),
            "{what}"
        );
    }
}

#[test]
fn recover_is_for_failed_mode() {
    let failed = pair(HaState::RunningInFailedMode, HaState::RunningInFailedMode);
    assert!(check_recover(&failed.state, EAST, &all_ready()).is_ok());
    assert_eq!(
        check_recover(&failed.state, EAST, &ready(&[A], &[A])).err(),
        Some(Refusal::PeerDown { node: B })
    );
    let normal = pair(HaState::Normal, HaState::Normal);
    assert!(matches!(
        check_recover(&normal.state, EAST, &all_ready()),
        Err(Refusal::WrongState { .. })
    ));
    assert_eq!(
        check_recover(&normal.state, GroupId(7), &all_ready()).err(),
        Some(Refusal::NoSuchGroup { group: GroupId(7) })
    );
}

#[test]
fn two_failovers_at_once_do_not_swap_the_users() {
    let mut log = pair(HaState::Normal, HaState::Normal);
    let (first, second) = (
        check_failover(&log.state, A, &all_ready()).unwrap(),
        check_failover(&log.state, B, &all_ready()).unwrap(),
    );
    log.all([first]);
    let before = log.state.clone();
    let outcome = log.apply(Instant::ZERO, second);
    let refused = Refusal::GroupChanged {
        group: "east".to_owned(),
    };
    assert_eq!(outcome, muster_cluster::ControlOutcome::Refused(refused));
    let slots = |state: &muster_cluster::ClusterState| state.slots().cloned().collect::<Vec<_>>();
    assert_eq!(slots(&log.state), slots(&before));
}
