//! `cargo xtask bench`: figures from real processes, built with the release profile, printed as JSON.

use std::process::Command;

use anyhow::Result;
use clap::Subcommand;

use crate::run::say;
use crate::takeover::{self, Amount};
use crate::workspace::Workspace;
use crate::{growth, many, needs, peers, run, venv};

/// What to measure.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: Option<What>,
    /// As `peers`.
    #[command(flatten)]
    peers: peers::Options,
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
    /// Muster, Prosody, ejabberd and the floor at the same work; adds to the results, writes table and pictures, and fails
    /// when Muster lost a client, a presence or a message.
    Peers(peers::Options),
    /// How the cost of Muster grows with sessions, contacts and nodes; adds to the results, and draws pictures.
    Growth(growth::Options),
    /// 19,000 users with 50 contacts each come at once, to one node, and to the node of a pair that outlives the other;
    /// adds to the results, and fails unless all of them come back and nobody falsely sees one leave.
    Many(many::Options),
}

/// Builds the programs and measures.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
    match &options.what {
        Some(What::Takeover { amount }) => {
            takeover::measure(workspace, amount)?.iter().for_each(say);
            Ok(true)
        }
        Some(What::Clients { sessions }) => clients(workspace, *sessions),
        Some(What::Peers(options)) => peers::bench(workspace, options),
        Some(What::Growth(options)) => growth::bench(workspace, options),
        Some(What::Many(options)) => many::bench(workspace, options),
        None => peers::bench(workspace, &options.peers),
    }
}

fn clients(workspace: &Workspace, sessions: u32) -> Result<bool> {
    needs::install()?;
    let python = venv::prepare(workspace, venv::CLIENTS)?;
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
