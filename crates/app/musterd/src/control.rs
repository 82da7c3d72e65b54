//! The control log on this node: its state, and how anything gets into it.

use crate::shared::{Shared, encode, wall};
use crate::{links, setup};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use muster_cluster::{ClusterState, ControlCommand, ControlEvent, ControlOutcome, Proposal};
use muster_link::LinkError;
use muster_raft::{Applied, ProposeError, RaftGroupId, Records, StateMachine};
use muster_store::REPLACE;
use muster_types::{LogIndex, NodeId, Origin, Replicated, Writes};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How long a proposal looks for a leader.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a proposer waits for its own copy.
const CATCH_UP: Duration = Duration::from_secs(1);
/// How long a node waits for what it missed before it takes clients.
const MISSED: Duration = Duration::from_secs(5);
/// How long one node may take to answer.
const ANSWER: Duration = Duration::from_secs(2);

/// The state machine behind the control log.
pub(crate) struct Control {
    state: ClusterState,
    shared: Arc<Shared>,
    decided: mpsc::UnboundedSender<ControlEvent>,
}

impl Control {
    /// Its events go to `decided`, in order.
    pub(crate) fn new(shared: &Arc<Shared>, decided: mpsc::UnboundedSender<ControlEvent>) -> Self {
        Self {
            state: ClusterState::default(),
            shared: Arc::clone(shared),
            decided,
        }
    }

    fn publish(&self) {
        self.shared.state.send_replace(Arc::new(self.state.clone()));
    }

    fn apply_one(
        &mut self,
        index: LogIndex,
        bytes: &[u8],
        happened: &mut Vec<ControlEvent>,
    ) -> Result<Applied, String> {
        let proposal: Proposal = postcard::from_bytes(bytes).map_err(|e| unreadable(index, &e))?;
        let mut writes = Writes::new();
        let events = self.state.apply(index, proposal, &mut writes);
        let answer = match events.first() {
            Some(ControlEvent::Outcome { outcome, .. }) => encode(outcome).to_vec(),
            _ => Vec::new(),
        };
        happened.extend(events);
        Ok(Applied { answer, writes })
    }
}

/// Why a committed entry cannot be applied, and what to do. A replica that left one out would differ
/// from the others without knowing, so whoever cannot read one stops.
pub(crate) fn unreadable(index: LogIndex, error: &dyn fmt::Display) -> String {
    format!(
        "entry {index} cannot be read ({error}): upgrade this node to the version of the others; if \
         it has that version, {REPLACE}"
    )
}

impl StateMachine for Control {
    fn install(&mut self, records: Records) -> BoxFuture<'_, Result<(), String>> {
        let loaded = ClusterState::load(&mut records.into_iter()).map_err(|e| e.to_string());
        let outcome = loaded.and_then(|state| {
            setup::check_store(state.cluster(), &self.shared.cluster)?;
            self.state = state;
            self.publish();
            Ok(())
        });
        Box::pin(async move { outcome })
    }

    fn apply(
        &mut self,
        commands: Vec<(LogIndex, Vec<u8>)>,
    ) -> BoxFuture<'_, Result<Vec<Applied>, String>> {
        let mut happened = Vec::new();
        let applied = commands
            .iter()
            .map(|(index, bytes)| self.apply_one(*index, bytes, &mut happened))
            .collect();
        // Whoever acts on an event finds a state that has what it speaks of.
        self.publish();
        for event in happened {
            // The receiver lives as long as the node.
            let _ = self.decided.send(event);
        }
        Box::pin(async move { applied })
    }
}

/// Why a command did not come to an outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// Nobody leads the control log: nothing was written.
    #[error(
        "the cluster has no control quorum now, so nothing can be changed: see `musterctl status` \
         for the nodes that are down"
    )]
    NoQuorum,
    /// It may have been carried out.
    #[error("the outcome is unknown: look with `musterctl status` before you try again")]
    Unknown,
}

/// What a node answers that was asked to propose.
#[derive(Serialize, Deserialize)]
pub(crate) enum Answer {
    /// Committed at this index; the encoded outcome.
    Outcome(LogIndex, Vec<u8>),
    /// Not committed by this node.
    NotLeader,
    /// Perhaps committed.
    Unknown,
}

/// Proposes on this node, for itself or another. A leader that reaches no quorum does not begin:
/// nobody could say later what became of the entry.
pub(crate) async fn propose_here(shared: &Arc<Shared>, proposal: Vec<u8>) -> Answer {
    let Some(group) = shared.groups.find(RaftGroupId::CONTROL) else {
        return Answer::NotLeader;
    };
    if !shared.reaches_quorum() {
        return Answer::NotLeader;
    }
    match tokio::time::timeout(ANSWER, group.propose(proposal)).await {
        Ok(Ok((index, outcome))) => Answer::Outcome(index, outcome),
        Ok(Err(ProposeError::NotLeader { .. } | ProposeError::Stopped(_))) => Answer::NotLeader,
        Ok(Err(ProposeError::Unknown)) | Err(_) => Answer::Unknown,
    }
}

