//! What a newcomer does: clones, and types the README's two commands.

use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::run::{self, say};
use crate::workspace::Workspace;

/// A release build from nothing, then the start.
const READY: Duration = Duration::from_secs(1800);
const PAUSE: Duration = Duration::from_millis(200);

/// Whether both commands work in a fresh clone of the last commit.
pub(crate) fn holds(workspace: &Workspace) -> Result<bool> {
    let folder = tempfile::tempdir().context("making a folder")?;
    let clone = folder.path().join("muster");
    let mut git = Command::new("git");
    git.args(["clone", "--quiet"])
        .arg(&workspace.root)
        .arg(&clone);
    if !run::passes(&mut git)? {
        return Ok(false);
    }
    quickstart(&clone, &folder.path().join("data"))?;
    run::passes(fresh(&clone).args(["xtask", "test"]))
}

/// Nothing of this checkout helps: the clone builds in a folder of its own.
fn fresh(clone: &Path) -> Command {
    let mut command = Command::new(run::cargo());
    command.current_dir(clone).env_remove("CARGO_TARGET_DIR");
    command
}

/// The first command, until it is ready, and Ctrl-C.
fn quickstart(clone: &Path, data: &Path) -> Result<()> {
    let mut command = fresh(clone);
    command.args([
        "run",
        "--release",
        "-p",
        "musterd",
        "--",
        "quickstart",
        "--dir",
    ]);
    let mut child = command.arg(data).spawn().context("starting cargo")?;
    let ready = wait(&mut child, &data.join("quickstart.json"));
    // The program is cargo's child and gets its signal.
    Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .context("starting kill")?;
    child.wait()?;
    ready
}

fn wait(child: &mut Child, file: &Path) -> Result<()> {
    let begun = Instant::now();
    while !file.exists() {
        if let Some(status) = child.try_wait()? {
            bail!("quickstart ended by itself with {status}");
        }
        if begun.elapsed() > READY {
            bail!("quickstart was not ready after {} s", READY.as_secs());
        }
        thread::sleep(PAUSE);
    }
    say("quickstart is ready");
    Ok(())
}
