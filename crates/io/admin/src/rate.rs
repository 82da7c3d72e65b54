//! How fast one caller may publish: a bucket of permits for each.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Publications a second from one caller.
pub(crate) const PER_SECOND: u32 = 2_000;
/// So many seconds' at once, if it said nothing for a while: what a calendar has to say when it starts.
const BURST_SECONDS: u32 = 5;
/// The same as a number, where nothing less is allowed.
const BURST: u32 = PER_SECOND * BURST_SECONDS;
/// Callers that are remembered; one that is forgotten begins with a full bucket.
const CALLERS_MAX: usize = 1_024;

/// All callers' buckets.
#[derive(Default, Debug)]
pub(crate) struct Rates(Mutex<BTreeMap<String, Bucket>>);

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// Permits, as of `at`.
    left: f64,
    at: Instant,
}

impl Bucket {
    fn fill(&mut self, per_second: u32, now: Instant) {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        let full = f64::from(per_second * BURST_SECONDS);
        self.left = (self.left + elapsed * f64::from(per_second)).min(full);
        self.at = now;
    }
}

impl Rates {
    /// Takes up to `wanted` permits of a caller with the usual rate; how many there were.
    pub(crate) fn take(&self, caller: &str, wanted: usize, now: Instant) -> usize {
        self.take_at(PER_SECOND, caller, wanted, now)
    }

    /// The same of a caller with a rate of its own, at most [`PER_SECOND`].
    pub(crate) fn take_at(
        &self,
        per_second: u32,
        caller: &str,
        wanted: usize,
        now: Instant,
    ) -> usize {
        // Nothing under the lock panics half way through a change.
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= CALLERS_MAX && !buckets.contains_key(caller) {
            buckets.clear();
        }
        let full = Bucket {
            left: f64::from(per_second * BURST_SECONDS),
            at: now,
        };
        let bucket = buckets.entry(caller.to_owned()).or_insert(full);
        bucket.fill(per_second, now);
        let mut taken = 0;
        while taken < wanted && bucket.left >= 1.0 {
            bucket.left -= 1.0;
            taken += 1;
        }
        taken
    }
}

/// Why a publication is not taken.
pub(crate) fn too_fast() -> String {
    format!(
        "too fast: {PER_SECOND} publications a second are taken from one caller, {BURST} at once; publish it again later"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_caller_has_so_many_at_once_and_then_so_many_a_second() {
        let (rates, begin) = (Rates::default(), Instant::now());
        assert_eq!(rates.take("one", 9_500, begin), 9_500);
        assert_eq!(rates.take("one", 1_000, begin), 500);
        assert_eq!(rates.take("one", 1, begin), 0);
        assert_eq!(rates.take("other", 500, begin), 500, "each has its own");
        let later = begin + Duration::from_secs(1);
        assert_eq!(rates.take("one", 9_000, later), 2_000);
        let much_later = begin + Duration::from_secs(3_600);
        assert_eq!(rates.take("one", 20_000, much_later), 10_000);
    }

    #[test]
    fn a_caller_may_have_a_rate_of_its_own() {
        let (rates, begin) = (Rates::default(), Instant::now());
        assert_eq!(rates.take_at(3, "one", 100, begin), 15);
        let later = begin + Duration::from_secs(2);
        assert_eq!(rates.take_at(3, "one", 100, later), 6);
    }

    #[test]
    fn strangers_without_end_take_no_memory_without_end() {
        let (rates, now) = (Rates::default(), Instant::now());
        for caller in 0..3 * CALLERS_MAX {
            rates.take(&caller.to_string(), 1, now);
        }
        assert!(rates.0.lock().unwrap().len() <= CALLERS_MAX);
    }
}
