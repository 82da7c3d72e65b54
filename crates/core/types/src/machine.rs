//! The one shape of everything that decides.

use crate::Instant;

/// A state machine without clock, socket or disk. Its driver calls [`handle`](Self::handle) once,
/// then [`poll`](Self::poll) until it answers `None`, before the next `handle`; when
/// [`deadline`](Self::deadline) has passed it calls [`wake`](Self::wake). No call blocks, and a
/// failure is an output too.
pub trait Machine {
    /// What happens to the machine.
    type Input;
    /// What the machine wants done.
    type Output;

    /// Takes one input.
    fn handle(&mut self, now: Instant, input: Self::Input);

    /// Lets every timer that is due at `now` fire. Early calls do nothing.
    fn wake(&mut self, now: Instant);

    /// Hands out what is to be done, in order.
    fn poll(&mut self) -> Option<Self::Output>;

    /// When the earliest timer is due.
    fn deadline(&self) -> Option<Instant>;
}
