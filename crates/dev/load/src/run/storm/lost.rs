//! The storm when a process of the server dies: whoever was connected to it comes back, the others look on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use muster_stanza::Element;
use rustix::process::{Pid, Signal, kill_process};
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

/// What all clients note.
struct Notes {
    killed: Instant,
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

/// How a client came through.
enum Through {
    /// Its stream stood.
    Stood(Member),
    /// It is back, so long after the process died.
    Back(Member, Duration),
}

/// Kills `pid`, and measures until all are back.
pub(super) async fn run(
    target: &Arc<Target>,
    common: &Common,
    contacts: usize,
    pid: u32,
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
            "{} streams ended before anything was killed: {lost}",
            lost.total()
        );
    }
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let process = process.with_context(|| format!("{pid} is no process"))?;
    kill_process(process, Signal::KILL).with_context(|| format!("killing {pid}"))?;
    let notes = Arc::new(Notes {
        killed: Instant::now(),
        logins: Latencies::new(),
        arrivals: Latencies::new(),
        answers: Latencies::new(),
        unavailable: AtomicU64::new(0),
        refused: Mutex::default(),
        lost: AtomicU64::new(0),
    });
    let (members, report) = watch_all(target, &notes, members, contacts).await?;
    close(members).await;
    Ok(report)
}

async fn watch_all(
    target: &Arc<Target>,
    notes: &Arc<Notes>,
    members: Vec<Member>,
    contacts: usize,
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
    let refused =
        std::mem::take(&mut *notes.refused.lock().unwrap_or_else(PoisonError::into_inner));
    let report = Report::default()
        .with("command", "storm")
        .with("users", all)
        .with("contacts", contacts)
        .with("lost", notes.lost.load(Ordering::Relaxed))
        .with("back", back)
        .with("failed", failures.total())
        .with("seconds", last.as_secs_f64())
        .with("login_ms", notes.logins.report())
        .with("seen_all_ms", notes.arrivals.report())
        .with(
            "false_unavailable",
            notes.unavailable.load(Ordering::Relaxed),
        )
        .with("answer_to_others_ms", notes.answers.report())
        .with("failures", failures.report())
        .with("tried_again", refused.report());
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
    let after = notes.killed.elapsed();
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
