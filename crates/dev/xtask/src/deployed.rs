//! Programs that measure real processes, with programs of the release profile.

use std::process::Command;

use anyhow::{Result, bail};

use crate::workspace::Workspace;
use crate::{needs, run, venv};

const PACKAGES: [&str; 4] = ["musterd", "musterctl", "muster-load", "muster-tests"];

/// Builds everything and runs one of them as root; returns the lines that it printed.
pub(crate) fn measure(
    workspace: &Workspace,
    program: &str,
    arguments: &[String],
) -> Result<Vec<String>> {
    needs::install()?;
    if !needs::is_root() {
        bail!("this makes network namespaces: run it as root");
    }
    let python = venv::prepare(workspace)?;
    let mut build = Command::new(run::cargo());
    build
        .current_dir(&workspace.root)
        .args(["build", "--release", "--locked"]);
    for package in PACKAGES {
        build.args(["-p", package]);
    }
    if !run::passes(&mut build)? {
        bail!("the programs could not be built");
    }
    let programs = workspace.target.join("release");
    let mut bench = Command::new(programs.join(program));
    bench
        .current_dir(&workspace.root)
        .args(arguments)
        .env("MUSTERD", programs.join("musterd"))
        .env("MUSTERCTL", programs.join("musterctl"))
        .env("MUSTER_LOAD", programs.join("muster-load"))
        .env("MUSTER_PYTHON", python);
    let printed = run::capture(&mut bench)?;
    Ok(printed.lines().map(str::to_owned).collect())
}
