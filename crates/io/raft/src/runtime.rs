//! What groups take from their surroundings: tasks, time and chance. In a node these are tokio, the
//! system's clocks and its generator; a simulation puts a [`World`] in their place, for its thread.
//!
//! openraft gets the same through [`Runtime`]. Its channels are tokio's in both cases: they need no
//! runtime.

mod chance;
mod future;
mod grid;
mod instant;

pub(crate) use future::{Beat, JoinHandle, Sleep};
pub(crate) use instant::Instant;

use chance::Chance;
use future::{Elapsed, JoinError, Timeout};
use futures_util::future::BoxFuture;
use openraft::async_runtime::AsyncRuntime;
use openraft::{OptionalSend, TokioRuntime};
use rand::RngExt as _;
use rustix::time::{ClockId, clock_gettime};
use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

/// A simulated surrounding. Everything that groups do on a thread that has [`enter`]ed one comes from it
/// alone.
pub trait World {
    /// Runs `task` until it ends, as part of the node whose task runs now.
    fn spawn(&self, task: BoxFuture<'static, ()>);
    /// What that node's clock shows that stands still while the machine is suspended.
    fn monotonic(&self) -> Duration;
    /// What that node's clock shows that goes on meanwhile.
    fn boottime(&self) -> Duration;
    /// Wakes `waker` once the node's monotonic clock shows `at`; returns what [`World::forget`] takes.
    fn wake(&self, at: Duration, waker: Waker) -> u64;
    /// Takes a timer back.
    fn forget(&self, timer: u64);
    /// A number by chance.
    fn chance(&self) -> u64;
}

thread_local! {
    static WORLD: RefCell<Option<Rc<dyn World>>> = const { RefCell::new(None) };
}

/// Makes `world` the surroundings of everything on this thread, until the answer is dropped.
pub fn enter(world: Rc<dyn World>) -> Entered {
    let before = WORLD.with(|current| current.replace(Some(world)));
    Entered { before }
}

/// A thread in a [`World`].
pub struct Entered {
    before: Option<Rc<dyn World>>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let before = self.before.take();
        drop(WORLD.with(|current| current.replace(before)));
    }
}

fn world() -> Option<Rc<dyn World>> {
    // A thread that is ending is in no world.
    WORLD
        .try_with(|current| current.borrow().clone())
        .ok()
        .flatten()
}

/// What the system's clock shows that stands still while the machine is suspended.
pub(crate) fn monotonic() -> Duration {
    world().map_or_else(|| read(ClockId::Monotonic), |world| world.monotonic())
}

/// What the clock shows that goes on meanwhile.
pub(crate) fn boottime() -> Duration {
    world().map_or_else(|| read(ClockId::Boottime), |world| world.boottime())
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanos)
}

/// Starts a task that nobody waits for.
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    drop(Runtime::spawn(task));
}

/// Does what takes long beside this thread, which has beats to send; in a simulation it takes no time.
pub(crate) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    if world().is_some() {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}

/// Waits.
pub(crate) fn sleep(duration: Duration) -> Sleep {
    Sleep::until(Instant::now() + duration)
}

/// A number below `end` by chance; 0 if that is 0.
pub(crate) fn chance(end: u64) -> u64 {
    if end == 0 {
        return 0;
    }
    Chance::here().random_range(0..end)
}

/// openraft's view of the surroundings.
#[derive(Debug)]
pub(crate) struct Runtime(TokioRuntime);

impl AsyncRuntime for Runtime {
    type JoinError = JoinError;
    type JoinHandle<T: OptionalSend + 'static> = JoinHandle<T>;
    type Sleep = Sleep;
    type Instant = Instant;
    type TimeoutError = Elapsed;
    type Timeout<R, T: Future<Output = R> + OptionalSend> = Timeout<T>;
    type ThreadLocalRng = Chance;
    type Mpsc = <TokioRuntime as AsyncRuntime>::Mpsc;
    type Watch = <TokioRuntime as AsyncRuntime>::Watch;
    type Oneshot = <TokioRuntime as AsyncRuntime>::Oneshot;
    type Mutex<T: OptionalSend + 'static> = <TokioRuntime as AsyncRuntime>::Mutex<T>;

    fn spawn<T>(future: T) -> JoinHandle<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        match world() {
            Some(world) => JoinHandle::in_world(&*world, future),
            None => JoinHandle::Tokio(TokioRuntime::spawn(future)),
        }
    }

    fn sleep(duration: Duration) -> Sleep {
        sleep(duration)
    }

    fn sleep_until(deadline: Instant) -> Sleep {
        Sleep::until(grid::not_before(deadline))
    }

    fn timeout<R, F: Future<Output = R> + OptionalSend>(
        duration: Duration,
        future: F,
    ) -> Timeout<F> {
        Timeout::new(sleep(duration), future)
    }

    fn timeout_at<R, F: Future<Output = R> + OptionalSend>(
        deadline: Instant,
        future: F,
    ) -> Timeout<F> {
        Timeout::new(Sleep::until(deadline), future)
    }

    fn is_panic(error: &JoinError) -> bool {
        matches!(error, JoinError::Tokio(error) if TokioRuntime::is_panic(error))
    }

    fn thread_rng() -> Chance {
        Chance::here()
    }

    fn new(threads: usize) -> Self {
        Self(TokioRuntime::new(threads))
    }

    fn block_on<F, T>(&mut self, future: F) -> T
    where
        F: Future<Output = T>,
    {
        self.0.block_on(future)
    }
}
