//! The storage seam: named tables of byte keys and values, and [`Store::barrier`], the one way
//! to learn that what was written is on the disk.
//!
//! ```text
//! Table::apply(batch) ---> pending, where reads see it ---.
//! Table::apply(batch) ---> pending                        |   one flusher thread: the batches to sled, flush(),
//! Store::barrier(done) -----------------------------------'   sync_data(), then every `done` that came before
//! ```
//!
//! * Nobody who writes waits for the disk, unless 64 MiB wait for it already.
//! * A batch on one table is applied whole or not at all, and batches reach the disk in the order
//!   they were written: after a crash the store holds a prefix of them.
//! * Every value carries its own checksum; values above [`CHUNK_BYTES`] are kept in pieces.
//! * What was durable once is there or the store does not open, also when the end of the engine's
//!   file is lost.
//! * Damage is an error that says what to do, never a panic: the engine's own are caught.
//! * Simulations put a [`Disk`] in memory in the engine's place.
//! * A failed flush or sync is final: every later barrier fails with the same cause, because a page
//!   whose write-back failed may be lost although the next sync says otherwise.

mod engine;
mod flushed;
mod flusher;
mod folder;
mod memory;
mod pending;
#[cfg(test)]
mod pending_test;
mod pieces;
mod table;
#[cfg(test)]
mod table_test;
mod tree;

pub use folder::{DataFolder, FORMAT, FolderError, FolderIdentity};
pub use memory::{Disk, Sync};
pub use pieces::CHUNK_BYTES;
pub use table::{Batch, Pair, Table};

use flushed::Flushed;
use flusher::{Flusher, Job};
use pending::Map;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tree::Tree;

/// What to do when a node's data is lost: the others have it all.
pub const REPLACE: &str = "stop this node and move its data folder away; then bring it back as a new \
    one: `musterctl token create` on another node, `musterctl cluster join TOKEN` on this one, and \
    `musterctl node replace OLD NEW`";

/// Why the store did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The engine or the disk failed.
    #[error("storage failed: {0}")]
    Engine(Arc<sled::Error>),
    /// The engine's files are so damaged that it gave up.
    #[error("the files in {path} are corrupt: {REPLACE}")]
    Corrupt {
        /// The engine's folder.
        path: PathBuf,
    },
    /// A value's checksum, or what the engine keeps it in, is wrong.
    #[error("table {table} of the store is damaged: {REPLACE}")]
    Damaged {
        /// The table.
        table: String,
    },
    /// A value is whole, and yet not what this program writes.
    #[error(
        "table {table} of the store holds what this version of musterd cannot read: run the version \
         that wrote it; if this is that one, {REPLACE}"
    )]
    Unreadable {
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
    engine: Engine,
}

#[derive(Clone)]
enum Engine {
    Sled {
        db: sled::Db,
        flusher: Arc<Flusher>,
        maps: Maps,
    },
    Memory(Disk),
}

/// The maps that were opened, by name: what is written to one has to be seen by all who use it.
#[derive(Clone, Default)]
struct Maps(Arc<Mutex<BTreeMap<String, Arc<Map>>>>);

impl Maps {
    fn open(&self, name: &str, open: impl FnOnce() -> sled::Result<Map>) -> sled::Result<Arc<Map>> {
        let mut maps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(map) = maps.get(name) {
            return Ok(Arc::clone(map));
        }
        let map = Arc::new(open()?);
        maps.insert(name.to_owned(), Arc::clone(&map));
        Ok(map)
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

/// How long a process that was killed may take to give its files back.
const RELEASE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);

/// Whoever waits here holds the data folder: a holder of the engine's own lock is just ending.
fn open_when_free(config: &sled::Config) -> sled::Result<sled::Db> {
    let until = Instant::now() + RELEASE;
    loop {
        match config.open() {
            Err(sled::Error::Io(held))
                if held.to_string().contains("could not acquire lock")
                    && Instant::now() < until =>
            {
                std::thread::sleep(PAUSE);
            }
            opened => return opened,
        }
    }
}

/// The engine writes a snapshot of its page table at each start, under a name of its own until it is
/// whole. What a process that was killed meanwhile left there it takes for the newest one, and gives up.
fn remove_unfinished_snapshots(folder: &Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(absent) if absent.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        if name.starts_with(b"snap.") && name.ends_with(b".generating") {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

impl Store {
    /// Opens (or makes) the store in `path`, a folder of its own.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], or [`StoreError::Engine`] when the folder cannot be used or is locked
    /// by another process.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        // The flusher below decides when; the engine's own timer would only add syncs.
        let config = sled::Config::new()
            .path(path)
            .flush_every_ms(None)
            .cache_capacity(64 << 20);
        let corrupt = || StoreError::Corrupt {
            path: path.to_owned(),
        };
        remove_unfinished_snapshots(path).map_err(sled::Error::from)?;
        let file = path.join("db");
        let held = std::fs::metadata(&file).map_or(0, |file| file.len());
        let db = engine::guarded(|| open_when_free(&config), corrupt)?;
        // To the engine a file of which it understands nothing is a new one.
        if held > 0 && !db.was_recovered() {
            return Err(corrupt());
        }
        let flushed = Flushed::open(&db, path, corrupt)?;
        let file = std::fs::File::open(file).map_err(sled::Error::from)?;
        let flusher = Arc::new(Flusher::start(db.clone(), file, flushed));
        Ok(Self {
            engine: Engine::Sled {
                db,
                flusher,
                maps: Maps::default(),
            },
        })
    }

    /// Opens the store on a disk in memory, for simulations: no process that used it before runs.
    pub fn in_memory(disk: &Disk) -> Self {
        disk.opened();
        Self {
            engine: Engine::Memory(disk.clone()),
        }
    }

    /// The table called `name`, made if it is new.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], [`StoreError::Engine`].
    pub fn table(&self, name: &str) -> Result<Table, StoreError> {
        Table::open(name, |map| match &self.engine {
            Engine::Sled { db, flusher, maps } => {
                let new = || Ok(Map::new(map, db.open_tree(map)?, Arc::clone(flusher)));
                maps.open(map, new).map(Tree::Sled)
            }
            Engine::Memory(disk) => Ok(Tree::Memory(disk.tree(map))),
        })
    }

    /// Calls `done` from the flusher's thread once everything written before this call is on the
    /// disk, or with the error that makes this store unusable. Never blocks.
    pub fn barrier(&self, done: impl FnOnce(io::Result<()>) + Send + 'static) {
        match &self.engine {
            Engine::Sled { flusher, .. } => flusher.request(Job::Flush(Box::new(done))),
            Engine::Memory(disk) => disk.request(Box::new(done)),
        }
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
        match &self.engine {
            Engine::Sled { db, .. } => Ok(db.size_on_disk()?),
            Engine::Memory(disk) => Ok(disk.size()),
        }
    }
}
