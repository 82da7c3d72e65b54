//! A node that is cut off from the others sends its clients away, so that they find one that can
//! serve them, and takes them again when it is back.

use crate::node::Node;
use crate::shared::Shared;
use crate::{control, start_gate};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a node may be cut off before its clients are sent away.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(250);

/// Keeps looking until the node ends.
pub(crate) async fn watch(node: Arc<Node>) {
    let mut since = None;
    let mut away = false;
    let mut tick = muster_ticks::ticks(LOOK);
    loop {
        tick.tick().await;
        if node.is_stopping() {
            return;
        }
        if !is_cut_off(&node.shared) {
            since = None;
            if away {
                away = !take_again(&node).await;
            }
        } else if since.get_or_insert_with(Instant::now).elapsed() >= PATIENCE && !away {
            away = true;
            tracing::warn!("cut off from the other nodes: sending all clients away");
            node.send_clients_away();
        }
    }
}

/// Takes clients again, with all that was decided meanwhile; `false` if it cannot be now.
async fn take_again(node: &Arc<Node>) -> bool {
    control::catch_up(&node.shared).await;
    start_gate::wait(node).await;
    if node.is_stopping() || is_cut_off(&node.shared) {
        return false;
    }
    if node.drain.is_on() {
        node.close_doors();
        return true;
    }
    match node.open_to_clients() {
        Ok(_) => {
            tracing::warn!("in contact again: taking clients");
            true
        }
        // An old listener may not be closed yet: the next look tries again.
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), "cannot take clients yet");
            node.send_clients_away();
            false
        }
    }
}

/// Whether this node holds no lease and reaches no majority of the control log's voters.
fn is_cut_off(shared: &Shared) -> bool {
    let now = shared.clock.now();
    let leased = shared
        .all_slots()
        .iter()
        .any(|slot| slot.group.lease().holds(now));
    !leased && !shared.reaches_quorum()
}
