//! `cargo xtask sim`: the simulator, optimised, over many seeds or over one.

use std::process::Command;

use anyhow::Result;

use crate::run;
use crate::workspace::Workspace;

/// Which seeds, of which tier.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many seeds to run, from `--seed` on.
    #[arg(long)]
    seeds: Option<u64>,
    /// The first seed; without `--seeds` the only one.
    #[arg(long)]
    seed: Option<u64>,
    /// With one seed: prints all that happens.
    #[arg(long)]
    log: bool,
    /// Goes on after a seed that failed.
    #[arg(long)]
    go_on: bool,
    /// The second tier: the real openraft with its store.
    #[arg(long)]
    raft: bool,
}

/// Seeds of a run that names none.
const SEEDS: u64 = 1_000;

/// Runs the simulator; a failure prints its own replay line.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
    let (package, profile) = if options.raft {
        ("muster-sim-raft", "release")
    } else {
        ("muster-sim", "sim")
    };
    let mut command = Command::new(run::cargo());
    command.current_dir(&workspace.root).args([
        "run",
        "--quiet",
        "--locked",
        "--profile",
        profile,
        "--package",
        package,
        "--",
    ]);
    let seeds = match (options.seeds, options.seed) {
        (None, None) => Some(SEEDS),
        (seeds, _) => seeds,
    };
    for (name, value) in [("--seeds", seeds), ("--seed", options.seed)] {
        if let Some(value) = value {
            command.args([name, &value.to_string()]);
        }
    }
    for (name, wanted) in [("--log", options.log), ("--go-on", options.go_on)] {
        command.args(wanted.then_some(name));
    }
    run::passes(&mut command)
}

impl Options {
    /// So many seeds, beginning with the first.
    pub(crate) fn over(seeds: u64) -> Self {
        Self {
            seeds: Some(seeds),
            seed: None,
            log: false,
            go_on: false,
            raft: false,
        }
    }
}
