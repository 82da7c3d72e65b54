//! Tasks and timers, tokio's or a world's.

use super::{Instant, World};
use openraft::TokioRuntime;
use openraft::async_runtime::AsyncRuntime;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::oneshot;

/// Waits for a task to end.
pub(crate) enum JoinHandle<T: Send + 'static> {
    Tokio(<TokioRuntime as AsyncRuntime>::JoinHandle<T>),
    World(oneshot::Receiver<T>),
}

impl<T: Send + 'static> JoinHandle<T> {
    pub(super) fn in_world(
        world: &dyn World,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Self {
        let (ended, end) = oneshot::channel();
        world.spawn(Box::pin(async move {
            // Nobody may wait for it.
            let _ = ended.send(task.await);
        }));
        Self::World(end)
    }
}

impl<T: Send + 'static> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Tokio(handle) => Pin::new(handle).poll(cx).map_err(JoinError::Tokio),
            Self::World(end) => Pin::new(end).poll(cx).map_err(|_| JoinError::Gone),
        }
    }
}

/// Why a task did not end by itself.
#[derive(Debug)]
pub(crate) enum JoinError {
    Tokio(<TokioRuntime as AsyncRuntime>::JoinError),
    /// Its node is gone.
    Gone,
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tokio(error) => error.fmt(f),
            Self::Gone => f.write_str("the node of the task is gone"),
        }
    }
}

/// A timer.
pub(crate) enum Sleep {
    Tokio(Pin<Box<tokio::time::Sleep>>),
    World {
        until: Instant,
        /// Set while it waits.
        timer: Option<u64>,
    },
}

impl Sleep {
    pub(crate) fn until(deadline: Instant) -> Self {
        if super::world().is_some() {
            return Self::World {
                until: deadline,
                timer: None,
            };
        }
        let deadline = tokio::time::Instant::from_std(deadline.system());
        Self::Tokio(Box::pin(tokio::time::sleep_until(deadline)))
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.get_mut() {
            Self::Tokio(sleep) => sleep.as_mut().poll(cx),
            Self::World { until, timer } => {
                // A timer outlives its world only to be dropped.
                let Some(world) = super::world() else {
                    return Poll::Pending;
                };
                let at = until.in_world();
                if let Some(set) = timer.take() {
                    world.forget(set);
                }
                if world.monotonic() >= at {
                    return Poll::Ready(());
                }
                *timer = Some(world.wake(at, cx.waker().clone()));
                Poll::Pending
            }
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Self::World {
            timer: Some(set), ..
        } = self
            && let Some(world) = super::world()
        {
            world.forget(*set);
        }
    }
}

/// A future that may take so long.
pub(crate) struct Timeout<F> {
    end: Sleep,
    future: Pin<Box<F>>,
}

impl<F> Timeout<F> {
    pub(super) fn new(end: Sleep, future: F) -> Self {
        Self {
            end,
            future: Box::pin(future),
        }
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Poll::Ready(done) = this.future.as_mut().poll(cx) {
            return Poll::Ready(Ok(done));
        }
        Pin::new(&mut this.end).poll(cx).map(|()| Err(Elapsed))
    }
}

/// It took longer.
#[derive(Debug)]
pub(crate) struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deadline has elapsed")
    }
}

/// A regular beat, at multiples of its time: those of all groups come at once, so that a node wakes up once for all
/// and what they say to a peer leaves together. One that is late is not made up for: the next comes at its own time.
pub(crate) struct Beat {
    every: Duration,
    sleep: Sleep,
}

impl Beat {
    /// The first one is due at once.
    pub(crate) fn new(every: Duration) -> Self {
        Self {
            every,
            sleep: Sleep::until(Instant::now()),
        }
    }

    /// Waits for the next one. Nothing is lost when it is dropped before.
    pub(crate) async fn tick(&mut self) {
        poll_fn(|cx| Pin::new(&mut self.sleep).poll(cx)).await;
        self.sleep = Sleep::until(super::grid::next(self.every));
    }
}
