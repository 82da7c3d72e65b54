//! The runtime of a simulation: tasks of several hosts on one thread, in virtual time.
//!
//! ```text
//! while somebody is ready: one of them, drawn by chance, is polled
//! otherwise: time jumps to the next timer of a host or the next event of the world
//! ```
//!
//! The ready are kept in the order of their numbers within one poll, so it does not matter in which
//! order a channel wakes those who wait for it. Host 0 is the world itself.

mod clock;
mod timers;

use crate::rng::Rng;
use clock::HostClock;
use futures_util::future::BoxFuture;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use timers::Timers;

pub(crate) use timers::sleep;

/// A machine: its tasks stop and go on together, and it has its own clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Host(pub(crate) u16);

/// The world itself, which never stops.
pub(crate) const WORLD: Host = Host(0);

/// Polls at one instant beyond which nothing will ever come to rest.
const POLLS_PER_INSTANT_MAX: u64 = 2_000_000;

type Local = Pin<Box<dyn Future<Output = ()>>>;
type Event = Box<dyn FnOnce()>;

struct Task {
    host: Host,
    /// `None` while it is polled.
    future: Option<Local>,
    waker: Waker,
}

struct Woken {
    task: u64,
    all: Arc<Mutex<Vec<u64>>>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.all
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(self.task);
    }
}

#[derive(Default)]
struct HostState {
    clock: HostClock,
    stopped: bool,
    timers: Timers,
    /// Tasks that were woken while it stood still.
    parked: Vec<u64>,
    rng: Option<Rng>,
}

/// See the module.
pub(crate) struct Exec {
    seed: u64,
    now: Cell<u64>,
    last: Cell<u64>,
    current: Cell<Host>,
    tasks: RefCell<BTreeMap<u64, Task>>,
    ready: RefCell<Vec<u64>>,
    woken: Arc<Mutex<Vec<u64>>>,
    hosts: RefCell<BTreeMap<Host, HostState>>,
    events: RefCell<BTreeMap<(u64, u64), Event>>,
    rng: RefCell<Rng>,
    polls: Cell<u64>,
    /// Everything that ran, in one number.
    trace: Cell<u64>,
}

