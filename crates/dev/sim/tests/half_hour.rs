//! The long waits, in virtual time.

use muster_sim::{Fault, Place, Plan, World};
use muster_types::{Instant, NodeId, SlotId};
use std::time::Duration;

const HOME: NodeId = NodeId(1);
/// Where the home node stands.
const HERE: Place = Place(0);
const PEER: NodeId = NodeId(2);
const SLOT: SlotId = SlotId(1);

fn at(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}

#[test]
fn users_go_home_after_thirty_healthy_minutes() {
    let faults = vec![(at(20), Fault::Crash(HERE)), (at(40), Fault::Restart(HERE))];
    let mut world = World::new(Plan::calm(1, faults, at(2000)), false);
    for (seconds, owner) in [
        (10, HOME),
        (23, PEER),
        (41, PEER),
        (40 + 30 * 60 - 5, PEER),
        (40 + 31 * 60, HOME),
    ] {
        world.run_until(at(seconds));
        assert_eq!(world.violation(), None);
        assert_eq!(world.owner(SLOT), Some(owner), "after {seconds} s");
    }
}

#[test]
fn an_interruption_starts_the_thirty_minutes_again() {
    let faults = vec![
        (at(20), Fault::Crash(HERE)),
        (at(40), Fault::Restart(HERE)),
        (at(1000), Fault::Pause(HERE)),
        (at(1010), Fault::Resume(HERE)),
    ];
    let mut world = World::new(Plan::calm(2, faults, at(3000)), false);
    for (seconds, owner) in [
        (40 + 31 * 60, PEER),
        (1010 + 30 * 60 - 5, PEER),
        (1010 + 31 * 60, HOME),
    ] {
        world.run_until(at(seconds));
        assert_eq!(world.violation(), None);
        assert_eq!(world.owner(SLOT), Some(owner), "after {seconds} s");
    }
}
