//! Other systems' words for our states, and ours for theirs. All of it is data: a [`Mapping`] is
//! read from TOML, and those for the systems we know are shipped ([`Mapping::preset`]).
//!
//! ```toml
//! [to]                                # our state = the peer's word
//! available = "3500"
//! busy = { word = "6500", note = ["{note}", "Busy"] }
//!
//! [from]                              # the peer's word = our state
//! "Be right back" = "away"
//! "Busy/InACall" = "on-the-phone"     # a word and what the peer says beside it
//! "4500-5999" = "available/idle"      # any number from 4500 to 5999
//! "18000-" = "offline"
//!
//! [variants.strict.to]                # what is said instead to or of some
//! busy = "away"
//! ```
//!
//! The two directions are never derived from each other, and what a table does not list has no
//! word: the caller falls back to something more general or says nothing. Our states are compared
//! exactly, the peer's words without regard to the case of ASCII letters.

mod error;
mod mapped;
mod numbers;
mod preset;
mod table;
mod template;

#[cfg(test)]
mod lync_test;
#[cfg(test)]
mod preset_test;

pub use error::MappingError;
pub use mapped::{Mapped, SetAs};
pub use table::MappingTable;
pub use template::NoteParts;

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use table::TableText;

/// The words of one kind of peer.
#[derive(Clone, PartialEq, Debug)]
pub struct Mapping {
    general: MappingTable,
    variants: BTreeMap<String, MappingTable>,
}

/// A mapping as it is written. The general table stands at the top of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MappingText {
    #[serde(default)]
    to: BTreeMap<String, Mapped>,
    #[serde(default)]
    from: BTreeMap<String, Mapped>,
    #[serde(default)]
    variants: BTreeMap<String, TableText>,
}

impl Mapping {
    /// Reads a mapping from TOML; the module's text shows the form.
    ///
    /// # Errors
    /// [`MappingError`], with the place or the words.
    pub fn parse(text: &str) -> Result<Self, MappingError> {
        let MappingText { to, from, variants } = toml::from_str(text)?;
        if to.is_empty() && from.is_empty() && variants.is_empty() {
            return Err(MappingError::Empty);
        }
        Ok(Self {
            general: TableText { to, from }.check()?,
            variants: variants
                .into_iter()
                .map(|(name, table)| match table.is_empty() {
                    true => Err(MappingError::EmptyVariant { name }),
                    false => Ok((name, table.check()?)),
                })
                .collect::<Result<_, _>>()?,
        })
    }

    /// The table for everyone who has none of their own.
    pub const fn general(&self) -> &MappingTable {
        &self.general
    }

    /// The table of one variant: of a kind of client, or of peers that want other words. It stands
    /// alone: what it does not list is not looked for in the general one.
    pub fn variant(&self, name: &str) -> Option<&MappingTable> {
        self.variants.get(name)
    }

    /// The names of the variants, in order.
    pub fn variants(&self) -> impl Iterator<Item = &str> {
        self.variants.keys().map(String::as_str)
    }

    /// The general table's [`MappingTable::to_peer`].
    pub fn to_peer<'s>(&self, states: impl IntoIterator<Item = &'s str>) -> Option<&Mapped> {
        self.general.to_peer(states)
    }

    /// The general table's [`MappingTable::from_peer`].
    pub fn from_peer<'w>(&self, words: impl IntoIterator<Item = &'w str>) -> Option<&Mapped> {
        self.general.from_peer(words)
    }

    /// Every state of ours that any of the tables names, to be checked against a rule table.
    pub fn states(&self) -> BTreeSet<&str> {
        let tables = self.variants.values().chain([&self.general]);
        tables.flat_map(MappingTable::states).collect()
    }
}
