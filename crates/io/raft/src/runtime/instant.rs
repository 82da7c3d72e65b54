//! A point of the monotonic clock.

use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::sync::OnceLock;
use std::time::Duration;

/// What openraft and this crate measure time with. In a world the distance to [`anchor`] is what the
/// node's clock shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(std::time::Instant);

/// Where the clocks of all worlds begin. Only distances from it are used.
fn anchor() -> std::time::Instant {
    static ANCHOR: OnceLock<std::time::Instant> = OnceLock::new();
    *ANCHOR.get_or_init(std::time::Instant::now)
}

impl Instant {
    pub(crate) fn now() -> Self {
        Self(
            super::world().map_or_else(std::time::Instant::now, |world| {
                anchor() + world.monotonic()
            }),
        )
    }

    pub(crate) fn elapsed(&self) -> Duration {
        Self::now().0.saturating_duration_since(self.0)
    }

    pub(super) fn saturating_since(self, earlier: Self) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }

    pub(super) fn system(self) -> std::time::Instant {
        self.0
    }

    /// The same on the clock of a world.
    pub(super) fn in_world(self) -> Duration {
        self.0.saturating_duration_since(anchor())
    }
}

impl openraft::Instant for Instant {
    fn now() -> Self {
        Self::now()
    }

    fn elapsed(&self) -> Duration {
        Self::elapsed(self)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, other: Duration) -> Self {
        Self(self.0 + other)
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, other: Duration) {
        self.0 += other;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, other: Duration) -> Self {
        Self(self.0 - other)
    }
}

impl SubAssign<Duration> for Instant {
    fn sub_assign(&mut self, other: Duration) {
        self.0 -= other;
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, other: Self) -> Duration {
        self.0 - other.0
    }
}
