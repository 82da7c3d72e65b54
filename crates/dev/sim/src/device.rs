//! A node's disk: writes are on it some time after they were made, in their order.

use crate::Rng;
use muster_types::Instant;
use std::ops::Range;
use std::time::Duration;

/// How long a sync takes on a healthy disk, in microseconds.
const HEALTHY_US: Range<u64> = 200..2_000;

/// What the disk does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Health {
    /// As it should.
    #[default]
    Good,
    /// Every sync takes long.
    Slow,
    /// Every sync fails, until room is made.
    Full,
    /// The next sync fails; after a restart all is well.
    FailsOnce,
}

/// One node's disk.
#[derive(Debug, Default)]
pub(crate) struct Device {
    pub(crate) health: Health,
    written: u64,
    synced: u64,
    /// When the sync under way ends, and up to which write.
    flight: Option<(Instant, u64)>,
}

/// A sync failed: what was written and not synced may be lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SyncFailed;

impl Device {
    /// One more write. Its number is what [`wake`](Self::wake) answers once it is on the disk.
    pub(crate) fn write(&mut self, now: Instant, rng: &mut Rng) -> u64 {
        self.written += 1;
        if self.flight.is_none() {
            self.begin(now, rng);
        }
        self.written
    }

    fn begin(&mut self, now: Instant, rng: &mut Rng) {
        let lasts: Duration = match self.health {
            Health::Slow => rng.millis(50..1_500),
            Health::Good | Health::Full | Health::FailsOnce => rng.micros(HEALTHY_US),
        };
        self.flight = Some((now + lasts, self.written));
    }

    /// When the sync under way ends.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.flight.map(|(at, _)| at)
    }

    /// Time passes. Answers up to which write everything is on the disk, if that is news.
    pub(crate) fn wake(&mut self, now: Instant, rng: &mut Rng) -> Result<Option<u64>, SyncFailed> {
        let Some((at, upto)) = self.flight else {
            return Ok(None);
        };
        if now < at {
            return Ok(None);
        }
        if matches!(self.health, Health::Full | Health::FailsOnce) {
            return Err(SyncFailed);
        }
        self.synced = upto;
        self.flight = None;
        if self.written > upto {
            self.begin(now, rng);
        }
        Ok(Some(upto))
    }

    /// The process died. Answers up to which write everything is on the disk: what was not synced
    /// may be there or not, but no write without those before it.
    pub(crate) fn crash(&mut self, rng: &mut Rng) -> u64 {
        let unsynced = self.written - self.synced;
        let kept = self.synced + rng.below(unsynced + 1);
        (self.synced, self.flight) = (self.written, None);
        if self.health == Health::FailsOnce {
            self.health = Health::Good;
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_become_durable_in_order_and_a_crash_keeps_what_was_synced() {
        let (mut rng, mut device) = (Rng::new(1), Device::default());
        let now = Instant::ZERO;
        let first = device.write(now, &mut rng);
        let second = device.write(now, &mut rng);
        assert_eq!(device.wake(now, &mut rng), Ok(None));
        let at = device.deadline().expect("a sync is under way");
        assert_eq!(device.wake(at, &mut rng), Ok(Some(first)));
        let kept = device.crash(&mut rng);
        assert!((first..=second).contains(&kept), "{kept}");
    }

    #[test]
    fn a_full_disk_fails_until_room_is_made_and_a_failed_sync_once() {
        for (health, after) in [
            (Health::Full, Health::Full),
            (Health::FailsOnce, Health::Good),
        ] {
            let (mut rng, mut device) = (Rng::new(1), Device::default());
            device.health = health;
            device.write(Instant::ZERO, &mut rng);
            let at = device.deadline().expect("a sync is under way");
            assert_eq!(device.wake(at, &mut rng), Err(SyncFailed));
            device.crash(&mut rng);
            assert_eq!(device.health, after);
        }
    }
}
