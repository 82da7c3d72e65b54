//! What the owner of a slot does for its users: sessions, presence, subscriptions, messages and
//! queries; and how the next owner takes over without anybody noticing.
//!
//! ```text
//!                      Input                                Output
//! slot's log  -- Committed -->  +---------+  -- Propose, Persist -->  slot's log and store
//! other nodes -- Envelope  -->  | Replica |  -- Send, Broadcast  -->  other nodes (and this one)
//! HA machine  -- Open, Close -> +---------+  -- Event            -->  logs, metrics, watch
//! ```
//!
//! A replica follows (it applies the log and keeps a warm copy of the owner's soft state), opens
//! (its `Open` is proposed) or serves. Every answer that promises something is made from a
//! committed entry, so "acknowledged" means "replicated".
//!
//! The serving side, by file: `bind` (sessions and grace), `removal` (users who may
//! not be here any more), `publish`, `watch` and `sight`
//! (presence), `composition` (what others say of users), `follow` (programs
//! that hear of users), `subscription`, `roster_iq` and `iq` (what users ask), `message`, `route`, `fork`
//! and `offline` (messages), `lane` and `proposal` (order and acknowledgement), `committed` (what
//! follows from the log), `outbox` and `inbound` (between owners), `takeover`, `picture`, `recent`,
//! `feed` and `warm` (from one owner to the next).
#![deny(clippy::wildcard_enum_match_arm)]

mod ad_hoc;
mod answers;
mod bind;
mod blocking;
mod choice;
mod committed;
mod composition;
mod config;
mod cx;
mod feed;
mod follow;
#[cfg(test)]
mod follow_test;
mod fork;
mod grace;
mod inbound;
mod input;
mod iq;
mod lane;
mod late_bind;
mod message;
mod offline;
mod outbox;
mod output;
mod pace;
mod pep;
mod pep_news;
mod pep_request;
mod picture;
mod proposal;
mod publish;
mod recent;
mod removal;
mod replica;
mod roster_iq;
mod rosters;
mod route;
mod serving;
mod sessions;
mod sight;
mod subscription;
mod takeover;
mod temporary;
mod warm;
mod watch;
mod world;

pub use config::Config;
pub use input::{Accounts, AccountsView, Body, Bounds, Input};
pub use output::{Output, OwnerEvent};
pub use replica::{Replica, SessionInfo};

#[cfg(test)]
mod ad_hoc_test;
#[cfg(test)]
mod answers_test;
#[cfg(test)]
mod blocking_test;
#[cfg(test)]
mod choice_test;
#[cfg(test)]
mod composition_test;
#[cfg(test)]
mod composition_times_test;
#[cfg(test)]
mod farewell_test;
#[cfg(test)]
mod inbound_test;
#[cfg(test)]
mod lane_test;
#[cfg(test)]
mod message_test;
#[cfg(test)]
mod own_client_test;
#[cfg(test)]
mod pep_test;
#[cfg(test)]
mod presence_test;
#[cfg(test)]
mod query_test;
#[cfg(test)]
mod recent_test;
#[cfg(test)]
mod rosters_test;
#[cfg(test)]
mod shards_test;
#[cfg(test)]
mod takeover_test;
#[cfg(test)]
mod temporary_test;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod warm_test;
