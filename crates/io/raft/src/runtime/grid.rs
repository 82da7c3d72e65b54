//! The moments at which groups do what they do regularly: the same for all groups of a node, so that it wakes up once
//! for all of them, and what they say to a peer leaves together.

use super::{Instant, monotonic, world};
use std::sync::LazyLock;
use std::time::Duration;

/// Openraft's ticks come at multiples of this, which is as often as beats do by default. They are its second way to
/// notice that a leader is gone, behind [`crate::group`]'s own, and its elections may be this much later.
const TICK: Duration = Duration::from_millis(50);
/// What is due sooner is no tick: openraft gathers for a moment what the disk says.
const SOON: Duration = Duration::from_micros(100);

/// The next moment, after now, for something that is done so often.
pub(super) fn next(every: Duration) -> Instant {
    Instant::now() + to_next(every, phase())
}

/// The first moment for a tick that is not before `deadline`; `deadline`, if that is soon.
pub(super) fn not_before(deadline: Instant) -> Instant {
    let now = Instant::now();
    let ahead = deadline.saturating_since(now);
    if ahead < SOON {
        return deadline;
    }
    let at = phase() + ahead;
    let rest = to_next(TICK, at);
    now + ahead + if rest == TICK { Duration::ZERO } else { rest }
}

/// The clock that moments are counted on. Each process has a phase of its own: nodes on one host do not do everything
/// at the same time.
fn phase() -> Duration {
    static OWN: LazyLock<Duration> =
        LazyLock::new(|| Duration::from_micros(rand::random_range(0..1_000_000)));
    // The clocks of a world go at different rates.
    let own = world().map_or_else(|| *OWN, |_| Duration::ZERO);
    monotonic() + own
}

/// From a time to the next multiple of `every`; `every`, if it is one.
fn to_next(every: Duration, time: Duration) -> Duration {
    let into = time.as_nanos() % every.as_nanos().max(1);
    every.saturating_sub(Duration::from_nanos(
        u64::try_from(into).unwrap_or_default(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_is_at_a_multiple_and_never_early() {
        let every = Duration::from_millis(50);
        for (time, rest) in [(0, 50), (1, 49), (49, 1), (50, 50), (1_234, 16)] {
            let rest = Duration::from_millis(rest);
            assert_eq!(to_next(every, Duration::from_millis(time)), rest, "{time}");
        }
        for ahead in [0, 1, 30, 49, 50, 51, 1_000] {
            let deadline = Instant::now() + Duration::from_millis(ahead);
            let tick = not_before(deadline);
            assert!(tick >= deadline && tick < deadline + TICK, "{ahead}");
            assert!(ahead > 0 || tick == deadline, "{ahead}");
        }
    }
}
