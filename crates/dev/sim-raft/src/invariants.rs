//! What must hold, one file each.

pub(crate) mod acked_kept;
pub(crate) mod applied_forward;
pub(crate) mod epochs_grow;
pub(crate) mod one_owner;
pub(crate) mod same_log;
pub(crate) mod settles;

use std::fmt;

/// Something that must never happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant: the name of its file.
    pub invariant: &'static str,
    /// What happened.
    pub what: String,
}

impl Violation {
    pub(crate) fn of(invariant: &'static str, what: impl Into<String>) -> Self {
        Self {
            invariant,
            what: what.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.what)
    }
}
