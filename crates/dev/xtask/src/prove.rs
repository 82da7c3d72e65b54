//! `cargo xtask prove NAME`: proofs that take too long for every change. Each says what it did in one line of JSON.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::Result;
use clap::ValueEnum;

use crate::run::{self, say};
use crate::takeover::{self, Amount};
use crate::workspace::Workspace;
use crate::{elections, images, monitoring, needs, newcomer, prove_deb, sim, test, venv};

/// Which proof, and how much of it.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The proof to run.
    name: Proof,
    /// Seeds for `seeds`, minutes for `fuzz` and `far`, rounds for `rounds`, seconds a timeout for `elections`.
    #[arg(long)]
    amount: Option<u64>,
    /// For `deb`: the programs to package; for `monitoring`: those to watch, instead of building them.
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// For `takeover`.
    #[command(flatten)]
    takeover: Amount,
}

#[derive(Clone, Copy, ValueEnum)]
enum Proof {
    /// The simulator over 10,000 seeds.
    Seeds,
    /// The framer's fuzz target for 30 minutes; needs a nightly compiler and cargo-fuzz.
    Fuzz,
    /// The end-to-end tests 20 times in a row.
    Rounds,
    /// The README's two commands in a fresh clone of the last commit.
    Newcomer,
    /// Takeovers among many clients: times, losses, false unavailables; adds to the results of earlier runs.
    Takeover,
    /// False failovers by election timeout, with all cores busy; adds to the results of earlier runs.
    Elections,
    /// No false failover within an hour at 200 ms round trip.
    Far,
    /// The Debian package in a minimal Debian: installed, run, upgraded, removed, purged; adds to the results of earlier runs.
    Deb,
    /// The image, the Compose file and the Helm chart of `deploy/` before the judges of each: linters, schemas, musterd.
    Images,
    /// The alert rules before promtool, the dashboard before Grafana's schema, and both in a real Prometheus that watches a
    /// cluster while a node dies; adds to the results of earlier runs.
    Monitoring,
}

/// Runs a proof and prints its result.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
    let begun = Instant::now();
    let (name, amount, holds) = match options.name {
        Proof::Seeds => {
            let seeds = options.amount.unwrap_or(10_000);
            (
                "seeds",
                seeds,
                sim::run(workspace, &sim::Options::over(seeds))?,
            )
        }
        Proof::Fuzz => {
            let minutes = options.amount.unwrap_or(30);
            ("fuzz", minutes, fuzz(workspace, minutes)?)
        }
        Proof::Rounds => {
            let rounds = options.amount.unwrap_or(20);
            ("rounds", rounds, repeat(workspace, rounds)?)
        }
        Proof::Newcomer => ("newcomer", 1, newcomer::holds(workspace)?),
        Proof::Takeover => {
            let Amount {
                kills,
                pauses,
                partitions,
                ..
            } = options.takeover;
            let rounds = u64::from(kills) + u64::from(pauses) + u64::from(partitions);
            (
                "takeover",
                rounds,
                takeover::prove(workspace, &options.takeover)?,
            )
        }
        Proof::Elections => {
            let seconds = options.amount.unwrap_or(300);
            ("elections", seconds, elections::prove(workspace, seconds)?)
        }
        Proof::Far => {
            let minutes = options.amount.unwrap_or(60);
            ("far", minutes, far(workspace, minutes)?)
        }
        Proof::Deb => {
            let (facts, all) = prove_deb::holds(workspace, options.programs.as_deref())?;
            ("deb", facts, all)
        }
        Proof::Images => {
            let (judges, all) = images::hold(workspace)?;
            ("images", judges, all)
        }
        Proof::Monitoring => {
            let (judges, all) = monitoring::holds(workspace, options.programs.as_deref())?;
            ("monitoring", judges, all)
        }
    };
    say(format!(
        "{{\"proof\":\"{name}\",\"amount\":{amount},\"holds\":{holds},\"seconds\":{}}}",
        begun.elapsed().as_secs()
    ));
    Ok(holds)
}

/// The fuzzer prints the number of executions itself.
fn fuzz(workspace: &Workspace, minutes: u64) -> Result<bool> {
    let seconds = format!("-max_total_time={}", minutes * 60);
    let mut command = Command::new("cargo");
    command
        .current_dir(workspace.root.join("crates/core/stanza"))
        .env_remove("CARGO")
        .env_remove("RUSTUP_TOOLCHAIN");
    command.args([
        "+nightly",
        "fuzz",
        "run",
        "framer",
        "--",
        &seconds,
        "-print_final_stats=1",
    ]);
    run::passes(&mut command)
}

/// The test of every change, for longer.
fn far(workspace: &Workspace, minutes: u64) -> Result<bool> {
    needs::install()?;
    let mut command = Command::new(run::cargo());
    command
        .current_dir(&workspace.root)
        .args(["test", "--locked", "--package", "muster-tests"])
        .args(["--test", "far", "at_200_ms"])
        .env("MUSTER_FAR_SECONDS", (minutes * 60).to_string())
        .env("MUSTERD", workspace.binary("musterd"))
        .env("MUSTERCTL", workspace.binary("musterctl"));
    let mut build = Command::new(run::cargo());
    build.current_dir(&workspace.root).args([
        "build",
        "--locked",
        "-p",
        "musterd",
        "-p",
        "musterctl",
    ]);
    Ok(run::passes(&mut build)? && run::passes(&mut command)?)
}

fn repeat(workspace: &Workspace, rounds: u64) -> Result<bool> {
    needs::install()?;
    let python = venv::prepare(workspace, venv::CLIENTS)?;
    for round in 1..=rounds {
        let counts = test::end_to_end(workspace, &python)?;
        say(format!("round {round} of {rounds}: {counts}"));
        if !counts.holds() {
            return Ok(false);
        }
    }
    Ok(true)
}
