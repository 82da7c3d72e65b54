//! The Python environment of the third-party clients: every version pinned, kept in the target folder.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{self, say};
use crate::workspace::Workspace;

const REQUIREMENTS: &str = "tests/requirements.txt";

/// Makes the environment, or finds it as it should be; returns its `python`.
pub(crate) fn prepare(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.target.join("venv");
    let python = folder.join("bin/python");
    let stamp = folder.join("requirements.txt");
    let file = workspace.root.join(REQUIREMENTS);
    let wanted = fs::read_to_string(&file).with_context(|| format!("reading {REQUIREMENTS}"))?;
    if python.exists() && fs::read_to_string(&stamp).is_ok_and(|there| there == wanted) {
        return Ok(python);
    }
    say(format!(
        "installing {REQUIREMENTS} into {}",
        folder.display()
    ));
    step(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&folder),
    )?;
    step(
        Command::new(&python)
            .args(["-m", "pip", "install", "--no-deps", "-r"])
            .arg(&file),
    )?;
    step(Command::new(&python).args(["-m", "pip", "check"]))?;
    fs::write(&stamp, wanted).with_context(|| format!("writing {}", stamp.display()))?;
    Ok(python)
}

fn step(command: &mut Command) -> Result<()> {
    match run::quietly(command)? {
        Ok(()) => Ok(()),
        Err(output) => bail!("`{}` failed:\n{output}", run::line(command)),
    }
}
