//! The real openraft, its log, its state and its store, in virtual time and from one seed: on a simulated
//! network, disk and clock.
//!
//! ```text
//! faults, operator, client -> Exec: tasks of all hosts, their clocks, one generator of chance
//!        |-- Net    the transport: delays, drops, doubles, reorders, is cut one way
//!        |-- Node   muster_raft::Group (as in a node) over muster_store::Store on a Disk in memory
//!        |-- Owner  opens, decides under its lease, hands over
//!        `-- Truth  what was applied and acknowledged; invariants/ compare everything with it
//! ```
//!
//! One seed twice gives the same run, byte by byte.

mod align;
mod client;
mod count;
mod disk;
mod exec;
mod faults;
mod invariants;
mod net;
mod node;
mod operator;
mod owner;
mod plan;
mod rng;
mod run;
mod sim;
mod state;
mod truth;

pub use count::{Counts, Op};
pub use faults::Kind;
pub use invariants::Violation;
pub use plan::{Mistake, Plan};
pub use run::{Run, run};

#[cfg(test)]
mod exec_test;
#[cfg(test)]
mod net_test;
#[cfg(test)]
mod run_test;
