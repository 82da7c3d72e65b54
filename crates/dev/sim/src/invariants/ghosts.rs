//! No ghosts: a client that has gone becomes unavailable, also when the nodes that knew it are dead.

use super::Violation;
use crate::client::Client;
use crate::truth::Truth;
use muster_types::{FullJid, Instant};
use std::time::Duration;

/// Whom nobody should see any more who is connected to a healthy node. Nothing went wrong or right since
/// `quiet_since`; `late` is how long news may be on its way at worst.
pub(crate) fn gone(
    truth: &Truth,
    now: Instant,
    (quiet_since, late): (Instant, Duration),
) -> Vec<(&FullJid, Instant)> {
    let clients = truth.presence.keys();
    clients
        .filter_map(|jid| Some((jid, truth.gone_since(jid)?)))
        .filter(|(_, gone)| now.since(quiet_since.max(*gone)) > late)
        .collect()
}

/// Looks at what such a watcher sees.
///
/// # Errors
/// Names a client that is `gone` and is still seen.
pub(crate) fn check(gone: &[(&FullJid, Instant)], watcher: &Client) -> Result<(), Violation> {
    let seen = gone.iter().find(|(jid, _)| watcher.sees.contains_key(*jid));
    let Some((shown, gone)) = seen else {
        return Ok(());
    };
    let seen = format!("{} still sees {shown}, gone at {gone:?}", watcher.jid);
    Err(Violation::new("no ghosts", seen))
}
