//! Ticks on one grid. What a node does each so many milliseconds, its groups and its tasks alike, it does at the same
//! moment: so a node with nothing else to do wakes up once for all of it, and what they say to a peer leaves together.

use rustix::time::{ClockId, clock_gettime};
use std::sync::LazyLock;
use std::time::Duration;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// Ticks at all multiples of `every` on the grid of this process; those that are missed are left out.
pub fn ticks(every: Duration) -> Interval {
    let now = clock_gettime(ClockId::Monotonic);
    let now = Duration::new(
        u64::try_from(now.tv_sec).unwrap_or_default(),
        u32::try_from(now.tv_nsec).unwrap_or_default(),
    );
    let first = until_next(every, now + phase());
    let mut ticks = interval_at(Instant::now() + first, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}

/// What to add to the system's monotonic clock to be on the grid of this process, below one second: nodes on one host do
/// not do everything at the same time.
pub fn phase() -> Duration {
    static OWN: LazyLock<Duration> = LazyLock::new(|| {
        let mut chance = [0; 2];
        // Without chance all have the same phase, which does no harm.
        let _ = getrandom::fill(&mut chance);
        Duration::from_micros(u64::from(u16::from_ne_bytes(chance)) * 15)
    });
    *OWN
}

/// From a time on a grid to the next multiple of `every`; `every`, if it is one.
pub fn until_next(every: Duration, time: Duration) -> Duration {
    let into = time.as_nanos() % every.as_nanos().max(1);
    every.saturating_sub(Duration::from_nanos(
        u64::try_from(into).unwrap_or_default(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_begins_when_ticks_together() {
        let millis = Duration::from_millis;
        for (every, now, next) in [
            (50, 0, 50),
            (50, 1, 50),
            (50, 49, 50),
            (50, 1_234, 1_250),
            (100, 1_234, 1_300),
            (100, 1_300, 1_400),
        ] {
            let (every, now) = (millis(every), millis(now));
            assert_eq!(now + until_next(every, now), millis(next));
        }
    }
}
