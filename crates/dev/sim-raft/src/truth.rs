//! What is true: who applied what first, and what was acknowledged. `invariants/` compares everything
//! that happens with it.

use crate::invariants::{self, Violation};
use crate::state::{Outcome, State};
use muster_raft::RaftGroupId;
use muster_types::NodeId;
use std::collections::BTreeMap;

/// One replica of one group, in one run of its process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Replica {
    pub(crate) node: NodeId,
    pub(crate) group: RaftGroupId,
    pub(crate) boot: u64,
}

impl std::fmt::Display for Replica {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.node, self.group)
    }
}

/// An entry as the first replica applied it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) chain: u64,
    pub(crate) epoch: u64,
}

/// What is known of a group.
#[derive(Default)]
pub(crate) struct GroupTruth {
    pub(crate) entries: BTreeMap<u64, Entry>,
    /// By client and index of the entry: the number that was acknowledged.
    pub(crate) acked: BTreeMap<u16, BTreeMap<u64, u64>>,
    pub(crate) acked_upto: u64,
    /// The newest epoch in which anybody decided.
    pub(crate) decided: u64,
    /// How far each replica is.
    pub(crate) applied: BTreeMap<NodeId, u64>,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Truth {
    groups: BTreeMap<RaftGroupId, GroupTruth>,
    violation: Option<Violation>,
}

impl Truth {
    pub(crate) fn group(&mut self, group: RaftGroupId) -> &mut GroupTruth {
        self.groups.entry(group).or_default()
    }

    pub(crate) fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Keeps the first thing that went wrong.
    pub(crate) fn found(&mut self, outcome: Result<(), Violation>) {
        if let Err(violation) = outcome {
            self.violation.get_or_insert(violation);
        }
    }

    /// A replica took over a whole state: at its start, or while it ran.
    pub(crate) fn installed(&mut self, replica: Replica, state: &State, running: bool) {
        let truth = self.group(replica.group);
        let mut outcome = invariants::same_log::of_state(truth, replica, state);
        if running {
            outcome = outcome.and_then(|()| {
                invariants::applied_forward::check(truth, replica, state.head.index)
            });
        }
        truth.applied.insert(replica.node, state.head.index);
        self.found(outcome);
    }

    /// A replica applied a command.
    pub(crate) fn applied(
        &mut self,
        replica: Replica,
        state: &State,
        command: &[u8],
        outcome: Outcome,
    ) {
        let truth = self.group(replica.group);
        let found = invariants::applied_forward::check(truth, replica, state.head.index)
            .and_then(|()| invariants::epochs_grow::of_command(replica, state, command, outcome))
            .and_then(|()| invariants::same_log::of_entry(truth, replica, state))
            .and_then(|()| invariants::acked_kept::check(truth, replica, state, outcome));
        truth.applied.insert(replica.node, state.head.index);
        self.found(found);
    }

    /// An owner decides something.
    pub(crate) fn decides(&mut self, replica: Replica, epoch: u64) {
        let truth = self.group(replica.group);
        let found = invariants::epochs_grow::of_decision(truth, replica, epoch)
            .and_then(|()| invariants::acked_kept::of_decision(truth, replica));
        truth.decided = truth.decided.max(epoch);
        self.found(found);
    }

    /// A client was told that its number is in the log.
    pub(crate) fn acked(&mut self, group: RaftGroupId, client: u16, number: u64, index: u64) {
        let truth = self.group(group);
        truth.acked.entry(client).or_default().insert(index, number);
        truth.acked_upto = truth.acked_upto.max(index);
    }
}

impl Truth {
    /// A node says that it has all that was committed when it was asked; `acked` was acknowledged then.
    pub(crate) fn caught_up(&mut self, replica: Replica, acked: u64) {
        let truth = self.group(replica.group);
        let found = invariants::acked_kept::of_catch_up(truth, replica, acked);
        self.found(found);
    }
}
