//! One table of a mapping: both directions.

use super::mapped::split;
use super::numbers::{Numbers, is_numeric};
use super::{Mapped, MappingError};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Words in both directions, neither derived from the other.
#[derive(Clone, PartialEq, Debug)]
pub struct MappingTable {
    to: BTreeMap<String, Mapped>,
    from: BTreeMap<String, Mapped>,
    numbers: Numbers,
}

/// A table as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TableText {
    #[serde(default)]
    pub(super) to: BTreeMap<String, Mapped>,
    #[serde(default)]
    pub(super) from: BTreeMap<String, Mapped>,
}

impl MappingTable {
    /// What the peer calls a state of ours. `states` are its names from special to general, such as
    /// a custom state and the one that it is like: the first that the table lists is taken.
    pub fn to_peer<'s>(&self, states: impl IntoIterator<Item = &'s str>) -> Option<&Mapped> {
        states.into_iter().find_map(|state| self.to.get(state))
    }

    /// What we call a word of the peer. `words` go from special to general, such as
    /// `Busy/InACall` and `Busy`: the first that the table lists is taken. Digits are a number.
    pub fn from_peer<'w>(&self, words: impl IntoIterator<Item = &'w str>) -> Option<&Mapped> {
        words.into_iter().find_map(|word| {
            let listed = self.from.get(&word.to_ascii_lowercase());
            listed.or_else(|| self.numbers.of(word))
        })
    }

    /// Every state of ours that the table names.
    pub(super) fn states(&self) -> impl Iterator<Item = &str> {
        let inbound = self.from.values().chain(self.numbers.mapped());
        let outbound = self.to.keys().map(String::as_str);
        outbound.chain(inbound.map(|mapped| mapped.word.as_str()))
    }
}

impl TableText {
    /// Whether there is not a single row.
    pub(super) fn is_empty(&self) -> bool {
        self.to.is_empty() && self.from.is_empty()
    }

    /// Checks what no single row shows.
    pub(super) fn check(self) -> Result<MappingTable, MappingError> {
        let Self { to, from } = self;
        if let Some(key) = to
            .keys()
            .chain(from.keys())
            .find(|key| split(key).is_none())
        {
            return Err(MappingError::Word { key: key.clone() });
        }
        let (numeric, words): (BTreeMap<_, _>, BTreeMap<_, _>) =
            from.into_iter().partition(|(key, _)| is_numeric(key));
        Ok(MappingTable {
            to,
            from: without_case(words)?,
            numbers: Numbers::check(numeric)?,
        })
    }
}

/// The rows by the words in small letters.
fn without_case(words: BTreeMap<String, Mapped>) -> Result<BTreeMap<String, Mapped>, MappingError> {
    let mut rows = BTreeMap::new();
    let mut written = BTreeMap::new();
    for (word, mapped) in words {
        match written.entry(word.to_ascii_lowercase()) {
            Entry::Occupied(first) => {
                return Err(MappingError::Doubled {
                    first: first.remove(),
                    second: word,
                });
            }
            Entry::Vacant(free) => {
                rows.insert(free.key().clone(), mapped);
                free.insert(word);
            }
        }
    }
    Ok(rows)
}
