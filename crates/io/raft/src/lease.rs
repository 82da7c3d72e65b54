//! Until when an owner may decide.

use crate::runtime;
use muster_types::Instant;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The node's clock: the one source of [`Instant`]s in a process. It goes on while the machine is
/// suspended (`CLOCK_BOOTTIME`), so a lease that ended meanwhile has ended when the process wakes.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Duration,
}

impl Clock {
    /// A clock that begins now (at a nonzero instant, so that zero is always in the past).
    pub fn start() -> Self {
        Self {
            start: runtime::boottime(),
        }
    }

    /// The current instant.
    pub fn now(&self) -> Instant {
        let elapsed = runtime::boottime().saturating_sub(self.start).as_nanos();
        Instant::from_nanos(u64::try_from(elapsed).unwrap_or(u64::MAX).saturating_add(1))
    }

    /// The system's reading of an instant, for timers. They stand still while the machine is
    /// suspended, so one that was set before fires late.
    pub fn reading(&self, instant: Instant) -> std::time::Instant {
        std::time::Instant::now() + instant.since(self.now())
    }
}

/// How far the two clocks may drift apart between two looks without a suspension: they are read one
/// after the other, and the process may be held up in between.
const SLACK: Duration = Duration::from_millis(10);

/// Notices that the machine was suspended. What was sent before that has an age that the monotonic
/// clock, which stands still meanwhile, shows too short: it renews no lease.
#[derive(Debug, Default)]
pub(crate) struct Suspensions {
    /// By how much the clock that goes on was ahead at the last look.
    ahead: Option<Duration>,
    /// When the last one was noticed.
    noticed: Option<runtime::Instant>,
}

impl Suspensions {
    /// Compares the clocks.
    pub(crate) fn look(&mut self) {
        let before = runtime::monotonic();
        let boot = runtime::boottime();
        let after = runtime::monotonic();
        // Whoever was held up in between compares nothing: the next look is near.
        if after.saturating_sub(before) < SLACK / 10 {
            self.compare(boot.saturating_sub(after));
        }
    }

    fn compare(&mut self, ahead: Duration) {
        if self.ahead.is_some_and(|before| ahead > before + SLACK) {
            self.noticed = Some(runtime::Instant::now());
        }
        self.ahead = Some(ahead);
    }

    /// Whether something is really of this age: sent since the last suspension.
    pub(crate) fn know(&self, age: Duration) -> bool {
        self.noticed.is_none_or(|noticed| age < noticed.elapsed())
    }
}

/// The deadline of one slot's lease, shared by everyone who acts as its owner. Read before each
/// batch of input and before each hand-over to a socket or link.
#[derive(Clone, Debug, Default)]
pub struct Lease {
    until: Arc<AtomicU64>,
    withheld: Arc<AtomicBool>,
    /// How many changes of voters keep it from being set.
    bars: Arc<AtomicU64>,
}

impl Lease {
    /// True while the node may decide for the slot.
    pub fn holds(&self, now: Instant) -> bool {
        !self.withheld.load(Ordering::Acquire)
            && now.as_nanos() < self.until.load(Ordering::Acquire)
    }

    /// Ends the lease, also for an owner that is stuck, until it is given back: whatever the group's
    /// rounds renew meanwhile does not count.
    pub fn withhold(&self, withheld: bool) {
        self.withheld.store(withheld, Ordering::Release);
    }

    /// When it ends unless renewed; in the past when there is none.
    pub fn until(&self) -> Instant {
        if self.withheld.load(Ordering::Acquire) {
            return Instant::ZERO;
        }
        Instant::from_nanos(self.until.load(Ordering::Acquire))
    }

    pub(crate) fn set(&self, until: Instant) {
        self.until.store(until.as_nanos(), Ordering::SeqCst);
        // A bar may have come in between: it has ended the lease before this set it, or sees it.
        if self.bars.load(Ordering::SeqCst) > 0 {
            self.end();
        }
    }

    pub(crate) fn end(&self) {
        let nothing = Instant::ZERO.as_nanos();
        self.until.store(nothing, Ordering::SeqCst);
    }

    /// Ends it, and keeps it from being set until the answer is dropped.
    pub(crate) fn bar(&self) -> Bar {
        self.bars.fetch_add(1, Ordering::SeqCst);
        self.end();
        Bar(Arc::clone(&self.bars))
    }
}

/// See [`Lease::bar`].
pub(crate) struct Bar(Arc<AtomicU64>);

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_before_a_suspension_has_no_known_age() {
        let mut suspensions = Suspensions::default();
        let ms = Duration::from_millis;
        for ahead in [ms(7_000), ms(7_003), ms(7_001)] {
            suspensions.compare(ahead);
            assert!(suspensions.know(ms(60_000)), "{ahead:?}");
        }
        suspensions.compare(ms(9_000));
        assert!(!suspensions.know(ms(60_000)));
        std::thread::sleep(ms(1));
        assert!(suspensions.know(Duration::ZERO));
    }

    #[test]
    fn a_lease_that_is_withheld_is_over_however_it_is_renewed() {
        let lease = Lease::default();
        let now = Instant::from_nanos(5);
        lease.set(Instant::from_nanos(9));
        assert!(lease.holds(now));
        lease.withhold(true);
        lease.clone().set(Instant::from_nanos(99));
        assert!(!lease.holds(now) && lease.until() < now);
        lease.withhold(false);
        assert!(lease.holds(now));
    }

    #[test]
    fn a_barred_lease_is_over_and_cannot_be_set() {
        let lease = Lease::default();
        let (now, later) = (Instant::from_nanos(5), Instant::from_nanos(9));
        lease.set(later);
        assert!(lease.holds(now));
        let bars = (lease.bar(), lease.bar());
        assert!(!lease.holds(now));
        for bar in [bars.0, bars.1] {
            lease.set(later);
            assert!(!lease.holds(now));
            drop(bar);
        }
        lease.set(later);
        assert!(lease.holds(now));
    }

    #[test]
    fn a_timer_for_an_instant_is_due_when_the_instant_comes() {
        let clock = Clock::start();
        let at = clock.now() + Duration::from_millis(50);
        let wait = clock
            .reading(at)
            .saturating_duration_since(std::time::Instant::now());
        assert!(wait <= Duration::from_millis(50), "{wait:?}");
        assert!(wait > Duration::from_millis(20), "{wait:?}");
        // One that is past is due at once.
        assert!(clock.reading(Instant::ZERO) <= std::time::Instant::now());
    }
}
