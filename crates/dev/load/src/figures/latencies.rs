//! Latencies, recorded by many tasks and told as percentiles.

use std::sync::Mutex;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::Report;

/// The longest latency that is told apart from longer ones: an hour, in microseconds.
const LONGEST_US: u64 = 3_600_000_000;

/// A histogram of durations, 1 µs to an hour, three digits exact.
pub(crate) struct Latencies(Mutex<Histogram<u64>>);

impl Latencies {
    /// Empty.
    pub(crate) fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, LONGEST_US, 3)
            .expect("1 to LONGEST_US with 3 digits is a valid range");
        Self(Mutex::new(histogram))
    }

    /// Adds one; shorter than 1 µs counts as 1 µs.
    pub(crate) fn record(&self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        if let Ok(mut histogram) = self.0.lock() {
            histogram.saturating_record(us.max(1));
        }
    }

    /// p50, p90, p99 and the longest, in milliseconds; empty when there is none.
    pub(crate) fn report(&self) -> Report {
        let Ok(histogram) = self.0.lock() else {
            return Report::default();
        };
        if histogram.is_empty() {
            return Report::default();
        }
        let ms = |us: u64| us as f64 / 1000.0;
        let at = |share: f64| ms(histogram.value_at_quantile(share));
        Report::default()
            .with("p50", at(0.50))
            .with("p90", at(0.90))
            .with("p99", at(0.99))
            .with("max", ms(histogram.max()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(latencies: &Latencies) -> String {
        serde_json::to_string(&latencies.report()).unwrap()
    }

    #[test]
    fn percentiles_of_a_known_series() {
        let latencies = Latencies::new();
        for ms in 1..=100 {
            latencies.record(Duration::from_millis(ms));
        }
        let report = serde_json::to_value(latencies.report()).unwrap();
        for (name, ms) in [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("max", 100.0)] {
            let found = report[name].as_f64().unwrap();
            assert!((found - ms).abs() <= ms / 1000.0, "{name}: {found}");
        }
    }

    #[test]
    fn the_ends_of_the_range_are_kept() {
        let latencies = Latencies::new();
        assert_eq!(json(&latencies), "{}");
        latencies.record(Duration::ZERO);
        assert_eq!(
            json(&latencies),
            r#"{"p50":0.001,"p90":0.001,"p99":0.001,"max":0.001}"#
        );
        latencies.record(Duration::from_secs(100_000));
        let longest = serde_json::to_value(latencies.report()).unwrap()["max"]
            .as_f64()
            .unwrap();
        assert!((longest - 3_600_000.0).abs() < 3_600.0, "{longest}");
    }
}
