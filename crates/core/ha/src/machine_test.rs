//! Lives of a pair and its witness, told as a lab notebook.

use crate::harness_test::{HALF_HOUR, NORMAL, World, failed_over_and_back, secs};
use crate::log_test::{A, B, SLOT_A, SLOT_B, W, pair_and_witness};
use crate::{HaEvent, Identity, Input, NodeMachine, Output, SlotRole, Timing, Why, find_pair};
use muster_cluster::{ControlEvent, HaReason as R, HaState as S, Setting};
use muster_types::{GroupId, Instant, Machine, NodeId};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

#[test]
fn a_fresh_pair_settles_at_home() {
    let world = World::settled();
    assert_eq!(world.owners(), [Some(A), Some(B)]);
    assert_eq!(world.refused, []);
}

#[test]
fn a_killed_node_is_taken_over_when_it_has_been_silent_for_the_peer_timeout() {
    let mut world = World::settled();
    world.favourites = vec![B, W];
    world.kill(A);
    let took = world.until("taken over", |world| world.owner(SLOT_A) == Some(B));
    let timeout = Duration::from_millis(500);
    assert!(took <= timeout + Duration::from_millis(20), "{took:?}");
    world.run(secs(1));
    assert_eq!(
        world.status(),
        [
            (S::Unreachable, R::None),
            (S::RunningInBackupMode, R::PeerDown)
        ]
    );
    let gap = world.log.events.iter().rev().find_map(|event| {
        let ControlEvent::SlotOwned {
            slot: SLOT_A, gap, ..
        } = event
        else {
            return None;
        };
        *gap
    });
    assert!(gap.is_some_and(|gap| gap >= timeout && gap <= took + Duration::from_millis(60)));
    assert_eq!(world.refused, []);
}

#[test]
fn far_from_each_other_nodes_wait_longer_than_the_setting_says() {
    let timing = Timing {
        least_silence: secs(2),
        ..Timing::default()
    };
    let mut world = World::with(pair_and_witness(true), timing);
    world.run(secs(2));
    world.favourites = vec![B, W];
    world.kill(A);
    let took = world.until("taken over", |world| world.owner(SLOT_A) == Some(B));
    assert!(
        took > Duration::from_millis(1_900) && took < Duration::from_millis(2_100),
        "{took:?}"
    );
}

#[test]
fn suspect_after_is_waited_out_on_top() {
    let mut world = World::settled();
    world.set(Setting::SuspectAfter(secs(20)));
    world.favourites = vec![B, W];
    world.kill(A);
    let took = world.until("taken over", |world| world.owner(SLOT_A) == Some(B));
    assert!(
        took > Duration::from_millis(20_400) && took < Duration::from_millis(20_600),
        "{took:?}"
    );
}

#[test]
fn the_witness_hands_a_dead_nodes_slot_to_the_peer() {
    let mut world = World::settled();
    world.favourites = vec![W, B];
    world.kill(A);
    world.until("taken over", |world| world.owner(SLOT_A) == Some(B));
    let handed = HaEvent::HandingOver {
        slot: SLOT_A,
        to: B,
    };
    assert!(world.events.contains(&(W, handed)));
}

#[test]
fn a_slot_whose_home_lives_goes_back_to_it() {
    let mut world = World::new(pair_and_witness(true));
    world.favourites = vec![W, B, A];
    world.run(secs(3));
    assert_eq!(world.owners(), [Some(A), Some(B)]);
    assert_eq!(world.status(), [NORMAL; 2]);
}

#[test]
fn a_stopping_node_is_taken_over_without_waiting_for_its_silence() {
    let mut world = World::settled();
    world.input(A, Input::Stopping);
    let took = world.until("taken over", |world| world.owner(SLOT_A) == Some(B));
    assert!(took <= Duration::from_millis(100), "{took:?}");
    world.until("free to go", |world| world.stopped.contains(&A));
    world.kill(A);
    world.run(secs(2));
    assert_eq!(
        world.status(),
        [(S::Off, R::None), (S::RunningInBackupMode, R::PeerReboot)]
    );
    world.start(A);
    world.run(secs(1));
    assert_eq!(world.status()[0], (S::FailedOver, R::Initialization));
    assert!(find_pair(world.status()[0], world.status()[1]).is_some());
}

