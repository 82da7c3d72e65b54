//! What was done under which fault: the table of the summary.

use crate::faults::Kind;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Something that a cluster does, and must do right under each fault.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Op {
    /// A write was acknowledged.
    Write,
    /// An owner opened a group.
    Open,
    /// An owner lost its lease or its leadership.
    Close,
    /// A leader handed over on command.
    Transfer,
    /// A witness that led handed over.
    HandOver,
    /// A node began to follow without voting.
    AddLearner,
    /// The voters of a group changed.
    ChangeVoters,
    /// Nodes that only followed were removed.
    Remove,
    /// A replica's state was replaced by a snapshot.
    Snapshot,
    /// A node started from what its disk held.
    Restart,
    /// A node learned that it has what was committed.
    CatchUp,
}

impl Op {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Write,
        Self::Open,
        Self::Close,
        Self::Transfer,
        Self::HandOver,
        Self::AddLearner,
        Self::ChangeVoters,
        Self::Remove,
        Self::Snapshot,
        Self::Restart,
        Self::CatchUp,
    ];
}

/// How often.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Operations.
    pub ops: BTreeMap<Op, u64>,
    /// Faults.
    pub faults: BTreeMap<Kind, u64>,
    /// Operations done while a fault was there.
    pub both: BTreeMap<(Kind, Op), u64>,
}

impl Counts {
    pub(crate) fn add(&mut self, op: Op, under: &BTreeSet<Kind>) {
        *self.ops.entry(op).or_default() += 1;
        for kind in under {
            *self.both.entry((*kind, op)).or_default() += 1;
        }
    }

    pub(crate) fn add_fault(&mut self, kind: Kind) {
        *self.faults.entry(kind).or_default() += 1;
    }

    /// Adds another run's.
    pub fn merge(&mut self, other: &Self) {
        for (op, count) in &other.ops {
            *self.ops.entry(*op).or_default() += count;
        }
        for (kind, count) in &other.faults {
            *self.faults.entry(*kind).or_default() += count;
        }
        for (both, count) in &other.both {
            *self.both.entry(*both).or_default() += count;
        }
    }
}
