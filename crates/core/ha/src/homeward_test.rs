//! Going away by command, and coming home by command or after the healthy time.

use crate::harness_test::{HALF_HOUR, NORMAL, World, everybody_ready, failed_over_and_back, secs};
use crate::log_test::{A, B, SLOT_A, W};
use crate::{HaEvent, check_failover, check_fallback, check_recover};
use muster_cluster::{HaReason as R, HaState as S, Refusal, Setting};
use muster_types::GroupId;
use std::time::Duration;

#[test]
fn a_restarted_node_goes_home_after_exactly_the_fallback_delay() {
    let mut world = failed_over_and_back();
    let desired = |world: &World| world.log.state.slot(SLOT_A).map(|slot| slot.desired);
    let since = world.now;
    world.run(HALF_HOUR - Duration::from_millis(10));
    assert_eq!((desired(&world), world.owner(SLOT_A)), (Some(B), Some(B)));
    assert_eq!(
        world.log.state.healthy(A),
        secs(29 * 60),
        "logged each minute"
    );
    let took = world.until("due", |world| desired(world) == Some(A));
    assert!(
        world.now.since(since) >= HALF_HOUR && took <= Duration::from_millis(60),
        "{took:?}"
    );
    let auto = R::AutomaticFallback;
    assert_eq!(
        world.status(),
        [(S::TakingBack, auto), (S::FallingBack, auto)]
    );
    world.run(secs(1));
    assert_eq!(
        (world.status(), world.owners()),
        ([NORMAL; 2], [Some(A), Some(B)])
    );
}

#[test]
fn fallback_waits_for_an_operator_when_it_is_not_automatic() {
    let mut world = failed_over_and_back();
    world.set(Setting::FallbackAuto(false));
    world.run(HALF_HOUR + secs(60));
    assert_eq!(world.owner(SLOT_A), Some(B));
}

#[test]
fn a_short_delay_is_kept_too() {
    let mut world = failed_over_and_back();
    world.set(Setting::FallbackDelay(secs(5)));
    let took = world.until("home", |world| world.owner(SLOT_A) == Some(A));
    assert!(
        took > Duration::from_millis(4800) && took < Duration::from_millis(5200),
        "{took:?}"
    );
}

#[test]
fn a_missed_beat_starts_the_healthy_time_again() {
    let mut world = failed_over_and_back();
    world.run(secs(29 * 60));
    world.cut.insert((A, W)); // the witness leads the control log
    world.run(secs(2));
    world.cut.clear();
    world.run(HALF_HOUR - secs(1));
    assert_eq!(world.owner(SLOT_A), Some(B));
    world.until("home", |world| world.owner(SLOT_A) == Some(A));
}

#[test]
fn a_pause_of_the_backup_starts_the_healthy_time_again_though_it_leads_afterwards() {
    for leader in [A, B, W] {
        let mut world = failed_over_and_back();
        world.run(secs(20 * 60));
        // Nobody can be told while it lasts.
        world.control_down = true;
        world.cut.extend([(A, B), (B, W)]);
        world.run(secs(2));
        world.cut.clear();
        world.healed = true;
        world.control_leader = leader;
        world.run(secs(1));
        world.control_down = false;
        world.run(HALF_HOUR - secs(5));
        assert_eq!(world.owner(SLOT_A), Some(B), "{leader} leads");
        world.until("home", |world| world.owner(SLOT_A) == Some(A));
    }
}

#[test]
fn what_a_leader_that_has_just_started_cannot_know_the_pair_says() {
    let mut world = failed_over_and_back();
    world.run(secs(20 * 60));
    world.control_down = true;
    world.cut.insert((A, B));
    world.run(secs(2));
    world.cut.clear();
    // The witness knows only what is logged: 20 minutes.
    world.kill(W);
    world.start(W);
    world.control_leader = W;
    world.healed = true;
    world.run(secs(1));
    world.control_down = false;
    world.run(HALF_HOUR - secs(5));
    assert_eq!(world.owner(SLOT_A), Some(B));
    world.until("home", |world| world.owner(SLOT_A) == Some(A));
}

#[test]
fn a_silence_that_nobody_could_record_counts_for_whoever_leads_next() {
    for leader in [A, B] {
        let mut world = failed_over_and_back();
        world.run(secs(29 * 60));
        world.control_down = true;
        world.cut.extend([(A, B), (A, W)]);
        world.run(secs(5));
        world.cut.clear();
        world.run(Duration::from_millis(200));
        (world.control_down, world.healed) = (false, true);
        world.control_leader = leader;
        world.run(HALF_HOUR - secs(1));
        assert_eq!(world.owner(SLOT_A), Some(B), "{leader} leads");
        world.until("home", |world| world.owner(SLOT_A) == Some(A));
    }
}

#[test]
fn a_node_that_has_just_started_does_not_go_on_counting_for_itself() {
    let mut world = failed_over_and_back();
    world.run(HALF_HOUR - secs(1));
    // Nobody can record that it starts anew.
    world.control_down = true;
    world.kill(A);
    world.start(A);
    world.control_leader = A;
    world.run(secs(5));
    assert!(!world.events.contains(&(A, HaEvent::FallbackDue(A))));
}

