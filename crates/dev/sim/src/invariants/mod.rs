//! What must hold at every instant, or at the end of a run. One file each.

pub(crate) mod acknowledged;
pub(crate) mod agreement;
pub(crate) mod epochs;
pub(crate) mod fallback;
pub(crate) mod ghosts;
pub(crate) mod messages;
pub(crate) mod one_owner;
pub(crate) mod permission;
pub(crate) mod settled;
pub(crate) mod states;
pub(crate) mod unavailable;
pub(crate) mod views;

use std::fmt;

/// A broken promise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Which invariant.
    pub invariant: &'static str,
    /// What was seen.
    pub seen: String,
}

impl Violation {
    /// A violation of `invariant`.
    pub(crate) fn new(invariant: &'static str, seen: String) -> Self {
        Self { invariant, seen }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.seen)
    }
}
