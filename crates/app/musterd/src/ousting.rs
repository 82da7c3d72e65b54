//! The operator's unsafe takeover in a pair without a third voter, and what it means for the node that
//! was taken for lost.
//!
//! ```text
//! the control log says that a node is ousted        (its only voter may be that node: then by a new log)
//!   -> every log whose only voter it is begins anew here -> HA machine: this node should own the slot
//! the ousted node, started again -> asks its peer first -> is refused for ever -> ends, and says why
//! ```

use crate::control;
use crate::membership::set_peers;
use crate::shared::Shared;
use muster_cluster::{ClusterState, ControlCommand, ControlOutcome, Node};
use muster_link::PeerStatus;
use muster_raft::{Group, RaftGroupId};
use muster_slot::SlotCommand;
use muster_store::REPLACE;
use muster_types::NodeId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long the node that takes over may need until it serves.
const SERVED: Duration = Duration::from_secs(20);
/// How long a node that would serve alone waits for a word of its peer first.
const ASKED: Duration = Duration::from_secs(3);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);
/// The exit status of a node that must not run (sysexits).
const EX_CONFIG: i32 = 78;

/// Takes the users of `lost` over, and waits until this node serves them. That it may be done, and that
/// the operator wants it, is known.
pub(crate) async fn take_over(shared: &Arc<Shared>, lost: NodeId) -> Result<(), String> {
    let by = shared.node;
    let command = ControlCommand::NodeOust { node: lost, by };
    let control = shared.groups.find(RaftGroupId::CONTROL);
    let control = control.ok_or("the control log does not run")?;
    let follows = follows_alone(&control, lost);
    if follows {
        let proposal = control::proposal(shared, command).to_vec();
        let begun = control.begin_anew(lost, Some(proposal)).await;
        let at = begun.map_err(|error| error.to_string())?;
        tracing::warn!(group = %control.id(), begins = at.0, %lost, "a new log without a quorum");
    } else {
        match control::propose(shared, command).await {
            Ok(ControlOutcome::Refused(why)) => return Err(why.to_string()),
            Ok(_) => {}
            Err(failure) => return Err(failure.to_string()),
        }
    }
    let until = Instant::now() + SERVED;
    while !serves_all(shared, lost) {
        if Instant::now() >= until {
            return Err(
                "the takeover is decided, but this node does not serve the users yet: see \
                        `musterctl status` and this node's log"
                    .to_owned(),
            );
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

fn serves_all(shared: &Shared, lost: NodeId) -> bool {
    let state = shared.cluster_state();
    let mut slots = state.slots().filter(|slot| slot.home == lost);
    let is_served =
        |slot| matches!(shared.owner_of(slot), Some((owner, _)) if owner == shared.node);
    state.ousted_by(lost) == Some(shared.node) && slots.all(|slot| is_served(slot.id))
}

fn follows_alone(group: &Group, lost: NodeId) -> bool {
    let status = group.status().borrow().clone();
    !status.leading && status.voters.len() == 1 && status.voters.contains(&lost)
}

/// Begins a log anew whose only voter this node has ousted; again after a restart in the middle of it.
pub(crate) async fn carry_through(shared: &Shared, state: &ClusterState, group: &Group) {
    let ousted = |node: &&Node| node.ousted_by() == Some(shared.node);
    for lost in state.nodes().filter(ousted).map(|node| node.id) {
        if !follows_alone(group, lost) {
            continue;
        }
        let is_control = group.id() == RaftGroupId::CONTROL;
        let first = (!is_control).then(|| SlotCommand::Anew.to_entry());
        match group.begin_anew(lost, first).await {
            Ok(begins) => {
                let (group, begins) = (group.id(), begins.0);
                tracing::warn!(%group, begins, %lost, "a new log without a quorum");
            }
            // Begun meanwhile by whoever was asked to take over.
            Err(_) if !follows_alone(group, lost) => {}
            // The next turn tries again.
            Err(error) => tracing::warn!(group = %group.id(), %lost, %error, "no new log"),
        }
    }
}

/// Whom this node refuses for ever, and what they are told.
pub(crate) fn refused(state: &ClusterState) -> BTreeMap<NodeId, String> {
    let words = |node: &Node| {
        let (by, name, id) = (node.ousted_by()?, &node.name, node.id);
        let by = state
            .node(by)
            .map_or_else(|| by.to_string(), |by| by.name.clone());
        Some((
            id,
            format!(
                "{by} has taken over the users of {name} ({id}) by an unsafe takeover while {name} was \
                 silent, so what this node holds was given up and it must not serve: {REPLACE}"
            ),
        ))
    };
    state.nodes().filter_map(words).collect()
}

/// A node that was given up must not run.
pub(crate) fn end_as_given_up(peer: &PeerStatus) {
    if let Some(why) = &peer.given_up {
        tracing::error!("{why}: this node ends");
        std::process::exit(EX_CONFIG);
    }
}

/// A node that would serve its users without anybody's vote first waits a moment for a word of its
/// peer: it may have been ousted. Nobody who is out of reach can tell it, so it does not wait for long.
pub(crate) async fn ask_the_peer(shared: &Shared) {
    let state = shared.cluster_state();
    if state.lone_pair(shared.node).is_none() {
        return;
    }
    set_peers(shared, &state);
    let until = Instant::now() + ASKED;
    let has_answered = |peer: &PeerStatus| peer.raft || peer.problem.is_some();
    loop {
        let peers = shared.peers();
        peers.iter().for_each(end_as_given_up);
        if peers.iter().all(has_answered) || Instant::now() >= until {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}
