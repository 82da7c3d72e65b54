//! Where metrics are kept, and how they are shown.

use crate::metrics::{BUCKETS, Kind, Metric, Unit, table};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use std::fmt;

/// The metrics of this process.
#[derive(Clone)]
pub struct Recorder(PrometheusHandle);

impl Recorder {
    /// All metrics in Prometheus' text format.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Sorts what was measured into buckets. Called every few seconds it keeps memory small while
    /// nobody asks for the metrics.
    pub fn upkeep(&self) {
        self.0.run_upkeep();
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recorder")
    }
}

/// Why metrics cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("metrics cannot be kept")]
pub struct InstallError(#[from] BuildError);

/// Begins to keep metrics, for the whole process, and describes them all.
///
/// # Errors
/// [`InstallError`] at a second call in one process.
pub fn install() -> Result<Recorder, InstallError> {
    let handle = PrometheusBuilder::new()
        .set_buckets(BUCKETS)?
        .install_recorder()?;
    table().iter().for_each(describe);
    Ok(Recorder(handle))
}

/// A metric without labels is there from the start; one with labels from its first count.
fn describe(metric: &Metric) {
    let Metric {
        name, description, ..
    } = *metric;
    let unit = match metric.unit {
        Unit::Seconds => ::metrics::Unit::Seconds,
        Unit::Count | Unit::YesNo => ::metrics::Unit::Count,
    };
    let bare = metric.labels.is_empty();
    match metric.kind {
        Kind::Counter => {
            ::metrics::describe_counter!(name, unit, description);
            if bare {
                ::metrics::counter!(name).absolute(0);
            }
        }
        Kind::Gauge => {
            ::metrics::describe_gauge!(name, unit, description);
            if bare {
                ::metrics::gauge!(name).set(0.0);
            }
        }
        Kind::Histogram => ::metrics::describe_histogram!(name, unit, description),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics as names;

    // The recorder belongs to the process, so this is one test.
    #[test]
    fn what_is_counted_is_shown_with_its_description() {
        let recorder = install().unwrap();
        assert!(install().is_err());
        ::metrics::counter!(names::LOGINS, "outcome" => "success").increment(2);
        ::metrics::histogram!(names::TAKEOVER_SECONDS).record(0.3);
        recorder.upkeep();
        let text = recorder.render();
        for line in [
            "# HELP muster_logins_total logins that came to an end",
            "muster_logins_total{outcome=\"success\"} 2",
            "muster_takeovers_total 0",
            "muster_sessions 0",
            "muster_takeover_seconds_bucket{le=\"0.25\"} 0",
            "muster_takeover_seconds_bucket{le=\"0.5\"} 1",
            "muster_takeover_seconds_count 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
    }
}
