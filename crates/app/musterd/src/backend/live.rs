//! What this node hears and leads now.

use crate::node::Node;
use muster_admin::{LiveView, SlotView};
use std::time::Duration;

pub(super) fn live(node: &Node) -> LiveView {
    let now = node.shared.clock.now();
    let shared = &node.shared;
    let control = node.control.status().borrow().clone();
    let is_led = node.control.is_led();
    let peers = shared.peers();
    let millis =
        |at: std::time::Instant| u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
    let state = shared.cluster_state();
    let slots = state.slots().map(|slot| {
        let owner = shared.owner_of(slot.id);
        let view = shared
            .slot(slot.id)
            .map_or_else(SlotView::default, |handle| {
                let status = handle.group.status().borrow().clone();
                SlotView {
                    owner: None,
                    applied: status.applied,
                    last_log: status.last_log,
                    leading: status.leading,
                    matched: status.matched,
                }
            });
        (slot.id, SlotView { owner, ..view })
    });
    LiveView {
        node: shared.node,
        heard_ms: peers
            .iter()
            .filter_map(|peer| Some((peer.node, millis(peer.last_heard?))))
            .collect(),
        via: peers
            .iter()
            .filter_map(|peer| Some((peer.node, peer.via?)))
            .collect(),
        home_in: shared.homecomings.due_in(now),
        control_leader: control.leader.filter(|_| is_led),
        control_quorum: is_led && shared.reaches_quorum(),
        control_last: control.last_log,
        control_voters: control.voters,
        up: Duration::from_nanos(now.as_nanos()),
        slots: slots.collect(),
    }
}
