//! Until when an owner may decide.

use muster_types::Instant;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The node's monotonic clock: the one source of [`Instant`]s in a process.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: std::time::Instant,
}

impl Clock {
    /// A clock that begins now (at a nonzero instant, so that zero is always in the past).
    pub fn start() -> Self {
        Self {
            start: std::time::Instant::now(),
        }
    }

    /// The current instant.
    pub fn now(&self) -> Instant {
        self.at(std::time::Instant::now())
    }

    /// The instant of a reading of the system's monotonic clock.
    pub fn at(&self, reading: std::time::Instant) -> Instant {
        let nanos = reading.saturating_duration_since(self.start).as_nanos();
        Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX).saturating_add(1))
    }

    /// The system's reading of an instant, for timers.
    pub fn reading(&self, instant: Instant) -> std::time::Instant {
        self.start + std::time::Duration::from_nanos(instant.as_nanos().saturating_sub(1))
    }
}

/// The deadline of one slot's lease, shared by everyone who acts as its owner. Read before each
/// batch of input and before each hand-over to a socket or link.
#[derive(Clone, Debug, Default)]
pub struct Lease {
    until: Arc<AtomicU64>,
}

impl Lease {
    /// True while the node may decide for the slot.
    pub fn holds(&self, now: Instant) -> bool {
        now.as_nanos() < self.until.load(Ordering::Acquire)
    }

    /// When it ends unless renewed; in the past when there is none.
    pub fn until(&self) -> Instant {
        Instant::from_nanos(self.until.load(Ordering::Acquire))
    }

    pub(crate) fn set(&self, until: Instant) {
        self.until.store(until.as_nanos(), Ordering::Release);
    }

    pub(crate) fn end(&self) {
        self.set(Instant::ZERO);
    }
}
