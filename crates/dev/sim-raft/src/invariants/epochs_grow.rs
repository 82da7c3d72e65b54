//! Epochs only grow: nobody decides in one older than has been decided in, and no command of an older one
//! takes effect.

use super::Violation;
use crate::state::{Command, Outcome, State};
use crate::truth::{GroupTruth, Replica};

pub(crate) fn of_decision(
    truth: &GroupTruth,
    replica: Replica,
    epoch: u64,
) -> Result<(), Violation> {
    if epoch >= truth.decided {
        return Ok(());
    }
    Err(violation(format!(
        "{replica} decides in epoch {epoch}; somebody did in {}",
        truth.decided
    )))
}

pub(crate) fn of_command(
    replica: Replica,
    state: &State,
    command: &[u8],
    outcome: Outcome,
) -> Result<(), Violation> {
    let Ok(Command::Put { epoch, .. }) = postcard::from_bytes(command) else {
        return Ok(());
    };
    if outcome != Outcome::Accepted || epoch == state.head.epoch {
        return Ok(());
    }
    Err(violation(format!(
        "{replica} at {}: a command of epoch {epoch} took effect in {}",
        state.head.index, state.head.epoch
    )))
}

fn violation(what: String) -> Violation {
    Violation::of("epochs_grow", what)
}
