//! Counted instructions, those of `benches/instructions.toml`, and what to say of the difference.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::Result;
use serde::{Deserialize, Serialize};

/// How much more a workload may take than its figure says, and how much less without being told to accept it.
const TOLERANCE_PERCENT: f64 = 10.0;

/// What to do about counts that do not hold.
pub(crate) const REMEDY: &str = "count: find what costs more and take it back; if it is worth it, `cargo xtask count --accept` \
     writes the new figures into benches/instructions.toml, to be committed with the reason";

const ABOUT: &str = "\
# Instructions of one run of each workload of crates/dev/bench, as `cargo xtask count` counts them with callgrind. It fails when
# one takes more than 10 % more; `cargo xtask count --accept` writes this file, to be committed with the reason.
# Libraries choose code by the features of the processor, so the figures are those of one kind of machine. What a compiler or a
# C library makes of the same source may differ too.

";

/// The file.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Figures {
    pub(crate) machine: Machine,
    pub(crate) instructions: BTreeMap<String, u64>,
}

/// What else may have changed when a figure does.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) compiler: String,
    pub(crate) valgrind: String,
}

impl Figures {
    /// Reads the file.
    pub(crate) fn read(text: &str) -> Result<Self> {
        Ok(toml::from_str(text)?)
    }

    /// The file as it is written.
    pub(crate) fn text(&self) -> Result<String> {
        Ok(format!("{ABOUT}{}", toml::to_string(self)?))
    }
}

/// What is to be thought of one workload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Same,
    /// So much less that the figure would hide a regression.
    Less,
    More,
    /// There is no figure.
    New,
    /// There is no such workload any more.
    Gone,
}

impl Verdict {
    /// Whether nothing has to be done before the change may go in.
    pub(crate) const fn holds(self) -> bool {
        match self {
            Self::Same | Self::Less => true,
            Self::More | Self::New | Self::Gone => false,
        }
    }
}

/// One workload.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    figure: Option<u64>,
    counted: Option<u64>,
}

impl Line {
    pub(crate) fn verdict(&self) -> Verdict {
        match (self.figure, self.counted) {
            (None, _) => Verdict::New,
            (Some(_), None) => Verdict::Gone,
            (Some(figure), Some(counted)) => match percent(figure, counted) {
                more if more > TOLERANCE_PERCENT => Verdict::More,
                less if less < -TOLERANCE_PERCENT => Verdict::Less,
                _ => Verdict::Same,
            },
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = self.verdict();
        let word = if verdict.holds() { "ok" } else { "FAILED" };
        let (figure, counted) = (self.figure.unwrap_or(0), self.counted.unwrap_or(0));
        let change = percent(figure, counted);
        write!(f, "{:<16} {word:<6} {counted:>9}", self.name)?;
        match verdict {
            Verdict::Same => write!(f, " instructions a run, {change:+.1} %"),
            Verdict::More => write!(
                f,
                " instructions a run, {figure} before: {change:+.1} %, and {TOLERANCE_PERCENT} % is too much"
            ),
            Verdict::Less => write!(
                f,
                " instructions a run, {figure} before: {change:+.1} %; `cargo xtask count --accept` keeps the gain"
            ),
            Verdict::New => write!(
                f,
                " instructions a run, and no figure: `cargo xtask count --accept` writes one"
            ),
            Verdict::Gone => write!(
                f,
                " there is no such workload: `cargo xtask count --accept` drops its figure"
            ),
        }
    }
}

/// Every workload that is counted or has a figure.
pub(crate) fn compare(kept: &Figures, counted: &Figures) -> Vec<Line> {
    let names: BTreeSet<&String> = [kept, counted]
        .into_iter()
        .flat_map(|figures| figures.instructions.keys())
        .collect();
    let line = |name: &String| Line {
        name: name.clone(),
        figure: kept.instructions.get(name).copied(),
        counted: counted.instructions.get(name).copied(),
    };
    names.into_iter().map(line).collect()
}

/// How far another count is above the first, in percent.
#[allow(
    clippy::cast_precision_loss,
    reason = "counts stay far below the 2^53 that are exact"
)]
pub(crate) fn percent(before: u64, now: u64) -> f64 {
    (now as f64 - before as f64) * 100.0 / (before.max(1) as f64)
}

/// What else is different from when the figures were written.
pub(crate) fn note(kept: &Machine, here: &Machine) -> Option<String> {
    let parts = [
        (&kept.processor, &here.processor),
        (&kept.compiler, &here.compiler),
        (&kept.valgrind, &here.valgrind),
    ];
    let changed: Vec<_> = parts
        .into_iter()
        .filter(|(before, now)| before != now)
        .map(|(before, now)| format!("{before}, here: {now}"))
        .collect();
    (!changed.is_empty()).then(|| {
        format!(
            "count: the figures may differ for another reason than the sources, they are from {}",
            changed.join("; from ")
        )
    })
}

/// The kind of a processor, as far as libraries choose code by it: callgrind shows programs one with AVX2 or one without.
pub(crate) fn processor(architecture: &str, about: &str) -> String {
    let flags = about.lines().find(|line| line.starts_with("flags"));
    let avx2 = flags.is_some_and(|flags| flags.split_whitespace().any(|flag| flag == "avx2"));
    let with = if avx2 { " with AVX2" } else { "" };
    format!("{architecture}{with}")
}

/// The instructions of a whole run, of what callgrind wrote.
pub(crate) fn total(profile: &str) -> Option<u64> {
    let value = |line: &str| line.strip_prefix("totals: ")?.trim().parse().ok();
    // One that was cut off has none.
    profile.lines().rev().find_map(value)
}

#[cfg(test)]
#[path = "instructions_test.rs"]
mod instructions_test;
