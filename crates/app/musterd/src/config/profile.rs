//! Times that fit together, by the distance between the nodes.

use muster_raft::Timing;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How far the nodes are from each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Profile {
    /// In one place: up to 20 ms there and back.
    #[default]
    Lan,
    /// In several places: up to 200 ms there and back.
    Wan,
}

impl Profile {
    /// The times of all groups, unless others are set.
    pub(crate) fn timing(self) -> Timing {
        let lan = Timing::default();
        match self {
            Self::Lan => lan,
            // An answer may take three quarters of the shortest election timeout: once and a half the way
            // there and back, and two of them fit into a lease (80 % of the longest). An election begins
            // when the longest and another timeout are over, so 80 ms away it ends within 2 s.
            Self::Wan => Timing {
                beat: Duration::from_millis(100),
                election_min: Duration::from_millis(450),
                election_max: Duration::from_millis(850),
                ..lan
            },
        }
    }
}
