//! Whether a group has a leader now. The leader in its metrics may be long gone: after a restart it is
//! the one of the stored vote.

use super::Group;
use crate::config::Timing;
use crate::rpc::Response;
use crate::runtime::Instant;
use openraft::raft::AppendEntriesResponse;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What this node has answered to others that lead, or would.
#[derive(Debug)]
pub(super) struct Led {
    started: Instant,
    timing: Timing,
    /// When a leader was obeyed last, in nanoseconds from the start; 0 is never.
    obeyed: AtomicU64,
    /// When a vote was promised last.
    promised: AtomicU64,
}

impl Led {
    pub(super) fn new(timing: Timing) -> Self {
        Self {
            started: Instant::now(),
            timing,
            obeyed: AtomicU64::default(),
            promised: AtomicU64::default(),
        }
    }

    /// How long no leader has been obeyed. A start counts as one: see [`Self::just_started`].
    pub(super) fn silence(&self) -> Duration {
        self.since(&self.obeyed)
            .unwrap_or_else(|| self.started.elapsed())
    }

    /// How long ago somebody was promised a vote.
    pub(super) fn since_promise(&self) -> Option<Duration> {
        self.since(&self.promised)
    }

    fn since(&self, at: &AtomicU64) -> Option<Duration> {
        let at = Duration::from_nanos(at.load(Ordering::Relaxed));
        (at > Duration::ZERO).then(|| self.started.elapsed().saturating_sub(at))
    }

    /// Whether this node may still be bound by a promise that its restart made it forget.
    pub(super) fn just_started(&self) -> bool {
        self.started.elapsed() < self.timing.election_max
    }

    /// Whether a leader was obeyed within two election timeouts.
    fn is_recent(&self) -> bool {
        let age = self.since(&self.obeyed);
        age.is_some_and(|age| age < 2 * self.timing.election_max)
    }

    /// Takes note of what only a leader, or one who may become it, is answered.
    pub(super) fn note(&self, answer: &Response) {
        match answer {
            Response::Append(AppendEntriesResponse::HigherVote(_)) => {}
            Response::Append(_) | Response::Snapshot(Some(_)) => self.stamp(&self.obeyed),
            Response::Vote(vote) if vote.vote_granted => self.stamp(&self.promised),
            Response::Vote(_)
            | Response::Transfer(_)
            | Response::Snapshot(None)
            | Response::NoSuchGroup
            | Response::Failed(_)
            | Response::Committed(_) => {}
        }
    }

    fn stamp(&self, at: &AtomicU64) {
        let now = self.started.elapsed().as_nanos();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        at.store(now.max(1), Ordering::Relaxed);
    }
}

impl Group {
    /// Whether this node leads, or has obeyed a leader within two election timeouts.
    pub fn is_led(&self) -> bool {
        self.inner.led.is_recent() || self.inner.status.borrow().leading
    }
}
