//! What is to happen, in order: at one instant, first what was scheduled first.

use super::Event;
use muster_types::Instant;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The queue. The heap holds small keys only; the events stay where they are.
#[derive(Debug, Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Reverse<(Instant, u64, usize)>>,
    events: Vec<Option<Event>>,
    free: Vec<usize>,
    serial: u64,
}

impl Queue {
    pub(super) fn push(&mut self, when: Instant, event: Event) {
        self.serial += 1;
        let at = self.free.pop().unwrap_or_else(|| {
            self.events.push(None);
            self.events.len() - 1
        });
        self.events[at] = Some(event);
        self.heap.push(Reverse((when, self.serial, at)));
    }

    /// The first event that is due by then, and when.
    pub(super) fn pop_until(&mut self, until: Instant) -> Option<(Instant, Event)> {
        let Reverse((when, _, _)) = self.heap.peek()?;
        if *when > until {
            return None;
        }
        let Reverse((when, _, at)) = self.heap.pop()?;
        self.free.push(at);
        Some((when, self.events[at].take()?))
    }
}
