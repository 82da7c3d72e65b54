//! `muster-bench NAME RUNS` prepares one workload and runs it so often; `cargo xtask count` runs it under callgrind. Without
//! arguments it names the workloads, one a line.

use std::hint::black_box;
use std::io::Write as _;
use std::process::ExitCode;

use muster_bench::{WORKLOADS, workload};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        [] => list(),
        [name, runs] => count(name, runs),
        _ => Err("usage: muster-bench [NAME RUNS]".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("muster-bench: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn list() -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    for workload in WORKLOADS {
        writeln!(out, "{}", workload.name).map_err(|problem| problem.to_string())?;
    }
    Ok(())
}

fn count(name: &str, runs: &str) -> Result<(), String> {
    let workload = workload(name)
        .ok_or_else(|| format!("no workload is named {name}: `muster-bench` lists them"))?;
    let runs: u64 = runs
        .parse()
        .map_err(|problem| format!("{runs} is no number of runs: {problem}"))?;
    let mut run = (workload.prepare)();
    for _ in 0..runs {
        let made = black_box(run());
        if made != workload.units {
            return Err(format!("{name} made {made}, not {}", workload.units));
        }
    }
    Ok(())
}
