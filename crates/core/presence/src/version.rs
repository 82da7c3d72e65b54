//! Which of two views of a presentity is newer.

use muster_types::Epoch;
use serde::{Deserialize, Serialize};

/// Numbers every presence a presentity's owner sends. A receiver drops what is not newer.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Version {
    /// The owner's epoch.
    pub epoch: Epoch,
    /// Counts the changes of this presentity under that owner.
    pub seq: u64,
}
