//! Which `unavailable` was true.

use std::time::{Duration, Instant};

/// When one client was without a connection.
#[derive(Default)]
pub(super) struct Outages(Vec<Outage>);

/// From when to when; open while it lasts.
struct Outage {
    from: Instant,
    to: Option<Instant>,
}

impl Outages {
    /// The connection was lost.
    pub(super) fn begin(&mut self, now: Instant) {
        if self.0.last().is_none_or(|outage| outage.to.is_some()) {
            self.0.push(Outage {
                from: now,
                to: None,
            });
        }
    }

    /// The client is back.
    pub(super) fn end(&mut self, now: Instant) {
        if let Some(outage) = self.0.last_mut() {
            outage.to.get_or_insert(now);
        }
    }

    /// Whether it was true at that time to call the client unavailable: it had been away for longer than the grace.
    pub(super) fn justify(&self, at: Instant, grace: Duration) -> bool {
        self.0.iter().any(|outage| {
            let ended = outage.to.is_some_and(|to| at > to);
            !ended && at >= outage.from && at.duration_since(outage.from) >= grace
        })
    }

    /// How many there were.
    pub(super) const fn count(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unavailable_is_true_only_after_the_grace_of_an_outage() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut outages = Outages::default();
        outages.begin(at(10));
        outages.begin(at(11));
        outages.end(at(100));
        outages.begin(at(200));
        assert_eq!(outages.count(), 2);
        for (s, justified) in [
            (5, false),
            (10, false),
            (30, false),
            (70, true),
            (100, true),
            (101, false),
            (230, false),
            (261, true),
        ] {
            assert_eq!(
                outages.justify(at(s), Duration::from_secs(60)),
                justified,
                "{s}"
            );
        }
    }
}