#[test]
fn a_cluster_that_stops_as_a_whole_comes_back_as_it_was() {
    let mut world = World::settled();
    for node in [A, B, W] {
        world.input(node, Input::Stopping);
    }
    world.run(secs(6));
    assert_eq!(world.stopped, BTreeSet::from([A, B, W]));
    [A, B, W].into_iter().for_each(|node| world.kill(node));
    world.run(secs(1));
    for node in [W, B, A] {
        world.start(node);
        world.run(secs(1));
    }
    world.run(secs(3));
    assert_eq!(
        (world.status(), world.owners()),
        ([NORMAL; 2], [Some(A), Some(B)])
    );
}

#[test]
fn a_cluster_that_loses_power_comes_back_as_it_was() {
    let mut world = World::settled();
    [A, B, W].into_iter().for_each(|node| world.kill(node));
    world.run(secs(1));
    world.favourites = vec![W, B, A];
    [B, W].into_iter().for_each(|node| world.start(node));
    world.run(secs(2));
    assert_eq!(world.owner(SLOT_A), None, "a is waited for");
    world.start(A);
    world.run(secs(3));
    assert_eq!(
        (world.status(), world.owners()),
        ([NORMAL; 2], [Some(A), Some(B)])
    );
}

#[test]
fn a_peer_that_was_never_seen_is_taken_over_after_the_init_timeout() {
    let mut world = World::settled();
    [A, B, W].into_iter().for_each(|node| world.kill(node));
    world.run(secs(1));
    world.favourites = vec![B, W];
    [B, W].into_iter().for_each(|node| world.start(node));
    let took = world.until("taken over", |world| world.owner(SLOT_A) == Some(B));
    assert!(
        took > Duration::from_millis(2900) && took < Duration::from_millis(3100),
        "{took:?}"
    );
    world.run(secs(1));
    let backup = (S::RunningInBackupMode, R::PeerDownDuringInitialization);
    assert_eq!(world.status(), [(S::Unreachable, R::None), backup]);
    world.start(A);
    world.run(secs(1));
    assert_eq!(world.status(), [(S::FailedOver, R::Initialization), backup]);
}

#[test]
fn a_quick_restart_before_anybody_noticed_stays_at_home() {
    let mut world = World::settled();
    world.favourites = vec![A, W, B];
    world.kill(A);
    world.run(Duration::from_millis(100));
    world.start(A);
    world.run(secs(2));
    assert_eq!(
        (world.status(), world.owners()),
        ([NORMAL; 2], [Some(A), Some(B)])
    );
}

#[test]
fn a_cut_between_the_pair_alone_moves_nothing() {
    let mut world = World::settled();
    world.cut.insert((A, B));
    world.run(secs(60));
    assert_eq!(
        (world.status(), world.owners()),
        ([NORMAL; 2], [Some(A), Some(B)])
    );
}

#[test]
fn a_node_that_was_cut_off_comes_back_failed_over() {
    let mut world = World::settled();
    world.favourites = vec![B, W, A];
    world.cut.extend([(A, B), (A, W)]);
    world.until("taken over", |world| world.owner(SLOT_A) == Some(B));
    world.run(secs(5));
    let backup = (S::RunningInBackupMode, R::PeerDown);
    assert_eq!(world.status(), [(S::Unreachable, R::None), backup]);
    world.cut.clear();
    world.healed = true;
    world.run(secs(1));
    assert_eq!(world.status(), [(S::FailedOver, R::PeerDown), backup]);
    world.run(HALF_HOUR + secs(1));
    assert_eq!(
        (world.status(), world.owners()),
        ([NORMAL; 2], [Some(A), Some(B)])
    );
}

#[test]
fn a_failed_over_node_that_dies_again_is_shown_as_unreachable() {
    let mut world = failed_over_and_back();
    world.run(secs(1));
    world.kill(A);
    world.run(secs(3));
    assert_eq!(
        world.status(),
        [
            (S::Unreachable, R::None),
            (S::RunningInBackupMode, R::PeerDown)
        ]
    );
}

#[test]
fn a_node_that_only_the_backup_cannot_hear_says_that_it_lives() {
    let mut world = failed_over_and_back();
    world.cut.insert((A, B));
    world.run(secs(10));
    assert_eq!(world.status()[0], (S::FailedOver, R::Initialization));
    let changes = world.log.state.group(GroupId(1)).map(|group| group.changes);
    world.run(secs(10));
    assert_eq!(
        world.log.state.group(GroupId(1)).map(|group| group.changes),
        changes,
        "and is believed"
    );
}

