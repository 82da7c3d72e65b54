//! One probe: a service is asked for a sign of work, again and again, and so found out to be down.
//!
//! ```text
//! watchdog -- Answer --> service, through its own inbox -- good() --> Mailbox --> watchdog
//!                        (dropped unanswered: nobody is there)
//! ```

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What came back, for which question.
#[derive(Debug, Default)]
struct Mailbox(Mutex<Option<(u64, bool)>>);

impl Mailbox {
    fn put(&self, serial: u64, good: bool) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((serial, good));
    }

    fn take(&self, serial: u64) -> Option<bool> {
        let content = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        content.and_then(|(of, good)| (of == serial).then_some(good))
    }
}

/// A question that all parts of a service have to answer: each gets its own.
#[derive(Debug)]
struct Question {
    serial: u64,
    refused: AtomicBool,
    to: Arc<Mailbox>,
}

impl Drop for Question {
    fn drop(&mut self) {
        let good = !*self.refused.get_mut();
        self.to.put(self.serial, good);
    }
}

/// The way to answer. Dropped without [`good`](Self::good) it says that nobody is there.
#[derive(Debug)]
pub(crate) struct Answer {
    question: Arc<Question>,
    given: bool,
}

impl Answer {
    /// The work was done.
    pub(crate) fn good(mut self) {
        self.given = true;
    }

    /// One more that is needed for the service to be up.
    pub(crate) fn another(&self) -> Self {
        Self {
            question: Arc::clone(&self.question),
            given: false,
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if !self.given {
            self.question.refused.store(true, Ordering::Release);
        }
    }
}

/// When a service is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rhythm {
    /// Between two questions.
    every: Duration,
    /// After which a question without answer shows a service that is down.
    patience: Duration,
}

impl Rhythm {
    /// Often enough to find out within a delay, and seldom enough to cost nothing.
    pub(super) fn of(delay: Duration) -> Self {
        let every = (delay / 5).clamp(Duration::from_millis(200), Duration::from_secs(2));
        Self {
            every,
            patience: every / 2,
        }
    }
}

/// The questions to one service.
#[derive(Debug)]
pub(super) struct Probe {
    rhythm: Rhythm,
    mailbox: Arc<Mailbox>,
    serial: u64,
    /// When the question under way was asked.
    asked: Option<Instant>,
    next: Instant,
    down_since: Option<Instant>,
}

impl Probe {
    pub(super) fn new(rhythm: Rhythm, now: Instant) -> Self {
        Self {
            rhythm,
            mailbox: Arc::default(),
            serial: 0,
            asked: None,
            next: now,
            down_since: None,
        }
    }

    /// How often it is asked from the next question on.
    pub(super) fn set_rhythm(&mut self, rhythm: Rhythm) {
        self.rhythm = rhythm;
    }

    /// Since when the service is down.
    pub(super) fn down_since(&self) -> Option<Instant> {
        self.down_since
    }

    /// Takes what came back. Returns the next question when it is time for one.
    pub(super) fn look(&mut self, now: Instant) -> Option<Answer> {
        if let Some(asked) = self.asked {
            match self.mailbox.take(self.serial) {
                Some(true) => (self.asked, self.down_since) = (None, None),
                Some(false) => {
                    self.asked = None;
                    self.down_since.get_or_insert(asked);
                }
                None if now.duration_since(asked) >= self.rhythm.patience => {
                    self.down_since.get_or_insert(asked);
                }
                None => {}
            }
        }
        (self.asked.is_none() && now >= self.next).then(|| self.ask(now))
    }

    fn ask(&mut self, now: Instant) -> Answer {
        self.serial += 1;
        self.asked = Some(now);
        self.next = now + self.rhythm.every;
        let question = Question {
            serial: self.serial,
            refused: AtomicBool::new(false),
            to: Arc::clone(&self.mailbox),
        };
        Answer {
            question: Arc::new(question),
            given: false,
        }
    }

    /// The whole process stood still: that says nothing of the service. The question under way counts
    /// from now on.
    pub(super) fn excuse(&mut self, pause: Duration) {
        self.asked = self.asked.map(|asked| asked + pause);
        self.down_since = self.down_since.map(|since| since + pause);
    }
}

#[cfg(test)]
#[path = "probe_test.rs"]
mod probe_test;
