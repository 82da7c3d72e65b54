//! Presence as data: what a user's clients say ([`Publication`]) and other [sources](source), what
//! that amounts to by the [`rules`] ([`Presentity`]), what other systems call it ([`Mapping`]), who
//! wants to see it ([`Watchers`]) and which of two views is newer ([`Version`]).
//!
//! Nothing here sends anything or asks for permission: the owner of the user does both.
#![deny(clippy::wildcard_enum_match_arm)]

mod compose;
mod idle;
mod mapping;
mod overlay;
mod presentity;
mod publication;
pub mod rules;
pub mod source;
mod version;
mod watchers;

pub use compose::{Explanation, Said};
pub use idle::Idle;
pub use mapping::{Mapped, Mapping, MappingError, MappingTable, NoteParts, SetAs};
pub use overlay::{DETAILS, Over, Overlay};
pub use presentity::{Presentity, Published, Recomposed};
pub use publication::Publication;
pub use version::Version;
pub use watchers::Watchers;

#[cfg(test)]
mod compose_test;
#[cfg(test)]
mod mapping_test;
#[cfg(test)]
mod presentity_test;
#[cfg(test)]
mod rules_test;
#[cfg(test)]
mod watchers_test;
