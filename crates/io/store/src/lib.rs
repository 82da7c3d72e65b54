//! The storage seam: named tables of byte keys and values, and [`Store::barrier`], the one way
//! to learn that what was written is on the disk.
//!
//! ```text
//! Table::apply(batch) ---> sled (memory, its log) ---.
//! Table::apply(batch) ---> sled                      |   one flusher thread: flush(), sync_data(),
//! Store::barrier(done) ------------------------------'   then every `done` that came before
//! ```
//!
//! * A batch on one table is applied whole or not at all, and batches reach the disk in the order
//!   they were written: after a crash the store holds a prefix of them.
//! * Every value carries its own checksum; values above [`CHUNK_BYTES`] are kept in pieces.
//! * A failed flush or sync is final: every later barrier fails with the same cause, because a page
//!   whose write-back failed may be lost although the next sync says otherwise.

mod flusher;
mod folder;
mod table;

pub use folder::{DataFolder, FORMAT, FolderError, FolderIdentity};
pub use table::{Batch, CHUNK_BYTES, Pair, Table};

use flusher::Flusher;
use std::io;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why the store did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The engine or the disk failed.
    #[error("storage failed: {0}")]
    Engine(Arc<sled::Error>),
    /// The engine's files are so damaged that it gave up.
    #[error(
        "the files in {path} are corrupt; move the data folder away and bring the node back with a join token and `musterctl node replace`"
    )]
    Corrupt {
        /// The engine's folder.
        path: PathBuf,
    },
    /// A value's checksum does not match.
    #[error(
        "table {table} holds a damaged value; restore this node: stop it, move its data folder away and replace the node"
    )]
    Damaged {
        /// The table.
        table: String,
    },
}

impl From<sled::Error> for StoreError {
    fn from(error: sled::Error) -> Self {
        Self::Engine(Arc::new(error))
    }
}

impl From<StoreError> for io::Error {
    fn from(error: StoreError) -> Self {
        Self::other(error)
    }
}

/// All tables of one node. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    db: sled::Db,
    flusher: Arc<Flusher>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Opens (or makes) the store in `path`, a folder of its own.
    ///
    /// # Errors
    /// [`StoreError::Engine`] when the folder cannot be used, is locked by another process, or its
    /// files are corrupt.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        // The flusher below decides when; the engine's own timer would only add syncs.
        let config = sled::Config::new()
            .path(path)
            .flush_every_ms(None)
            .cache_capacity(64 << 20);
        // On some damage the engine panics instead of returning an error; nothing of ours is shared
        // with it yet, so nothing is left half done.
        let db = std::panic::catch_unwind(AssertUnwindSafe(|| config.open())).map_err(|_| {
            StoreError::Corrupt {
                path: path.to_owned(),
            }
        })??;
        let file = std::fs::File::open(path.join("db")).map_err(sled::Error::from)?;
        Ok(Self {
            flusher: Arc::new(Flusher::start(db.clone(), file)),
            db,
        })
    }

    /// The table called `name`, made if it is new.
    ///
    /// # Errors
    /// [`StoreError::Engine`].
    pub fn table(&self, name: &str) -> Result<Table, StoreError> {
        Table::open(&self.db, name)
    }

    /// Removes the table called `name` and everything in it.
    ///
    /// # Errors
    /// [`StoreError::Engine`].
    pub fn drop_table(&self, name: &str) -> Result<(), StoreError> {
        Table::remove(&self.db, name)
    }

    /// Calls `done` from the flusher's thread once everything written before this call is on the
    /// disk, or with the error that makes this store unusable. Never blocks.
    pub fn barrier(&self, done: impl FnOnce(io::Result<()>) + Send + 'static) {
        self.flusher.request(Box::new(done));
    }

    /// Blocks until everything written before this call is on the disk.
    ///
    /// # Errors
    /// The error that makes this store unusable.
    pub fn barrier_blocking(&self) -> io::Result<()> {
        let (tx, rx) = std::sync::mpsc::sync_channel(1);
        self.barrier(move |result| {
            // The receiver waits below; it cannot be gone.
            let _ = tx.send(result);
        });
        rx.recv().map_err(io::Error::other)?
    }

    /// Bytes the store takes on the disk.
    ///
    /// # Errors
    /// [`StoreError::Engine`].
    pub fn size_on_disk(&self) -> Result<u64, StoreError> {
        Ok(self.db.size_on_disk()?)
    }
}