impl Exec {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            now: Cell::new(0),
            last: Cell::new(0),
            current: Cell::new(WORLD),
            tasks: RefCell::default(),
            ready: RefCell::default(),
            woken: Arc::default(),
            hosts: RefCell::new(BTreeMap::from([(WORLD, HostState::default())])),
            events: RefCell::default(),
            rng: RefCell::new(Rng::new(seed ^ 0xE8EC)),
            polls: Cell::new(0),
            trace: Cell::new(seed),
        }
    }

    /// Virtual time since the beginning, as nobody in it can see it.
    pub(crate) fn now(&self) -> Duration {
        Duration::from_nanos(self.now.get())
    }

    pub(crate) fn polls(&self) -> u64 {
        self.polls.get()
    }

    /// Everything that ran and passed the network so far, in one number.
    pub(crate) fn trace(&self) -> u64 {
        self.trace.get()
    }

    /// Makes `bytes` part of the trace.
    pub(crate) fn note(&self, number: u64) {
        let mixed = (self.trace.get() ^ number).wrapping_mul(0x0100_0000_01B3);
        self.trace.set(mixed.rotate_left(17));
    }

    fn number(&self) -> u64 {
        self.last.set(self.last.get() + 1);
        self.last.get()
    }

    /// Adds a machine whose clock runs at `rate` millionths of the world's.
    pub(crate) fn add_host(&self, host: Host, rate: u64) {
        let state = HostState {
            clock: HostClock::new(self.now.get(), rate),
            rng: Some(Rng::new(self.seed ^ (u64::from(host.0) << 32))),
            ..HostState::default()
        };
        self.hosts.borrow_mut().insert(host, state);
    }

    pub(crate) fn spawn_on(&self, host: Host, future: impl Future<Output = ()> + 'static) {
        self.add_task(host, Box::pin(future));
    }

    fn add_task(&self, host: Host, future: Local) {
        let id = self.number();
        let waker = Waker::from(Arc::new(Woken {
            task: id,
            all: Arc::clone(&self.woken),
        }));
        waker.wake_by_ref();
        let task = Task {
            host,
            future: Some(future),
            waker,
        };
        self.tasks.borrow_mut().insert(id, task);
    }

    /// Lets `event` happen after `delay`.
    pub(crate) fn after(&self, delay: Duration, event: impl FnOnce() + 'static) {
        let at = self.now.get() + nanos(delay);
        let key = (at, self.number());
        self.events.borrow_mut().insert(key, Box::new(event));
    }

    /// All tasks of the host end where they stand, as if their process was killed.
    pub(crate) fn kill(&self, host: Host) {
        let before = self.current.replace(host);
        loop {
            let mut gone = Vec::new();
            self.tasks.borrow_mut().retain(|_, task| {
                let stays = task.host != host;
                if !stays {
                    gone.push(task.future.take());
                }
                stays
            });
            if gone.is_empty() {
                break;
            }
            // Ends what they hold, which may wake others: nothing is borrowed here.
            drop(gone);
        }
        self.with_host(host, |state, _| {
            state.timers = Timers::default();
            state.parked.clear();
        });
        self.current.set(before);
    }

    /// Nothing will happen any more.
    pub(crate) fn clear(&self) {
        let events = std::mem::take(&mut *self.events.borrow_mut());
        drop(events);
    }

    /// The host stands still. Its clocks go on, unless it is suspended: then the monotonic one stops.
    pub(crate) fn stop(&self, host: Host, suspended: bool) {
        self.with_host(host, |state, now| {
            state.stopped = true;
            if suspended {
                state.clock.suspend(now);
            }
        });
    }

    /// The host goes on.
    pub(crate) fn resume(&self, host: Host) {
        let parked = self.with_host(host, |state, now| {
            state.stopped = false;
            state.clock.resume(now);
            std::mem::take(&mut state.parked)
        });
        self.ready.borrow_mut().extend(parked.unwrap_or_default());
    }

    /// What a clock of a host shows now, one that goes on while it is suspended.
    pub(crate) fn boottime_of(&self, host: Host) -> Duration {
        let boot = self.with_host(host, |state, now| state.clock.boottime(now));
        Duration::from_nanos(boot.unwrap_or_default())
    }

    /// Does something as if it were a part of the host.
    pub(crate) fn within<T>(&self, host: Host, act: impl FnOnce() -> T) -> T {
        let before = self.current.replace(host);
        let outcome = act();
        self.current.set(before);
        outcome
    }

    fn with_host<T>(&self, host: Host, act: impl FnOnce(&mut HostState, u64) -> T) -> Option<T> {
        let mut hosts = self.hosts.borrow_mut();
        hosts.get_mut(&host).map(|state| act(state, self.now.get()))
    }

    /// Runs until `end`, or until `rest` says so: it is asked whenever nothing more happens at an instant.
    pub(crate) fn run(&self, end: Duration, mut rest: impl FnMut() -> bool) {
        let mut at_instant = 0;
        loop {
            self.collect();
            if let Some(task) = self.draw() {
                at_instant += 1;
                assert!(at_instant < POLLS_PER_INSTANT_MAX, "nothing comes to rest");
                self.poll(task);
                continue;
            }
            at_instant = 0;
            if rest() || !self.advance(nanos(end)) {
                return;
            }
        }
    }

    fn collect(&self) {
        let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        if woken.is_empty() {
            return;
        }
        woken.sort_unstable();
        woken.dedup();
        let mut ready = self.ready.borrow_mut();
        for task in woken.drain(..) {
            if !ready.contains(&task) {
                ready.push(task);
            }
        }
    }

    /// One of those that are ready. Those of hosts that stand still are put aside.
    fn draw(&self) -> Option<u64> {
        let mut ready = self.ready.borrow_mut();
        while !ready.is_empty() {
            let at = self.rng.borrow_mut().index(ready.len());
            let task = ready.swap_remove(at);
            let Some(host) = self.tasks.borrow().get(&task).map(|task| task.host) else {
                continue;
            };
            let mut hosts = self.hosts.borrow_mut();
            match hosts.get_mut(&host) {
                Some(state) if state.stopped => {
                    if !state.parked.contains(&task) {
                        state.parked.push(task);
                    }
                }
                _ => return Some(task),
            }
        }
        None
    }

    fn poll(&self, id: u64) {
        let taken = self.tasks.borrow_mut().get_mut(&id).and_then(|task| {
            let future = task.future.take()?;
            Some((task.host, future, task.waker.clone()))
        });
        let Some((host, mut future, waker)) = taken else {
            return;
        };
        self.polls.set(self.polls.get() + 1);
        self.note(id ^ self.now.get());
        self.current.set(host);
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        if polled == Poll::Pending
            && let Some(task) = self.tasks.borrow_mut().get_mut(&id)
        {
            task.future = Some(future);
        } else {
            self.tasks.borrow_mut().remove(&id);
            drop(future);
        }
        self.current.set(WORLD);
    }

    /// Jumps to the next thing that happens; false when that is not before `end`.
    fn advance(&self, end: u64) -> bool {
        let event = self.events.borrow().keys().next().map(|(at, _)| *at);
        let hosts = self.hosts.borrow();
        let timer = hosts.values().filter_map(HostState::next_timer).min();
        drop(hosts);
        let next = match (event, timer) {
            (Some(event), Some(timer)) => event.min(timer),
            (Some(at), None) | (None, Some(at)) => at,
            (None, None) => u64::MAX,
        };
        if next >= end {
            self.now.set(end);
            return false;
        }
        self.now.set(next.max(self.now.get()));
        self.fire();
        true
    }

    fn fire(&self) {
        let now = self.now.get();
        let mut due = Vec::new();
        for state in self.hosts.borrow_mut().values_mut() {
            state.timers.take_due(state.clock.monotonic(now), &mut due);
        }
        for waker in due {
            waker.wake();
        }
        loop {
            let event = {
                let mut events = self.events.borrow_mut();
                match events.first_entry() {
                    Some(first) if first.key().0 <= now => first.remove(),
                    _ => break,
                }
            };
            event();
        }
    }
}

