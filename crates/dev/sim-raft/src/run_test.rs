//! What runs find, and what they do not.

use crate::{Mistake, Plan, run};

/// Seeds that are tried before a mistake counts as unseen.
const SEEDS: u64 = 60;

#[test]
fn twenty_seeds_of_the_real_raft_hold_every_invariant() {
    for seed in 1..=20 {
        let run = run(&Plan::random(seed));
        assert_eq!(run.violation, None, "seed {seed}: {:#?}", run.log);
    }
}

#[test]
fn one_seed_of_the_real_raft_twice_gives_the_same_bytes() {
    for seed in [3, 14] {
        let plan = Plan::random(seed);
        let (first, second) = (run(&plan), run(&plan));
        assert!(first.log.len() > 50, "{:?}", first.log);
        assert_eq!(first.log, second.log);
        assert_ne!(first.log, run(&Plan::random(seed + 1)).log);
    }
}

/// Tries seed after seed from one of which it is known. openraft looks as well: it panics, if built to
/// check itself, when a log has lost what it acknowledged.
fn catches(mistake: Mistake, first: u64, invariants: &[&str]) {
    let mut plans = (first..first + SEEDS).map(|seed| {
        let mut plan = Plan::random(seed);
        plan.mistake = Some(mistake);
        plan
    });
    let caught = plans.find_map(|plan| run(&plan).violation);
    let caught = caught.expect("it is seen");
    assert!(invariants.contains(&caught.invariant), "{caught}");
}

#[test]
fn a_disk_that_says_synced_and_is_not_is_caught() {
    catches(Mistake::LyingDisk, 1, &["same_log", "panics"]);
}

#[test]
fn a_disk_that_loses_a_write_in_the_middle_is_caught() {
    catches(Mistake::TornDisk, 16, &["acked_kept"]);
}

#[test]
fn a_lease_longer_than_the_vote_wait_is_caught() {
    catches(Mistake::LongLease, 1, &["one_owner"]);
}

#[test]
fn a_voter_that_does_not_wait_after_its_start_is_caught() {
    catches(Mistake::HastyVoter, 21, &["one_owner"]);
}

#[test]
fn an_epoch_that_is_not_checked_is_caught() {
    catches(Mistake::EpochUnchecked, 27, &["epochs_grow"]);
}

#[test]
fn an_owner_that_ignores_its_lease_is_caught() {
    catches(Mistake::IgnoresLease, 1, &["one_owner"]);
}

#[test]
fn an_owner_that_serves_while_it_hands_over_is_caught() {
    catches(Mistake::KeepsServing, 10, &["one_owner"]);
}

#[test]
fn a_replica_that_leaves_a_command_out_is_caught() {
    catches(Mistake::LeavesOut, 1, &["same_log"]);
}

#[test]
fn a_wiped_node_that_keeps_its_id_is_caught() {
    catches(Mistake::WipedKeepsId, 147, &["settles", "panics"]);
}
