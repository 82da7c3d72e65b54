//! When the users of failed-over nodes go home by themselves, as this node counts it, for operators; and the time of day at
//! which they may.

use crate::node::Node;
use crate::shared::wall;
use muster_ha::Input as HaInput;
use muster_types::{Instant, NodeId};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often the time of day is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What the HA machine said last.
#[derive(Debug, Default)]
pub(crate) struct Homecomings(Mutex<BTreeMap<NodeId, Option<Instant>>>);

impl Homecomings {
    /// What it says now.
    pub(crate) fn note(&self, due: BTreeMap<NodeId, Option<Instant>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = due;
    }

    /// How long it is until each is due; `None` while the node is not counted as healthy.
    pub(crate) fn due_in(&self, now: Instant) -> BTreeMap<NodeId, Option<Duration>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = |(node, at): (&NodeId, &Option<Instant>)| (*node, at.map(|at| at.since(now)));
        all.iter().map(left).collect()
    }
}

/// Tells the HA machine whether it is the time of day for automatic fallbacks, until the node ends.
pub(crate) async fn keep_the_window(node: Arc<Node>) {
    let mut tick = muster_ticks::ticks(LOOK);
    let mut told = true;
    while !node.is_stopping() {
        tick.tick().await;
        let state = node.shared.cluster_state();
        let window = state.settings().fallback_window;
        let holds = window.is_none_or(|window| window.holds(wall()));
        if holds != told && node.tell_ha(HaInput::FallbackWindow(holds)).await {
            told = holds;
        }
    }
}
