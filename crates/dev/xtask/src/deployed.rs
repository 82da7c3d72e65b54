//! Programs that measure real processes, with programs of the release profile.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::workspace::Workspace;
use crate::{needs, run, venv};

const PACKAGES: [&str; 4] = ["musterd", "musterctl", "muster-load", "muster-tests"];

/// Builds all of them together, so that what is packaged is what was measured; returns where they are.
pub(crate) fn build(workspace: &Workspace) -> Result<PathBuf> {
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
    Ok(workspace.target.join("release"))
}

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
    let python = venv::prepare(workspace, venv::CLIENTS)?;
    let programs = build(workspace)?;
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
