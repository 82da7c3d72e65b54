//! Whether this node's clock runs as fast as the others'. Leases, graces and delays are counted by each node's
//! own clock: all of them hold while no two clocks differ by more than [`LIMIT`] thousandths.
//!
//! ```text
//! each beat: what the sender's clock showed, and ours -- note --> Clocks -- judge --> in step, or not
//! ```
//!
//! A clock that time synchronisation brings back in step may run 8 % fast or slow meanwhile (chrony's limit), so
//! the limit is wider than that. One that runs out of step with most of the others is wrong itself; between two
//! nodes nobody can tell whose is.

use muster_types::{Instant, NodeId};
use std::collections::BTreeMap;
use std::time::Duration;

/// How many thousandths a clock may run faster or slower than another.
pub(crate) const LIMIT: i64 = 150;

/// What two clocks showed at one moment, but for the time that the beat was on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reading {
    /// The sender's, when the beat was sent.
    pub sent: Instant,
    /// Ours, when it came.
    pub received: Instant,
}

impl Reading {
    /// Comparable between readings of one sender that are close to each other; the least was the fastest.
    fn delay(self) -> i128 {
        i128::from(self.received.as_nanos()) - i128::from(self.sent.as_nanos())
    }
}

/// How our clock has run in comparison with one other.
#[derive(Debug)]
struct Course {
    last: Reading,
    /// When the readings begin to be gathered of which one is the next edge.
    gather_from: Instant,
    /// The one that was fastest on its way, so far.
    fastest: Option<Reading>,
    /// Where the window begins.
    edge: Option<Reading>,
    /// By how many thousandths our clock was faster in the last two windows.
    faster: [Option<i64>; 2],
}

impl Course {
    fn begin(reading: Reading) -> Self {
        Self {
            last: reading,
            gather_from: reading.received,
            fastest: Some(reading),
            edge: None,
            faster: [None; 2],
        }
    }

    fn take(&mut self, window: Duration, reading: Reading) {
        self.last = reading;
        if reading.received < self.gather_from {
            return;
        }
        let gathering = reading.received < self.gather_from + window / 4;
        match self.fastest {
            Some(fastest) if gathering => {
                self.fastest = Some(if reading.delay() < fastest.delay() {
                    reading
                } else {
                    fastest
                });
            }
            Some(fastest) => {
                self.end_window(fastest);
                self.gather_from = self.gather_from + window;
                self.fastest = None;
            }
            None => {
                self.gather_from = reading.received;
                self.fastest = Some(reading);
            }
        }
    }

    fn end_window(&mut self, edge: Reading) {
        if let Some(before) = self.edge.replace(edge) {
            self.faster = [self.faster[1], faster(before, edge)];
        }
    }

    /// Steadily out of step: one window alone may be a machine that stood still.
    fn out_of_step(&self) -> Option<i64> {
        let [Some(before), Some(last)] = self.faster else {
            return None;
        };
        let same_way = before.signum() == last.signum();
        let least = if before.abs() < last.abs() {
            before
        } else {
            last
        };
        (same_way && least.abs() > LIMIT).then_some(least)
    }
}

fn faster(from: Reading, to: Reading) -> Option<i64> {
    let ours = to.received.since(from.received).as_nanos();
    let theirs = to.sent.since(from.sent).as_nanos();
    let thousandths = (ours * 1000).checked_div(theirs)?;
    Some(i64::try_from(thousandths).ok()? - 1000)
}

/// What is known of the clocks.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Judgement {
    /// By how many thousandths this node's clock runs faster than most of the others; below zero: slower. `None`
    /// when it is in step with them, or when fewer than two can be compared.
    pub own: Option<i64>,
    /// The others that are out of step with this node, and by how many thousandths they are faster than it.
    pub others: Vec<(NodeId, i64)>,
}

/// Compares this node's clock with the others'.
#[derive(Debug)]
pub struct Clocks {
    window: Duration,
    courses: BTreeMap<NodeId, Course>,
}

impl Clocks {
    /// Looks at clocks for two windows before it says anything of them.
    pub const fn new(window: Duration) -> Self {
        Self {
            window,
            courses: BTreeMap::new(),
        }
    }

    /// Takes what a beat said.
    pub fn note(&mut self, node: NodeId, reading: Reading) {
        let window = self.window;
        let course = self
            .courses
            .entry(node)
            .or_insert_with(|| Course::begin(reading));
        let gap = reading.received.since(course.last.received);
        // Another process has another clock, and nobody knows what happened in a gap.
        if reading.sent < course.last.sent || gap > window {
            *course = Course::begin(reading);
        } else if reading.sent > course.last.sent {
            course.take(window, reading);
        }
    }

    /// What the last windows say.
    pub fn judge(&mut self, now: Instant) -> Judgement {
        let window = self.window;
        (self.courses).retain(|_, course| now.since(course.last.received) <= window);
        let compared = self.courses.values();
        let compared = compared.filter(|course| course.faster[1].is_some()).count();
        let out = |(node, course): (&NodeId, &Course)| Some((*node, course.out_of_step()?));
        let out: Vec<_> = self.courses.iter().filter_map(out).collect();
        let most = |way: i64| {
            let same_way = out
                .iter()
                .map(|(_, by)| *by)
                .filter(|by| by.signum() == way);
            let (count, least) = (same_way.clone().count(), same_way.min_by_key(|by| by.abs()));
            least.filter(|_| count >= 2 && count * 2 > compared)
        };
        Judgement {
            own: most(1).or_else(|| most(-1)),
            others: (out.iter().map(|(node, by)| (*node, reverse(*by)))).collect(),
        }
    }
}

/// Seen from the other side.
fn reverse(faster: i64) -> i64 {
    (1_000_000 / (1000 + faster).max(1)) - 1000
}

#[cfg(test)]
#[path = "clocks_test.rs"]
mod clocks_test;
