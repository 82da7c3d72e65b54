//! `cargo xtask sim`: the simulator, optimised, over many seeds or over one.

use std::process::Command;

use anyhow::Result;

use crate::run;
use crate::workspace::Workspace;

/// Which seeds.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The one seed to replay; without it `--seeds` seeds are run.
    seed: Option<u64>,
    /// How many seeds to run.
    #[arg(long, default_value_t = 200)]
    seeds: u64,
}

/// Runs the simulator; a failure prints its own replay line.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
    let mut command = Command::new(run::cargo());
    command.current_dir(&workspace.root).args([
        "run",
        "--quiet",
        "--locked",
        "--release",
        "--package",
        "muster-sim",
        "--",
    ]);
    match options.seed {
        Some(seed) => command.args(["--seed", &seed.to_string(), "--seeds", "1"]),
        None => command.args(["--seeds", &options.seeds.to_string()]),
    };
    run::passes(&mut command)
}

impl Options {
    /// So many seeds, beginning with the first.
    pub(crate) fn over(seeds: u64) -> Self {
        Self { seed: None, seeds }
    }
}
