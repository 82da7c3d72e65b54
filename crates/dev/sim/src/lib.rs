//! Whole clusters in virtual time, from one seed: the real machines (router, owner, HA) over a
//! modelled log and network, with simple clients, crashes, pauses and partitions.
//!
//! ```text
//! faults -> World: event queue, virtual clock, one generator of chance
//!             |-- Net    links that break, hold and lose
//!             |-- Node   NodeMachine + Replica per slot + Router, over Raft (a model)
//!             |-- Client log in, publish, chat, keep rosters, come back
//!             `-- Truth  what is committed; invariants/ compare it with what clients see
//! ```
//!
//! One seed twice gives the same run, byte by byte.

mod client;
mod faults;
mod invariants;
mod net;
mod node;
mod plan;
mod raft;
mod rng;
mod truth;
mod world;

pub use faults::Fault;
pub use invariants::Violation;
use net::LinkNews;
use plan::beginning;
pub use plan::{Plan, Sabotage};
pub use rng::Rng;
pub use world::{Run, World, run};
