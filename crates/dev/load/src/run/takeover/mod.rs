//! `takeover`: what users notice when a node dies. Somebody else kills it; this only looks.
//!
//! The first `--watchers` users watch the others, the *clients*, who are shared out among them. Each client writes to its roster and pings its own
//! account in turn, one IQ at a time, and comes back through the list of addresses when its connection ends or an
//! answer is overdue. In the end the rosters are read again: each item must hold what was acknowledged last.
//!
//! With `--marks` each line on stdin begins a new round, and gaps are told round by round: write a line, kill, wait
//! until all is well, write the next line.

mod client;
mod gaps;
mod ledger;
mod sightings;
mod stage;
mod watcher;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::task::JoinSet;

use crate::arrive::arrive;
use crate::contacts::{self, Contacts};
use crate::crowd::{self, Member};
use crate::duration;
use crate::figures::{Failures, Latencies, Report};
use crate::options::Common;
use crate::target::Target;
use client::Outcome;
use stage::Stage;

/// What to do, and what to take for a failure.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) common: Common,
    /// How many of the users watch the others, each a share of them
    #[arg(long, value_name = "N", default_value_t = 1)]
    watchers: usize,
    /// First make watchers and clients each other's contacts
    #[arg(long)]
    setup: bool,
    /// How long to go on
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration::parse)]
    duration: Duration,
    /// Begin a new round with each line on stdin, and end with it
    #[arg(long)]
    marks: bool,
    /// Pause after each write and ping
    #[arg(long, value_name = "TIME", default_value = "10ms", value_parser = duration::parse)]
    interval: Duration,
    /// Roster items that each client writes in turn
    #[arg(long, value_name = "N", default_value_t = 100)]
    items: usize,
    /// Connect anew when an answer takes longer
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration::parse)]
    iq_timeout: Duration,
    /// Try the next address when a connection does not answer for longer
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration::parse)]
    connect_timeout: Duration,
    /// How long after its loss a client may come back without being called unavailable
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration::parse)]
    grace: Duration,
}

/// Measures.
pub(crate) async fn run(target: Arc<Target>, options: &Options) -> Result<Report> {
    let users = target.users.len();
    if options.watchers >= users {
        bail!(
            "{users} users with {} watchers leave no client",
            options.watchers
        );
    }
    let plan = Contacts::watched(options.watchers, users);
    if options.setup {
        let members = crowd::gather_all(&target, &options.common).await?;
        crowd::close(contacts::befriend(&target, &plan, members).await?).await;
    }
    let members = crowd::gather_all(&target, &options.common).await?;
    let members = contacts::check(&target, &plan, members).await?;
    let patience = target.timeout;
    let members = crowd::each("see their contacts", members, |mut member| {
        let others = plan.of(member.number).len();
        async move {
            arrive(&mut member.session, others, patience).await?;
            Ok(member)
        }
    })
    .await?;
    perform(Arc::new(Stage::new(target, options)?), members, options).await
}

async fn perform(stage: Arc<Stage>, members: Vec<Member>, options: &Options) -> Result<Report> {
    let begun = Instant::now();
    let (mut clients, mut watchers) = (JoinSet::new(), JoinSet::new());
    for member in members {
        if member.number < options.watchers {
            watchers.spawn(watcher::watch(Arc::clone(&stage), member));
        } else {
            clients.spawn(client::work(Arc::clone(&stage), member));
        }
    }
    if options.marks {
        stage::read_marks(&stage);
    }
    eprintln!("running for at most {} s", options.duration.as_secs_f32());
    stage.wait(options.duration).await;
    stage.stop();
    let time = begun.elapsed();
    let mut outcomes = Vec::with_capacity(clients.len());
    while let Some(ended) = clients.join_next().await {
        outcomes.push(ended?);
    }
    let mut members = Vec::new();
    while let Some(ended) = watchers.join_next().await {
        members.extend(ended?);
    }
    // From here on clients leave, and that is seen: what was false is counted before.
    let (untrue, justified) = stage.judge(options.grace);
    let report = report(&stage, &outcomes, time)
        .with("false_unavailable", untrue)
        .with("true_unavailable", justified);
    let (report, left) = verify(&stage, outcomes, report).await?;
    members.extend(left);
    crowd::close(members).await;
    Ok(report)
}

fn report(stage: &Stage, outcomes: &[Outcome], time: Duration) -> Report {
    let mut errors = Failures::default();
    outcomes
        .iter()
        .for_each(|outcome| errors.merge(&outcome.iq_errors));
    let labels = stage.rounds();
    let rounds = labels.iter().enumerate().map(|(round, label)| {
        let returned = stage.returned(round);
        Report::default()
            .with("round", label.as_str())
            .with("returned", returned.clients)
            .with("last_back_ms", returned.last.as_secs_f64() * 1000.0)
            .with("gap_ms", longest(outcomes, |o| o.gaps.get(round).copied()))
            .with(
                "write_gap_ms",
                longest(outcomes, |o| o.write_gaps.get(round).copied()),
            )
    });
    Report::default()
        .with("command", "takeover")
        .with("clients", outcomes.len())
        .with("seconds", time.as_secs_f64())
        .with(
            "writes_acknowledged",
            outcomes
                .iter()
                .map(|o| o.ledger.acknowledged())
                .sum::<u64>(),
        )
        .with(
            "pings_acknowledged",
            outcomes.iter().map(|o| o.pings).sum::<u64>(),
        )
        .with(
            "gap_ms",
            longest(outcomes, |o| o.gaps.iter().max().copied()),
        )
        .with(
            "write_gap_ms",
            longest(outcomes, |o| o.write_gaps.iter().max().copied()),
        )
        .with("rounds", rounds.collect::<Vec<_>>())
        .with("outages", stage.outages())
        .with("outage_causes", stage.causes().report())
        .with("failed_attempts", stage.attempts().report())
        .with("iq_errors", errors.report())
}

/// The distribution over the clients of each one's longest gap.
fn longest(outcomes: &[Outcome], gap: impl Fn(&Outcome) -> Option<Duration>) -> Report {
    let gaps = Latencies::new();
    outcomes
        .iter()
        .filter_map(gap)
        .for_each(|gap| gaps.record(gap));
    gaps.report()
}

/// Reads all rosters again.
async fn verify(
    stage: &Arc<Stage>,
    outcomes: Vec<Outcome>,
    report: Report,
) -> Result<(Report, Vec<Member>)> {
    let mut tasks = JoinSet::new();
    for outcome in outcomes {
        tasks.spawn(client::verify(Arc::clone(stage), outcome));
    }
    let (mut missing, mut unverified, mut members) = (0, 0_u64, Vec::new());
    while let Some(ended) = tasks.join_next().await {
        match ended? {
            Some((lacking, member)) => {
                missing += lacking;
                members.push(member);
            }
            None => unverified += 1,
        }
    }
    let report = report
        .with("acknowledged_writes_missing", missing)
        .with("clients_not_verified", unverified);
    Ok((report, members))
}
