//! What is measured and how it is printed.

mod failures;
mod kernel;
mod latencies;
mod process;
mod report;
#[cfg(test)]
mod report_test;

pub(crate) use failures::Failures;
pub(crate) use kernel::Kernel;
pub(crate) use latencies::Latencies;
pub(crate) use process::{Meter, ServerProcesses, Usage};
pub(crate) use report::{Report, per_second};
