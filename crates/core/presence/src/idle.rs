//! Since when a client has not been used: XEP-0319, and for older clients XEP-0256.

use muster_stanza::Stanza;
use muster_types::{Instant, Timestamp};
use std::time::Duration;

const IDLE: &str = "urn:xmpp:idle:1";
const LAST_ACTIVITY: &str = "jabber:iq:last";

/// For how long a client has not been used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Idle {
    /// When it said so, on this node's clock, which may have begun later than the idleness.
    heard: Instant,
    /// For how long it was so then.
    age: Duration,
}

impl Idle {
    /// Reads a presence; `wall` is what time it is for people. A client whose clock is ahead begins now.
    pub(crate) fn read(stanza: &Stanza, now: Instant, wall: Timestamp) -> Option<Self> {
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
        let age = idle.or_else(last)?;
        Some(Self { heard: now, age })
    }

    /// Whether that is so for so long; never, if `after` is zero.
    pub(crate) fn lasts(&self, now: Instant, after: Duration) -> bool {
        !after.is_zero() && self.age.saturating_add(now.since(self.heard)) >= after
    }

    /// When it will have been so for so long; `None` if that is past.
    pub(crate) fn reaches(&self, now: Instant, after: Duration) -> Option<Instant> {
        let left = after.checked_sub(self.age)?;
        Some(self.heard + left).filter(|reached| *reached > now)
    }
}
