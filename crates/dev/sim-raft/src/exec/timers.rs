//! A host's timers.

use crate::sim::sim;
use muster_raft::World as _;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// By when they are due on the host's monotonic clock.
#[derive(Default)]
pub(crate) struct Timers {
    due: BTreeMap<(u64, u64), Waker>,
    at: BTreeMap<u64, u64>,
}

impl Timers {
    pub(crate) fn first(&self) -> Option<u64> {
        self.due.keys().next().map(|(at, _)| *at)
    }

    pub(crate) fn set(&mut self, at: u64, id: u64, waker: Waker) {
        self.due.insert((at, id), waker);
        self.at.insert(id, at);
    }

    pub(crate) fn take_back(&mut self, id: u64) -> Option<Waker> {
        let at = self.at.remove(&id)?;
        self.due.remove(&(at, id))
    }

    pub(crate) fn take_due(&mut self, shown: u64, out: &mut Vec<Waker>) {
        while let Some(first) = self.due.first_entry()
            && first.key().0 <= shown
        {
            self.at.remove(&first.key().1);
            out.push(first.remove());
        }
    }
}

/// Waits on the clock of the host whose task this is.
pub(crate) fn sleep(duration: Duration) -> Sleep {
    Sleep {
        until: sim().exec.monotonic() + duration,
        timer: None,
    }
}

/// See [`sleep`].
pub(crate) struct Sleep {
    until: Duration,
    timer: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let exec = &sim().exec;
        if let Some(set) = self.timer.take() {
            exec.forget(set);
        }
        if exec.monotonic() >= self.until {
            return Poll::Ready(());
        }
        self.timer = Some(exec.wake(self.until, cx.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(set) = self.timer.take() {
            sim().exec.forget(set);
        }
    }
}
