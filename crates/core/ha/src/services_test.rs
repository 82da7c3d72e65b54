//! Nodes whose services fail and come back, told as a lab notebook.

use crate::harness_test::{HALF_HOUR, NORMAL, World, everybody_ready, failed_over_and_back, secs};
use crate::log_test::{A, B, SLOT_A, W};
use crate::{HaEvent, Input, check_failover, check_fallback, check_recover, store_lost};
use muster_cluster::{HaReason as R, HaState as S};
use muster_types::GroupId;
use std::time::Duration;

const DOWN: R = R::CriticalServiceDown;
const NOT_RUNNING: S = S::FailedOverCriticalServicesNotRunning;

/// The router of a was down for its delay, and b serves everybody.
fn failed_services() -> World {
    let mut world = World::settled();
    world.services_down(A, &["router"]);
    world.until("given up", |world| world.owner(SLOT_A) == Some(B));
    world.run(secs(1));
    assert_eq!(
        world.status(),
        [(NOT_RUNNING, DOWN), (S::RunningInBackupMode, DOWN)]
    );
    world
}

#[test]
fn a_node_gives_its_users_up_exactly_when_a_critical_service_is_down_for_its_delay() {
    let mut world = World::settled();
    world.services_down(A, &["router"]);
    world.run(Duration::from_millis(9_990));
    assert_eq!(world.owner(SLOT_A), Some(A));
    let took = world.until("given up", |world| world.owner(SLOT_A) == Some(B));
    assert!(took <= Duration::from_millis(100), "{took:?}");
    let failed = HaEvent::ServiceFailed {
        service: "router",
        critical: true,
    };
    assert!(world.events.contains(&(A, failed)));
    assert_eq!(world.refused, []);
}

#[test]
fn a_service_that_is_back_within_its_delay_moves_nobody() {
    let mut world = World::settled();
    world.services_down(A, &["router"]);
    world.run(secs(9));
    world.services_down(A, &[]);
    world.run(secs(60));
    assert_eq!(
        (world.status(), world.owners()),
        ([NORMAL; 2], [Some(A), Some(B)])
    );
}

#[test]
fn a_stuck_replica_loses_the_leadership_though_it_does_not_close() {
    let mut world = World::settled();
    world.stuck.insert(A);
    world.services_down(A, &["presence"]);
    let took = world.until("taken", |world| world.owner(SLOT_A) == Some(B));
    assert!(took > secs(12) && took < secs(13), "{took:?}");
    assert!(world.events.contains(&(A, HaEvent::Stuck(SLOT_A))));
    world.thaw(A);
    world.services_down(A, &[]);
    world.run(secs(1));
    assert_eq!(world.status()[0], (S::FailedOver, DOWN));
}

#[test]
fn the_fallback_clock_starts_only_when_the_services_are_back() {
    let mut world = failed_services();
    world.run(HALF_HOUR + secs(60));
    assert_eq!(world.owner(SLOT_A), Some(B));
    world.services_down(A, &[]);
    let since = world.now;
    world.until("back", |world| {
        world.status() == [(S::FailedOver, DOWN), (S::RunningInBackupMode, DOWN)]
    });
    world.run(HALF_HOUR - secs(1));
    assert_eq!(world.owner(SLOT_A), Some(B), "not early");
    world.until("home", |world| world.owner(SLOT_A) == Some(A));
    assert!(world.now.since(since) <= HALF_HOUR + secs(1));
    world.run(secs(1));
    assert_eq!(world.status(), [NORMAL; 2]);
}

#[test]
fn services_that_fail_again_start_the_clock_again() {
    let mut world = failed_services();
    world.services_down(A, &[]);
    world.run(secs(20 * 60));
    world.services_down(A, &["router"]);
    world.run(secs(11));
    assert_eq!(world.status()[0], (NOT_RUNNING, DOWN));
    world.services_down(A, &[]);
    world.run(HALF_HOUR - secs(1));
    assert_eq!(world.owner(SLOT_A), Some(B));
    world.until("home", |world| world.owner(SLOT_A) == Some(A));
}

#[test]
fn when_the_backup_breaks_and_the_peer_is_able_all_users_go_back_at_once() {
    for (service, auto, cause) in [
        ("router", R::AutoRecoverCriticalServiceDown, DOWN),
        ("store", R::AutoRecoverDatabaseFailure, R::DatabaseFailure),
    ] {
        let mut world = failed_over_and_back();
        world.services_down(B, &[service]);
        world.run(secs(9));
        assert_eq!(world.owners(), [Some(B), Some(B)]);
        world.run(secs(2));
        assert_eq!(world.owners(), [Some(A), Some(A)]);
        let activated = [
            (S::BackupActivated, auto),
            (S::FailoverAffectedServices, auto),
        ];
        assert_eq!(world.status(), activated);
        world.run(HALF_HOUR + secs(1));
        assert_eq!(world.status(), activated, "until its services are back");
        world.services_down(B, &[]);
        world.run(secs(1));
        assert_eq!(
            world.status(),
            [(S::RunningInBackupMode, cause), (S::FailedOver, cause)]
        );
        world.run(HALF_HOUR);
        assert_eq!(
            (world.status(), world.owners()),
            ([NORMAL; 2], [Some(A), Some(B)])
        );
    }
}

