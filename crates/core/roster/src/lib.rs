//! Rosters, presence subscriptions and whom a user lets in: the state table of RFC 6121 Appendix A, roster items,
//! and how they are read from and written to XML.
//!
//! ```text
//! query element --parse_roster_set--> RosterSet --Roster::set/remove-->  RosterItem --push--> bytes
//! subscription stanza --Roster::outbound/inbound--> Changed (what the item became, what to send)
//! ```
#![deny(clippy::wildcard_enum_match_arm)]

mod access;
mod item;
mod permission;
mod query;
mod roster;
mod subscription;
mod transition;

pub use access::{Access, AccessChange, AccessList, NobodyNamed, Whom};
pub use item::{RosterEdit, RosterItem};
pub use permission::Permission;
pub use query::{
    RosterSet, RosterSetError, encode_push, encode_removal, encode_result, parse_roster_set,
};
pub use roster::{Changed, Inbound, Outbound, Room, Roster, RosterFull};
pub use subscription::{NotASubscription, Subscription, SubscriptionStanza};
pub use transition::{InboundStep, OutboundStep, inbound, outbound};

#[cfg(test)]
mod query_test;
#[cfg(test)]
mod roster_test;
#[cfg(test)]
mod transition_test;
