//! The node's events as the API tells them.
//!
//! ```text
//! node::publish -- NodeEvent --> translate -- AdminEvent --> Watch of the admin service
//!                                  | the newest state of the log, for names (`words`)
//! ```

use super::words::{Known, describe};
use crate::node::NodeEvent;
use crate::shared::{Shared, wall};
use muster_admin::AdminEvent;
use std::sync::Arc;
use tokio::sync::broadcast;

/// Tells every event of the node to those who watch, until the node ends.
pub(super) async fn translate(
    shared: Arc<Shared>,
    mut from: broadcast::Receiver<NodeEvent>,
    to: broadcast::Sender<AdminEvent>,
) {
    let mut before = shared.cluster_state();
    loop {
        let event = match from.recv().await {
            Ok(event) => event,
            Err(broadcast::error::RecvError::Lagged(_)) => continue,
            Err(broadcast::error::RecvError::Closed) => return,
        };
        let now = shared.cluster_state();
        if to.receiver_count() > 0 {
            let known = Known {
                here: shared.node,
                now: &now,
                before: &before,
            };
            if let Some(told) = describe(&event, &known) {
                // Whoever was watching may be gone.
                let _ = to.send(told.at(wall()));
            }
        }
        before = now;
    }
}
