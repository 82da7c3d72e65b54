//! The data folder: who it belongs to, and that only one process uses it.
//!
//! `<dir>/node.toml` says the format, the cluster and the node; `<dir>/lock` is held while a process
//! uses the folder; `<dir>/store/` is the engine's.

use crate::{PAUSE, RELEASE, REPLACE};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The layout this program reads and writes.
pub const FORMAT: u32 = 1;

/// Whose data the folder holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolderIdentity {
    /// The layout of the folder.
    pub format: u32,
    /// The cluster's id.
    pub cluster: String,
    /// The node's id in it.
    pub node: u16,
    /// The last process start.
    pub boot: u64,
}

/// Why a data folder cannot be used; each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder or a file in it cannot be read or written.
    #[error(
        "data folder {path}: {cause}; give the service user this folder, or choose another with `data_dir`"
    )]
    Unusable {
        /// The path.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Others may look in.
    #[error("data folder {path} can be entered by others (mode {mode:o}); run: chmod 700 {path}")]
    Open {
        /// The path.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Another process holds the lock.
    #[error(
        "data folder {path} is in use by another process; stop that one first, or choose another folder with `data_dir`"
    )]
    InUse {
        /// The path.
        path: PathBuf,
    },
    /// Written by a later version.
    #[error(
        "data folder {path} has format {found}, this program knows {FORMAT}; install the newer musterd that wrote it"
    )]
    NewerFormat {
        /// The path.
        path: PathBuf,
        /// The format found.
        found: u32,
    },
    /// `node.toml` cannot be understood.
    #[error("data folder {path}: node.toml is damaged ({cause}): {REPLACE}")]
    Damaged {
        /// The path.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
}

/// A data folder held by this process until dropped.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    identity: Option<FolderIdentity>,
    // Dropping the file releases the lock.
    _lock: File,
}

impl DataFolder {
    /// Takes the folder, making it (mode 0700) if it is not there.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let unusable = |cause| FolderError::Unusable {
            path: path.to_owned(),
            cause,
        };
        if !path.exists() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)
                .map_err(unusable)?;
        }
        let mode = fs::metadata(path).map_err(unusable)?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(FolderError::Open {
                path: path.to_owned(),
                mode,
            });
        }
        let mut lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join("lock"))
            .map_err(unusable)?;
        match take(&lock) {
            Ok(()) => {
                let pid = format!("{}\n", std::process::id());
                lock.set_len(0)
                    .and_then(|()| lock.write_all(pid.as_bytes()))
                    .map_err(unusable)?;
            }
            Err(fs::TryLockError::WouldBlock) => {
                return Err(FolderError::InUse {
                    path: path.to_owned(),
                });
            }
            Err(fs::TryLockError::Error(cause)) => return Err(unusable(cause)),
        }
        let identity = read_identity(path)?;
        Ok(Self {
            path: path.to_owned(),
            identity,
            _lock: lock,
        })
    }

    /// Whose data `path` holds, without taking the folder.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn peek(path: &Path) -> Result<Option<FolderIdentity>, FolderError> {
        read_identity(path)
    }

    /// The process that holds the folder `path` now.
    pub fn holder(path: &Path) -> Option<u32> {
        let lock = File::open(path.join("lock")).ok()?;
        match lock.try_lock_shared() {
            Err(fs::TryLockError::WouldBlock) => {}
            Ok(()) | Err(fs::TryLockError::Error(_)) => return None,
        }
        fs::read_to_string(path.join("lock"))
            .ok()?
            .trim()
            .parse()
            .ok()
    }

    /// Whose data it is; `None` in a fresh folder.
    pub fn identity(&self) -> Option<&FolderIdentity> {
        self.identity.as_ref()
    }

    /// Writes whose data it is, durably.
    ///
    /// # Errors
    /// [`FolderError::Unusable`].
    pub fn set_identity(&mut self, identity: FolderIdentity) -> Result<(), FolderError> {
        let text = toml::to_string(&identity).map_err(|e| FolderError::Damaged {
            path: self.path.clone(),
            cause: e.to_string(),
        })?;
        self.write_secret("node.toml", text.as_bytes())?;
        self.identity = Some(identity);
        Ok(())
    }

    /// Writes a file that only the owner can read (mode 0600), by rename, durably.
    ///
    /// # Errors
    /// [`FolderError::Unusable`].
    pub fn write_secret(&self, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
        let target = self.path.join(name);
        replace_file(&target, bytes).map_err(|cause| FolderError::Unusable {
            path: target,
            cause,
        })
    }

    /// The path of `name` within the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// Takes the lock, also when its holder is just ending.
fn take(lock: &File) -> Result<(), fs::TryLockError> {
    let until = Instant::now() + RELEASE;
    loop {
        match lock.try_lock() {
            Err(fs::TryLockError::WouldBlock) if Instant::now() < until => {
                std::thread::sleep(PAUSE);
            }
            taken => return taken,
        }
    }
}

fn read_identity(path: &Path) -> Result<Option<FolderIdentity>, FolderError> {
    let text = match fs::read_to_string(path.join("node.toml")) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => {
            return Err(FolderError::Unusable {
                path: path.to_owned(),
                cause,
            });
        }
    };
    // The format is read alone first: a newer one may have other fields.
    #[derive(Deserialize)]
    struct FormatOnly {
        format: u32,
    }
    let damaged = |e: toml::de::Error| FolderError::Damaged {
        path: path.to_owned(),
        cause: e.message().to_owned(),
    };
    let FormatOnly { format } = toml::from_str(&text).map_err(damaged)?;
    if format > FORMAT {
        return Err(FolderError::NewerFormat {
            path: path.to_owned(),
            found: format,
        });
    }
    toml::from_str(&text).map(Some).map_err(damaged)
}

/// Replaces `target` with a file of mode 0600 that is on the disk before this returns.
fn replace_file(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = target.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, target)?;
    match target.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn identity() -> FolderIdentity {
        FolderIdentity {
            format: FORMAT,
            cluster: "c".into(),
            node: 1,
            boot: 7,
        }
    }

    #[test]
    fn identity_is_kept_and_files_are_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let mut folder = DataFolder::open(&path).unwrap();
        assert!(folder.identity().is_none());
        folder.set_identity(identity()).unwrap();
        drop(folder);
        assert_eq!(
            DataFolder::open(&path).unwrap().identity(),
            Some(&identity())
        );
        for (name, mode) in [("data", 0o700), ("data/node.toml", 0o600)] {
            assert_eq!(
                fs::metadata(dir.path().join(name)).unwrap().mode() & 0o777,
                mode,
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let held = DataFolder::open(&path).unwrap();
        assert!(matches!(
            DataFolder::open(&path),
            Err(FolderError::InUse { .. })
        ));
        drop(held);
        for (text, want) in [
            ("format = 99\nfuture = 1\n", "format 99"),
            ("format = 1\n", "damaged"),
            ("nonsense", "damaged"),
        ] {
            fs::write(path.join("node.toml"), text).unwrap();
            let said = DataFolder::open(&path).unwrap_err().to_string();
            assert!(said.contains(want), "{said}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(
            DataFolder::open(&path)
                .unwrap_err()
                .to_string()
                .contains("chmod 700")
        );
    }
}
