//! Whole clusters with faults, from many seeds.

use muster_sim::{Plan, run};

const SEEDS: u64 = 200;

#[test]
fn two_hundred_seeds_keep_every_promise() {
    for seed in 0..SEEDS {
        let run = run(&Plan::random(seed));
        if let Some(violation) = run.violation {
            let tail = run.log[run.log.len().saturating_sub(60)..].join("\n");
            panic!(
                "{tail}\nseed {seed}: {violation}\nreplay: cargo run -p muster-sim -- --seed {seed}"
            );
        }
    }
}

#[test]
fn one_seed_twice_is_the_same_run() {
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