#[test]
fn a_new_control_leader_goes_on_with_the_healthy_time() {
    for leader in [A, B] {
        let mut world = failed_over_and_back();
        let since = world.now;
        world.run(secs(20 * 60));
        world.control_leader = leader;
        world.set(Setting::InitTimeout(secs(4))); // anything, to publish
        world.run(secs(10 * 60 - 1));
        assert_eq!(world.owner(SLOT_A), Some(B), "never early");
        world.until("home", |world| world.owner(SLOT_A) == Some(A));
        assert!(
            world.now.since(since) <= HALF_HOUR + secs(61),
            "a minute late at most"
        );
    }
}

#[test]
fn a_control_leader_whose_clock_is_wrong_sends_nobody_home() {
    let mut world = failed_over_and_back();
    world.run(secs(20 * 60 + 1));
    world.services_down(W, &["clock"]);
    world.run(HALF_HOUR);
    assert_eq!(world.owner(SLOT_A), Some(B));
    assert_eq!(
        world.log.state.healthy(A),
        secs(20 * 60),
        "nothing is logged"
    );
    world.services_down(W, &[]);
    world.run(secs(10 * 60 - 1));
    assert_eq!(world.owner(SLOT_A), Some(B), "it goes on from the log");
    world.until("home", |world| world.owner(SLOT_A) == Some(A));
}

#[test]
fn manual_failover_and_fallback_pass_the_states_of_the_table() {
    let mut world = World::settled();
    let failover = check_failover(&world.log.state, A, &everybody_ready()).unwrap();
    world.command(failover);
    let admin = R::AdminRequest;
    assert_eq!(
        world.status(),
        [(S::FailingOver, admin), (S::TakingOver, admin)]
    );
    world.run(secs(1));
    assert_eq!(
        world.status(),
        [(S::Idle, admin), (S::RunningInBackupMode, admin)]
    );
    assert_eq!(world.owners(), [Some(B), Some(B)]);

    world.run(HALF_HOUR + secs(60));
    assert_eq!(world.owner(SLOT_A), Some(B), "what an operator did stays");

    let fallback = check_fallback(&world.log.state, A, &everybody_ready()).unwrap();
    world.command(fallback);
    assert_eq!(
        world.status(),
        [(S::TakingBack, admin), (S::FallingBack, admin)]
    );
    world.run(secs(1));
    assert_eq!(
        (world.status(), world.owners()),
        ([NORMAL; 2], [Some(A), Some(B)])
    );
}

#[test]
fn restarts_while_failed_over_by_hand_are_told() {
    let mut world = World::settled();
    let failover = check_failover(&world.log.state, A, &everybody_ready()).unwrap();
    world.command(failover);
    world.run(secs(1));
    world.kill(A);
    world.run(secs(5));
    world.start(A);
    world.run(secs(1));
    let idle = (S::Idle, R::Initialization);
    assert_eq!(
        world.status(),
        [idle, (S::RunningInBackupMode, R::AdminRequest)]
    );
    world.favourites = vec![B];
    world.kill(B);
    world.start(B);
    world.run(secs(1));
    assert_eq!(
        world.status(),
        [idle, (S::RunningInBackupMode, R::Initialization)]
    );
    assert_eq!(world.owners(), [Some(B), Some(B)]);
}

#[test]
fn a_backup_that_dies_gives_everything_to_the_idle_node() {
    let mut world = World::settled();
    let failover = check_failover(&world.log.state, A, &everybody_ready()).unwrap();
    world.command(failover);
    world.run(secs(1));
    world.kill(B);
    world.until("taken", |world| world.owners() == [Some(A), Some(A)]);
    world.run(secs(1));
    assert_eq!(
        world.status(),
        [
            (S::RunningInBackupMode, R::PeerDown),
            (S::Unreachable, R::None)
        ]
    );
    world.start(B);
    world.run(secs(1));
    assert_eq!(world.status()[1], (S::FailedOver, R::Initialization));
    let home = HALF_HOUR + secs(1);
    world.run(home);
    assert_eq!(
        (world.status(), world.owners()),
        ([NORMAL; 2], [Some(A), Some(B)])
    );
}

#[test]
fn a_failover_to_a_node_that_falls_behind_ends_in_failed_mode_and_is_recovered() {
    let mut world = World::settled();
    let failover = check_failover(&world.log.state, A, &everybody_ready()).unwrap();
    world.favourites = vec![W];
    world.behind.insert(B);
    world.run(secs(3));
    world.command(failover);
    world.run(secs(40));
    let failed = (S::RunningInFailedMode, R::TakeOverUsersFailed);
    assert_eq!(
        (world.status(), world.owner(SLOT_A)),
        ([failed; 2], Some(A))
    );
    assert!(world.events.contains(&(
        A,
        HaEvent::MoveFailed {
            slot: SLOT_A,
            to: B
        }
    )));
    assert!(matches!(
        check_failover(&world.log.state, A, &everybody_ready()),
        Err(Refusal::WrongState { node: A, .. })
    ));
    world.behind.clear();
    let recover = check_recover(&world.log.state, GroupId(1), &everybody_ready()).unwrap();
    world.command(recover);
    world.run(secs(2));
    assert_eq!(
        (world.status(), world.owners()),
        ([NORMAL; 2], [Some(A), Some(B)])
    );
}
