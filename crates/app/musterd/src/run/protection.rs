//! Says in the log whether a failure would be survived: at the start, and whenever that changes.

use crate::backend::NodeBackend;
use crate::node::Node;
use muster_admin::Backend;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a start may take before what is missing is said: the links do not stand at once.
const SETTLING: Duration = Duration::from_secs(5);
/// How often it is looked at meanwhile …
const LOOK_FIRST: Duration = Duration::from_millis(100);
/// … and from then on.
const LOOK: Duration = Duration::from_secs(1);

/// Ends with the node.
pub(super) async fn tell(backend: Arc<NodeBackend>, node: Arc<Node>) {
    let settled = Instant::now() + SETTLING;
    let mut told = None;
    while !node.is_stopping() {
        let waits = told.is_none() && Instant::now() < settled;
        let words = backend.protection();
        if told.as_ref() != Some(&words) && (!waits || is_protected(&backend)) {
            tracing::info!("{words}");
            told = Some(words);
        }
        tokio::time::sleep(if told.is_none() { LOOK_FIRST } else { LOOK }).await;
    }
}

/// Whether every group is.
fn is_protected(backend: &NodeBackend) -> bool {
    let groups = muster_admin::protection(&backend.cluster(), &backend.live());
    !groups.is_empty() && groups.iter().all(|group| group.protected)
}
