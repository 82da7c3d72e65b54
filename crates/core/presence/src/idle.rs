//! Since when a client has not been used: XEP-0319, and for older clients XEP-0256.

use muster_stanza::Stanza;
use muster_types::{Instant, Timestamp};
use std::time::Duration;

const IDLE: &str = "urn:xmpp:idle:1";
const LAST_ACTIVITY: &str = "jabber:iq:last";

/// Since when the client that says this has been idle, on this node's clock: `wall` is what time it is for
/// people. A client whose clock is ahead begins now.
pub(crate) fn idle_since(stanza: &Stanza, now: Instant, wall: Timestamp) -> Option<Instant> {
    let idle = stanza.child("idle", IDLE).and_then(|idle| {
        let since: Timestamp = idle.attr("since")?.trim().parse().ok()?;
        Some(Duration::from_millis(wall.0.saturating_sub(since.0)))
    });
    let last = || {
        let last = stanza.child("query", LAST_ACTIVITY)?;
        last.attr("seconds")?
            .trim()
            .parse()
            .ok()
            .map(Duration::from_secs)
    };
    idle.or_else(last).map(|idle| now - idle)
}
