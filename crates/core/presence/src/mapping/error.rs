//! Why a mapping was refused.

/// Why a mapping was refused. Every text names the place or the words.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MappingError {
    /// Not TOML, a key that there is not, the same key twice, a word or a note that cannot be.
    #[error("{0}")]
    Syntax(#[from] toml::de::Error),
    /// A file without a row.
    #[error("the mapping has no rows: write some under [to], [from] or [variants.NAME.to]")]
    Empty,
    /// A variant without a row.
    #[error("the variant {name:?} has no rows: write some or remove it")]
    EmptyVariant {
        /// The variant.
        name: String,
    },
    /// The left side of a row is not a word.
    #[error("{key:?} is no word: write \"word\" or \"word/activity\" without spaces around them")]
    Word {
        /// The left side.
        key: String,
    },
    /// Two rows of one direction for the same word.
    #[error("{first:?} and {second:?} are the same word of the peer: keep one of them")]
    Doubled {
        /// The one.
        first: String,
        /// The other.
        second: String,
    },
    /// The left side of a row looks like numbers and is none.
    #[error("{key:?} is no range of numbers: write \"3000-4499\", \"18000-\" or \"3500\"")]
    Range {
        /// The left side.
        key: String,
    },
    /// Two ranges that share a number.
    #[error("the ranges {first:?} and {second:?} overlap: no number may be in two of them")]
    Overlap {
        /// The lower one.
        first: String,
        /// The higher one.
        second: String,
    },
}
