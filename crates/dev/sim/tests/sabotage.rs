//! The simulator can see: each mistake put in on purpose is caught, by an invariant that is about it.

use muster_sim::{Fault, Place, Plan, Sabotage, run_quietly};
use muster_types::Instant;
use std::time::Duration;

/// In so many seeds at most.
const SEEDS: u64 = 80;

fn is_caught(sabotage: Sabotage, invariants: &[&str]) {
    let mut seen = Vec::new();
    for seed in 0..SEEDS {
        let run = run_quietly(&Plan {
            sabotage: Some(sabotage),
            ..Plan::random(seed)
        });
        match run.violation {
            Some(violation) if invariants.contains(&violation.invariant) => return,
            Some(violation) => seen.push(violation.invariant),
            None => {}
        }
    }
    panic!("{sabotage:?} is not seen; only {seen:?}");
}

#[test]
fn an_owner_that_ignores_its_lease() {
    is_caught(Sabotage::IgnoreLease, &["at most one owner of a slot"]);
}

#[test]
fn a_lease_longer_than_the_vote_wait() {
    is_caught(Sabotage::LongLease, &["at most one owner of a slot"]);
}

#[test]
fn a_vote_or_entry_that_was_not_synced() {
    is_caught(
        Sabotage::Unsynced,
        &[
            "replicas apply the same log",
            "at most one owner of a slot",
            "epochs only grow",
            "no acknowledged write lost",
            "no acknowledged message lost",
        ],
    );
}

#[test]
fn a_leader_that_commits_alone() {
    is_caught(
        Sabotage::CommitAlone,
        &[
            "replicas apply the same log",
            "no acknowledged write lost",
            "no acknowledged message lost",
        ],
    );
}

#[test]
fn a_restart_that_keeps_its_boot() {
    is_caught(
        Sabotage::KeepBoot,
        &[
            "no false unavailable",
            "no ghosts",
            "after quiet, everybody sees what is there",
            "after quiet, everybody is at home",
            "no acknowledged write lost",
        ],
    );
}

#[test]
fn presence_without_permission() {
    is_caught(
        Sabotage::ShowEverybody,
        &["no presence without a subscription"],
    );
}

#[test]
fn no_grace_for_who_was_cut_off() {
    is_caught(Sabotage::NoGrace, &["no false unavailable"]);
}

#[test]
fn a_lost_grace_timer() {
    is_caught(
        Sabotage::LostTimer,
        &["no ghosts", "after quiet, everybody sees what is there"],
    );
}

#[test]
fn an_outbox_not_replayed() {
    is_caught(
        Sabotage::ForgetOutbox,
        &["two owners' rosters agree", "no acknowledged message lost"],
    );
}

#[test]
fn healthy_time_counted_twice() {
    is_caught(Sabotage::EarlyFallback, &["fallback not before the delay"]);
}

#[test]
fn a_fallback_that_never_comes() {
    is_caught(Sabotage::NoFallback, &["after quiet, everybody is at home"]);
}

#[test]
fn a_wrong_state() {
    is_caught(Sabotage::WrongState, &["states move along the table"]);
}

#[test]
fn shards_that_announce_each_for_itself() {
    is_caught(
        Sabotage::EachShardAnnounces,
        &[
            "no false unavailable",
            "after quiet, everybody sees what is there",
        ],
    );
}

/// From the first fault to the repair one node's clock runs 20 % fast, and nothing else is wrong.
fn with_a_fast_clock(seed: u64, sabotage: Option<Sabotage>) -> Plan {
    let begins = Instant::ZERO + Duration::from_secs(12);
    Plan {
        sabotage,
        faults: vec![(begins, Fault::FastClock(Place(0), true))],
        ..Plan::random(seed)
    }
}

#[test]
fn a_node_that_does_not_look_at_its_clock() {
    let seen = (0..SEEDS).find_map(|seed| {
        let run = run_quietly(&with_a_fast_clock(seed, Some(Sabotage::TrustClock)));
        run.violation
    });
    let seen = seen.expect("a wrong clock is not seen");
    assert_eq!(seen.invariant, "no false unavailable");
}

#[test]
fn a_fast_clock_alone_is_survived() {
    for seed in 0..SEEDS {
        let run = run_quietly(&with_a_fast_clock(seed, None));
        assert!(run.violation.is_none(), "{seed}: {:?}", run.violation);
    }
}
