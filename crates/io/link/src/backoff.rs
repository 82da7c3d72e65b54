//! How long to wait before dialling again.

use std::time::Duration;

/// Doubles from `first` to `last`; each wait is drawn between half of that and all of it, so that
/// nodes do not dial in step.
pub(crate) struct Backoff {
    first: Duration,
    last: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, last: Duration) -> Self {
        Self {
            first,
            last,
            next: first,
        }
    }

    /// The connection was good: begin again.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }

    /// The wait before the next attempt.
    pub(crate) fn wait(&mut self) -> Duration {
        // Without random bytes the full wait is right, only less spread out.
        let fraction = getrandom::u32().map_or(1.0, |draw| f64::from(draw) / f64::from(u32::MAX));
        let wait = self.next.mul_f64(0.5 + fraction / 2.0);
        self.next = (self.next * 2).min(self.last);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_last() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(20), ms(100));
        for most in [20, 40, 80, 100, 100] {
            let wait = backoff.wait();
            assert!(wait >= ms(most) / 2 && wait <= ms(most), "{wait:?} {most}");
        }
        backoff.reset();
        assert!(backoff.wait() <= ms(20));
    }
}
