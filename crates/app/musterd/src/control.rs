//! The control log on this node: its state, and how anything gets into it.

use crate::links;
use crate::shared::{Shared, encode, wall};
use futures_util::future::BoxFuture;
use muster_cluster::{ClusterState, ControlCommand, ControlEvent, ControlOutcome, Proposal};
use muster_raft::{Applied, ProposeError, RaftGroupId, Records, StateMachine};
use muster_types::{LogIndex, Origin, Replicated, Writes};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How long a proposal looks for a leader.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a proposer waits for its own copy.
const CATCH_UP: Duration = Duration::from_secs(1);
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

    fn apply_one(&mut self, index: LogIndex, bytes: &[u8]) -> Applied {
        let proposal: Proposal = match postcard::from_bytes(bytes) {
            Ok(proposal) => proposal,
            Err(error) => {
                tracing::error!(%index, %error, "unreadable entry in the control log");
                return Applied::default();
            }
        };
        let mut writes = Writes::new();
        let events = self.state.apply(index, proposal, &mut writes);
        let answer = match events.first() {
            Some(ControlEvent::Outcome { outcome, .. }) => encode(outcome).to_vec(),
            _ => Vec::new(),
        };
        for event in events {
            // The receiver lives as long as the node.
            let _ = self.decided.send(event);
        }
        Applied { answer, writes }
    }
}

impl StateMachine for Control {
    fn install(&mut self, records: Records) -> BoxFuture<'_, Result<(), String>> {
        let loaded = ClusterState::load(&mut records.into_iter()).map_err(|e| e.to_string());
        let outcome = loaded.map(|state| {
            self.state = state;
            self.publish();
        });
        Box::pin(async move { outcome })
    }

    fn apply(&mut self, commands: Vec<(LogIndex, Vec<u8>)>) -> BoxFuture<'_, Vec<Applied>> {
        let applied = commands
            .iter()
            .map(|(index, bytes)| self.apply_one(*index, bytes))
            .collect();
        self.publish();
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

/// Proposes on this node, for itself or another.
pub(crate) async fn propose_here(shared: &Arc<Shared>, proposal: Vec<u8>) -> Answer {
    let Some(group) = shared.groups.find(RaftGroupId::CONTROL) else {
        return Answer::NotLeader;
    };
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
    let origin = Origin {
        node: shared.node,
        boot: shared.boot,
        serial: shared.next_proposal(),
    };
    let proposal = encode(&Proposal {
        origin,
        at: wall(),
        command,
    });
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
                Err(e) if e.kind() == std::io::ErrorKind::NotConnected => Answer::Unknown,
                Err(_) => Answer::Unknown,
            }
        }
        None => Answer::NotLeader,
    }
}
