//! The longest time without an acknowledgement, round by round.

use std::time::{Duration, Instant};

/// Times between acknowledgements of one client. A gap counts for the round in which it ends.
pub(super) struct Gaps {
    last: Instant,
    longest: Vec<Duration>,
}

impl Gaps {
    /// Begins to count.
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            last: now,
            longest: Vec::new(),
        }
    }

    /// Something was acknowledged.
    pub(super) fn acknowledge(&mut self, round: usize, now: Instant) {
        let gap = now.saturating_duration_since(self.last);
        self.last = now;
        if self.longest.len() <= round {
            self.longest.resize(round + 1, Duration::ZERO);
        }
        self.longest[round] = self.longest[round].max(gap);
    }

    /// The end: a gap that is open is as long as it is now.
    pub(super) fn finish(mut self, round: usize, now: Instant) -> Vec<Duration> {
        self.acknowledge(round, now);
        self.longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_gap_counts_for_the_round_in_which_it_ends() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut gaps = Gaps::new(start);
        for (round, ms) in [(0, 10), (0, 15), (1, 515), (1, 520), (3, 530)] {
            gaps.acknowledge(round, at(ms));
        }
        let longest: Vec<_> = gaps
            .finish(3, at(630))
            .iter()
            .map(Duration::as_millis)
            .collect();
        assert_eq!(longest, [10, 500, 0, 100]);
    }
}
