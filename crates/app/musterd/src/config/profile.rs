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
            // An answer may take three quarters of the shortest election timeout, and the lease is 80 % of
            // the longest: 200 ms away an owner bears that everything stands still for half a second.
            // An election begins when the longest is over, so 80 ms away it ends within 2 s.
            Self::Wan => Timing {
                beat: Duration::from_millis(100),
                election_min: Duration::from_millis(900),
                election_max: Duration::from_millis(1_300),
                ..lan
            },
        }
    }
}
