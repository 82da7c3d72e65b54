//! The hot paths of the core as workloads: the same ones are timed by criterion (`benches/workloads.rs`) and have their
//! instructions counted by `cargo xtask count` (`main.rs`).
//!
//! ```text
//! framer, stanza          bytes of a client -> elements -> stanzas
//! encode-…                a stanza -> bytes for each recipient
//! route-…                 router::Router: a client's presence in, contacts' presence out
//! publish                 owner::Replica, the shard: a user's presence -> one batch for each node that watches
//! compose-…               presence::Presentity: what all sources of a user amount to
//! scram                   sasl::Exchange: a whole login, but for the client's part
//! ```
//!
//! A workload prepares everything it needs and then does the same again and again: no clock, no chance, and nothing that
//! grows from run to run. What it answers is counted, so that none of it can be left out.

mod accounts;
mod address;
mod compose;
mod encode;
mod framer;
mod owner;
mod router;
mod scram;
#[cfg(test)]
mod workloads_test;

/// One run of a prepared workload: does the work, and answers how many [units](Workload::units) it made.
pub type Run = Box<dyn FnMut() -> u64>;

/// Something to be measured.
pub struct Workload {
    /// Its name: what it is about, then which case.
    pub name: &'static str,
    /// What one run does.
    pub does: &'static str,
    /// What is counted within a run.
    pub unit: &'static str,
    /// How many of them one run makes.
    pub units: u64,
    /// Makes it ready to run.
    pub prepare: fn() -> Run,
}

/// All workloads, in the order of a presence's path.
pub const WORKLOADS: &[Workload] = &[
    framer::FRAMER,
    framer::STANZA,
    encode::PRESENCE,
    encode::MESSAGE,
    router::IN,
    router::OUT,
    owner::PUBLISH,
    compose::CHANGE,
    compose::AGAIN,
    compose::PLAIN,
    compose::RULES,
    scram::LOGIN,
];

/// A workload by its name.
pub fn workload(name: &str) -> Option<&'static Workload> {
    WORKLOADS.iter().find(|workload| workload.name == name)
}

/// Does something cheap so often within one run that a run costs much more than what may differ between two starts of a
/// process; answers what was made in all.
pub(crate) fn repeat(times: u64, mut once: impl FnMut() -> u64) -> u64 {
    (0..times).map(|_| once()).sum()
}
