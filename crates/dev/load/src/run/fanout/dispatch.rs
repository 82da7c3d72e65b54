//! Whose turn it is.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::board::Board;
use crate::pacer::{beats, pace};

/// How often changes that are never seen by all are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Turns that may wait for a user who is free, when the times are given.
const BACKLOG: usize = 1_000_000;

/// When the next change is due.
#[derive(Clone, Copy)]
pub(super) enum Pace {
    /// As soon as fewer than these are under way.
    Closed(usize),
    /// At even times, so many a second.
    Even(f64),
}

/// What came of it.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) changes: u64,
    /// Deliveries that did not come in time.
    pub(super) lost: u64,
    /// Turns that nobody could take.
    pub(super) unsent: u64,
}

/// Hands out turns.
pub(super) struct Dispatch {
    board: Arc<Board>,
    turns: Vec<mpsc::Sender<Instant>>,
    patience: Duration,
    idle: VecDeque<usize>,
    /// Since when each user's change is under way.
    busy: Vec<Option<Instant>>,
    under_way: usize,
    tally: Tally,
}

impl Dispatch {
    /// All users are idle.
    pub(super) fn new(
        board: Arc<Board>,
        turns: Vec<mpsc::Sender<Instant>>,
        patience: Duration,
    ) -> Self {
        Self {
            board,
            idle: (0..turns.len()).collect(),
            busy: vec![None; turns.len()],
            turns,
            patience,
            under_way: 0,
            tally: Tally::default(),
        }
    }

    /// Hands out turns for this time, then waits for what is under way.
    pub(super) async fn run(
        mut self,
        pace: Pace,
        time: Duration,
        mut completions: mpsc::Receiver<usize>,
    ) -> Tally {
        match pace {
            Pace::Closed(window) => self.closed(window, time, &mut completions).await,
            Pace::Even(rate) => self.even(rate, time, &mut completions).await,
        }
        while self.under_way > 0 {
            self.wait(&mut completions).await;
        }
        self.tally
    }

    async fn closed(
        &mut self,
        window: usize,
        time: Duration,
        completions: &mut mpsc::Receiver<usize>,
    ) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            while self.under_way < window && self.give(Instant::now()) {}
            if self.under_way == 0 {
                return;
            }
            self.wait(completions).await;
        }
    }

    async fn even(&mut self, rate: f64, time: Duration, completions: &mut mpsc::Receiver<usize>) {
        let (sender, mut due) = mpsc::channel(BACKLOG);
        let planned = beats(rate, time);
        let _pacer = pace(rate, planned, move |_, at| {
            sender.try_send(at).ok();
        });
        // A turn is taken from the queue only when somebody is free; it keeps its time.
        loop {
            if self.idle.is_empty() {
                if self.under_way == 0 {
                    break;
                }
                self.wait(completions).await;
                continue;
            }
            tokio::select! {
                at = due.recv() => match at {
                    Some(at) => drop(self.give(at)),
                    None => break,
                },
                () = self.wait(completions) => {}
            }
        }
        self.tally.unsent += planned.saturating_sub(self.tally.changes);
    }

    /// Gives a turn to the user who has been idle for longest; false when there is none.
    fn give(&mut self, due: Instant) -> bool {
        while let Some(number) = self.idle.pop_front() {
            // One whose session has ended never gets a turn again.
            if self.turns[number].try_send(due).is_ok() {
                self.busy[number] = Some(due);
                self.under_way += 1;
                self.tally.changes += 1;
                return true;
            }
        }
        false
    }

    /// Waits until a change is finished, or looks for some that will not be. Nothing is lost when it is dropped.
    async fn wait(&mut self, completions: &mut mpsc::Receiver<usize>) {
        match tokio::time::timeout(LOOK_EVERY, completions.recv()).await {
            Ok(Some(number)) => self.finish(number),
            Ok(None) | Err(_) => self.expire(),
        }
        while let Ok(number) = completions.try_recv() {
            self.finish(number);
        }
    }

    fn finish(&mut self, number: usize) {
        if self.busy[number].take().is_some() {
            self.under_way -= 1;
            self.idle.push_back(number);
        }
    }

    /// One whose session ended before it took its turn.
    fn retire(&mut self, number: usize) {
        if self.busy[number].take().is_some() {
            self.under_way -= 1;
            self.tally.changes -= 1;
            self.tally.unsent += 1;
        }
    }

    fn expire(&mut self) {
        for number in 0..self.busy.len() {
            if self.busy[number].is_none_or(|since| since.elapsed() <= self.patience) {
                continue;
            }
            match self.board.give_up(number) {
                0 => self.retire(number),
                left => {
                    self.tally.lost += left;
                    self.finish(number);
                }
            }
        }
    }
}
