//! A node's own clocks: the monotonic one runs a little fast or slow, the wall clock jumps.

use muster_types::{Instant, Timestamp};

const MILLION: i64 = 1_000_000;
/// The wall clock at the beginning, in milliseconds.
const EPOCH_MS: i64 = 1_700_000_000_000;

/// One node's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    /// How much it runs fast, in millionths.
    pub(crate) fast_ppm: i64,
    /// How much more it does while it is wrong.
    pub(crate) wrong_ppm: i64,
    /// How much the wall clock is ahead, in milliseconds.
    pub(crate) ahead_ms: i64,
}

impl Clock {
    const fn rate(self) -> i64 {
        MILLION + self.fast_ppm + self.wrong_ppm
    }

    /// What the node's clock shows.
    pub(crate) fn local(self, world: Instant) -> Instant {
        scale(world, self.rate(), MILLION)
    }

    /// When it will show this.
    pub(crate) fn world(self, local: Instant) -> Instant {
        let world = scale(local, MILLION, self.rate());
        // Rounded up, so that the clock has reached it then.
        world + std::time::Duration::from_nanos(2)
    }

    /// The time of day the node believes in.
    pub(crate) fn wall(self, world: Instant) -> Timestamp {
        let millis = i64::try_from(world.as_nanos() / 1_000_000).unwrap_or(i64::MAX);
        Timestamp(u64::try_from(EPOCH_MS + self.ahead_ms + millis).unwrap_or_default())
    }
}

/// `at * by / of`, without leaving 64 bits.
fn scale(at: Instant, by: i64, of: i64) -> Instant {
    let (by, of) = (by.unsigned_abs(), of.unsigned_abs());
    let nanos = at.as_nanos();
    Instant::from_nanos((nanos / of).saturating_mul(by) + nanos % of * by / of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_on_a_fast_or_slow_clock_is_reached() {
        for fast_ppm in [-40_000, 0, 13, 40_000] {
            let clock = Clock {
                fast_ppm,
                ..Clock::default()
            };
            for nanos in [0, 1, 999_999_937, 300_000_000_001] {
                let due = Instant::from_nanos(nanos);
                assert!(clock.local(clock.world(due)) >= due, "{fast_ppm} {nanos}");
            }
        }
    }
}
