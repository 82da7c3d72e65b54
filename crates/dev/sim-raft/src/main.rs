//! Runs simulations: `muster-sim-raft --seeds N [--seed FIRST]` for many, on all cores, with a summary as
//! JSON in the end; `muster-sim-raft --seed S [--log]` for one.

mod summary;

use muster_sim_raft::{Mistake, Plan, Run, Violation, run};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use summary::Summary;

const USAGE: &str = "usage: muster-sim-raft --seeds N [--seed FIRST] [--threads T] [--go-on]
       muster-sim-raft --seed S [--log] [--mistake NAME]";
const REPLAY: &str = "cargo xtask sim --raft --seed";
/// Between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Options {
    seeds: Option<u64>,
    first: Option<u64>,
    threads: Option<usize>,
    log: bool,
    go_on: bool,
    mistake: Option<Mistake>,
}

fn main() -> ExitCode {
    let Some(options) = options() else {
        // Nothing can be done if not even this can be written.
        drop(writeln!(io::stderr(), "{USAGE}"));
        return ExitCode::from(64);
    };
    let outcome = match (options.seeds, options.first) {
        (Some(count), first) => many(first.unwrap_or(1), count, &options),
        (None, Some(seed)) => one(seed, &options),
        (None, None) => return ExitCode::from(64),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(_) => ExitCode::from(74),
    }
}

fn options() -> Option<Options> {
    let mut options = Options::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seeds" => options.seeds = Some(words.next()?.parse().ok()?),
            "--seed" => options.first = Some(words.next()?.parse().ok()?),
            "--threads" => options.threads = Some(words.next()?.parse().ok()?),
            "--mistake" => options.mistake = Some(mistake(&words.next()?)?),
            "--log" => options.log = true,
            "--go-on" => options.go_on = true,
            _ => return None,
        }
    }
    (options.seeds.is_some() || options.first.is_some()).then_some(options)
}

fn mistake(name: &str) -> Option<Mistake> {
    Mistake::ALL
        .into_iter()
        .find(|mistake| format!("{mistake:?}") == name)
}

fn attempt(seed: u64, mistake: Option<Mistake>) -> Run {
    let mut plan = Plan::random(seed);
    plan.mistake = mistake;
    run(&plan)
}

fn one(seed: u64, options: &Options) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    let run = attempt(seed, options.mistake);
    if options.log || run.violation.is_some() {
        print(&mut out, &run.log)?;
    }
    report(&mut out, seed, run.violation.as_ref())?;
    Ok(run.violation.is_none())
}

fn print(out: &mut impl Write, log: &[String]) -> io::Result<()> {
    log.iter().try_for_each(|line| writeln!(out, "{line}"))
}

fn report(out: &mut impl Write, seed: u64, violation: Option<&Violation>) -> io::Result<()> {
    match violation {
        None => writeln!(out, "seed {seed}: nothing found"),
        Some(violation) => {
            writeln!(out, "seed {seed}: {violation}")?;
            writeln!(out, "replay: {REPLAY} {seed} --log")
        }
    }
}

/// What all workers share.
struct Work {
    next: AtomicU64,
    end: u64,
    stop: AtomicBool,
    summary: Mutex<Summary>,
    failures: Mutex<BTreeMap<u64, Violation>>,
}

fn many(first: u64, count: u64, options: &Options) -> io::Result<bool> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let work = Work {
        next: AtomicU64::new(first),
        end: first + count,
        stop: AtomicBool::new(false),
        summary: Mutex::default(),
        failures: Mutex::default(),
    };
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..options.threads.unwrap_or(cores))
            .map(|_| scope.spawn(|| toil(&work, options)))
            .collect();
        while !workers
            .iter()
            .all(std::thread::ScopedJoinHandle::is_finished)
        {
            let shown = Instant::now();
            while shown.elapsed() < PROGRESS && !workers.iter().all(|w| w.is_finished()) {
                std::thread::park_timeout(Duration::from_millis(100));
            }
            let summary = work.summary.lock().unwrap_or_else(PoisonError::into_inner);
            // Progress is a courtesy.
            let _ = writeln!(io::stderr(), "{}", summary.progress(count, begun.elapsed()));
        }
    });
    let summary = work
        .summary
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    let failures = work
        .failures
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    let mut out = io::stdout().lock();
    if let Some((seed, violation)) = failures.first_key_value() {
        print(&mut out, &attempt(*seed, options.mistake).log)?;
        report(&mut out, *seed, Some(violation))?;
    }
    for (seed, violation) in failures.iter().skip(1) {
        writeln!(out, "seed {seed}: {violation}")?;
    }
    writeln!(out, "{}", summary.json(first, begun.elapsed(), &failures))?;
    Ok(failures.is_empty())
}

fn toil(work: &Work, options: &Options) {
    while !work.stop.load(Ordering::Relaxed) {
        let seed = work.next.fetch_add(1, Ordering::Relaxed);
        if seed >= work.end {
            return;
        }
        let run = attempt(seed, options.mistake);
        {
            let mut summary = work.summary.lock().unwrap_or_else(PoisonError::into_inner);
            summary.add(&run);
        }
        if let Some(violation) = run.violation {
            // The log comes in the end.
            let _ = report(&mut io::stderr().lock(), seed, Some(&violation));
            let mut failures = work.failures.lock().unwrap_or_else(PoisonError::into_inner);
            failures.insert(seed, violation);
            work.stop.fetch_or(!options.go_on, Ordering::Relaxed);
        }
    }
}
