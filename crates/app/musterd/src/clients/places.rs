//! How many clients are taken: a number that can change while they are there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The places for clients of this node.
#[derive(Debug)]
pub(super) struct Places {
    most: AtomicUsize,
    taken: AtomicUsize,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<Places>);

impl Places {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most: AtomicUsize::new(most),
            taken: AtomicUsize::new(0),
        })
    }

    /// A free one, if there is any.
    pub(super) fn take(self: &Arc<Self>) -> Option<Place> {
        let most = self.most.load(Ordering::Relaxed);
        let one_more = |taken| (taken < most).then_some(taken + 1);
        self.taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .ok()
            .map(|_| Place(Arc::clone(self)))
    }

    /// How many there are from here on. Those who are there already stay.
    pub(super) fn set_most(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_fewer_places_than_clients_nobody_leaves_and_nobody_comes() {
        let places = Places::new(2);
        let (one, two) = (places.take(), places.take());
        assert!(one.is_some() && two.is_some());
        assert!(places.take().is_none(), "full");
        places.set_most(1);
        assert_eq!(places.taken(), 2);
        drop(one);
        assert!(places.take().is_none(), "still as many as there may be");
        drop(two);
        let last = places.take();
        assert!(last.is_some() && places.take().is_none());
        places.set_most(3);
        assert!(places.take().is_some());
    }
}
