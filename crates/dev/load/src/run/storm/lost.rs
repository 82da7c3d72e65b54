//! The storm when a process of the server dies, or is emptied: whoever was connected to it comes back, the others look on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use muster_stanza::Element;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::arrive::arrive;
use crate::client::SessionError;
use crate::contacts::{self, Contacts};
use crate::crowd::{self, Member, Progress, close};
use crate::figures::{Failures, Latencies, Report};
use crate::options::Common;
use crate::target::Target;

/// Before the process dies: the noise of the logins is over then.
const SETTLE: Duration = Duration::from_secs(3);
/// How often each of those who look on asks something meanwhile.
const ASKS: Duration = Duration::from_secs(1);
/// How many of them ask.
const ASKING: usize = 50;

/// What takes the connections away.
pub(super) enum Loss {
    /// The end of this process.
    Process(u32),
    /// This command, for a shell.
    Command(String),
}

/// What all clients note.
struct Notes {
    begun: Instant,
    /// From the end of its stream until a client was bound, and until it had seen all.
    logins: Latencies,
    arrivals: Latencies,
    /// Answers to those who look on.
    answers: Latencies,
    unavailable: AtomicU64,
    /// Why logins were tried again.
    refused: Mutex<Failures>,
    lost: AtomicU64,
}

impl Notes {
    fn report(&self, report: Report) -> Report {
        let refused =
            std::mem::take(&mut *self.refused.lock().unwrap_or_else(PoisonError::into_inner));
        let unavailable = self.unavailable.load(Ordering::Relaxed);
        report
            .with("lost", self.lost.load(Ordering::Relaxed))
            .with("login_ms", self.logins.report())
            .with("seen_all_ms", self.arrivals.report())
            .with("false_unavailable", unavailable)
            .with("answer_to_others_ms", self.answers.report())
            .with("tried_again", refused.report())
    }
}

/// How a client came through.
enum Through {
    /// Its stream stood.
    Stood(Member),
    /// It is back, so long after the process died.
    Back(Member, Duration),
}

/// Has connections lost, and measures until all are back.
pub(super) async fn run(
    target: &Arc<Target>,
    common: &Common,
    contacts: usize,
    loss: Loss,
) -> Result<Report> {
    let plan = Contacts::ring(target.users.len(), contacts)?;
    let members = crowd::gather_all(target, common).await?;
    let members = contacts::check(target, &plan, members).await?;
    let patience = target.timeout;
    let members = crowd::each("see their contacts", members, |mut member| async move {
        arrive(&mut member.session, contacts, patience).await?;
        Ok(member)
    })
    .await?;
    let (members, lost) = crowd::hold(members, SETTLE).await;
    if lost.total() > 0 {
        bail!(
            "{} streams ended before anything was done: {lost}",
            lost.total()
        );
    }
    let emptying = match loss {
        Loss::Process(pid) => {
            kill(pid)?;
            None
        }
        Loss::Command(command) => Some(Command::new("sh").args(["-c", &command]).spawn()?),
    };
    let notes = Arc::new(Notes {
        begun: Instant::now(),
        logins: Latencies::new(),
        arrivals: Latencies::new(),
        answers: Latencies::new(),
        unavailable: AtomicU64::new(0),
        refused: Mutex::default(),
        lost: AtomicU64::new(0),
    });
    let (members, report) = watch_all(target, &notes, members, contacts, emptying).await?;
    close(members).await;
    Ok(report)
}

fn kill(pid: u32) -> Result<()> {
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let process = process.with_context(|| format!("{pid} is no process"))?;
    kill_process(process, Signal::KILL).with_context(|| format!("killing {pid}"))
}

/// How long a command has taken that empties a server.
async fn end_of(mut child: Child, begun: Instant) -> Result<Duration> {
    let status = child.wait().await?;
    if !status.success() {
        bail!("the command that empties the server failed: {status}");
    }
    Ok(begun.elapsed())
}

