//! All replicas apply the same commands at the same places.

use super::Violation;
use crate::state::State;
use crate::truth::{Entry, GroupTruth, Replica};

/// An entry that was just applied.
pub(crate) fn of_entry(
    truth: &mut GroupTruth,
    replica: Replica,
    state: &State,
) -> Result<(), Violation> {
    let index = state.head.index;
    let entry = Entry {
        chain: state.head.chain,
        epoch: state.head.epoch,
    };
    match truth.entries.get(&index) {
        Some(first) if *first == entry => Ok(()),
        Some(_) => Err(violation(format!(
            "{replica} applied something else than others at {index} or before"
        ))),
        None => {
            let last = truth.entries.keys().next_back().copied();
            truth.entries.insert(index, entry);
            match last {
                Some(last) if last > index => Err(violation(format!(
                    "{replica} applied a command at {index}, where others had none"
                ))),
                _ => Ok(()),
            }
        }
    }
}

/// A whole state: from the store, or from a snapshot.
pub(crate) fn of_state(
    truth: &GroupTruth,
    replica: Replica,
    state: &State,
) -> Result<(), Violation> {
    let index = state.head.index;
    let expected = truth.entries.get(&index).map(|entry| entry.chain);
    if index == 0 || expected == Some(state.head.chain) {
        return Ok(());
    }
    Err(violation(format!(
        "the state of {replica} at {index} is not what was applied up to there"
    )))
}

fn violation(what: String) -> Violation {
    Violation::of("same_log", what)
}