/// Gets a command into the control log, wherever its leader is, and waits until this node has
/// applied it or a moment has passed. An attempt whose fate is unknown is made again under the same
/// origin: the log applies it once.
pub(crate) async fn propose(
    shared: &Arc<Shared>,
    command: ControlCommand,
) -> Result<ControlOutcome, Failure> {
    let proposal = proposal(shared, command);
    let deadline = Instant::now() + PATIENCE;
    let mut perhaps = false;
    while Instant::now() < deadline {
        match attempt(shared, &proposal).await {
            Answer::Outcome(index, bytes) => {
                wait_applied(shared, index).await;
                return postcard::from_bytes(&bytes).map_err(|_| Failure::Unknown);
            }
            Answer::NotLeader => {}
            Answer::Unknown => perhaps = true,
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(if perhaps {
        Failure::Unknown
    } else {
        Failure::NoQuorum
    })
}

/// So that whoever asked finds the effect on this node too.
async fn wait_applied(shared: &Shared, index: LogIndex) {
    if let Some(group) = shared.groups.find(RaftGroupId::CONTROL) {
        let mut status = group.status();
        let applied = status.wait_for(|status| status.applied >= index.0);
        // A node that lags shows the effect later.
        let _ = tokio::time::timeout(CATCH_UP, applied).await;
    }
}

/// Has another node propose a command: for a node whose own copy of the log is gone. Whoever of `nodes`
/// leads does it.
pub(crate) async fn propose_elsewhere(
    shared: &Arc<Shared>,
    nodes: &[NodeId],
    command: ControlCommand,
) -> Option<ControlOutcome> {
    let proposal = proposal(shared, command);
    for node in nodes {
        let answer = links::propose_there(shared, *node, proposal.to_vec(), ANSWER).await;
        let answer = answer
            .ok()
            .and_then(|bytes| postcard::from_bytes(&bytes).ok());
        if let Some(Answer::Outcome(_, outcome)) = answer {
            return postcard::from_bytes(&outcome).ok();
        }
    }
    None
}

/// The entry of a command, under an origin of its own.
pub(crate) fn proposal(shared: &Shared, command: ControlCommand) -> Bytes {
    encode(&Proposal {
        origin: Origin {
            node: shared.node,
            boot: shared.boot,
            serial: shared.next_proposal(),
        },
        at: wall(),
        command,
    })
}

async fn attempt(shared: &Arc<Shared>, proposal: &[u8]) -> Answer {
    let Some(group) = shared.groups.find(RaftGroupId::CONTROL) else {
        return Answer::NotLeader;
    };
    let leader = group.status().borrow().leader;
    match leader {
        Some(leader) if leader == shared.node => propose_here(shared, proposal.to_vec()).await,
        Some(leader) => {
            match links::propose_there(shared, leader, proposal.to_vec(), ANSWER).await {
                Ok(bytes) => postcard::from_bytes(&bytes).unwrap_or(Answer::Unknown),
                Err(error) if may_have_arrived(&error) => Answer::Unknown,
                Err(_) => Answer::NotLeader,
            }
        }
        None => Answer::NotLeader,
    }
}

/// Whether a request that failed may have reached its node all the same.
fn may_have_arrived(error: &io::Error) -> bool {
    let cause = error.get_ref();
    match cause.and_then(|cause| cause.downcast_ref::<LinkError>()) {
        Some(
            LinkError::NotConnected(_)
            | LinkError::UnknownPeer(_)
            | LinkError::Full(_)
            | LinkError::TooLarge { .. },
        ) => false,
        Some(_) => true,
        // There are no links yet.
        None => error.kind() != io::ErrorKind::NotConnected,
    }
}

/// Waits until this node has applied what the control log had committed when this was called, so
/// that no old password and no removed account gets in. Without a quorum that would take for ever:
/// after a moment the node goes by its own copy.
pub(crate) async fn catch_up(shared: &Shared) {
    let Some(group) = shared.groups.find(RaftGroupId::CONTROL) else {
        return;
    };
    let caught_up = tokio::time::timeout(MISSED, group.catch_up()).await;
    if !caught_up.is_ok_and(|caught_up| caught_up) {
        tracing::warn!(
            "no leader of the control log is reached: logins are checked against what this node \
             knew before"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_left_this_node_has_not_arrived() {
        use io::ErrorKind::{NotConnected, Other, TimedOut};
        let node = NodeId(2);
        for (error, arrived) in [
            (
                io::Error::new(NotConnected, LinkError::NotConnected(node)),
                false,
            ),
            (
                io::Error::new(NotConnected, LinkError::UnknownPeer(node)),
                false,
            ),
            (io::Error::new(Other, LinkError::Full(node)), false),
            (io::Error::new(NotConnected, LinkError::Lost(node)), true),
            (io::Error::new(TimedOut, LinkError::Timeout(node)), true),
            (NotConnected.into(), false),
            (io::Error::other("something else"), true),
        ] {
            assert_eq!(may_have_arrived(&error), arrived, "{error:?}");
        }
    }
}
