//! The door: whoever comes is let in as fast as this node serves them (`muster_stream::Admission`), in order.
//!
//! How long work waits is measured as a client feels it: a byte goes through a socket pair to a task that waits for
//! it like every client's. What counts is the work that this node did meanwhile: when other programs keep the
//! processors, nobody is served sooner if fewer are let in.

use super::places::Place;
use super::{Clients, Doors, refused::Reason};
use muster_net::is_gone;
use muster_stream::{Admission, AdmissionConfig, AdmissionInput, AdmissionOutput, Security};
use muster_telemetry::alarms::CLIENTS_WAIT;
use muster_telemetry::{gauge, metrics};
use muster_types::Machine;
use rustix::time::{ClockId, clock_gettime};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Clients that have been accepted and did not come to the door yet; a full line makes the listeners wait.
pub(super) const LINE: usize = 1_024;
/// How often the lag is looked at while somebody comes.
const LOOK: Duration = Duration::from_millis(20);
/// How often those who gave up are taken out of the line.
const SWEEP: Duration = Duration::from_secs(1);
/// The lag that stands for a fuller inbox.
const BEHIND: Duration = Duration::from_secs(1);
/// With a longer wait at the door the operator is told.
const TELLING: Duration = Duration::from_secs(2);

/// A client at the door.
pub(super) struct Arrival {
    pub(super) stream: TcpStream,
    pub(super) address: IpAddr,
    pub(super) security: Security,
    /// Its place among those the node has room for.
    pub(super) place: Place,
}

/// Lets clients in until the node ends.
pub(super) async fn keep(
    clients: Arc<Clients>,
    mut arrivals: mpsc::Receiver<Arrival>,
    mut lag: Lag,
) {
    let clock = clients.shared.clock;
    let door = || Admission::new(clock.now(), AdmissionConfig::default());
    let mut admission = door();
    let mut doors = clients.doors.clone();
    let mut swept = Instant::now();
    loop {
        let look_at = lag.look_at;
        let due = admission.deadline().map(|at| clock.reading(at).into());
        let wake = due.map_or(look_at, |due: Instant| due.min(look_at));
        tokio::select! {
            arrival = arrivals.recv() => match arrival {
                Some(arrival) => admission.handle(clock.now(), AdmissionInput::Arrived(arrival)),
                None => return,
            },
            Some(seen) = lag.seen.recv() => {
                if let Some(lag) = lag.answered(seen) {
                    note_lag(&clients, &mut admission, lag);
                }
            }
            () = tokio::time::sleep_until(wake), if !admission.is_quiet() => {
                admission.wake(clock.now());
            }
            Ok(()) = doors.changed() => {
                if *doors.borrow_and_update() != Doors::Open {
                    // Their connections end: they try the next SRV record.
                    admission = door();
                }
            }
        }
        if !admission.is_quiet()
            && let Some(late) = lag.look().await
        {
            note_lag(&clients, &mut admission, late);
        }
        if swept.elapsed() >= SWEEP {
            swept = Instant::now();
            admission.retain(|arrival| !is_gone(&arrival.stream));
        }
        let_in(&clients, &mut admission);
        tell(&clients, &admission);
    }
}

/// Each shard is one task: while one is behind its users are not served sooner, even if the processors have time.
fn note_lag(clients: &Clients, admission: &mut Admission<Arrival>, lag: Duration) {
    let lag = if clients.router.are_crowded() || clients.shared.shards.are_crowded() {
        lag.max(BEHIND)
    } else {
        lag
    };
    gauge!(metrics::ADMISSION_LAG).set(lag.as_secs_f64());
    admission.handle(clients.shared.clock.now(), AdmissionInput::Lag(lag));
}

fn let_in(clients: &Arc<Clients>, admission: &mut Admission<Arrival>) {
    let now = clients.shared.clock.now();
    while let Some(output) = admission.poll() {
        match output {
            AdmissionOutput::Admit(arrival) if is_gone(&arrival.stream) => {
                admission.handle(now, AdmissionInput::Gone);
            }
            AdmissionOutput::Admit(arrival) => clients.admit(arrival),
            AdmissionOutput::Refuse(arrival, wait) => {
                let Arrival {
                    stream, security, ..
                } = arrival;
                (clients.refusals).refuse(stream, security, now, Reason::TooMany(wait));
            }
        }
    }
}

/// What an operator has to know of those who wait.
fn tell(clients: &Clients, admission: &Admission<Arrival>) {
    gauge!(metrics::CLIENTS_WAITING).set(u32::try_from(admission.waiting()).unwrap_or(u32::MAX));
    gauge!(metrics::ADMISSION_RATE).set(admission.rate());
    if admission.waiting() == 0 {
        (clients.shared.alarms).clear(&CLIENTS_WAIT, "all clients that waited were let in");
    } else if admission.wait() > TELLING {
        let words = format!(
            "{} clients wait to be let in, {} a second are: more come at once than this node can serve",
            admission.waiting(),
            admission.rate()
        );
        clients.shared.alarms.raise(&CLIENTS_WAIT, words);
    }
}

/// Measures how long work waits.
pub(super) struct Lag {
    ours: UnixStream,
    /// The work done when the task at the other end saw each byte.
    seen: mpsc::Receiver<Duration>,
    /// The work done when a byte was sent that has not been seen.
    asked: Option<Duration>,
    look_at: Instant,
}

impl Lag {
    /// Needs a tokio runtime.
    pub(super) fn begin() -> io::Result<Self> {
        let (ours, mut theirs) = UnixStream::pair()?;
        let (seen_tx, seen) = mpsc::channel(1);
        tokio::spawn(async move {
            while theirs.read_u8().await.is_ok() {
                if seen_tx.send(work_done()).await.is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            ours,
            seen,
            asked: None,
            look_at: Instant::now(),
        })
    }

    /// Sends a byte when it is time; or how much work the last one has waited for, if it still waits.
    async fn look(&mut self) -> Option<Duration> {
        let now = Instant::now();
        if now < self.look_at {
            return None;
        }
        self.look_at = now + LOOK;
        if let Some(asked) = self.asked {
            return Some(work_done().saturating_sub(asked)).filter(|late| *late > 2 * LOOK);
        }
        let asked = work_done();
        // One byte always has room; the other end lives as long as this one.
        self.asked = self.ours.write_u8(0).await.is_ok().then_some(asked);
        None
    }

    fn answered(&mut self, seen: Duration) -> Option<Duration> {
        Some(seen.saturating_sub(self.asked.take()?))
    }
}

/// Processor time that this process has had, as if all its workers had worked at the same time.
fn work_done() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let time = Duration::try_from(time).unwrap_or_default();
    let workers = Handle::current().metrics().num_workers();
    time / u32::try_from(workers).unwrap_or(u32::MAX).max(1)
}
