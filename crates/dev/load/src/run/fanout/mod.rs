//! `fanout`: presence to many watchers.
//!
//! ```text
//! dispatch ---turn---> member (one task for each user) --presence--> server --presence--> its contacts' members
//!    ^                                                                                        |
//!    +------------------------------- the last delivery of a change is there -----------------+
//! ```
//!
//! Closed loop: at most `--in-flight` changes are under way, and a user changes again only when all contacts have seen
//! the last change. With `--rate` the changes come at even times instead, whatever the server does.

mod board;
mod dispatch;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::arrive::arrive;
use crate::client::SessionError;
use crate::contacts::{self, Contacts};
use crate::crowd::{self, Member};
use crate::duration;
use crate::figures::{Meter, Report, per_second};
use crate::options::{Common, ServerPids, rate};
use crate::target::Target;
use board::Board;
use dispatch::{Dispatch, Pace, Tally};

/// Who watches whom, and how often something changes.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    server: ServerPids,
    /// Mutual contacts of each user, all of them users of this run
    #[arg(long, value_name = "N", default_value_t = 10)]
    contacts: usize,
    /// First make the rosters so, by subscribing and approving
    #[arg(long)]
    setup: bool,
    /// How long to change presence
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = duration::parse)]
    duration: Duration,
    /// Changes under way at once [default: one for each user]
    #[arg(long, value_name = "N", conflicts_with = "rate")]
    in_flight: Option<usize>,
    /// Deliveries per second, at even times, instead of a closed loop
    #[arg(long, value_name = "R", value_parser = rate)]
    rate: Option<f64>,
    /// After the closed loop, as long again with so many deliveries per second at even times, with the same sessions
    #[arg(long, value_name = "R", value_parser = rate, conflicts_with = "rate")]
    then_rate: Option<f64>,
}

/// Measures.
pub(crate) async fn run(target: Arc<Target>, options: &Options) -> Result<Report> {
    let users = target.users.len();
    let plan = Contacts::ring(users, options.contacts)?;
    if options.setup {
        let members = crowd::gather_all(&target, &options.common).await?;
        crowd::close(contacts::befriend(&target, &plan, members).await?).await;
    }
    let members = crowd::gather_all(&target, &options.common).await?;
    let members = contacts::check(&target, &plan, members).await?;
    let (others, patience) = (options.contacts, target.timeout);
    let members = crowd::each("see their contacts", members, |mut member| async move {
        arrive(&mut member.session, others, patience).await?;
        Ok(member)
    })
    .await?;
    let pace = options.rate.map_or_else(
        || Pace::Closed(options.in_flight.unwrap_or(users)),
        |rate| even(rate, options),
    );
    let (mut members, mut report) = measure(&target, members, pace, options).await?;
    if let Some(rate) = options.then_rate {
        let (left, then) = measure(&target, members, even(rate, options), options).await?;
        members = left;
        report = report.with("then", then);
    }
    crowd::close(members).await;
    Ok(report)
}

/// So many deliveries a second.
fn even(rate: f64, options: &Options) -> Pace {
    Pace::Even(rate / options.contacts as f64)
}

async fn measure(
    target: &Arc<Target>,
    members: Vec<Member>,
    pace: Pace,
    options: &Options,
) -> Result<(Vec<Member>, Report)> {
    let (finished, completions) = mpsc::channel(members.len());
    let board = Arc::new(Board::new(&target.users, options.contacts, finished));
    let mut tasks = JoinSet::new();
    let mut turns = Vec::with_capacity(members.len());
    for member in members {
        let (turn, taken) = mpsc::channel(1);
        turns.push(turn);
        tasks.spawn(take_part(member, taken, Arc::clone(&board)));
    }
    let (meter, begun) = (Meter::start(&options.server.pid)?, Instant::now());
    let tally = Dispatch::new(Arc::clone(&board), turns, target.timeout)
        .run(pace, options.duration, completions)
        .await;
    let (spent, time) = (meter.stop()?, begun.elapsed());
    let (members, lost) = crowd::join(tasks).await;
    if board.deliveries() == 0 {
        bail!("no presence was delivered; sessions lost: {}", lost.total());
    }
    let mode = match pace {
        Pace::Closed(_) => "closed loop",
        Pace::Even(_) => "rate",
    };
    let report = Report::default()
        .with("command", "fanout")
        .with("mode", mode)
        .with("users", target.users.len())
        .with("contacts", options.contacts)
        .with("seconds", time.as_secs_f64());
    let report = report_work(report, &board, &tally, time);
    let report = spent
        .report(report, "delivery", board.deliveries())
        .with("sessions_lost", lost.report());
    Ok((members, report))
}

fn report_work(report: Report, board: &Board, tally: &Tally, time: Duration) -> Report {
    report
        .with("changes", tally.changes)
        .with("deliveries", board.deliveries())
        .with("deliveries_per_s", per_second(board.deliveries(), time))
        .with("delivery_latency_ms", board.latencies.report())
        .with("all_delivered_ms", board.completions.report())
        .with("lost", tally.lost)
        .with("late_or_doubled", board.strays())
        .with("changes_not_sent", tally.unsent)
}

/// One user: changes presence when it is its turn, and notes what it sees, until there are no more turns.
async fn take_part(
    mut member: Member,
    mut turns: mpsc::Receiver<Instant>,
    board: Arc<Board>,
) -> Result<Member, SessionError> {
    loop {
        tokio::select! {
            element = member.session.next() => board.note(member.number, &element?),
            turn = turns.recv() => match turn {
                Some(due) => member.session.queue(&board.publish(member.number, due))?,
                None => return Ok(member),
            },
        }
    }
}
