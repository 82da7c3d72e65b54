//! `cargo xtask bench`: figures from real processes, built with the release profile, printed as JSON.

use std::process::Command;

use anyhow::Result;
use clap::Subcommand;

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
    /// The time from the death of a node to the first stanza that the peer serves for its users.
    Takeover {
        /// How often to kill.
        #[arg(long, default_value_t = 50)]
        kills: u32,
        /// Pause the node (SIGSTOP) instead of killing it.
        #[arg(long)]
        pause: bool,
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
    match &options.what {
        What::Takeover { kills, pause } => {
            bench.args([
                "bench-takeover",
                "--",
                &kills.to_string(),
                if *pause { "pause" } else { "kill" },
            ]);
        }
        What::Clients { sessions } => {
            bench.args(["bench-clients", "--", &sessions.to_string()]);
        }
    }
    run::passes(&mut bench)
}
