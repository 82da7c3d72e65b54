//! The timers of a stream: an enum and a table.

use muster_types::Instant;

/// What a client has only so long for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Timer {
    /// To establish TLS, or in plaintext to begin a stream.
    Handshake,
    /// To bind a resource.
    Login,
    /// To finish the element it began.
    Element,
}

impl Timer {
    const ALL: [Self; 3] = [Self::Handshake, Self::Login, Self::Element];

    /// What a client is told that was too slow.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Handshake => "no TLS or stream in time",
            Self::Login => "no login in time",
            Self::Element => "an element was not finished in time",
        }
    }
}

/// When each timer is due.
#[derive(Default, Debug)]
pub(crate) struct Deadlines([Option<Instant>; Timer::ALL.len()]);

impl Deadlines {
    pub(crate) const fn set(&mut self, timer: Timer, at: Instant) {
        self.0[timer as usize] = Some(at);
    }

    pub(crate) const fn is_set(&self, timer: Timer) -> bool {
        self.0[timer as usize].is_some()
    }

    pub(crate) const fn clear(&mut self, timer: Timer) {
        self.0[timer as usize] = None;
    }

    pub(crate) const fn clear_all(&mut self) {
        self.0 = [None; Timer::ALL.len()];
    }

    pub(crate) fn earliest(&self) -> Option<Instant> {
        self.0.iter().flatten().min().copied()
    }

    /// A timer that is due.
    pub(crate) fn due(&self, now: Instant) -> Option<Timer> {
        Timer::ALL
            .into_iter()
            .find(|timer| self.0[*timer as usize].is_some_and(|at| at <= now))
    }
}
