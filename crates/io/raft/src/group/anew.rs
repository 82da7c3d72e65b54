//! A new log from what a learner has, without the consent of the voter it followed.
//!
//! ```text
//! the only voter is gone for good; this node follows it
//!   -> as if that voter had been elected once more, in the first term of a new lineage:
//!      everything in the log is committed, and the caller's command after it
//!   -> as if it had then sent a snapshot of that, far ahead, in which this node is the only voter
//!   -> this node stands for election and is its own quorum
//! ```
//!
//! openraft sees nothing but what a leader may say. A lineage has its own terms and its own indices:
//! the upper half of a term counts the lineages, and the indices of one begin far above those of the one
//! before. So no entry and no epoch of the old log is ever equal to one of the new, a follower of the new
//! one begins with its snapshot, and whoever leads the old one is out of date for everybody.

use super::{ChangeError, Group};
use crate::machine::{SnapshotData, records};
use crate::rpc::Request;
use crate::status::Status;
use crate::stored::Stored;
use crate::types::{Command, Entry, LogId, Membership, SnapshotMeta, Vote, raft_id};
use muster_types::{LogIndex, NodeId};
use openraft::async_runtime::WatchReceiver as _;
use openraft::entry::RaftEntry;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse};
use openraft::storage::RaftLogStorage as _;
use openraft::vote::RaftLeaderId as _;
use openraft::{EntryPayload, ServerState};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A term's lineage is its upper half.
const TERM_BITS: u32 = 32;
/// Between the last index of a lineage and the first of the next: more than one could have beyond what
/// this node knows of it.
const INDEX_GAP: u64 = 1 << 40;
/// How long each step may take: it is this node's own disk that is waited for.
const STEP: Duration = Duration::from_secs(30);

/// Which lineage of a log a term belongs to; 0 is the first.
pub fn lineage(term: u64) -> u64 {
    term >> TERM_BITS
}

impl Group {
    /// Whether a request comes from a log that was given up for the one of this node. Its terms may have caught up
    /// with this one's: whoever is refused is told the term. What stands in the log says what it is.
    pub(super) fn is_left_behind(&self, request: &Request) -> bool {
        let own = lineage(self.inner.raft.metrics().borrow_watched().current_term);
        let old = |id: LogId| lineage(id.leader_id.term) < own;
        match request {
            Request::Append(rpc) => {
                let entries = rpc.entries.iter().map(RaftEntry::log_id);
                rpc.prev_log_id.into_iter().chain(entries).any(old)
            }
            Request::Vote(rpc) | Request::PreVote(rpc) => rpc.last_log_id.is_some_and(old),
            Request::Snapshot(part) => part.meta.last_log_id.is_some_and(old),
            Request::Transfer(_) | Request::Committed => false,
        }
    }

    /// Makes this node, which follows `lost` alone, the only voter of a new lineage of the log, from what
    /// it has of it and `first`. Returns where the new lineage begins. What `lost` has beyond that is
    /// lost, and `lost` must never be heard again: see to that before.
    ///
    /// Cut off in the middle it has done nothing that a second call does not repair.
    ///
    /// # Errors
    /// [`ChangeError::Failed`] when this node does not follow `lost` alone, or has nothing of the log.
    pub async fn begin_anew(
        &self,
        lost: NodeId,
        first: Option<Vec<u8>>,
    ) -> Result<LogIndex, ChangeError> {
        let _alone = self.inner.changing.lock().await;
        let (vote, last) = self.last_will(lost).await?;
        let first = first.map_or(EntryPayload::Blank, |c| EntryPayload::Normal(Command(c)));
        let next = LogId::new(vote.leader_id.to_committed(), last.index + 1);
        self.take_over_entries(vote, last, Entry::new(next, first))
            .await?;
        let begins = LogIndex(next.index + INDEX_GAP);
        self.take_over_state(vote, begins.0).await?;
        self.reach("this node leads the new log", |now| {
            now.leading && now.is_lone_voter(self.inner.node)
        })
        .await?;
        Ok(begins)
    }

    /// The vote of the term in which `lost` gives the log to this node, and the last entry there is.
    async fn last_will(&self, lost: NodeId) -> Result<(Vote, LogId), ChangeError> {
        let metrics = self.inner.raft.metrics().borrow_watched().clone();
        let status = Status::of(&metrics);
        if metrics.state != ServerState::Learner || !status.is_lone_voter(lost) {
            let voters = &status.voters;
            return Err(failed(format!(
                "this node does not follow {lost} alone: the voters are {voters:?}"
            )));
        }
        let log = self.inner.log.clone().get_log_state().await;
        let last = log.map_err(failed)?.last_log_id;
        let last = last.ok_or_else(|| failed("this node has nothing of the log"))?;
        let term = (lineage(metrics.current_term) + 1) << TERM_BITS;
        Ok((Vote::new_committed(term, raft_id(lost)), last))
    }

    /// Everything up to `last` is committed, and `entry` after it.
    async fn take_over_entries(
        &self,
        vote: Vote,
        last: LogId,
        entry: Entry,
    ) -> Result<(), ChangeError> {
        let next = entry.log_id();
        let request = AppendEntriesRequest {
            vote,
            prev_log_id: Some(last),
            entries: vec![entry],
            leader_commit: Some(next),
        };
        match self.inner.raft.append_entries(request).await {
            Ok(AppendEntriesResponse::Success) => {}
            Ok(other) => return Err(failed(format!("the log is not taken over: {other:?}"))),
            Err(error) => return Err(failed(error)),
        }
        self.reach("all entries are applied", |now| now.applied >= next.index)
            .await
    }

    /// The state as it is now is the beginning of the new lineage, and this node its only voter.
    async fn take_over_state(&self, vote: Vote, begins: u64) -> Result<(), ChangeError> {
        let (stored, _) = Stored::open(&self.inner.store, self.inner.id).map_err(failed)?;
        let records = records(&stored).await.map_err(failed)?;
        let at = LogId::new(vote.leader_id.to_committed(), begins);
        let this = raft_id(self.inner.node);
        let nodes = BTreeMap::from([(this, openraft::impls::EmptyNode {})]);
        let alone = openraft::Membership::new(vec![BTreeSet::from([this])], nodes);
        let snapshot = openraft::Snapshot {
            meta: SnapshotMeta {
                last_log_id: Some(at),
                last_membership: Membership::new(Some(at), alone.map_err(failed)?),
            },
            snapshot: SnapshotData::Records(records),
        };
        let installed = self.inner.raft.install_full_snapshot(vote, snapshot).await;
        let installed = installed.map_err(failed)?;
        if installed.vote != vote {
            let vote = installed.vote;
            return Err(failed(format!("another leads the log: {vote}")));
        }
        self.reach("the new log has begun", |now| now.applied >= begins)
            .await
    }

    async fn reach(
        &self,
        what: &str,
        reached: impl FnMut(&Status) -> bool,
    ) -> Result<(), ChangeError> {
        let mut status = self.status();
        let waiting = tokio::time::timeout(STEP, status.wait_for(reached)).await;
        match waiting {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(failed("the group has stopped")),
            Err(_) => Err(failed(format!("not in time: {what}"))),
        }
    }
}

fn failed(why: impl ToString) -> ChangeError {
    ChangeError::Failed(why.to_string())
}
