//! `cargo xtask count`: how many instructions the hot paths of the core take, counted by callgrind. More than
//! `benches/instructions.toml` allows fails. Instructions do not depend on how busy the machine is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::instructions::{self, Figures, Machine, Verdict};
use crate::run::{self, say};
use crate::workspace::Workspace;
use crate::{needs, test};

const FIGURES: &str = "benches/instructions.toml";
const PACKAGE: &str = "muster-bench";
/// The profile of `Cargo.toml`, and the folder it builds into.
const PROFILE: &str = "count";
/// How often a workload runs. What is counted beside the runs (start, preparation) is the same each time and falls out of
/// the differences; that there are two of them shows whether the runs are all alike.
const RUNS: [u64; 3] = [100, 200, 300];
/// How far the two may be apart.
const UNSTEADY_PERCENT: f64 = 1.0;

/// What to do with the counts.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Write them into `benches/instructions.toml`, to be committed with the reason.
    #[arg(long)]
    accept: bool,
}

/// Counts, and compares or accepts.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
    needs::install_only("valgrind")?;
    let figures = count(workspace)?;
    if !options.accept {
        return Ok(judge(workspace, &figures)?.holds());
    }
    let path = workspace.root.join(FIGURES);
    fs::write(&path, figures.text()?).with_context(|| format!("writing {FIGURES}"))?;
    for (name, count) in &figures.instructions {
        say(format!("count {name:<16} {count:>9}"));
    }
    say(format!("written into {FIGURES}: commit it with the reason"));
    Ok(true)
}

/// The same as tests: one for each workload.
pub(crate) fn as_tests(workspace: &Workspace) -> Result<test::Counts> {
    judge(workspace, &count(workspace)?)
}

fn judge(workspace: &Workspace, counted: &Figures) -> Result<test::Counts> {
    let text = fs::read_to_string(workspace.root.join(FIGURES))
        .with_context(|| format!("reading {FIGURES}: `cargo xtask count --accept` writes it"))?;
    let kept = Figures::read(&text).with_context(|| format!("reading {FIGURES}"))?;
    let mut counts = test::Counts::default();
    for line in instructions::compare(&kept, counted) {
        say(format!("count {line}"));
        counts.add(line.verdict().holds());
        if line.verdict() == Verdict::More {
            let profile = profile(workspace, &line.name, RUNS[RUNS.len() - 1]);
            say(format!("  where: callgrind_annotate {}", profile.display()));
        }
    }
    if let Some(note) = instructions::note(&kept.machine, &counted.machine) {
        say(note);
    }
    if !counts.holds() {
        say(instructions::REMEDY);
    }
    Ok(counts)
}

/// Builds the workloads and counts each.
fn count(workspace: &Workspace) -> Result<Figures> {
    let mut build = Command::new(run::cargo());
    build.current_dir(&workspace.root).args([
        "build",
        "--profile",
        PROFILE,
        "--locked",
        "-p",
        PACKAGE,
        "--bin",
        PACKAGE,
    ]);
    // The same instructions for everybody, whatever the compiler is told otherwise.
    build.env("RUSTFLAGS", "").env("CARGO_INCREMENTAL", "0");
    if !run::passes(&mut build)? {
        bail!("{} failed", run::line(&build));
    }
    let program = workspace.target.join(PROFILE).join(PACKAGE);
    let mut instructions = BTreeMap::new();
    for name in run::capture(&mut Command::new(&program))?.lines() {
        instructions.insert(name.to_owned(), one(workspace, &program, name)?);
    }
    let machine = machine()?;
    Ok(Figures {
        machine,
        instructions,
    })
}

/// The instructions of one run of a workload.
fn one(workspace: &Workspace, program: &Path, name: &str) -> Result<u64> {
    let mut totals = [0; RUNS.len()];
    for (total, runs) in totals.iter_mut().zip(RUNS) {
        let profile = profile(workspace, name, runs);
        let mut command = Command::new("valgrind");
        command
            .args(["--tool=callgrind", "--quiet"])
            .arg(format!("--callgrind-out-file={}", profile.display()))
            .arg(program)
            .args([name, &runs.to_string()]);
        if let Err(output) = run::quietly(&mut command)? {
            bail!("{} failed:\n{output}", run::line(&command));
        }
        let text = fs::read_to_string(&profile)
            .with_context(|| format!("reading {}", profile.display()))?;
        *total = instructions::total(&text)
            .with_context(|| format!("{} has no total", profile.display()))?;
    }
    per_run(totals).with_context(|| format!("counting {name}"))
}

/// What one run takes, by the totals of [`RUNS`].
fn per_run(totals: [u64; RUNS.len()]) -> Result<u64> {
    let [first, second, third] = totals;
    let (early, late) = (second.saturating_sub(first), third.saturating_sub(second));
    if early == 0 || instructions::percent(early, late).abs() > UNSTEADY_PERCENT {
        bail!(
            "{} runs more took {early} instructions once and {late} the next time: what a workload does must neither grow \
             nor depend on chance",
            RUNS[1] - RUNS[0]
        );
    }
    Ok((third - first) / (RUNS[2] - RUNS[0]))
}

/// Where callgrind leaves what it saw.
fn profile(workspace: &Workspace, name: &str, runs: u64) -> PathBuf {
    let folder = workspace.target.join(PROFILE);
    folder.join(format!("callgrind.{name}.{runs}"))
}

fn machine() -> Result<Machine> {
    let first_line = |program: &str| -> Result<String> {
        let text = run::capture(Command::new(program).arg("--version"))?;
        Ok(text.lines().next().unwrap_or_default().to_owned())
    };
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    Ok(Machine {
        processor: instructions::processor(std::env::consts::ARCH, &processor),
        compiler: first_line("rustc")?,
        valgrind: first_line("valgrind")?,
    })
}

#[cfg(test)]
mod tests {
    use super::per_run;

    #[test]
    fn one_run_is_the_difference_and_unsteady_ones_are_refused() {
        for (totals, expected) in [
            ([1_000_100, 1_000_200, 1_000_300], Some(1)),
            ([50_000, 150_000, 250_000], Some(1_000)),
            ([50_000, 150_000, 250_900], Some(1_004)),
            // It grows from run to run.
            ([50_000, 150_000, 260_000], None),
            ([50_000, 150_000, 240_000], None),
            // Nothing was run.
            ([50_000, 50_000, 50_000], None),
            ([50_000, 40_000, 60_000], None),
        ] {
            assert_eq!(per_run(totals).ok(), expected, "{totals:?}");
        }
    }
}
