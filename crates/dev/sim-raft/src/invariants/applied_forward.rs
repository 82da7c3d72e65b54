//! A replica never goes back but by a restart, which begins with what its store holds.

use super::Violation;
use crate::truth::{GroupTruth, Replica};

pub(crate) fn check(truth: &GroupTruth, replica: Replica, index: u64) -> Result<(), Violation> {
    let before = truth
        .applied
        .get(&replica.node)
        .copied()
        .unwrap_or_default();
    if index >= before {
        return Ok(());
    }
    Err(Violation::of(
        "applied_forward",
        format!("{replica} went from {before} back to {index}"),
    ))
}
