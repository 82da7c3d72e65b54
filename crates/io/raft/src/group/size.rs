//! How large a group's log is.

use super::Group;
use std::io;

impl Group {
    /// Bytes of the entries from an index on, as far as they are still in the log. Reads them all: not
    /// for an async runtime.
    ///
    /// # Errors
    /// The store's.
    pub fn log_bytes(&self, from: u64) -> io::Result<u64> {
        self.inner.log.bytes(from)
    }
}
