//! What many runs amount to.

use muster_sim_raft::{Counts, Kind, Op, Run, Violation};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// See the module.
#[derive(Default)]
pub(crate) struct Summary {
    seeds: u64,
    failed: u64,
    counts: Counts,
    lasted: Duration,
    polls: u64,
}

impl Summary {
    pub(crate) fn add(&mut self, run: &Run) {
        self.seeds += 1;
        self.failed += u64::from(run.violation.is_some());
        self.counts.merge(&run.counts);
        self.lasted += run.lasted;
        self.polls += run.polls;
    }

    pub(crate) fn progress(&self, of: u64, took: Duration) -> String {
        format!(
            "{} of {of} seeds, {} failed, {:.1} virtual hours, {} s",
            self.seeds,
            self.failed,
            self.hours(),
            took.as_secs()
        )
    }

    fn hours(&self) -> f64 {
        self.lasted.as_secs_f64() / 3600.0
    }

    pub(crate) fn json(
        &self,
        first: u64,
        took: Duration,
        failures: &BTreeMap<u64, Violation>,
    ) -> Value {
        let faults: BTreeMap<_, _> = Kind::ALL
            .iter()
            .map(|kind| {
                let under: BTreeMap<_, _> = Op::ALL
                    .iter()
                    .map(|op| {
                        (
                            named(op),
                            self.counts.both.get(&(*kind, *op)).copied().unwrap_or(0),
                        )
                    })
                    .collect();
                let count = self.counts.faults.get(kind).copied().unwrap_or(0);
                (named(kind), json!({ "count": count, "operations": under }))
            })
            .collect();
        let operations: BTreeMap<_, _> = Op::ALL
            .iter()
            .map(|op| (named(op), self.counts.ops.get(op).copied().unwrap_or(0)))
            .collect();
        let failures: BTreeMap<_, _> = failures
            .iter()
            .map(|(seed, violation)| (seed.to_string(), violation.to_string()))
            .collect();
        json!({
            "first_seed": first,
            "seeds": self.seeds,
            "failures": failures,
            "virtual_hours": (self.hours() * 100.0).round() / 100.0,
            "seconds": took.as_secs(),
            "polls": self.polls,
            "operations": operations,
            "faults": faults,
        })
    }
}

fn named(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(name)) => name,
        Ok(_) | Err(_) => String::new(),
    }
}
