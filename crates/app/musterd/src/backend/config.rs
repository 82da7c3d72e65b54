//! What operators see and do of this node's configuration.

use crate::config::Change;
use crate::reload::{Difference, Reload};
use futures_util::future::BoxFuture;
use muster_admin::{ConfigChange, ConfigDifference};

/// Does what reads files where it holds nobody up.
pub(super) fn reading(
    read: impl FnOnce() -> Result<ConfigDifference, String> + Send + 'static,
) -> BoxFuture<'static, Result<ConfigDifference, String>> {
    Box::pin(async move {
        let done = tokio::task::spawn_blocking(read).await;
        done.unwrap_or_else(|_| Err("the node is stopping".to_owned()))
    })
}

pub(super) fn shown(reload: &Reload, difference: Difference) -> ConfigDifference {
    let change = |change: Change| ConfigChange {
        option: change.option,
        before: change.before,
        after: change.after,
        live: change.live,
    };
    ConfigDifference {
        file: reload.file().display().to_string(),
        digest: difference.digest,
        changes: difference.changes.into_iter().map(change).collect(),
    }
}
