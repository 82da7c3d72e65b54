//! Runs simulations: many seeds with a summary, or one with its log.

use muster_sim::{Coverage, FaultKind, Operation, Outcome, Plan, run, run_many};
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Instant;
use tikv_jemallocator::Jemalloc;

/// A run makes and drops many small values.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

const USAGE: &str = "usage: muster-sim --seeds N [--seed FIRST] [--go-on] [-o json]\n       \
                     muster-sim --seed S [--log]";
/// Lines of a failing seed's log that are printed unless all are asked for.
const TAIL: usize = 200;
const EX_USAGE: u8 = 64;
const EX_IOERR: u8 = 74;

#[derive(Default)]
struct Asked {
    seeds: Option<u64>,
    seed: Option<u64>,
    log: bool,
    json: bool,
    /// Runs all seeds, also after one that failed.
    go_on: bool,
}

fn parse(arguments: &[String]) -> Option<Asked> {
    let mut asked = Asked::default();
    let mut words = arguments.iter().map(String::as_str);
    while let Some(word) = words.next() {
        match word {
            "--seeds" => asked.seeds = Some(words.next()?.parse().ok()?),
            "--seed" => asked.seed = Some(words.next()?.parse().ok()?),
            "--go-on" => asked.go_on = true,
            "--log" => asked.log = true,
            "-o" => asked.json = words.next()? == "json",
            _ => return None,
        }
    }
    (asked.seeds.is_some() || asked.seed.is_some()).then_some(asked)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(asked) = parse(&arguments) else {
        // Nothing can be done if not even this can be written.
        drop(writeln!(io::stderr(), "{USAGE}"));
        return ExitCode::from(EX_USAGE);
    };
    let outcome = match (asked.seeds, asked.seed) {
        (Some(count), first) => many(first.unwrap_or(0), count, &asked),
        (None, seed) => one(seed.unwrap_or(0), asked.log),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(_) => ExitCode::from(EX_IOERR),
    }
}

fn many(first: u64, count: u64, asked: &Asked) -> io::Result<bool> {
    let begun = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let progress = |done: u64, of: u64| {
        let rate = ratio(done, begun.elapsed().as_secs_f64());
        let end = if io::stderr().is_terminal() {
            '\r'
        } else {
            '\n'
        };
        // Progress that cannot be shown is no reason to stop.
        drop(write!(
            io::stderr(),
            "{done} of {of} seeds, {rate:.1}/s{end}"
        ));
    };
    let outcome = run_many(first..first + count, threads, asked.go_on, &progress);
    let seconds = begun.elapsed().as_secs_f64();
    if asked.json {
        print_json(first, seconds, &outcome)?;
    } else {
        print(seconds, &outcome)?;
    }
    for (seed, violation) in &outcome.failed {
        writeln!(io::stdout(), "seed {seed}: {violation}")?;
    }
    if let Some((seed, _)) = outcome.failed.first() {
        one(*seed, false)?;
    }
    Ok(outcome.failed.is_empty())
}

#[expect(clippy::cast_precision_loss, reason = "for people to read")]
fn ratio(count: u64, by: f64) -> f64 {
    count as f64 / by.max(0.001)
}

fn print(seconds: f64, outcome: &Outcome) -> io::Result<()> {
    let stats = &outcome.stats;
    let mut out = io::stdout().lock();
    writeln!(out, "{}", stats.coverage.table())?;
    writeln!(
        out,
        "{} seeds, {:.1} virtual hours in {seconds:.0} s ({:.1} seeds/s); {} takeovers; {} messages \
         delivered, {} of them twice",
        outcome.seeds,
        stats.time.as_secs_f64() / 3600.0,
        ratio(outcome.seeds, seconds),
        stats.takeovers,
        stats.delivered,
        stats.doubles,
    )?;
    let empty = stats.coverage.empty();
    if !empty.is_empty() {
        let cells: Vec<_> = empty
            .iter()
            .map(|(fault, operation)| format!("{} × {}", fault.label(), operation.label()))
            .collect();
        writeln!(out, "not met: {}", cells.join(", "))?;
    }
    Ok(())
}

fn print_json(first: u64, seconds: f64, outcome: &Outcome) -> io::Result<()> {
    let stats = &outcome.stats;
    writeln!(
        io::stdout(),
        "{{\"first\":{first},\"seeds\":{},\"failed\":{},\"virtual_hours\":{:.2},\"seconds\":{seconds:.1},\
         \"takeovers\":{},\"delivered\":{},\"doubles\":{},\"met\":{}}}",
        outcome.seeds,
        outcome.failed.len(),
        stats.time.as_secs_f64() / 3600.0,
        stats.takeovers,
        stats.delivered,
        stats.doubles,
        met(&stats.coverage),
    )
}

/// Counts by fault and operation.
fn met(coverage: &Coverage) -> String {
    let row = |fault: &FaultKind| {
        let cells: Vec<_> = Operation::ALL
            .iter()
            .map(|operation| {
                format!(
                    "\"{}\":{}",
                    operation.label(),
                    coverage.met(*fault, *operation)
                )
            })
            .collect();
        format!("\"{}\":{{{}}}", fault.label(), cells.join(","))
    };
    let rows: Vec<_> = FaultKind::ALL.iter().map(row).collect();
    format!("{{{}}}", rows.join(","))
}

/// Runs one seed; prints its log when asked, the end of it when it fails.
fn one(seed: u64, with_log: bool) -> io::Result<bool> {
    let run = run(&Plan::random(seed));
    let mut out = io::stdout().lock();
    let failed = run.violation.is_some();
    let from = match (with_log, failed) {
        (true, _) => 0,
        (false, true) => run.log.len().saturating_sub(TAIL),
        (false, false) => run.log.len(),
    };
    for line in &run.log[from..] {
        writeln!(out, "{line}")?;
    }
    if let Some(violation) = &run.violation {
        writeln!(out, "seed {seed}: {violation}")?;
        writeln!(out, "replay: cargo xtask sim --seed {seed} --log")?;
    }
    Ok(!failed)
}
