//! Failures, counted by what was said.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::Report;

/// Different reasons that are told apart; more are counted together.
const REASONS_MAX: usize = 32;

/// Counts by reason.
#[derive(Default, Debug, Clone)]
pub(crate) struct Failures(BTreeMap<String, u64>);

impl Failures {
    /// Counts one.
    pub(crate) fn add(&mut self, reason: &impl Display) {
        let mut reason = reason.to_string();
        if self.0.len() >= REASONS_MAX && !self.0.contains_key(&reason) {
            reason = "other".to_owned();
        }
        *self.0.entry(reason).or_default() += 1;
    }

    /// Adds those of another.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (reason, count) in &other.0 {
            *self.0.entry(reason.clone()).or_default() += count;
        }
    }

    /// How many in all.
    pub(crate) fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Reason by reason.
    pub(crate) fn report(&self) -> Report {
        self.0
            .iter()
            .fold(Report::default(), |report, (reason, count)| {
                report.with(reason, *count)
            })
    }
}

impl Display for Failures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, (reason, count)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{count} × {reason}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_reasons_are_counted_together_and_bounded() {
        let mut failures = Failures::default();
        failures.add(&"refused");
        failures.add(&"refused");
        failures.add(&"late");
        assert_eq!(failures.to_string(), "1 × late, 2 × refused");
        for n in 0..1000 {
            failures.add(&n);
        }
        assert_eq!(failures.total(), 1003);
        assert_eq!(failures.0.len(), REASONS_MAX + 1);
    }
}
