//! What this program is, speaks and writes.

use muster_cluster::SoftwareVersion;
use muster_link::Versions;

/// The release.
pub(crate) const RELEASE: &str = env!("CARGO_PKG_VERSION");
/// The commit it was built from.
pub(crate) const COMMIT: &str = env!("MUSTER_COMMIT");
/// The newest version of what nodes say to each other.
pub(crate) const WIRE: u32 = 5;
/// The oldest one that is still spoken.
const WIRE_OLDEST: u32 = 5;
/// The version of the logs' commands and of the stored data.
pub(crate) const DATA: u32 = 1;

/// What `--version` says.
pub(crate) fn text() -> String {
    format!("{RELEASE} (commit {COMMIT}, wire {WIRE}, data {DATA})")
}

/// For the control log.
pub(crate) const fn software() -> SoftwareVersion {
    SoftwareVersion {
        wire: WIRE,
        data: DATA,
    }
}

/// For the links.
pub(crate) const fn link() -> Versions {
    Versions {
        wire: WIRE,
        wire_oldest: WIRE_OLDEST,
        data: DATA,
    }
}
