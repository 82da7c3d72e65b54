//! What clients and watchers share.

use std::collections::HashMap;
use std::io::BufRead;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::sync::watch;

use super::Options;
use super::sightings::Outages;
use crate::client::{Session, SessionError};
use crate::crowd::raised;
use crate::figures::Failures;
use crate::target::{Patience, Target};

/// Unavailables that are kept to be judged; more are not looked at.
const SIGHTINGS_MAX: usize = 1_000_000;
/// Rounds at most; later marks belong to the last one.
const ROUNDS_MAX: usize = 10_000;
/// Pause when no address let a client in.
const RETRY_AFTER: Duration = Duration::from_millis(50);
/// The longest that one login may take once a server has answered.
const LOGIN_PATIENCE: Duration = Duration::from_secs(10);

/// A round, from its mark on.
struct Round {
    label: String,
    begun: Instant,
    returned: Returned,
}

/// Who came back in a round after a lost connection.
#[derive(Clone, Copy, Default)]
pub(super) struct Returned {
    pub(super) clients: u64,
    /// When the last of them did, from the mark.
    pub(super) last: Duration,
}

impl Round {
    fn begin(label: &str) -> Self {
        Self {
            label: label.to_owned(),
            begun: Instant::now(),
            returned: Returned::default(),
        }
    }

    fn add(&mut self, now: Instant) {
        self.returned.clients += 1;
        self.returned.last = now.saturating_duration_since(self.begun);
    }
}

/// The state of one run.
pub(super) struct Stage {
    pub(super) target: Arc<Target>,
    pub(super) interval: Duration,
    pub(super) items: usize,
    pub(super) iq_timeout: Duration,
    /// Tells this run's writes from those of an earlier one.
    pub(super) run: String,
    connect_timeout: Duration,
    numbers: HashMap<String, usize>,
    outages: Vec<Mutex<Outages>>,
    sightings: Mutex<Vec<(usize, Instant)>>,
    causes: Mutex<Failures>,
    attempts: Mutex<Failures>,
    round: AtomicUsize,
    rounds: Mutex<Vec<Round>>,
    ended: watch::Sender<bool>,
}

impl Stage {
    pub(super) fn new(target: Arc<Target>, options: &Options) -> Result<Self> {
        let run = getrandom::u32().map_err(|_| SessionError::Random)?;
        let jids = target.users.iter().map(|user| user.jid.to_string());
        Ok(Self {
            numbers: jids
                .enumerate()
                .map(|(number, jid)| (jid, number))
                .collect(),
            outages: target.users.iter().map(|_| Mutex::default()).collect(),
            interval: options.interval,
            items: options.items,
            iq_timeout: options.iq_timeout,
            connect_timeout: options.connect_timeout,
            run: format!("{run:08x}"),
            sightings: Mutex::default(),
            causes: Mutex::default(),
            attempts: Mutex::default(),
            round: AtomicUsize::new(0),
            rounds: Mutex::new(vec![Round::begin("start")]),
            ended: watch::channel(false).0,
            target,
        })
    }

    /// Ends the run.
    pub(super) fn stop(&self) {
        self.ended.send_replace(true);
    }

    /// Whether the run has ended.
    pub(super) fn has_ended(&self) -> bool {
        *self.ended.borrow()
    }

    /// Waits for the end, at most this long.
    pub(super) async fn wait(&self, longest: Duration) {
        let mut ended = self.ended.subscribe();
        tokio::time::timeout(longest, raised(&mut ended)).await.ok();
    }

    /// The round at hand.
    pub(super) fn round(&self) -> usize {
        self.round.load(Ordering::Relaxed)
    }

    /// The names of all rounds.
    pub(super) fn rounds(&self) -> Vec<String> {
        let rounds = lock(&self.rounds);
        rounds.iter().map(|round| round.label.clone()).collect()
    }

    /// Who came back in a round.
    pub(super) fn returned(&self, round: usize) -> Returned {
        let rounds = lock(&self.rounds);
        rounds
            .get(round)
            .map_or_else(Returned::default, |round| round.returned)
    }

    fn mark(&self, label: &str) {
        let mut rounds = lock(&self.rounds);
        if rounds.len() < ROUNDS_MAX {
            rounds.push(Round::begin(label));
            self.round.store(rounds.len() - 1, Ordering::Relaxed);
        }
    }

    /// A user's connection stands again.
    fn end_outage(&self, number: usize) {
        let now = Instant::now();
        lock(&self.outages[number]).end(now);
        if let Some(round) = lock(&self.rounds).last_mut() {
            round.add(now);
        }
    }

    /// Notes why a user's connection ended, and brings the user back; `None` when the run ends first.
    pub(super) async fn come_back(&self, number: usize, cause: &SessionError) -> Option<Session> {
        lock(&self.causes).add(cause);
        lock(&self.outages[number]).begin(Instant::now());
        let patience = Patience {
            first_answer: self.connect_timeout,
            login: LOGIN_PATIENCE,
        };
        while !self.has_ended() {
            let attempt = async {
                let mut session = self.target.log_in(number, patience).await?;
                session.queue(b"<presence/>")?;
                session.flush().await?;
                Ok::<_, SessionError>(session)
            };
            match attempt.await {
                Ok(session) => {
                    self.end_outage(number);
                    return Some(session);
                }
                Err(error) => lock(&self.attempts).add(&error),
            }
            tokio::time::sleep(RETRY_AFTER).await;
        }
        None
    }

    /// A watcher was told that this bare JID is unavailable.
    pub(super) fn sight(&self, jid: &str) {
        let mut sightings = lock(&self.sightings);
        if let Some(number) = self.numbers.get(jid)
            && sightings.len() < SIGHTINGS_MAX
        {
            sightings.push((*number, Instant::now()));
        }
    }

    /// How many unavailables were false and how many true.
    pub(super) fn judge(&self, grace: Duration) -> (u64, u64) {
        let sightings = lock(&self.sightings);
        let justified = sightings
            .iter()
            .filter(|(number, at)| lock(&self.outages[*number]).justify(*at, grace))
            .count();
        ((sightings.len() - justified) as u64, justified as u64)
    }

    /// How often a connection was lost.
    pub(super) fn outages(&self) -> usize {
        self.outages
            .iter()
            .map(|outages| lock(outages).count())
            .sum()
    }

    /// Why connections were lost.
    pub(super) fn causes(&self) -> Failures {
        lock(&self.causes).clone()
    }

    /// Why attempts to come back failed.
    pub(super) fn attempts(&self) -> Failures {
        lock(&self.attempts).clone()
    }
}

/// Begins a round with each line on stdin; the end of stdin ends the run.
pub(super) fn read_marks(stage: &Arc<Stage>) {
    let stage = Arc::clone(stage);
    // A thread of its own: reading stdin cannot be given up, and the runtime would wait for it.
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            eprintln!("round: {line}");
            stage.mark(line.trim());
        }
        stage.stop();
    });
}

/// A panic elsewhere does not make counts unreadable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
