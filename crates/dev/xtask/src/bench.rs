//! `cargo xtask bench`: figures from real processes, built with the release profile, printed as JSON.

use std::process::Command;

use anyhow::Result;
use clap::Subcommand;

use crate::run::say;
use crate::takeover::{self, Amount};
use crate::workspace::Workspace;
use crate::{needs, run, venv};

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The time from the death of a node to the first stanza that the peer serves for its users, among many clients.
    Takeover {
        #[command(flatten)]
        amount: Amount,
    },
    /// Import rate, login rate, and what an idle session with TLS costs.
    Clients {
        /// How many accounts and sessions.
        #[arg(long, default_value_t = 5_000)]
        sessions: u32,
    },
}

/// Builds the programs and measures.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
    match &options.what {
        What::Takeover { amount } => {
            takeover::measure(workspace, amount)?.iter().for_each(say);
            Ok(true)
        }
        What::Clients { sessions } => clients(workspace, *sessions),
    }
}

fn clients(workspace: &Workspace, sessions: u32) -> Result<bool> {
    needs::install()?;
    let python = venv::prepare(workspace)?;
    let mut build = Command::new(run::cargo());
    build.current_dir(&workspace.root).args([
        "build",
        "--release",
        "--locked",
        "-p",
        "musterd",
        "-p",
        "musterctl",
        "-p",
        "muster-load",
    ]);
    if !run::passes(&mut build)? {
        return Ok(false);
    }
    let programs = workspace.target.join("release");
    let mut bench = Command::new(run::cargo());
    bench.current_dir(&workspace.root).args([
        "run",
        "--quiet",
        "--release",
        "--locked",
        "-p",
        "muster-tests",
        "--bin",
    ]);
    bench
        .env("MUSTERD", programs.join("musterd"))
        .env("MUSTERCTL", programs.join("musterctl"))
        .env("MUSTER_LOAD", programs.join("muster-load"));
    bench.env("MUSTER_PYTHON", python);
    bench.args(["bench-clients", "--", &sessions.to_string()]);
    run::passes(&mut bench)
}
