//! Many clients at once: logging all of them in, running one task for each, closing them.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::bail;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::arrive::arrive;
use crate::client::{Session, SessionError};
use crate::figures::{Failures, Latencies};
use crate::options::Common;
use crate::pacer::{Pacer, pace};
use crate::target::Target;

/// Logins under way at once, if nothing else is said.
const CONCURRENCY: usize = 64;
/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);
/// Between two attempts of one client.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// How fast to log in.
#[derive(Clone, Copy)]
pub(crate) struct Opening {
    /// Logins a second; `None`: as fast as `concurrency` lets.
    pub(crate) rate: Option<f64>,
    /// Logins under way at once; `None`: any number.
    pub(crate) concurrency: Option<usize>,
    /// Send presence after the login, and be in only when so many others have been seen.
    pub(crate) see: Option<usize>,
    /// Try again when the server says that it has no room now, or does not answer; until twice the patience has passed.
    pub(crate) again: bool,
}

impl Opening {
    /// What the options say, or a moderate pace.
    pub(crate) fn moderate(options: &Common) -> Self {
        let eager = Self::eager(options);
        let free = eager.rate.is_none() && eager.concurrency.is_none();
        Self {
            concurrency: if free {
                Some(CONCURRENCY)
            } else {
                eager.concurrency
            },
            ..eager
        }
    }

    /// What the options say, or all at once.
    pub(crate) const fn eager(options: &Common) -> Self {
        Self {
            rate: options.login_rate,
            concurrency: options.concurrency,
            see: None,
            again: false,
        }
    }
}

/// A client with its number in the list of users.
pub(crate) struct Member {
    pub(crate) number: usize,
    pub(crate) session: Session,
}

/// How logging in went.
pub(crate) struct Crowd {
    /// Those who are in, by number.
    pub(crate) members: Vec<Member>,
    pub(crate) failures: Failures,
    /// Why logins were tried again.
    pub(crate) refused: Failures,
    /// From the moment each was due until it was bound.
    pub(crate) logins: Latencies,
    /// From the same moment until it had seen the others; empty unless that was asked for.
    pub(crate) arrivals: Latencies,
    /// Until the last one was in or had failed.
    pub(crate) time: Duration,
}

/// Logs all users in.
pub(crate) async fn gather(target: &Arc<Target>, opening: Opening) -> Crowd {
    let begun = Instant::now();
    let all = target.users.len();
    let (mut due, _pacer) = schedule(all, opening.rate);
    let gate = Arc::new(Semaphore::new(opening.concurrency.unwrap_or(all).max(1)));
    let progress = Progress::start("logged in", all);
    let (logins, arrivals) = (Arc::new(Latencies::new()), Arc::new(Latencies::new()));
    let refused = Arc::new(Mutex::new(Failures::default()));
    let mut tasks = JoinSet::new();
    while let Some((number, mut at)) = due.recv().await {
        let permit = Arc::clone(&gate).acquire_owned().await;
        if opening.rate.is_none() && opening.concurrency.is_some() {
            // Without a rate, a login is due when it is let in.
            at = Instant::now();
        }
        let (target, done) = (Arc::clone(target), progress.counter());
        let (logins, arrivals) = (Arc::clone(&logins), Arc::clone(&arrivals));
        let refused = Arc::clone(&refused);
        tasks.spawn(async move {
            let _permit = permit;
            let mut session = if opening.again {
                log_in_at_last(&target, number, &refused).await?
            } else {
                target.log_in(number, target.timeout.into()).await?
            };
            logins.record(at.elapsed());
            if let Some(others) = opening.see {
                arrive(&mut session, others, target.timeout).await?;
                arrivals.record(at.elapsed());
            }
            done.fetch_add(1, Ordering::Relaxed);
            Ok(Member { number, session })
        });
    }
    let (members, failures) = join(tasks).await;
    Crowd {
        members,
        failures,
        refused: std::mem::take(&mut *refused.lock().unwrap_or_else(PoisonError::into_inner)),
        logins: Arc::into_inner(logins).unwrap_or_else(Latencies::new),
        arrivals: Arc::into_inner(arrivals).unwrap_or_else(Latencies::new),
        time: begun.elapsed(),
    }
}

