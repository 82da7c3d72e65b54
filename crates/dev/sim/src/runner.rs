//! Many seeds on all cores.

use crate::{Plan, Stats, Violation, run_quietly};
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// How many seeds, of how many, have been run.
pub type Progress<'a> = dyn Fn(u64, u64) + Sync + 'a;

/// Between two reports of progress.
const REPORT: Duration = Duration::from_secs(2);

/// What became of many seeds.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How many were run.
    pub seeds: u64,
    /// What was counted.
    pub stats: Stats,
    /// The seeds that broke a promise, and which.
    pub failed: Vec<(u64, Violation)>,
}

/// Runs seed after seed on `threads` threads; up to the first that fails, unless `go_on`.
pub fn run_many(
    seeds: Range<u64>,
    threads: usize,
    go_on: bool,
    progress: &Progress<'_>,
) -> Outcome {
    let count = seeds.end - seeds.start;
    let next = AtomicU64::new(seeds.start);
    let done = AtomicU64::new(0);
    let outcome = Mutex::new(Outcome::default());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let run = run_quietly(&Plan::random(seed));
            done.fetch_add(1, Ordering::Relaxed);
            let mut outcome = outcome.lock().unwrap_or_else(|broken| broken.into_inner());
            outcome.seeds += 1;
            outcome.stats.add(&run.stats);
            if let Some(violation) = run.violation {
                outcome.failed.push((seed, violation));
                if !go_on {
                    next.store(seeds.end, Ordering::Relaxed);
                }
            }
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        let mut waited = Duration::ZERO;
        while !workers.iter().all(thread::ScopedJoinHandle::is_finished) {
            thread::sleep(Duration::from_millis(20));
            waited += Duration::from_millis(20);
            if waited >= REPORT {
                waited = Duration::ZERO;
                progress(done.load(Ordering::Relaxed), count);
            }
        }
    });
    let mut outcome = outcome
        .into_inner()
        .unwrap_or_else(|broken| broken.into_inner());
    outcome.failed.sort_by_key(|(seed, _)| *seed);
    outcome
}
