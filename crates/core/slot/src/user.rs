//! Everything durable of one user.

use crate::PepNodes;
use muster_roster::{AccessList, Roster};
use muster_stanza::Stanza;
use muster_types::Timestamp;
use std::collections::BTreeMap;

/// One user's durable data.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct UserData {
    pub(crate) roster: Roster,
    pub(crate) access: AccessList,
    pub(crate) vcard: Option<Vec<u8>>,
    /// By namespace and local name.
    pub(crate) private: BTreeMap<(String, String), Vec<u8>>,
    pub(crate) pep: PepNodes,
    /// By number, which is the log index of the entry that stored it: it is never used again, so a
    /// late "taken" cannot hit a message that came after the account was removed and made anew.
    pub(crate) offline: BTreeMap<u64, (Timestamp, Stanza)>,
}

impl UserData {
    /// Whether there is nothing to keep.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
