//! How long a group waits for what.

use std::sync::Arc;
use std::time::Duration;

/// Timing of every group of a node. All nodes of a cluster must use the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Between two beats of a leader. Default 50 ms.
    pub beat: Duration,
    /// The shortest election timeout. Default 200 ms.
    pub election_min: Duration,
    /// The longest election timeout: what every voter waits out before it votes. Default 400 ms.
    pub election_max: Duration,
    /// Log entries after which a snapshot is taken and older entries are removed, all but the last of as
    /// many: a node that is a second behind must not need all records. Default 20,000.
    pub entries_per_snapshot: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            beat: Duration::from_millis(50),
            election_min: Duration::from_millis(200),
            election_max: Duration::from_millis(400),
            entries_per_snapshot: 20_000,
        }
    }
}

impl Timing {
    /// How long an owner may decide after the last round a quorum acknowledged: 80 % of what every
    /// voter waits before it helps another to lead, so clock rates may differ by almost 10 %.
    pub fn lease(&self) -> Duration {
        self.election_max * 8 / 10
    }

    /// How long an answer to a beat may take: as much of the shortest election timeout as openraft
    /// allows.
    fn answer(&self) -> Duration {
        (self.election_min * 3 / 4).max(self.beat)
    }

    pub(crate) fn openraft(&self) -> Result<Arc<openraft::Config>, openraft::ConfigError> {
        let millis = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        let config = openraft::Config {
            cluster_name: "muster".to_owned(),
            // As long openraft waits for the answer to a beat or an append; the beats themselves are
            // sent each `beat` by `group::observe`. A follower that is slow for a moment must not
            // count as lost: two such answers fit into a lease.
            heartbeat_interval: millis(self.answer()),
            election_timeout_min: millis(self.election_min),
            election_timeout_max: millis(self.election_max),
            enable_pre_vote: Some(true),
            // A leader that restarts stands for election like everyone else: it is a new boot.
            enable_leader_restore: Some(false),
            // A leader that can send but not hear learns that it has lost its quorum.
            quorum_loss_probe_interval: Some(2 * millis(self.election_max)),
            snapshot_policy: openraft::SnapshotPolicy::Never,
            max_in_snapshot_log_to_keep: self.entries_per_snapshot,
            replication_lag_threshold: self.entries_per_snapshot.saturating_mul(2),
            // A follower writes all of it, and waits for its disk a few times for each MiB, before it answers.
            install_snapshot_timeout: 120_000,
            ..Default::default()
        };
        config.validate().map(Arc::new)
    }
}
