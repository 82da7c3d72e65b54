//! The replicas of this node: started as they are wanted, and told of nodes and owners.

use crate::shared::Shared;
use crate::slot::{self, SlotHandle};
use crate::{ha, last_words};
use muster_cluster::ClusterState;
use muster_envelope::{Envelope, ToPeer};
use muster_ha::Input as HaInput;
use muster_link::PeerStatus;
use muster_owner::{Input as SlotInput, OwnerEvent};
use muster_raft::Group;
use muster_types::{NodeId, SlotId};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;

/// How often a replica may be told which nodes are there.
const LOOK: Duration = Duration::from_millis(100);

/// Starts a replica for each slot that comes in.
pub(crate) async fn run(
    shared: Arc<Shared>,
    mut wanted: mpsc::Receiver<SlotId>,
    events: mpsc::UnboundedSender<(SlotId, OwnerEvent)>,
    ha: mpsc::Sender<HaInput>,
) {
    while let Some(slot) = wanted.recv().await {
        if shared.slot(slot).is_some() {
            continue;
        }
        match slot::start(&shared, slot, events.clone()).await {
            Ok(handle) => {
                // From here on it is told of what happens; then of what happened before.
                if let Ok(mut slots) = shared.slots.write() {
                    slots.insert(slot, handle.clone());
                }
                introduce(&shared, &handle).await;
                tokio::spawn(watch_group(Arc::clone(&shared), handle.group.clone()));
                let watching = ha::watch_slot(Arc::clone(&shared), handle, ha.clone());
                shared.raft.spawn(watching);
            }
            // The raft thread may be gone already.
            Err(_) if shared.stopping.load(Ordering::Acquire) => return,
            Err(error) => end(&error.to_string()),
        }
    }
}

/// What a new replica has to know at once.
async fn introduce(shared: &Arc<Shared>, handle: &SlotHandle) {
    let state = shared.cluster_state();
    handle.tell(nodes(shared, &state, handle.slot));
    // They may have changed since it began to start.
    let limits = shared.config().limits.limits();
    handle.tell(SlotInput::Limits(Box::new(limits)));
    for known in state.slots() {
        if let Some((node, epoch)) = known.owner {
            handle.tell(SlotInput::OwnerKnown {
                slot: known.id,
                node,
                epoch,
            });
        }
    }
    for (slot, node, epoch) in shared.known_owners() {
        handle.tell(SlotInput::OwnerKnown { slot, node, epoch });
    }
    let in_reach = shared.peers().into_iter().filter(PeerStatus::is_reached);
    for hello in in_reach.filter_map(|peer| peer.hello) {
        let (node, boot) = (hello.node, hello.boot);
        handle.tell(SlotInput::NodeUp { node, boot });
    }
    // What the owner said of its sessions before this replica was there is lost: once more.
    if let Some((owner, epoch)) = shared.owner_of(handle.slot)
        && owner != shared.node
    {
        let (slot, body) = (handle.slot, ToPeer::Resync);
        shared
            .send_from_slot(owner, Envelope::ToPeer { slot, epoch, body })
            .await;
    }
}

/// A group that has stopped for good takes the whole process with it, after a word to the others.
pub(crate) async fn watch_group(shared: Arc<Shared>, group: Group) {
    let mut status = group.status();
    let stopped = status.wait_for(|status| status.stopped.is_some()).await;
    let Some(why) = stopped.ok().and_then(|status| status.stopped.clone()) else {
        return;
    };
    let is_removed = shared.groups.find(group.id()).is_none();
    if !is_removed && !shared.stopping.load(Ordering::Acquire) {
        let remedy = remedy(&why, &shared.config().data_dir);
        let why = format!("group {} has stopped: {why}{remedy}", group.id());
        tracing::error!("{why}");
        last_words::say(&shared).await;
        end(&why);
    }
}

/// What to do where the cause does not say it.
fn remedy(why: &str, data_dir: &Path) -> String {
    let no_room = ["StorageFull", "QuotaExceeded"];
    if no_room.iter().any(|kind| why.contains(kind)) {
        format!(
            "; free some space on the disk of {} and start the node again: nothing that was \
             acknowledged is lost, and it gets what it missed from the others",
            data_dir.display()
        )
    } else {
        String::new()
    }
}

/// Ends the process: a node without one of its logs must not look alive to the others.
fn end(why: &str) -> ! {
    tracing::error!("this node ends: {why}");
    std::process::exit(i32::from(EX_IOERR))
}

/// The exit status of a node whose storage failed (sysexits).
pub(crate) const EX_IOERR: u8 = 74;

/// Whom envelopes get to, and who else keeps a copy of the slot.
pub(crate) fn nodes(shared: &Shared, state: &ClusterState, slot: SlotId) -> SlotInput {
    let serving = |node: &NodeId| state.node(*node).is_some_and(|node| node.serves());
    let mut alive = shared.in_reach();
    alive.insert(shared.node);
    alive.retain(serving);
    let replicas = muster_ha::desired_voters(state, slot)
        .into_iter()
        .filter(|node| *node != shared.node && serving(node))
        .collect();
    SlotInput::Nodes { alive, replicas }
}

/// Tells every replica which nodes are there, whenever that has changed. The accounts each looks up
/// itself.
pub(crate) async fn keep_told(shared: Arc<Shared>) {
    let mut state = shared.state.subscribe();
    let mut tick = muster_ticks::ticks(LOOK);
    let mut told = BTreeSet::new();
    loop {
        let changed = tokio::select! {
            changed = state.changed() => match changed {
                Ok(()) => true,
                Err(_) => return,
            },
            _ = tick.tick() => false,
        };
        let newest = Arc::clone(&state.borrow_and_update());
        let alive = shared.in_reach();
        if !changed && alive == told {
            continue;
        }
        told = alive;
        for handle in shared.all_slots() {
            handle.tell(nodes(&shared, &newest, handle.slot));
        }
    }
}
