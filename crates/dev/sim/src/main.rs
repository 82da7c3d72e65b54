//! Runs simulations: `muster-sim --seeds N` for many, `muster-sim --seed S` for one.

use muster_sim::{Plan, run};
use std::io::{self, Write};
use std::process::ExitCode;

const USAGE: &str = "usage: muster-sim --seeds N | --seed S [--log]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u64>().ok();
    let outcome = match words.as_slice() {
        ["--seeds", count] => number(count).map(|count| many(0..count)),
        ["--seeds", count, "--seed", first] => number(count)
            .zip(number(first))
            .map(|(count, first)| many(first..first + count)),
        ["--seed", seed] => number(seed).map(|seed| one(seed, false)),
        ["--seed", seed, "--log"] => number(seed).map(|seed| one(seed, true)),
        _ => None,
    };
    match outcome {
        Some(Ok(true)) => ExitCode::SUCCESS,
        Some(Ok(false)) => ExitCode::FAILURE,
        Some(Err(_)) => ExitCode::from(74),
        None => {
            // Nothing can be done if not even this can be written.
            drop(writeln!(io::stderr(), "{USAGE}"));
            ExitCode::from(64)
        }
    }
}

/// Runs seed after seed up to the first that fails.
fn many(seeds: std::ops::Range<u64>) -> io::Result<bool> {
    let count = seeds.end - seeds.start;
    for seed in seeds {
        if !one(seed, false)? {
            return Ok(false);
        }
    }
    writeln!(io::stdout(), "{count} seeds passed")?;
    Ok(true)
}

/// Runs one seed; prints its log when it fails or when asked.
fn one(seed: u64, with_log: bool) -> io::Result<bool> {
    let run = run(&Plan::random(seed));
    let mut out = io::stdout().lock();
    if with_log || run.violation.is_some() {
        for line in &run.log {
            writeln!(out, "{line}")?;
        }
    }
    if let Some(violation) = &run.violation {
        writeln!(out, "seed {seed}: {violation}")?;
        writeln!(out, "replay: cargo run -p muster-sim -- --seed {seed}")?;
    }
    Ok(run.violation.is_none())
}
