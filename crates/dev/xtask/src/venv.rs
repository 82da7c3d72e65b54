//! Python environments: every version pinned, kept in the target folder.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{self, say};
use crate::workspace::Workspace;

/// An environment: its folder, and the list of what is in it.
#[derive(Clone, Copy)]
pub(crate) struct Environment {
    folder: &'static str,
    requirements: &'static str,
}

/// That of the third-party clients.
pub(crate) const CLIENTS: Environment = Environment {
    folder: "venv",
    requirements: "tests/requirements.txt",
};
/// That of the judges of `deploy/`.
pub(crate) const DEPLOY: Environment = Environment {
    folder: "venv-deploy",
    requirements: "deploy/requirements.txt",
};

/// Makes an environment, or finds it as it should be; returns its `python`.
pub(crate) fn prepare(workspace: &Workspace, environment: Environment) -> Result<PathBuf> {
    let Environment {
        folder,
        requirements,
    } = environment;
    let folder = workspace.target.join(folder);
    let python = folder.join("bin/python");
    let stamp = folder.join("requirements.txt");
    let file = workspace.root.join(requirements);
    let wanted = fs::read_to_string(&file).with_context(|| format!("reading {requirements}"))?;
    if python.exists() && fs::read_to_string(&stamp).is_ok_and(|there| there == wanted) {
        return Ok(python);
    }
    say(format!(
        "installing {requirements} into {}",
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
