//! Who votes where: brings the Raft groups that this node leads into line with the cluster's state,
//! runs the replicas this node should have, and lets new nodes in.

use crate::control;
use crate::identity::Pki;
use crate::ousting;
use crate::shared::Shared;
use muster_cluster::{
    Addresses, ClusterState, ControlCommand, ControlOutcome, NewNode, Role, SoftwareVersion,
    TokenHash,
};
use muster_ha::{MemberStep, Members, control_members, member_step, slot_members};
use muster_link::{JoinRequest, JoinResponse, JoinToken, Role as LinkRole};
use muster_raft::{Group, RaftGroupId, Status};
use muster_types::{Boot, NodeId, SlotId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How often groups are compared with what they should be.
const PERIOD: Duration = Duration::from_millis(200);
/// How long one step towards a membership may take.
const STEP: Duration = Duration::from_secs(2);
/// A learner that lags no more than this becomes a voter.
const NEARLY: u64 = 100;

/// Keeps comparing until the node ends. New replicas are announced to `started`.
pub(crate) async fn keep(shared: Arc<Shared>, started: mpsc::Sender<SlotId>) {
    let mut state = shared.state.subscribe();
    state.mark_changed();
    let mut tick = muster_ticks::ticks(PERIOD);
    loop {
        tokio::select! {
            changed = state.changed() => if changed.is_err() { return },
            _ = tick.tick() => {}
        }
        let state = shared.cluster_state();
        set_peers(&shared, &state);
        for slot in wanted_slots(&state, shared.node) {
            // The receiver lives as long as the node.
            if shared.slot(slot).is_none() && started.send(slot).await.is_err() {
                return;
            }
        }
        if let Some(group) = shared.groups.find(RaftGroupId::CONTROL) {
            ousting::carry_through(&shared, &state, &group).await;
            align(&shared, &group, &control_members(&state)).await;
        }
        stop_removed(&shared, &state).await;
        for handle in shared.all_slots() {
            let wanted = slot_members(&state, handle.slot);
            begin(&shared, &state, handle.slot, &handle.group).await;
            ousting::carry_through(&shared, &state, &handle.group).await;
            align(&shared, &handle.group, &wanted).await;
            record(&shared, &state, handle.slot, &handle.group).await;
        }
    }
}

/// Ends the replicas of slots that are no more.
async fn stop_removed(shared: &Shared, state: &ClusterState) {
    for handle in shared.all_slots() {
        // A state without any slot is one that the log has not reached yet.
        if state.slots().next().is_none() || state.slot(handle.slot).is_some() {
            continue;
        }
        tracing::info!(slot = %handle.slot, "the slot was removed");
        handle.tell(muster_owner::Input::Close);
        if let Ok(mut slots) = shared.slots.write() {
            slots.remove(&handle.slot);
        }
        shared.groups.remove(handle.group.id());
        handle.group.shutdown().await;
    }
}

/// The slots of which a node should have a replica.
pub(crate) fn wanted_slots(state: &ClusterState, node: NodeId) -> Vec<SlotId> {
    let has = |slot: &SlotId| slot_members(state, *slot).has(node);
    state.slots().map(|slot| slot.id).filter(has).collect()
}

/// Links to every member, and to those that this node was told of when it joined and whom its
/// copy of the log, which may be far behind, does not know yet.
pub(crate) fn set_peers(shared: &Shared, state: &ClusterState) {
    let mut peers: BTreeMap<_, _> = state
        .members()
        .map(|node| (node.id, node.addresses.link.clone()))
        .collect();
    for (node, address) in &shared.first_peers {
        if state.node(*node).is_none() {
            peers.insert(*node, address.clone());
        }
    }
    if let Some(links) = shared.links.get() {
        links.set_refused(ousting::refused(state));
        links.set_peers(peers);
    }
}

/// A slot's log begins on its home node, once.
async fn begin(shared: &Shared, state: &ClusterState, slot: SlotId, group: &Group) {
    let fresh = |slot: &muster_cluster::Slot| slot.home == shared.node && slot.owner.is_none();
    if state.slot(slot).is_some_and(fresh)
        && !group.is_initialized().await
        && let Err(error) = group.initialize().await
    {
        tracing::error!(%slot, %error, "cannot begin the slot's log");
    }
}

/// One step towards the wanted membership, if this node leads and no change is under way.
async fn align(shared: &Shared, group: &Group, wanted: &Members) {
    let status: Status = group.status().borrow().clone();
    if !status.leading || status.changing {
        return;
    }
    let mut alive = shared.in_contact();
    alive.insert(shared.node);
    let near = |node: &NodeId| {
        let matched = status.matched.get(node);
        matched.is_some_and(|at| at + NEARLY >= status.last_log)
    };
    let now = Members {
        voters: status.voters.clone(),
        learners: status.learners.clone(),
    };
    if let Some(step) = member_step(&now, status.joint, wanted, &alive, near) {
        // A step that has no quorum would never return; it stays under way and shows in the status.
        let _ = tokio::time::timeout(STEP, take(group, step, &wanted.voters)).await;
    }
}

async fn take(group: &Group, step: MemberStep, voters: &BTreeSet<NodeId>) {
    let outcome = match step {
        MemberStep::Complete => group.finish_change().await,
        MemberStep::AddLearner(node) => group.add_learner(node).await,
        MemberStep::ChangeVoters => group.change_voters(voters, true).await,
        MemberStep::RemoveLearners(gone) => group.remove_learners(&gone).await,
    };
    match outcome {
        Ok(()) => tracing::info!(group = %group.id(), ?voters, "membership changed"),
        // The next turn tries again.
        Err(error) => tracing::debug!(group = %group.id(), %error, "membership not changed"),
    }
}

/// Tells the control log who votes for a slot, so that everyone can see whether it is protected.
async fn record(shared: &Arc<Shared>, state: &ClusterState, slot: SlotId, group: &Group) {
    let status = group.status().borrow().clone();
    if !status.leading || status.changing || status.joint || !shared.reaches_quorum() {
        return;
    }
    let voters: Vec<_> = status.voters.iter().copied().collect();
    let recorded: BTreeSet<_> = state
        .slot(slot)
        .map(|slot| slot.voters.iter().copied().collect())
        .unwrap_or_default();
    if recorded != status.voters {
        // The next turn tries again.
        let _ = control::propose(shared, ControlCommand::SlotVotersChanged { slot, voters }).await;
    }
}

/// Lets a node in that shows a valid token.
pub(crate) async fn admit(
    shared: &Arc<Shared>,
    request: JoinRequest,
) -> Result<JoinResponse, String> {
    let pki = Pki::load(&shared.config().data_dir).map_err(|e| e.to_string())?;
    let ca = pki
        .authority(&shared.config().data_dir)
        .map_err(|e| e.to_string())?;
    let role = match request.role {
        LinkRole::Serving => Role::Serving,
        LinkRole::Witness => Role::Witness,
    };
    let command = ControlCommand::NodeJoin {
        token: TokenHash(JoinToken::hash_secret(&request.secret)),
        node: NewNode {
            name: request.name,
            role,
            addresses: Addresses {
                link: request.link_address,
                ..Addresses::default()
            },
            version: SoftwareVersion {
                wire: request.versions.wire,
                data: request.versions.data,
            },
            boot: Boot(0),
        },
    };
    let node = match control::propose(shared, command)
        .await
        .map_err(|e| e.to_string())?
    {
        ControlOutcome::Node(node) => node,
        ControlOutcome::Refused(why) => return Err(why.to_string()),
        other => return Err(format!("unexpected outcome {other:?}")),
    };
    let certificate = ca
        .issue_node(node, &request.csr)
        .map_err(|e| e.to_string())?;
    let state = shared.cluster_state();
    let mut peers: BTreeMap<_, _> = state
        .members()
        .filter(|member| member.id != node)
        .map(|member| (member.id, member.addresses.link.clone()))
        .collect();
    peers.insert(shared.node, shared.config().addresses().link);
    Ok(JoinResponse {
        node,
        certificate,
        ca: ca.certificate_pem().to_owned(),
        peers,
        ca_key: (role == Role::Serving).then(|| ca.key_pem()),
    })
}
