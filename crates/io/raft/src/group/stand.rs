//! When a node asks to lead because it misses the leader.
//!
//! openraft waits for the leader's lease and then for a whole election timeout more. The second wait only keeps
//! two nodes from asking at once. Here a node asks as soon as the lease is over, a witness a little later, so
//! that the slot's other node leads at once and nothing has to be handed over. Asking is free: a pre-vote
//! changes nothing anywhere, and openraft refuses it, here and there, while a lease holds. Its own timer goes on
//! and is the second way.

use super::led::Led;
use crate::config::Timing;
use crate::runtime::{Instant, chance};
use crate::status::{is_lone_voter, is_voter};
use crate::types::Types;
use openraft::ServerState;
use openraft::metrics::RaftMetrics;
use std::sync::Arc;
use std::time::Duration;

/// Looked at with every beat.
pub(super) struct Stand {
    timing: Timing,
    led: Arc<Led>,
    /// Beats to wait, for a node that should rather not lead.
    yields: u32,
    /// Not again before.
    next: Instant,
}

impl Stand {
    pub(super) fn new(timing: Timing, led: Arc<Led>, yields: bool) -> Self {
        Self {
            timing,
            led,
            yields: if yields { 3 } else { 0 },
            next: Instant::now(),
        }
    }

    /// Whether to ask now.
    pub(super) fn is_due(&mut self, metrics: &RaftMetrics<Types>) -> bool {
        let could =
            metrics.state == ServerState::Follower && is_voter(metrics) && !is_lone_voter(metrics);
        let silence = self.led.silence();
        if !could || silence < self.timing.election_max + self.timing.beat * self.yields {
            return false;
        }
        // Whoever was just promised a vote comes first.
        let promised = self.led.since_promise();
        if promised.is_some_and(|age| age < self.timing.election_min) || Instant::now() < self.next
        {
            return false;
        }
        self.next = Instant::now() + self.pause();
        true
    }

    /// Between two times: an answer that comes later counts too.
    fn pause(&self) -> Duration {
        let beat = u64::try_from(self.timing.beat.as_micros()).unwrap_or(u64::MAX);
        self.timing.beat + Duration::from_micros(chance(beat))
    }
}
