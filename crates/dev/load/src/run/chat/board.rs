//! What was sent and what came.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::figures::{Latencies, Report};

/// How often it is looked whether all has come.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What all clients note.
pub(super) struct Board {
    origin: Instant,
    pub(super) sent: AtomicU64,
    pub(super) unsent: AtomicU64,
    pub(super) received: AtomicU64,
    pub(super) bounced: AtomicU64,
    pub(super) misordered: AtomicU64,
    /// From a message being due to its being received.
    pub(super) latencies: Latencies,
    /// From a message being due to its being handed to the socket: the generator's own share.
    pub(super) lags: Latencies,
}

impl Board {
    pub(super) fn new() -> Self {
        Self {
            origin: Instant::now(),
            sent: AtomicU64::new(0),
            unsent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            bounced: AtomicU64::new(0),
            misordered: AtomicU64::new(0),
            latencies: Latencies::new(),
            lags: Latencies::new(),
        }
    }

    pub(super) fn id(&self, serial: u64, due: Instant) -> String {
        let ns = due.saturating_duration_since(self.origin).as_nanos();
        format!("c{serial}.{ns}")
    }

    /// Which message of its sender it is, and when it was due.
    pub(super) fn read_id(&self, id: &str) -> Option<(u64, Instant)> {
        let (serial, ns) = id.strip_prefix('c')?.split_once('.')?;
        let due = self
            .origin
            .checked_add(Duration::from_nanos(ns.parse().ok()?))?;
        Some((serial.parse().ok()?, due))
    }

    /// Waits until every one of the `planned` messages has come to an end, or for the longest time.
    pub(super) async fn drain(&self, planned: u64, longest: Duration) {
        let begun = Instant::now();
        let counts = [
            &self.unsent,
            &self.received,
            &self.bounced,
            &self.misordered,
        ];
        let ended = || {
            counts
                .iter()
                .map(|count| count.load(Ordering::Relaxed))
                .sum::<u64>()
        };
        while ended() < planned && begun.elapsed() < longest {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    pub(super) fn report(&self, report: Report) -> Report {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let ended = count(&self.received) + count(&self.bounced) + count(&self.misordered);
        report
            .with("sent", count(&self.sent))
            .with("received", count(&self.received))
            .with("latency_ms", self.latencies.report())
            .with("send_lag_ms", self.lags.report())
            .with("missing", count(&self.sent).saturating_sub(ended))
            .with("misordered_or_doubled", count(&self.misordered))
            .with("bounced", count(&self.bounced))
            .with("not_sent", count(&self.unsent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_carry_number_and_time() {
        let board = Board::new();
        let due = board.origin + Duration::from_nanos(1_234_567);
        assert_eq!(board.id(7, due), "c7.1234567");
        assert_eq!(board.read_id("c7.1234567"), Some((7, due)));
        for other in ["", "c7", "7.1", "cx.1", "c7.x", "c7.-1"] {
            assert_eq!(board.read_id(other), None, "{other}");
        }
    }
}
