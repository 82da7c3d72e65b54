//! The control plane's replicated state: what needs one answer in the whole cluster, but not
//! within milliseconds. Nodes, groups, slots and who should own them, domains, accounts, settings,
//! and the HA state of each node.
//!
//! ```text
//! admin, node machines --Proposal--> control log --apply--> ClusterState --Arc snapshot--> readers
//!                                                      \--> ControlEvent (Outcome first)
//! ```
//!
//! [`ClusterState`] is cheap to clone: each node publishes a snapshot after every command. A
//! command that is not allowed changes nothing and its outcome is a [`Refusal`], written for the
//! operator who reads it. One file under `apply` for each kind of thing a command is about.
#![deny(clippy::wildcard_enum_match_arm)]

mod account;
#[cfg(test)]
mod accounts_test;
mod api_client;
#[cfg(test)]
mod api_clients_test;
mod apply;
#[cfg(test)]
mod apply_test;
mod command;
mod event;
mod group;
mod ha_status;
#[cfg(test)]
mod members_test;
mod name;
mod node;
mod outcomes;
mod presence_rules;
mod records;
#[cfg(test)]
mod records_test;
mod refusal;
mod settings;
mod slot;
mod state;
mod token;

pub use account::{Account, AccountRow, AccountsReport, Domain, RowRefusal};
pub use api_client::{ApiClient, Scope};
pub use command::{ControlCommand, NewNode, Proposal};
pub use event::{ControlEvent, ControlOutcome};
pub use group::Group;
pub use ha_status::{HaReason, HaState, HaStatus};
pub use name::{NAME_BYTES_MAX, check_name};
pub use node::{Addresses, Node, NodeState, Role, SoftwareVersion};
pub use presence_rules::PresenceRules;
pub use refusal::Refusal;
pub use settings::{AssignmentMode, DayWindow, Setting, Settings};
pub use slot::Slot;
pub use state::ClusterState;
pub use token::{JoinToken, TokenHash};

/// Most rows in one `AccountsPut`: keeps a log entry small enough to be copied between two beats.
pub const ACCOUNT_ROWS_MAX: usize = 1000;
/// Most accounts of one cluster; each takes about half a kilobyte of memory on every node.
pub const ACCOUNTS_MAX: usize = 2_000_000;
/// Most nodes in a cluster that are not removed.
pub const NODES_MAX: usize = 64;
/// Most hosted domains.
pub const DOMAINS_MAX: usize = 1000;
/// Most programs with tokens.
pub const API_CLIENTS_MAX: usize = 1000;
/// Most domains of one such program.
pub const API_CLIENT_DOMAINS_MAX: usize = 100;
/// Most join tokens kept at a time, used and expired ones included.
pub const TOKENS_MAX: usize = 100;
