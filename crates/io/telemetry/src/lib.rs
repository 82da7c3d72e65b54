//! Logs, every metric's and every alarm's name and meaning, and the alert rules.
//!
//! A program calls [`init_logs`] once and [`install`] once; then any crate above this one counts
//! with the macros re-exported here and a name of [`metrics`]:
//! `counter!(metrics::LOGINS, "outcome" => "success").increment(1)`.

pub mod alarms;
#[cfg(test)]
mod expressions;
mod logs;
pub mod metrics;
mod recorder;
pub mod rules;

pub use ::metrics::{counter, gauge, histogram};
pub use logs::{LogError, LogFormat, LogOptions, init_logs};
pub use recorder::{InstallError, Recorder, install};
