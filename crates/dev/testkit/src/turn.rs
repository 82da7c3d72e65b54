//! One cluster at a time on a machine.

use std::fs::File;

use anyhow::{Context, Result};

use crate::programs;

/// The right to run a cluster; held by a file lock, so it also holds between test programs. Two clusters on a small
/// machine would disturb each other's elections.
#[derive(Debug)]
pub struct Turn {
    _lock: File,
}

impl Turn {
    /// Waits for the turn.
    ///
    /// # Errors
    /// Fails when the lock file beside the programs cannot be made.
    pub fn wait() -> Result<Self> {
        let path = programs::musterd()?.with_file_name("end-to-end.lock");
        let lock = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
        lock.lock()
            .with_context(|| format!("locking {}", path.display()))?;
        Ok(Self { _lock: lock })
    }
}
