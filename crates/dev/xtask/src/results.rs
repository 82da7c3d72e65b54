//! Raw results of proofs: files of one line of JSON each, which only grow.

use std::fs::{self, OpenOptions};
use std::io::Write as _;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::run::say;
use crate::workspace::Workspace;

/// Prints new results and adds them to those of earlier runs.
pub(crate) fn append(workspace: &Workspace, file: &str, lines: &[String]) -> Result<()> {
    let path = workspace.root.join(file);
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| format!("opening {}", path.display()))?;
    for line in lines {
        say(line);
        writeln!(file, "{line}").with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// All results so far.
pub(crate) fn read(workspace: &Workspace, file: &str) -> Result<Vec<Value>> {
    let path = workspace.root.join(file);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    text.lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .with_context(|| path.display().to_string())
}

/// The value below which so many percent are: one that was measured. Sorts them.
pub(crate) fn percentile(values: &mut [u64], percent: usize) -> Option<u64> {
    values.sort_unstable();
    let rank = (values.len() * percent)
        .div_ceil(100)
        .clamp(1, values.len().max(1));
    values.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let hundred: Vec<u64> = (1..=100).rev().collect();
        let many: Vec<u64> = (1..=200).collect();
        for (values, expected) in [
            (vec![], [None; 3]),
            (vec![7], [Some(7); 3]),
            (hundred, [Some(50), Some(99), Some(100)]),
            (many, [Some(100), Some(198), Some(200)]),
        ] {
            let found = [50, 99, 100].map(|percent| percentile(&mut values.clone(), percent));
            assert_eq!(found, expected);
        }
    }
}