impl HostState {
    /// When its next timer is due, in the world's time.
    fn next_timer(&self) -> Option<u64> {
        self.clock.reaches(self.timers.first()?)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl muster_raft::World for Exec {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.add_task(self.current.get(), task);
    }

    fn monotonic(&self) -> Duration {
        let shown = self.with_host(self.current.get(), |state, now| state.clock.monotonic(now));
        Duration::from_nanos(shown.unwrap_or_default())
    }

    fn boottime(&self) -> Duration {
        self.boottime_of(self.current.get())
    }

    fn wake(&self, at: Duration, waker: Waker) -> u64 {
        let host = self.current.get();
        let id = (u64::from(host.0) << 48) | self.number();
        self.with_host(host, |state, _| state.timers.set(nanos(at), id, waker));
        id
    }

    fn forget(&self, timer: u64) {
        let host = Host(u16::try_from(timer >> 48).unwrap_or_default());
        // The waker may hold the last of a task: it is dropped when nothing is borrowed.
        drop(self.with_host(host, |state, _| state.timers.take_back(timer)));
    }

    fn chance(&self) -> u64 {
        self.with_host(self.current.get(), |state, _| {
            state.rng.as_mut().map(Rng::next)
        })
        .flatten()
        .unwrap_or_else(|| self.rng.borrow_mut().next())
    }
}