/// Logs in as a client does that a server has no room for at first.
///
/// # Errors
/// What the last attempt said, when it is final or twice the patience has passed.
pub(crate) async fn log_in_at_last(
    target: &Target,
    number: usize,
    refused: &Mutex<Failures>,
) -> Result<Session, SessionError> {
    let begun = Instant::now();
    loop {
        let error = match target.log_in(number, target.timeout.into()).await {
            Ok(session) => return Ok(session),
            Err(error) => error,
        };
        if error.is_final() || begun.elapsed() > 2 * target.timeout {
            return Err(error);
        }
        refused
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(&error);
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

/// Who is due when: all now, or one after the other at a rate.
fn schedule(all: usize, rate: Option<f64>) -> (mpsc::Receiver<(usize, Instant)>, Option<Pacer>) {
    let (sender, due) = mpsc::channel(all.max(1));
    // The channel has room for all, so nothing is refused.
    let send = move |n: u64, at: Instant| {
        sender.try_send((n as usize, at)).ok();
    };
    let pacer = match rate {
        Some(rate) => Some(pace(rate, all as u64, send)),
        None => {
            let now = Instant::now();
            (0..all as u64).for_each(|n| send(n, now));
            None
        }
    };
    (due, pacer)
}

/// Waits for all tasks: who is still there, by number, and why others are not.
pub(crate) async fn join(
    mut tasks: JoinSet<Result<Member, SessionError>>,
) -> (Vec<Member>, Failures) {
    let (mut members, mut failures) = (Vec::with_capacity(tasks.len()), Failures::default());
    while let Some(ended) = tasks.join_next().await {
        match ended {
            Ok(Ok(member)) => members.push(member),
            Ok(Err(error)) => failures.add(&error),
            Err(error) => failures.add(&error),
        }
    }
    members.sort_by_key(|member| member.number);
    (members, failures)
}

/// Logs all users in; one who cannot is an error.
///
/// # Errors
/// With the number and the reasons.
pub(crate) async fn gather_all(
    target: &Arc<Target>,
    options: &Common,
) -> anyhow::Result<Vec<Member>> {
    let all = target.users.len();
    let crowd = gather(target, Opening::moderate(options)).await;
    if crowd.failures.total() > 0 {
        bail!(
            "{} of {all} users could not log in: {}",
            crowd.failures.total(),
            crowd.failures
        );
    }
    Ok(crowd.members)
}

/// Runs one task for each client and waits for all; answers the clients by number. `what` is told on the way.
///
/// # Errors
/// The first failure; the other clients are dropped then.
pub(crate) async fn each<F>(
    what: &'static str,
    members: Vec<Member>,
    task: impl Fn(Member) -> F,
) -> anyhow::Result<Vec<Member>>
where
    F: Future<Output = anyhow::Result<Member>> + Send + 'static,
{
    let progress = Progress::start(what, members.len());
    let mut tasks = JoinSet::new();
    for member in members {
        let (task, done) = (task(member), progress.counter());
        tasks.spawn(async move {
            let member = task.await;
            done.fetch_add(1, Ordering::Relaxed);
            member
        });
    }
    let mut members = Vec::with_capacity(tasks.len());
    while let Some(ended) = tasks.join_next().await {
        members.push(ended??);
    }
    members.sort_by_key(|member| member.number);
    Ok(members)
}

/// Reads whatever comes, so that pings are answered; answers who is still there and why others are not.
pub(crate) async fn hold(members: Vec<Member>, time: Duration) -> (Vec<Member>, Failures) {
    let until = tokio::time::Instant::now() + time;
    let mut tasks = JoinSet::new();
    for mut member in members {
        tasks.spawn(async move {
            loop {
                tokio::select! {
                    element = member.session.next() => drop(element?),
                    () = tokio::time::sleep_until(until) => return Ok(member),
                }
            }
        });
    }
    join(tasks).await
}

/// Ends all streams in order.
pub(crate) async fn close(members: Vec<Member>) {
    let mut tasks = JoinSet::new();
    for member in members {
        tasks.spawn(member.session.close());
    }
    while tasks.join_next().await.is_some() {}
}

/// Waits until the flag is up, or nobody is left to raise it.
pub(crate) async fn raised(flag: &mut watch::Receiver<bool>) {
    flag.wait_for(|up| *up).await.map(drop).ok();
}

/// Tells on stderr how far something is, until it is dropped.
pub(crate) struct Progress {
    done: Arc<AtomicU64>,
    teller: tokio::task::JoinHandle<()>,
}

impl Progress {
    /// Begins to tell.
    pub(crate) fn start(what: &'static str, all: usize) -> Self {
        let done = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&done);
        let teller = tokio::spawn(async move {
            loop {
                tokio::time::sleep(PROGRESS_EVERY).await;
                eprintln!("{what}: {} of {all}", counter.load(Ordering::Relaxed));
            }
        });
        Self { done, teller }
    }

    /// What to count up.
    pub(crate) fn counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.done)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.teller.abort();
    }
}
