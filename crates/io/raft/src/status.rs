//! What a group looks like from outside.

use crate::types::{Types, node_of};
use muster_types::NodeId;
use openraft::ServerState;
use openraft::metrics::RaftMetrics;
use std::collections::{BTreeMap, BTreeSet};

/// One group as this node sees it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Status {
    /// Who leads, as far as this node knows. After a restart that is who led before: it stands in the
    /// stored vote.
    pub leader: Option<NodeId>,
    /// Whether this node leads and a quorum has acknowledged it: only then it takes commands.
    pub leading: bool,
    /// The Raft term.
    pub term: u64,
    /// Index of the last entry in this node's log.
    pub last_log: u64,
    /// Index of the last entry this node has applied.
    pub applied: u64,
    /// The nodes whose majority decides.
    pub voters: BTreeSet<NodeId>,
    /// The nodes that only follow.
    pub learners: BTreeSet<NodeId>,
    /// True while the newest membership is not committed.
    pub changing: bool,
    /// True between the two steps of a change of voters: old and new voters both have to agree.
    pub joint: bool,
    /// How far each other node's log is known to match; only when leading.
    pub matched: BTreeMap<NodeId, u64>,
    /// Why the group has stopped for good, if it has (a storage error).
    pub stopped: Option<String>,
}

impl Status {
    /// Whether `node` alone decides.
    pub(crate) fn is_lone_voter(&self, node: NodeId) -> bool {
        self.voters.len() == 1 && self.voters.contains(&node)
    }

    pub(crate) fn of(metrics: &RaftMetrics<Types>) -> Self {
        let index = |id: &Option<crate::types::LogId>| id.as_ref().map_or(0, |id| id.index);
        let membership = metrics.membership_config.membership();
        let acknowledged = metrics.last_quorum_acked.is_some() || is_lone_voter(metrics);
        let leading = metrics.state == ServerState::Leader && acknowledged;
        Self {
            leader: metrics.current_leader.map(node_of),
            leading,
            term: metrics.current_term,
            last_log: metrics.last_log_index.unwrap_or(0),
            applied: index(&metrics.last_applied),
            voters: membership.voter_ids().map(node_of).collect(),
            learners: membership.learner_ids().map(node_of).collect(),
            changing: metrics.membership_config != metrics.committed_membership_config,
            joint: membership.get_joint_config().len() > 1,
            matched: match &metrics.replication {
                Some(replication) if leading => replication
                    .iter()
                    // A node that has answered nothing yet matches nothing, not even index 0.
                    .filter(|(_, matched)| matched.is_some())
                    .map(|(id, matched)| (node_of(*id), index(matched)))
                    .collect(),
                _ => BTreeMap::new(),
            },
            stopped: metrics.running_state.as_ref().err().map(plain),
        }
    }
}

/// What openraft says, without the names of Rust's types in it.
pub(crate) fn plain(error: &impl ToString) -> String {
    error.to_string().replace("std::io::error::Error: ", "")
}

/// True when this node alone is the quorum.
pub(crate) fn is_lone_voter(metrics: &RaftMetrics<Types>) -> bool {
    let mut voters = metrics.membership_config.membership().voter_ids();
    voters.next() == Some(metrics.id) && voters.next().is_none()
}

/// True when this node is among those who decide, once a change of voters is complete.
pub(crate) fn is_voter(metrics: &RaftMetrics<Types>) -> bool {
    let membership = metrics.membership_config.membership();
    let newest = membership.get_joint_config().last();
    newest.is_some_and(|voters| voters.contains(&metrics.id))
}

/// True when no change of voters is under way: neither in the log nor between its two steps.
pub(crate) fn is_settled(metrics: &RaftMetrics<Types>) -> bool {
    let membership = metrics.membership_config.membership();
    metrics.membership_config == metrics.committed_membership_config
        && membership.get_joint_config().len() == 1
}
