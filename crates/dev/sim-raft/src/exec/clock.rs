//! A host's clocks.

/// Where the monotonic clocks begin, so that a time before the start can be told.
const BEGIN: u64 = 3_600_000_000_000;
/// The rate of a clock that runs like the world's.
pub(crate) const EVEN: u64 = 1_000_000;

/// Both are straight lines between suspensions.
pub(crate) struct HostClock {
    since: u64,
    shown: u64,
    rate: u64,
    /// How long it was suspended, ever.
    suspended: u64,
    stands: bool,
}

impl Default for HostClock {
    fn default() -> Self {
        Self::new(0, EVEN)
    }
}

impl HostClock {
    pub(crate) fn new(now: u64, rate: u64) -> Self {
        Self {
            since: now,
            shown: BEGIN,
            rate,
            suspended: 0,
            stands: false,
        }
    }

    pub(crate) fn monotonic(&self, now: u64) -> u64 {
        if self.stands {
            return self.shown;
        }
        let passed = u128::from(now - self.since) * u128::from(self.rate) / u128::from(EVEN);
        self.shown + u64::try_from(passed).unwrap_or(u64::MAX)
    }

    pub(crate) fn boottime(&self, now: u64) -> u64 {
        let now_suspended = if self.stands { now - self.since } else { 0 };
        self.monotonic(now) + self.suspended + now_suspended
    }

    /// When the monotonic clock will show `at`, in the world's time.
    pub(crate) fn reaches(&self, at: u64) -> Option<u64> {
        if self.stands {
            return None;
        }
        let ahead = u128::from(at.saturating_sub(self.shown)) * u128::from(EVEN);
        let ahead = ahead.div_ceil(u128::from(self.rate));
        Some(self.since + u64::try_from(ahead).unwrap_or(u64::MAX / 2))
    }

    pub(crate) fn suspend(&mut self, now: u64) {
        if !self.stands {
            self.shown = self.monotonic(now);
            self.since = now;
            self.stands = true;
        }
    }

    pub(crate) fn resume(&mut self, now: u64) {
        if self.stands {
            self.suspended += now - self.since;
            self.since = now;
            self.stands = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suspended_clock_stands_and_boot_time_goes_on() {
        let mut clock = HostClock::new(100, EVEN);
        clock.suspend(1100);
        clock.suspend(2100);
        assert_eq!(clock.monotonic(5100), BEGIN + 1000);
        assert_eq!(clock.boottime(5100), BEGIN + 5000);
        assert_eq!(clock.reaches(BEGIN + 1500), None);
        clock.resume(5100);
        assert_eq!(clock.monotonic(5200), BEGIN + 1100);
        assert_eq!(clock.boottime(5200), BEGIN + 5100);
        assert_eq!(clock.reaches(BEGIN + 1500), Some(5600));
    }

    #[test]
    fn a_timer_is_due_when_the_clock_shows_it() {
        for rate in [960_000, EVEN, 1_040_000] {
            let clock = HostClock::new(7, rate);
            for at in [1, 999, 123_456_789] {
                let due = clock.reaches(BEGIN + at).unwrap();
                assert!(clock.monotonic(due) >= BEGIN + at);
                assert!(clock.monotonic(due - 1) < BEGIN + at);
            }
        }
    }
}