#[test]
fn when_the_services_of_both_are_down_the_pair_is_in_failed_mode_until_an_operator_recovers_it() {
    let mut world = failed_services();
    world.services_down(B, &["c2s"]);
    world.run(secs(11));
    let failed = (S::RunningInFailedMode, DOWN);
    assert_eq!(world.status(), [failed; 2]);
    assert_eq!(world.owners(), [Some(B), Some(B)], "as well as it can");
    for node in [A, B] {
        world.services_down(node, &[]);
    }
    world.run(HALF_HOUR);
    assert_eq!(world.status(), [failed; 2]);
    let recover = check_recover(&world.log.state, GroupId(1), &everybody_ready());
    world.command(recover.unwrap());
    world.run(secs(2));
    assert_eq!(
        (world.status(), world.owners()),
        ([NORMAL; 2], [Some(A), Some(B)])
    );
}

#[test]
fn two_nodes_that_break_in_the_same_instant_do_not_exchange_their_users() {
    let mut world = World::settled();
    for node in [A, B] {
        world.services_down(node, &["router"]);
    }
    world.run(secs(15));
    assert_eq!(world.status(), [(S::RunningInFailedMode, DOWN); 2]);
    let owners = world.owners();
    assert_eq!(owners[0], owners[1], "{owners:?}");
}

#[test]
fn services_that_do_not_run_when_users_are_taken_back_end_in_failed_mode() {
    let mut world = World::settled();
    let failover = check_failover(&world.log.state, A, &everybody_ready());
    world.command(failover.unwrap());
    world.run(secs(1));
    world.services_down(A, &["router"]);
    world.run(secs(11));
    assert_eq!(world.status()[0], (S::Idle, R::AdminRequest));
    let fallback = check_fallback(&world.log.state, A, &everybody_ready());
    world.command(fallback.unwrap());
    world.run(secs(1));
    let failed = (S::RunningInFailedMode, R::StartOfCriticalServicesFailed);
    assert_eq!(world.status(), [failed; 2]);
    assert_eq!(world.owners(), [Some(B), Some(B)], "they stay");
}

#[test]
fn a_node_whose_peer_is_gone_goes_on_as_well_as_it_can() {
    let mut world = World::settled();
    world.favourites = vec![B, W];
    world.kill(A);
    world.run(secs(3));
    world.services_down(B, &["router"]);
    world.run(secs(60));
    assert_eq!(world.owners(), [Some(B), Some(B)]);
    assert_eq!(
        world.status(),
        [
            (S::Unreachable, R::None),
            (S::RunningInBackupMode, R::PeerDown)
        ]
    );
    world.start(A);
    world.run(secs(2));
    assert_eq!(world.owners(), [Some(A), Some(A)], "and gives them up then");
}

#[test]
fn a_service_that_is_not_critical_is_told_and_moves_nobody() {
    let mut world = World::settled();
    let down = crate::ServiceDown {
        name: "web",
        since: world.now,
        delay: secs(1),
        critical: false,
        kind: crate::ServiceKind::Work,
    };
    world.input(A, Input::Services(vec![down]));
    world.run(secs(60));
    assert_eq!(world.status(), [NORMAL; 2]);
    let failed = HaEvent::ServiceFailed {
        service: "web",
        critical: false,
    };
    assert!(world.events.contains(&(A, failed)));
}

#[test]
fn a_node_whose_store_fails_says_so_with_its_last_words() {
    let mut world = World::settled();
    let last_words = store_lost(&world.log.state, A, true).expect("the peer can take them");
    world.command(last_words);
    world.favourites = vec![B, W];
    world.kill(A);
    let took = world.until("taken over", |world| world.owner(SLOT_A) == Some(B));
    assert!(took < Duration::from_millis(500), "{took:?}");
    world.run(secs(5));
    let failure = R::DatabaseFailure;
    assert_eq!(
        world.status(),
        [(NOT_RUNNING, failure), (S::RunningInBackupMode, failure)]
    );
    world.start(A);
    world.run(secs(1));
    assert_eq!(world.status()[0], (S::FailedOver, R::Initialization));
    assert_eq!(store_lost(&world.log.state, W, true), None);
}
