//! State that a Raft log feeds: the same on every replica, because nothing but the log enters.

use crate::LogIndex;
use serde::{Serialize, de::DeserializeOwned};

/// One change to the stored form of a replicated state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Write {
    /// The first byte names the table; the rest is the key within it.
    pub key: Vec<u8>,
    /// The new value, or `None` to remove it. Begins with the version of its encoding.
    pub value: Option<Vec<u8>>,
}

/// The stored changes of one applied command, written in one batch with the applied index.
pub type Writes = Vec<Write>;

/// A state fed by a log. It is held in memory whole and mirrored record by record into the store:
/// `apply` says which records changed, `load` builds the state from all of them.
pub trait Replicated: Sized {
    /// What can be asked of it. Versioned by its own encoding.
    type Command: Serialize + DeserializeOwned;
    /// What came of a command, refusals included.
    type Event;

    /// Applies one committed command. Never fails and never sees a clock: a command that is not
    /// allowed yields an event that says so.
    fn apply(
        &mut self,
        at: LogIndex,
        command: Self::Command,
        writes: &mut Writes,
    ) -> Vec<Self::Event>;

    /// Builds the state from its stored records (of the store or of a snapshot), in key order.
    fn load(records: &mut dyn Iterator<Item = (Vec<u8>, Vec<u8>)>) -> Result<Self, LoadError>;

    /// All stored records in key order: what a snapshot carries.
    fn records(&self) -> Vec<(Vec<u8>, Vec<u8>)>;
}

/// Why stored records could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The first byte of the key is none of this state's tables.
    #[error("record of unknown table {table}: the data was written by a newer version")]
    UnknownTable {
        /// The table byte found.
        table: u8,
    },
    /// The value has an encoding version that this program does not know.
    #[error(
        "record of table {table} has encoding version {version}, newer than this program knows"
    )]
    NewerVersion {
        /// The table byte.
        table: u8,
        /// The version found.
        version: u8,
    },
    /// The bytes are damaged.
    #[error("damaged record in table {table}")]
    Damaged {
        /// The table byte.
        table: u8,
    },
}

/// Encodes a stored value: one byte of version, then postcard.
pub fn encode_value<T: Serialize>(version: u8, value: &T) -> Vec<u8> {
    let out = vec![version];
    postcard::to_extend(value, out)
        .expect("postcard writes any of our plain types into a growing buffer")
}

/// Decodes a stored value written by [`encode_value`] with exactly `version`.
///
/// # Errors
/// [`LoadError`] naming `table` when the version is newer or the bytes do not decode.
pub fn decode_value<T: DeserializeOwned>(
    table: u8,
    version: u8,
    bytes: &[u8],
) -> Result<T, LoadError> {
    match bytes.split_first() {
        Some((found, rest)) if *found == version => {
            postcard::from_bytes(rest).map_err(|_| LoadError::Damaged { table })
        }
        Some((found, _)) if *found > version => Err(LoadError::NewerVersion {
            table,
            version: *found,
        }),
        Some(_) | None => Err(LoadError::Damaged { table }),
    }
}
