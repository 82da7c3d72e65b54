//! Whole clusters with everything that can go wrong, from many seeds.

use muster_sim::{Plan, run, run_many};

const SEEDS: u64 = 1_000;

#[test]
fn a_thousand_seeds_keep_every_promise() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let progress = |done: u64, of: u64| eprintln!("{done} of {of} seeds");
    let outcome = run_many(0..SEEDS, threads, false, &progress);
    if let Some((seed, violation)) = outcome.failed.first() {
        let log = run(&Plan::random(*seed)).log;
        let tail = log[log.len().saturating_sub(60)..].join("\n");
        panic!("{tail}\nseed {seed}: {violation}\nreplay: cargo xtask sim --seed {seed} --log");
    }
    assert_eq!(outcome.seeds, SEEDS);
    let minutes = outcome.stats.time.as_secs() / 60;
    assert!(minutes >= 5 * SEEDS, "{minutes} virtual minutes");
    let empty = outcome.stats.coverage.empty();
    assert!(
        empty.len() < 30,
        "faults and operations that never met: {empty:?}"
    );
}

#[test]
fn one_seed_twice_is_the_same_to_the_byte() {
    for seed in [7, 4711] {
        let (one, two) = (run(&Plan::random(seed)), run(&Plan::random(seed)));
        assert!(one.log == two.log, "seed {seed}");
        assert!(
            one.log.len() > 1000,
            "something happens: {} lines",
            one.log.len()
        );
    }
}

#[test]
fn every_plan_has_enough_of_everything() {
    for seed in 0..200 {
        let plan = Plan::random(seed);
        let kinds = plan.windows.len();
        assert!(kinds >= 3, "seed {seed}: {kinds} faults");
        assert!(plan.end.as_nanos() >= 300_000_000_000, "seed {seed}");
        let serving: usize = plan.topology.groups.iter().sum();
        assert!((2..=6).contains(&serving), "seed {seed}: {serving} nodes");
        assert!(plan.topology.user_count() >= 20, "seed {seed}");
    }
}
