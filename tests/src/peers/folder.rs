//! Where a server keeps its data, and what was prepared there.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::server::Kind;

/// Below the ports that the system gives to clients, and above those of the tests.
const FIRST_PORT: u16 = 30_100;

/// One server's folder and ports; both are the same at every start.
pub(crate) struct Place {
    /// The folder.
    pub(crate) path: PathBuf,
    /// The first of 50 ports.
    pub(crate) port: u16,
}

impl Place {
    /// Makes the folder if it is not there.
    pub(crate) fn of(dir: &Path, kind: Kind, scale: &str) -> Result<Self> {
        let path = dir.join(format!("{}-{}", kind.name(), scale));
        fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self {
            port: FIRST_PORT + 50 * kind as u16,
            path,
        })
    }

    /// A path in it, as text.
    pub(crate) fn file(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }

    /// Whether something was prepared by an earlier run.
    pub(crate) fn has(&self, what: &str) -> bool {
        self.mark(what).exists()
    }

    /// Notes that it is.
    pub(crate) fn note(&self, what: &str) -> Result<()> {
        let mark = self.mark(what);
        File::create(&mark)
            .map(drop)
            .with_context(|| format!("creating {}", mark.display()))
    }

    fn mark(&self, what: &str) -> PathBuf {
        self.path.join(format!("prepared-{what}"))
    }
}

/// Gives a folder and everything in it to another user.
pub(crate) fn give_to(folder: &Path, user: &str) -> Result<()> {
    let status = Command::new("chown")
        .args(["-R", &format!("{user}:")])
        .arg(folder)
        .status()
        .context("starting chown")?;
    if !status.success() {
        bail!("{} cannot be given to {user}", folder.display());
    }
    Ok(())
}
