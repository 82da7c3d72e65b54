//! Ranges of numbers on the left side of a row.

use super::{Mapped, MappingError};
use std::ops::RangeInclusive;

/// Rows whose left side is a range; no two share a number.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Numbers(Vec<Row>);

#[derive(Clone, PartialEq, Debug)]
struct Row {
    key: String,
    range: RangeInclusive<u32>,
    mapped: Mapped,
}

/// Whether a left side means numbers: `3500`, `3000-4499`, `18000-`.
pub(super) fn is_numeric(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_digit())
        && key.chars().all(|c| c.is_ascii_digit() || c == '-')
}

impl Numbers {
    /// Checks rows with numeric left sides.
    pub(super) fn check(
        rows: impl IntoIterator<Item = (String, Mapped)>,
    ) -> Result<Self, MappingError> {
        let mut rows = rows
            .into_iter()
            .map(|(key, mapped)| match range(&key) {
                Some(range) => Ok(Row { key, range, mapped }),
                None => Err(MappingError::Range { key }),
            })
            .collect::<Result<Vec<_>, _>>()?;
        rows.sort_by_key(|row| *row.range.start());
        for (lower, higher) in rows.iter().zip(rows.iter().skip(1)) {
            if lower.range.contains(higher.range.start()) {
                return Err(MappingError::Overlap {
                    first: lower.key.clone(),
                    second: higher.key.clone(),
                });
            }
        }
        Ok(Self(rows))
    }

    /// The row of a number.
    pub(super) fn of(&self, word: &str) -> Option<&Mapped> {
        let number = number(word)?;
        let row = self.0.iter().find(|row| row.range.contains(&number))?;
        Some(&row.mapped)
    }

    /// All right sides.
    pub(super) fn mapped(&self) -> impl Iterator<Item = &Mapped> {
        self.0.iter().map(|row| &row.mapped)
    }
}

/// Reads a range; `None` when it is none or runs backwards.
fn range(key: &str) -> Option<RangeInclusive<u32>> {
    let range = match key.split_once('-') {
        None => number(key)?..=number(key)?,
        Some((first, "")) => number(first)?..=u32::MAX,
        Some((first, last)) => number(first)?..=number(last)?,
    };
    (!range.is_empty()).then_some(range)
}

/// Digits only: [`str::parse`] would take a sign.
fn number(text: &str) -> Option<u32> {
    let digits = text.chars().all(|c| c.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}
