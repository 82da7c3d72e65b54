//! The words every other crate speaks: identifiers, time, limits, and the two shapes all
//! deciding code has ([`Machine`] and [`Replicated`]).
//!
//! Nothing here (or anywhere under `crates/core`) reads a clock, opens a socket, draws a random
//! number or iterates a hash map: time and chance are arguments.
#![deny(clippy::wildcard_enum_match_arm)]

mod addresses;
mod bare;
mod fork;
mod ids;
mod limits;
mod machine;
mod origin;
mod replicated;
mod shard;
mod sorted_map;
mod time;

pub use addresses::Addresses;
pub use bare::Bare;
pub use fork::Fork;
pub use ids::{Boot, Epoch, GroupId, LogIndex, NodeId, SessionId, ShardId, SlotId};
pub use jid::{BareJid, DomainPart, FullJid, Jid, NodePart, ResourcePart};
pub use limits::{Limits, ROSTER_ITEMS_MAX};
pub use machine::Machine;
pub use origin::Origin;
pub use replicated::{LoadError, Replicated, Write, Writes, decode_value, encode_value};
pub use shard::Shards;
pub use sorted_map::SortedMap;
pub use time::{Instant, NotATime, Timestamp};
