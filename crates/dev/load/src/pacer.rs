//! An even beat from a thread of its own: the runtime's timers are a millisecond coarse, and a busy runtime would be late.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A running beat; it stops when this is dropped.
pub(crate) struct Pacer(Arc<AtomicBool>);

impl Drop for Pacer {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Calls `beat(n, time)` for n from 0 to `count`, `rate` times a second. A late call has the time when it should have
/// been: what is measured from that time omits nothing.
pub(crate) fn pace(
    rate: f64,
    count: u64,
    mut beat: impl FnMut(u64, Instant) + Send + 'static,
) -> Pacer {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let start = Instant::now();
    thread::spawn(move || {
        for n in 0..count {
            let due = start + Duration::from_secs_f64(n as f64 / rate);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if stopped.load(Ordering::Relaxed) {
                return;
            }
            beat(n, due);
        }
    });
    Pacer(stop)
}

/// How many beats a rate has in this time; at least one.
pub(crate) fn beats(rate: f64, time: Duration) -> u64 {
    ((rate * time.as_secs_f64()).round() as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn beats_are_evenly_timed_whenever_they_come() {
        let (sender, receiver) = mpsc::channel();
        let _pacer = pace(1000.0, 5, move |n, due| {
            if n == 0 {
                // Makes the next ones late; their times stay as planned.
                thread::sleep(Duration::from_millis(10));
            }
            sender.send((n, due)).unwrap();
        });
        let found: Vec<_> = receiver.iter().collect();
        let first = found[0].1;
        for (at, (n, due)) in found.iter().enumerate() {
            assert_eq!(*n, at as u64);
            assert_eq!(due.duration_since(first), Duration::from_millis(*n));
        }
        assert_eq!(found.len(), 5);
    }

    #[test]
    fn a_dropped_pacer_ends() {
        let (sender, receiver) = mpsc::channel();
        drop(pace(1000.0, u64::MAX, move |n, _| sender.send(n).unwrap()));
        // Ends when the thread drops the sender.
        assert!(receiver.iter().count() < 1_000_000);
    }

    #[test]
    fn beats_of_a_rate() {
        for (rate, ms, count) in [(1000.0, 2000, 2000), (0.5, 3000, 2), (0.1, 1000, 1)] {
            assert_eq!(beats(rate, Duration::from_millis(ms)), count);
        }
    }
}
