//! How long a stream of a program may go on: as long as its token is good, and its node stays.

use super::Api;
use super::client::Caller;
use crate::publish::now_ms;
use muster_cluster::ClusterState;
use muster_types::Timestamp;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Sleep;

/// Nobody waits longer for a token to expire.
const LONG: Duration = Duration::from_secs(365 * 86_400);

/// What a stream depends on.
pub(super) struct Standing {
    caller: Caller,
    cluster: watch::Receiver<Arc<ClusterState>>,
    ending: watch::Receiver<bool>,
    expiry: Pin<Box<Sleep>>,
}

/// What has happened to it.
pub(super) enum Turn {
    /// The node ends.
    Ending,
    /// The token is good no more.
    Over(&'static str),
    /// The control log has decided something else.
    Changed(Arc<ClusterState>),
}

impl Standing {
    pub(super) fn new(api: &Api, caller: Caller) -> Self {
        let left = caller.expires().map_or(LONG, |expires| {
            Duration::from_millis(expires.0.saturating_sub(now_ms()))
        });
        let mut cluster = api.service.backend.cluster_changes();
        // What changed since the caller was let in counts too.
        cluster.mark_changed();
        Self {
            caller,
            cluster,
            ending: api.service.ending(),
            expiry: Box::pin(tokio::time::sleep(left.min(LONG))),
        }
    }

    /// Whose stream it is.
    pub(super) const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Waits for something to happen. Nothing is lost when the wait is given up.
    pub(super) async fn turn(&mut self) -> Turn {
        tokio::select! {
            biased;
            _ = self.ending.wait_for(|ending| *ending) => return Turn::Ending,
            () = &mut self.expiry => return Turn::Over("the token has expired"),
            changed = self.cluster.changed() => if changed.is_err() {
                return Turn::Ending;
            },
        }
        let state = Arc::clone(&self.cluster.borrow_and_update());
        match self.caller.still_stands(&state, Timestamp(now_ms())) {
            true => Turn::Changed(state),
            false => Turn::Over("the token was removed or replaced"),
        }
    }
}
