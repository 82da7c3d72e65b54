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
    /// Idleness that has lasted so long by now.
    pub const fn of(now: Instant, age: Duration) -> Self {
        Self { heard: now, age }
    }

    /// For how long it has lasted.
    pub fn age(&self, now: Instant) -> Duration {
        self.age.saturating_add(now.since(self.heard))
    }

    /// Reads a presence that the client sent so long ago; `wall` is what time it is for people. A client whose clock
    /// is ahead begins now.
    pub(crate) fn read(
        stanza: &Stanza,
        now: Instant,
        wall: Timestamp,
        ago: Duration,
    ) -> Option<Self> {
        let idle = stanza.child("idle", IDLE).and_then(|idle| {
            let since: Timestamp = idle.attr("since")?.trim().parse().ok()?;
            Some(Duration::from_millis(wall.0.saturating_sub(since.0)))
        });
        let last = || {
            let last = stanza.child("query", LAST_ACTIVITY)?;
            let seconds = last.attr("seconds")?.trim().parse().ok()?;
            // As it was when it was sent (XEP-0256 §3).
            Some(Duration::from_secs(seconds).saturating_add(ago))
        };
        Some(Self::of(now, idle.or_else(last)?))
    }

    /// Whether that is so for so long; never, if `after` is zero.
    pub(crate) fn lasts(&self, now: Instant, after: Duration) -> bool {
        !after.is_zero() && self.age(now) >= after
    }

    /// When it will have been so for so long; `None` if that is past.
    pub(crate) fn reaches(&self, now: Instant, after: Duration) -> Option<Instant> {
        let left = after.checked_sub(self.age)?;
        Some(self.heard + left).filter(|reached| *reached > now)
    }
}
