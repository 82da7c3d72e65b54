//! Ticks on one grid. What the tasks of a node do each so many milliseconds they do at the same moment: so a node
//! with nothing else to do wakes up once for all of it, and what they say to a peer leaves together.

use rustix::time::{ClockId, clock_gettime};
use std::sync::LazyLock;
use std::time::Duration;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// Ticks at all multiples of `every` on a clock of this process; those that are missed are left out.
pub fn ticks(every: Duration) -> Interval {
    let mut ticks = interval_at(Instant::now() + until_next(every, now()), every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}

/// The system's monotonic clock with a phase of each process: nodes on one host do not do everything at the same time.
fn now() -> Duration {
    static OWN: LazyLock<Duration> = LazyLock::new(|| {
        let mut chance = [0; 2];
        // Without chance all have the same phase, which does no harm.
        let _ = getrandom::fill(&mut chance);
        Duration::from_micros(u64::from(u16::from_ne_bytes(chance)) * 15)
    });
    let time = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let now = Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default());
    now + *OWN
}

fn until_next(every: Duration, now: Duration) -> Duration {
    let into = now.as_nanos() % every.as_nanos().max(1);
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
        for (every, now, next) in [(50, 1_234, 1_250), (100, 1_234, 1_300), (100, 1_300, 1_400)] {
            let (every, now) = (millis(every), millis(now));
            assert_eq!(now + until_next(every, now), millis(next));
        }
    }
}
