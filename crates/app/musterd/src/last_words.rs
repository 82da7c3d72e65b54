//! What a node says before it ends because its store has failed: that the others are to serve its users.
//! It cannot write any more, so another node proposes it.

use crate::control;
use crate::shared::Shared;
use muster_cluster::ControlOutcome;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long that may take: a leader of the control log that was this node itself is missed by then.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// Says it once, however many logs stop; the process is about to end.
pub(crate) async fn say(shared: &Arc<Shared>) {
    if shared.stopping.swap(true, Ordering::AcqRel) {
        return std::future::pending().await;
    }
    if tokio::time::timeout(PATIENCE, insist(shared))
        .await
        .is_err()
    {
        tracing::warn!("nobody hears that this node ends: its peer will miss it");
    }
}

async fn insist(shared: &Arc<Shared>) {
    let state = shared.cluster_state();
    let others: Vec<_> = shared.in_contact().into_iter().collect();
    let peer_lives = state
        .peer_of(shared.node)
        .is_some_and(|peer| others.contains(&peer));
    let Some(command) = muster_ha::store_lost(&state, shared.node, peer_lives) else {
        return;
    };
    loop {
        match control::propose_elsewhere(shared, &others, command.clone()).await {
            Some(ControlOutcome::Refused(why)) => {
                return tracing::warn!(%why, "this node's last words");
            }
            Some(_) => return,
            None => tokio::time::sleep(PAUSE).await,
        }
    }
}
