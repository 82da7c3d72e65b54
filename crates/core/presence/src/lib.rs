//! Presence as data: what a user's sources say ([`Publication`]), what that amounts to
//! ([`Presentity`]), who wants to see it ([`Watchers`]) and which of two views is newer
//! ([`Version`]).
//!
//! Nothing here sends anything or asks for permission: the owner of the user does both.
#![deny(clippy::wildcard_enum_match_arm)]

mod mapping;
mod presentity;
mod publication;
mod version;
mod watchers;

pub use mapping::{Mapped, Mapping, MappingError, MappingTable, NoteParts, SetAs};
pub use presentity::{Presentity, Published};
pub use publication::Publication;
pub use version::Version;
pub use watchers::Watchers;

#[cfg(test)]
mod mapping_test;
#[cfg(test)]
mod presentity_test;
#[cfg(test)]
mod watchers_test;
