//! The session side of a node: what stands between its clients and the owners of slots.
//!
//! ```text
//! client -- Input::Stanza --> classify: a look-up in local copies, nobody is asked
//!     --> Publish | Submit | Route --> owner of the user | owner of the recipient
//!     --> this node answers for the domain (muster-xep)
//! owner  -- Input::Envelope --> Output::Deliver for the sessions named, or for the watchers
//! ```
//!
//! What a client sent is kept, numbered per (session, slot), until the slot's owner confirms it.
//! A slot without owner costs nothing but time: messages wait (bounded, then the client is paused),
//! presence coalesces, IQs and binds wait for `Limits::owner_wait`. A new owner gets one
//! announcement of everything that concerns its slot, then the unconfirmed stanzas in order.
//!
//! The driver feeds [`Input`]s and carries out [`Output`]s; the machine holds no socket and no
//! clock, and it never waits for an answer.
#![deny(clippy::wildcard_enum_match_arm)]

mod access;
mod announcing;
#[cfg(test)]
mod announcing_test;
mod answers;
mod batch;
mod caps;
#[cfg(test)]
mod caps_test;
mod client;
#[cfg(test)]
mod client_test;
mod directory;
mod hop;
#[cfg(test)]
mod hop_test;
mod interest;
#[cfg(test)]
mod interest_test;
mod lane;
mod leases;
mod links;
mod news;
mod port;
mod publishing;
mod router;
mod session;
mod shards;
#[cfg(test)]
mod shards_test;
mod shown;
mod slots;
#[cfg(test)]
mod split_test;
mod takeover;
#[cfg(test)]
mod takeover_test;
mod temporary;
#[cfg(test)]
mod temporary_test;
#[cfg(test)]
mod testing;
mod timer;
mod turns;
#[cfg(test)]
mod turns_test;
mod wait;
mod watch;
#[cfg(test)]
mod watch_test;

pub use announcing::Announcing;
pub use batch::Batch;
pub use directory::Directory;
pub use hop::{Hop, classify};
pub use links::{HeardLinks, Losses};
pub use port::{BindAnswer, Config, Input, Output};
pub use router::Router;
pub use shards::{Split, split};
