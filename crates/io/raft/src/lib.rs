//! Consensus: any replicated state, fed by a log that a quorum of nodes holds.
//!
//! ```text
//! propose(bytes) -> openraft -> log (store) + peers (Transport) -> committed
//!                                                                     |
//!              StateMachine::apply(index, bytes) -> writes  <---------'
//!              one store batch: the writes and the applied index
//! ```
//!
//! Several groups run in one process: one per slot and one for the cluster. They share the store,
//! its one flusher, the links and one runtime thread. openraft's types do not leave this crate.
//!
//! Tasks and their lifetime: openraft spawns its own (core, state machine worker, one replication
//! task per peer) on the runtime [`Group::start`] is called on; this crate adds one per group,
//! which turns openraft's metrics into [`Status`], renews the [`Lease`], sends the beats and asks to lead when
//! they are missed. All end with [`Group::shutdown`].

mod config;
mod group;
mod groups;
mod lease;
mod log;
mod machine;
mod network;
mod rpc;
mod runtime;
mod sealed;
mod status;
mod stored;
mod tail;
mod types;

pub use config::Timing;
pub use group::{ChangeError, Group, Host, ProposeError, StartError, lineage};
pub use groups::Groups;
pub use lease::{Clock, Lease};
pub use machine::{Applied, StateMachine};
pub use network::Transport;
pub use rpc::GroupId as RaftGroupId;
pub use runtime::{Entered, World, enter};
pub use status::Status;
pub use stored::Records;

#[cfg(test)]
mod group_test;
#[cfg(test)]
mod log_test;
