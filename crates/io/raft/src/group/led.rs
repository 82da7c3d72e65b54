//! Whether a group has a leader now. The leader in its metrics may be long gone: after a restart it is
//! the one of the stored vote.

use super::Group;
use crate::rpc::Response;
use openraft::raft::AppendEntriesResponse;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// When a leader was obeyed last, in nanoseconds from the group's start; 0 is never.
#[derive(Debug, Default)]
pub(super) struct Obeyed(AtomicU64);

impl Group {
    /// Whether this node leads, or has obeyed a leader within two election timeouts.
    pub fn is_led(&self) -> bool {
        let last = self.inner.obeyed.0.load(Ordering::Relaxed);
        let age = self
            .inner
            .started
            .elapsed()
            .checked_sub(Duration::from_nanos(last));
        let recent = last > 0 && age.is_none_or(|age| age < 2 * self.inner.timing.election_max);
        recent || self.inner.status.borrow().leading
    }

    /// Whether this node may still be bound by a promise that its restart made it forget.
    pub(super) fn just_started(&self) -> bool {
        self.inner.started.elapsed() < self.inner.timing.election_max
    }

    /// Takes note of an answer that only a leader gets.
    pub(super) fn note_leader(&self, answer: &Response) {
        let obeyed = match answer {
            Response::Append(AppendEntriesResponse::HigherVote(_)) => false,
            Response::Append(_) | Response::Snapshot(Some(_)) => true,
            Response::Vote(_)
            | Response::Transfer(_)
            | Response::Snapshot(None)
            | Response::NoSuchGroup
            | Response::Failed(_)
            | Response::Committed(_) => false,
        };
        if obeyed {
            let now = self.inner.started.elapsed().as_nanos();
            let now = u64::try_from(now).unwrap_or(u64::MAX);
            self.inner.obeyed.0.store(now.max(1), Ordering::Relaxed);
        }
    }
}
