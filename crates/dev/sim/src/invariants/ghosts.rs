//! No ghosts: a client that has gone becomes unavailable, also when the nodes that knew it are dead.

use super::Violation;
use crate::client::Client;
use crate::truth::Truth;
use muster_types::Instant;
use std::time::Duration;

/// Looks at what a watcher sees that has been connected to a healthy node. Nothing went wrong or
/// right since `quiet_since`; `late` is how long news may be on its way at worst.
///
/// # Errors
/// Names a client that has gone and is still seen.
pub(crate) fn check(
    truth: &Truth,
    now: Instant,
    (quiet_since, late): (Instant, Duration),
    watcher: &Client,
) -> Result<(), Violation> {
    for shown in watcher.sees.keys() {
        let Some(gone) = truth.gone_since(shown) else {
            continue;
        };
        if now.since(gone.max(quiet_since)) > late {
            let seen = format!("{} still sees {shown}, gone at {gone:?}", watcher.jid);
            return Err(Violation::new("no ghosts", seen));
        }
    }
    Ok(())
}
