//! What was acknowledged is there for ever, also after a crash of all that loses what was not synced.

use super::Violation;
use crate::state::{Outcome, State};
use crate::truth::{GroupTruth, Replica};

/// At each command: a new epoch begins with everything that was acknowledged before it, and no client's
/// number was lost in between.
pub(crate) fn check(
    truth: &GroupTruth,
    replica: Replica,
    state: &State,
    outcome: Outcome,
) -> Result<(), Violation> {
    match outcome {
        Outcome::Opened => complete(truth, replica, state, state.head.index),
        Outcome::Gap => Err(violation(format!(
            "{replica}: a client's number before that at {} is gone",
            state.head.index
        ))),
        Outcome::Accepted | Outcome::Known | Outcome::OldEpoch => Ok(()),
    }
}

/// The state holds all that was acknowledged below `index`.
pub(crate) fn complete(
    truth: &GroupTruth,
    replica: Replica,
    state: &State,
    index: u64,
) -> Result<(), Violation> {
    for (client, acked) in &truth.acked {
        let Some((at, number)) = acked.range(..index).next_back() else {
            continue;
        };
        let held = state.numbers.get(client).copied().unwrap_or_default();
        if held < *number {
            return Err(violation(format!(
                "{replica} at {index}: client {client} was told at {at} that {number} is written; \
                 the state has {held}"
            )));
        }
    }
    Ok(())
}

/// Who decides has applied all that was acknowledged.
pub(crate) fn of_decision(truth: &GroupTruth, replica: Replica) -> Result<(), Violation> {
    let applied = truth
        .applied
        .get(&replica.node)
        .copied()
        .unwrap_or_default();
    if applied >= truth.acked_upto {
        return Ok(());
    }
    Err(violation(format!(
        "{replica} decides with what it has up to {applied}; {} was acknowledged",
        truth.acked_upto
    )))
}

/// Who has caught up has applied all that was acknowledged before it asked.
pub(crate) fn of_catch_up(
    truth: &GroupTruth,
    replica: Replica,
    acked: u64,
) -> Result<(), Violation> {
    let applied = truth
        .applied
        .get(&replica.node)
        .copied()
        .unwrap_or_default();
    if applied >= acked {
        return Ok(());
    }
    Err(violation(format!(
        "{replica} has caught up, it says, with what it has up to {applied}; {acked} was acknowledged \
         before it asked"
    )))
}

fn violation(what: String) -> Violation {
    Violation::of("acked_kept", what)
}
