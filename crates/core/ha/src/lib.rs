//! High availability: who opens which slot, when a silent peer is taken for dead, how users go
//! home again, and what states and reasons the nodes show meanwhile.
//!
//! ```text
//!  link: Heard ─┐                            ┌─ OpenSlot, CloseSlot, Transfer ─> slot's Raft group
//!  slot's Raft: SlotRole, Transferred ─> NodeMachine ─ Propose ─> control log ─> Cluster snapshot ─┐
//!  control log: Cluster, ControlRole ─┤  ^    └─ Event ─> logs, watch                              │
//!  probes: Services ──────────────────┘  │                                                         │
//!                                        └──────────────────────────────────────────────────────────┘
//! ```
//!
//! [`NodeMachine`] decides for its own node only. What is true stands in the slots' logs and in the
//! control log; the machine compares that with what should be and proposes the difference, so a
//! lost proposal or a changed leader needs no special case: the difference is still there.
#![deny(clippy::wildcard_enum_match_arm)]

mod boot;
mod breakdown;
mod clocks;
mod detector;
mod duty;
#[cfg(test)]
mod duty_test;
mod gate;
mod guard;
#[cfg(test)]
mod harness_test;
mod health;
#[cfg(test)]
mod health_test;
#[cfg(test)]
mod homeward_test;
mod input;
#[cfg(test)]
mod log_test;
mod machine;
#[cfg(test)]
mod machine_test;
mod members;
#[cfg(test)]
mod members_test;
mod moves;
#[cfg(test)]
mod moves_test;
mod pairs;
#[cfg(test)]
mod pairs_test;
mod plan;
#[cfg(test)]
mod plan_test;
mod proposals;
mod services;
#[cfg(test)]
mod services_test;
mod settle;
mod states;

pub use breakdown::store_lost;
pub use clocks::{Clocks, Judgement, Reading};
pub use detector::{Detector, Hearing};
pub use gate::{Gate, Standing, gate};
pub use input::{HaEvent, Identity, Input, Output, SlotRole, Timing, Why};
pub use machine::NodeMachine;
pub use members::{MemberStep, Members, control_members, member_step, slot_members};
pub use moves::{Readiness, check_cancel, check_failover, check_fallback, check_recover};
pub use pairs::{PAIRS, Pair, find_pair};
pub use plan::{control_voters, desired_learners, desired_voters};
pub use services::{ServiceDown, ServiceKind};
pub use states::{HaAction, StateKind, advice, allowed_action, kind, meaning};
