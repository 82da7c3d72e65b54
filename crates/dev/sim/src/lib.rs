//! Whole clusters in virtual time, from one seed: the real machines (router, owner, HA) over a
//! modelled log, disk and network, with simple clients, operators and everything that can go wrong.
//!
//! ```text
//! plan/ -> World: event queue, virtual clock, one generator of chance
//!             |-- Net     links that break, hold, lose, double and delay
//!             |-- Node    NodeMachine + Replica per slot + Router, over Raft (a model) and Device
//!             |-- Client  log in, publish, chat, keep rosters, come back
//!             |-- errands and commands of operators
//!             `-- Truth   what is committed; invariants/ compare it with what clients see
//! ```
//!
//! One seed twice gives the same run, byte by byte.

mod client;
mod coverage;
mod device;
mod invariants;
mod net;
mod node;
mod plan;
mod raft;
mod rng;
mod runner;
mod truth;
mod world;

pub use coverage::Coverage;
pub use device::Health;
pub use invariants::Violation;
use net::LinkNews;
pub use plan::{Fault, FaultKind, Operation, Place, Plan, Sabotage, Topology, Window};
pub use raft::RaftTiming;
pub use rng::Rng;
pub use runner::{Outcome, Progress, run_many};
pub use world::{Run, Stats, World, run, run_quietly};
