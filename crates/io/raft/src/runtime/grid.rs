//! The moments at which groups do what they do regularly: those of [`muster_ticks`], also in a [`super::World`].

use super::{Instant, monotonic, world};
use muster_ticks::until_next;
use std::time::Duration;

/// Openraft's ticks come at multiples of this, which is as often as beats do by default. They are its second way to
/// notice that a leader is gone, behind [`crate::group`]'s own, and its elections may be this much later.
const TICK: Duration = Duration::from_millis(50);
/// What is due sooner is no tick: openraft gathers for a moment what the disk says.
const SOON: Duration = Duration::from_micros(100);

/// The next moment, after now, for something that is done so often.
pub(super) fn next(every: Duration) -> Instant {
    Instant::now() + until_next(every, now())
}

/// The first moment for a tick that is not before `deadline`; `deadline`, if that is soon.
pub(super) fn not_before(deadline: Instant) -> Instant {
    let from = Instant::now();
    let ahead = deadline.saturating_since(from);
    if ahead < SOON {
        return deadline;
    }
    let rest = until_next(TICK, now() + ahead);
    from + ahead + if rest == TICK { Duration::ZERO } else { rest }
}

/// The time on the grid: in a world, whose clocks go at different rates, what the node's clock shows.
fn now() -> Duration {
    monotonic() + world().map_or_else(muster_ticks::phase, |_| Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_is_never_early() {
        for ahead in [0, 1, 30, 49, 50, 51, 1_000] {
            let deadline = Instant::now() + Duration::from_millis(ahead);
            let tick = not_before(deadline);
            assert!(tick >= deadline && tick < deadline + TICK, "{ahead}");
            assert!(ahead > 0 || tick == deadline, "{ahead}");
        }
    }
}
