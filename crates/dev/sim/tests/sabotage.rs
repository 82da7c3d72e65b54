//! The simulator can see: each mistake put in on purpose is caught, by an invariant that is about it.

use muster_sim::{Plan, Sabotage, run_quietly};

/// In so many seeds at most.
const SEEDS: u64 = 60;

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

macro_rules! caught {
    ($($name:ident: $sabotage:ident by $($invariant:literal)|+;)+) => {
        $(#[test]
        fn $name() {
            is_caught(Sabotage::$sabotage, &[$($invariant),+]);
        })+
    };
}

caught! {
    an_owner_that_ignores_its_lease: IgnoreLease by "at most one owner of a slot";
    a_lease_longer_than_the_vote_wait: LongLease by "at most one owner of a slot";
    a_vote_or_entry_that_was_not_synced: Unsynced
        by "replicas apply the same log" | "at most one owner of a slot" | "epochs only grow"
        | "no acknowledged write lost" | "no acknowledged message lost";
    a_leader_that_commits_alone: CommitAlone
        by "replicas apply the same log" | "no acknowledged write lost";
    a_restart_that_keeps_its_boot: KeepBoot
        by "no false unavailable" | "no ghosts" | "after quiet, everybody sees what is there"
        | "after quiet, everybody is at home" | "no acknowledged write lost";
    presence_without_permission: ShowEverybody by "no presence without a subscription";
    no_grace_for_who_was_cut_off: NoGrace by "no false unavailable";
    a_lost_grace_timer: LostTimer by "no ghosts" | "after quiet, everybody sees what is there";
    an_outbox_not_replayed: ForgetOutbox
        by "two owners' rosters agree" | "no acknowledged message lost";
    healthy_time_counted_twice: EarlyFallback by "fallback not before the delay";
    a_fallback_that_never_comes: NoFallback by "after quiet, everybody is at home";
    a_wrong_state: WrongState by "states move along the table";
}