async fn watch_all(
    target: &Arc<Target>,
    notes: &Arc<Notes>,
    members: Vec<Member>,
    contacts: usize,
    emptying: Option<Child>,
) -> Result<(Vec<Member>, Report)> {
    let all = members.len();
    let (over, is_over) = watch::channel(false);
    let progress = Progress::start("back, of all who were there", all);
    let done = progress.counter();
    let mut tasks = JoinSet::new();
    // Spread over the servers, so that enough of those who look on are among them.
    let every = (all / (2 * ASKING)).max(1);
    for member in members {
        let asks = (member.number / 2) % every == 0;
        let life = live(
            (Arc::clone(target), Arc::clone(notes)),
            member,
            contacts,
            asks,
            is_over.clone(),
            Arc::clone(&done),
        );
        tasks.spawn(life);
    }
    let emptied = match emptying {
        Some(child) => Some(end_of(child, notes.begun).await?),
        None => None,
    };
    // Streams to a dead process end within a moment; whoever has not lost its own by then stands.
    sleep(SETTLE).await;
    while done.load(Ordering::Relaxed) < notes.lost.load(Ordering::Relaxed) {
        sleep(Duration::from_millis(20)).await;
    }
    drop(progress);
    over.send_replace(true);
    let (mut members, mut failures) = (Vec::new(), Failures::default());
    let (mut back, mut last) = (0_u64, Duration::ZERO);
    while let Some(ended) = tasks.join_next().await {
        match ended? {
            Ok(Through::Stood(member)) => members.push(member),
            Ok(Through::Back(member, after)) => {
                (back, last) = (back + 1, last.max(after));
                members.push(member);
            }
            Err(error) => failures.add(&error),
        }
    }
    let report = Report::default()
        .with("command", "storm")
        .with("users", all)
        .with("contacts", contacts)
        .with("back", back)
        .with("failed", failures.total())
        .with("seconds", last.as_secs_f64())
        .with("emptied_seconds", emptied.map(|time| time.as_secs_f64()))
        .with("failures", failures.report());
    let report = notes.report(report);
    Ok((members, report))
}

/// One client, until all are back.
async fn live(
    (target, notes): (Arc<Target>, Arc<Notes>),
    mut member: Member,
    contacts: usize,
    asks: bool,
    mut over: watch::Receiver<bool>,
    done: Arc<AtomicU64>,
) -> Result<Through, SessionError> {
    let mut asking = interval(ASKS);
    asking.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut asked: Option<(String, Instant)> = None;
    loop {
        tokio::select! {
            element = member.session.next() => match element {
                Ok(element) => note(&notes, &mut asked, &element),
                Err(_) => break,
            },
            _ = asking.tick(), if asks && asked.is_none() => {
                let ping = b"<ping xmlns='urn:xmpp:ping'/>";
                asked = Some((member.session.queue_iq("get", None, ping)?, Instant::now()));
                if member.session.flush().await.is_err() {
                    break;
                }
            }
            () = crowd::raised(&mut over) => return Ok(Through::Stood(member)),
        }
    }
    notes.lost.fetch_add(1, Ordering::Relaxed);
    let begun = Instant::now();
    let number = member.number;
    // What is left of its stream would take the file that the next one needs.
    drop(member);
    let back = come_back(&target, &notes, number, contacts, begun).await;
    done.fetch_add(1, Ordering::Relaxed);
    let mut member = back?;
    let after = notes.begun.elapsed();
    loop {
        tokio::select! {
            element = member.session.next() => note(&notes, &mut None, &element?),
            () = crowd::raised(&mut over) => return Ok(Through::Back(member, after)),
        }
    }
}

async fn come_back(
    target: &Arc<Target>,
    notes: &Notes,
    number: usize,
    contacts: usize,
    begun: Instant,
) -> Result<Member, SessionError> {
    let mut session = crowd::log_in_at_last(target, number, &notes.refused).await?;
    notes.logins.record(begun.elapsed());
    arrive(&mut session, contacts, target.timeout).await?;
    notes.arrivals.record(begun.elapsed());
    Ok(Member { number, session })
}

fn note(notes: &Notes, asked: &mut Option<(String, Instant)>, element: &Element) {
    if element.name() == "presence" && element.attr("type").as_deref() == Some("unavailable") {
        notes.unavailable.fetch_add(1, Ordering::Relaxed);
    }
    let id = element.attr("id");
    if element.name() == "iq"
        && let Some((_, at)) = asked.take_if(|(asked, _)| id.as_deref() == Some(asked))
    {
        notes.answers.record(at.elapsed());
    }
}
