//! That a node has what was committed before it asked: what it must have before it tells anybody
//! from its own copy.

use super::Group;
use crate::runtime;
use openraft::raft::ReadPolicy;
use std::time::Duration;

/// How long a leader may take to answer.
const ANSWER: Duration = Duration::from_secs(1);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

impl Group {
    /// Waits until this node has applied all that was committed when a leader was asked, whom a quorum
    /// followed then. It waits for such a leader for as long as it takes: bound its time. `false`
    /// when the group stops first.
    pub async fn catch_up(&self) -> bool {
        let mut status = self.status();
        while status.has_changed().is_ok() {
            if let Some(committed) = self.committed().await {
                return status
                    .wait_for(|now| now.applied >= committed)
                    .await
                    .is_ok();
            }
            runtime::sleep(PAUSE).await;
        }
        false
    }

    /// How far the log is committed, if somebody can say so now.
    async fn committed(&self) -> Option<u64> {
        let (leader, alone) = {
            let status = self.inner.status.borrow();
            let alone = status.is_lone_voter(self.inner.node) && status.applied == status.last_log;
            (status.leader, alone.then_some(status.applied))
        };
        if alone.is_some() {
            // Nobody else can have committed anything.
            return alone;
        }
        match leader? {
            own if own == self.inner.node => self.confirm_committed().await,
            other => self.inner.network.ask_committed(other, ANSWER).await.ok(),
        }
    }

    /// The same, on the leader: a quorum confirms that it still is.
    pub(super) async fn confirm_committed(&self) -> Option<u64> {
        let raft = &self.inner.raft;
        let confirmed = raft.get_read_linearizer(ReadPolicy::ReadIndex).await.ok()?;
        Some(confirmed.read_log_id().index())
    }
}
