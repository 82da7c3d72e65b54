//! What was met: which faults were in effect while which operations were begun.

use crate::plan::{FaultKind, Operation, Window};
use muster_types::Instant;
use std::collections::BTreeMap;

/// How often each operation was begun during each kind of fault.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Coverage {
    cells: BTreeMap<(FaultKind, Operation), u64>,
}

impl Coverage {
    /// One operation is begun.
    pub(crate) fn count(&mut self, now: Instant, windows: &[Window], operation: Operation) {
        let active = windows
            .iter()
            .filter(|window| window.from <= now && now <= window.until);
        let mut met = false;
        for window in active {
            met = true;
            *self.cells.entry((window.kind, operation)).or_default() += 1;
        }
        if !met {
            *self.cells.entry((FaultKind::None, operation)).or_default() += 1;
        }
    }

    /// How often.
    pub fn met(&self, fault: FaultKind, operation: Operation) -> u64 {
        self.cells
            .get(&(fault, operation))
            .copied()
            .unwrap_or_default()
    }

    /// Adds another run's.
    pub fn add(&mut self, other: &Self) {
        for (cell, count) in &other.cells {
            *self.cells.entry(*cell).or_default() += count;
        }
    }

    /// The cells that nothing was met in.
    pub fn empty(&self) -> Vec<(FaultKind, Operation)> {
        let all = FaultKind::ALL
            .iter()
            .flat_map(|fault| Operation::ALL.iter().map(|operation| (*fault, *operation)));
        all.filter(|(fault, operation)| self.met(*fault, *operation) == 0)
            .collect()
    }

    /// The table, as Markdown.
    pub fn table(&self) -> String {
        let words: Vec<_> = Operation::ALL.iter().map(|one| one.label()).collect();
        let mut table = format!(
            "| fault | {} |\n|---|{}\n",
            words.join(" | "),
            "---:|".repeat(words.len())
        );
        for fault in FaultKind::ALL {
            let counts: Vec<_> = Operation::ALL
                .iter()
                .map(|operation| self.met(*fault, *operation).to_string())
                .collect();
            table.push_str(&format!("| {} | {} |\n", fault.label(), counts.join(" | ")));
        }
        table
    }
}
