//! The healthy time of a failed-over node. Every node counts on its own monotonic clock; what the
//! control leader counts, it logs now and then, and a new leader goes on from there. Nobody ever
//! counts more than has passed: the count starts at what was logged when it was seen to be logged.
//!
//! A missed beat loses the count for good: what is logged, or on its way to the log, is void. Whoever
//! leads, and each of the two nodes concerned, has that said in the log (a count of zero, which begins a
//! new value of the group's `changes`), and counts nothing until it is.

use crate::Hearing;
use muster_types::Instant;
use std::time::Duration;

/// The longest time between two logged counts.
const LOG_INTERVAL_MAX: Duration = Duration::from_secs(60);
/// The shortest.
const LOG_INTERVAL_MIN: Duration = Duration::from_millis(100);

/// How often the count is logged: each minute, oftener when the delay is short.
pub(crate) fn log_interval(delay: Duration) -> Duration {
    (delay / 30).clamp(LOG_INTERVAL_MIN, LOG_INTERVAL_MAX)
}

/// What there is to see of a failed-over node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// The group's count of state changes.
    pub(crate) changes: u64,
    /// The healthy time in the log.
    pub(crate) logged: Duration,
    /// Whether the home node is heard.
    pub(crate) home: Hearing,
    /// Whether the backup is heard.
    pub(crate) backup: Hearing,
    /// Whether this node's own look counts for all: it leads, or is one of the two.
    pub(crate) vouches: bool,
}

/// One count.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    changes: u64,
    logged: Duration,
    /// What had accrued at `from`.
    base: Duration,
    /// Since when it goes on; `None` while one of the two is not heard.
    from: Option<Instant>,
    /// How often the two had fallen silent at `from`.
    breaks: Option<(u32, u32)>,
    /// Whether one of the two is or was silent.
    silent: bool,
    /// Whether something that was counted is void.
    lost: bool,
}

impl Health {
    /// A count that goes on from what is logged.
    pub(crate) fn new(seen: Seen) -> Self {
        let Seen {
            changes, logged, ..
        } = seen;
        Self {
            changes,
            logged,
            base: logged,
            from: None,
            breaks: None,
            silent: false,
            lost: false,
        }
    }

    /// Looks at the node anew.
    pub(crate) fn observe(&mut self, now: Instant, seen: Seen) {
        if seen.changes != self.changes {
            *self = Self::new(seen);
        } else if seen.logged != self.logged {
            self.hear_of(now, seen);
        }
        self.logged = seen.logged;
        match (seen.home, seen.backup) {
            (Hearing::Alive { breaks: home }, Hearing::Alive { breaks: backup }) => {
                self.go_on(now, (home, backup));
            }
            // Not missed yet: this node has only just started to listen.
            (Hearing::Never, Hearing::Never | Hearing::Alive { .. })
            | (Hearing::Alive { .. }, Hearing::Never) => self.pause(now),
            (Hearing::Silent { .. }, _) | (_, Hearing::Silent { .. }) => {
                self.silent = true;
                if self.from.is_some() || !self.logged.is_zero() {
                    self.lose();
                }
                (self.base, self.from) = (Duration::ZERO, None);
            }
        }
    }

    /// Another has counted longer. Whoever vouches for the two does not take that for what was lost.
    fn hear_of(&mut self, now: Instant, seen: Seen) {
        if self.lost && !seen.vouches {
            (self.lost, self.silent) = (false, false);
            self.base = seen.logged;
        } else if !self.lost && seen.logged > self.accrued(now) {
            (self.base, self.from) = (seen.logged, self.from.map(|_| now));
        }
    }

    fn lose(&mut self) {
        (self.base, self.from, self.lost) = (Duration::ZERO, None, true);
    }

    fn go_on(&mut self, now: Instant, breaks: (u32, u32)) {
        let broken = self.breaks.is_some_and(|before| before != breaks);
        self.breaks = Some(breaks);
        if broken || self.silent {
            self.silent = false;
            self.lose();
        }
        if !self.lost {
            self.from.get_or_insert(now);
        }
    }

    fn pause(&mut self, now: Instant) {
        self.base = self.accrued(now);
        self.from = None;
    }

    /// How long the node has been healthy.
    pub(crate) fn accrued(&self, now: Instant) -> Duration {
        self.base + self.from.map_or(Duration::ZERO, |from| now.since(from))
    }

    /// When `accrued` will be `wanted`, if nothing happens. `None` while it does not go on.
    pub(crate) fn reaches(&self, wanted: Duration) -> Option<Instant> {
        self.from
            .map(|from| from + wanted.saturating_sub(self.base))
    }

    /// Whether what was counted is void: to be said in the log.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost
    }

    /// The healthy time in the log.
    pub(crate) fn logged(&self) -> Duration {
        self.logged
    }
}