#[test]
fn a_home_that_lives_but_cannot_catch_up_loses_its_slot_after_a_while() {
    let mut world = World::settled();
    world.favourites = vec![B, W, A];
    world.behind.insert(A);
    world.kill(A);
    world.start(A);
    let took = world.until("taken over", |world| world.owner(SLOT_A) == Some(B));
    assert!(took > secs(5) && took < secs(6), "{took:?}");
    world.run(secs(1));
    assert!(world.events.iter().any(|(node, event)| {
        *node == B
            && matches!(
                event,
                HaEvent::Opened {
                    slot: SLOT_A,
                    why: Why::PeerStuck,
                    ..
                }
            )
    }));
    let down = R::CriticalServiceDown;
    assert_eq!(
        world.status(),
        [(S::FailedOver, down), (S::RunningInBackupMode, down)]
    );
}

#[test]
fn a_backup_that_does_not_take_the_users_it_has_is_not_failed_over_when_they_go_home() {
    let mut world = failed_over_and_back();
    world.run(secs(1));
    // Its replica of a's slot is stuck, and a is elected there; its own users are with it.
    world.favourites = vec![A];
    world.behind.insert(B);
    world.kill(B);
    world.run(Duration::from_millis(100));
    world.start(B);
    world.until("taken back", |world| world.owner(SLOT_A) == Some(A));
    world.step();
    let broken = |seen: &[(S, R); 2]| seen[1].0 == S::FailedOverCriticalServicesNotRunning;
    let desired = |world: &World| world.log.state.slot(SLOT_B).map(|slot| slot.desired);
    assert_eq!(desired(&world), Some(B));
    assert!(!world.seen.iter().any(broken), "{:?}", world.seen);
}

#[test]
fn without_ha_nobody_takes_over() {
    let mut world = World::new(pair_and_witness(false));
    world.run(secs(2));
    assert_eq!(world.owners(), [Some(A), Some(B)]);
    world.kill(A);
    world.run(secs(60));
    assert_eq!(world.owners(), [None, Some(B)]);
    let off = (S::Unknown, R::HighAvailabilityNotEnabled);
    assert_eq!(world.status(), [off; 2]);
    assert_eq!(world.refused, []);
}

#[test]
fn a_takeover_without_control_quorum_is_recorded_when_it_is_back() {
    let mut world = World::settled();
    world.favourites = vec![B, W];
    world.control_down = true;
    world.kill(A);
    world.until("taken over", |world| world.owner(SLOT_A) == Some(B));
    world.run(secs(10));
    assert_eq!(
        (world.status(), world.owner(SLOT_A)),
        ([NORMAL; 2], Some(B))
    );
    world.control_down = false;
    world.run(secs(2));
    assert_eq!(
        world.status(),
        [
            (S::Unreachable, R::None),
            (S::RunningInBackupMode, R::PeerDown)
        ]
    );
}

#[test]
fn the_same_life_twice_is_the_same_to_the_byte() {
    let life = || {
        let world = failed_over_and_back();
        (
            format!("{:?}{:?}", world.events, world.log.events),
            world.now,
        )
    };
    assert_eq!(life(), life());
}

#[test]
fn unknown_nodes_and_late_answers_change_nothing() {
    let mut world = World::settled();
    world.input(A, Input::Heard(NodeId(77)));
    world.input(
        A,
        Input::Transferred {
            slot: SLOT_B,
            ok: true,
        },
    );
    world.input(
        A,
        Input::Transferred {
            slot: muster_types::SlotId(99),
            ok: false,
        },
    );
    world.run(secs(2));
    assert_eq!(
        (world.status(), world.owners()),
        ([NORMAL; 2], [Some(A), Some(B)])
    );
    assert!(world.now > Instant::ZERO);
}

#[test]
fn a_slot_that_is_led_before_the_control_log_knows_it_is_opened_when_it_does() {
    let identity = Identity {
        node: A,
        boot: muster_types::Boot(1),
        version: muster_cluster::SoftwareVersion { wire: 1, data: 1 },
        addresses: muster_cluster::Addresses::default(),
    };
    let now = Instant::ZERO + secs(1);
    let mut machine = NodeMachine::new(identity, Timing::default(), now);
    let leads = SlotRole {
        leading: true,
        ..SlotRole::idle(SLOT_A)
    };
    machine.handle(now, Input::SlotRole(leads));
    machine.handle(now, Input::Cluster(Arc::default()));
    assert_eq!(machine.poll(), None);
    let state = pair_and_witness(true).state;
    machine.handle(now, Input::Cluster(Arc::new(state)));
    let mut outputs = std::iter::from_fn(|| machine.poll());
    assert!(outputs.any(|output| output == Output::OpenSlot(SLOT_A)));
}
