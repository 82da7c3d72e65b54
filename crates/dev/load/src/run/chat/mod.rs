//! `chat`: messages between pairs at a fixed rate, an open loop.
//!
//! Each message carries the time when it was due, in its id, and its latency is counted from then: a server (or a
//! generator) that stalls is charged for all that waits meanwhile, nothing is omitted.

mod board;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use muster_stanza::{Element, Writer};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::arrive::{arrive, bare};
use crate::client::SessionError;
use crate::crowd::{self, Member};
use crate::duration;
use crate::figures::{Meter, Report, per_second};
use crate::options::{Common, ServerPids, rate};
use crate::pacer::{beats, pace};
use crate::target::Target;
use board::Board;

/// Messages that may wait for one sender; more are counted as not sent.
const TURNS: usize = 1024;

/// How much to send.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    server: ServerPids,
    /// Messages per second, over all pairs and both directions
    #[arg(long, value_name = "R", default_value = "1000", value_parser = rate)]
    rate: f64,
    /// How long to send
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = duration::parse)]
    duration: Duration,
    /// How long to wait for the last messages
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration::parse)]
    drain: Duration,
    /// What messages are addressed to
    #[arg(long, value_enum, default_value = "bare")]
    to: Address,
    /// Length of a message's text
    #[arg(long, value_name = "BYTES", default_value_t = 64)]
    body: usize,
}

/// What a message is addressed to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Address {
    /// The account
    Bare,
    /// The client
    Full,
}

/// One client and its partner.
struct Side {
    member: Member,
    partner: String,
    body: String,
    sent: u64,
    /// The highest number received.
    seen: u64,
}

/// Measures.
pub(crate) async fn run(target: Arc<Target>, options: &Options) -> Result<Report> {
    if target.users.len() < 2 || target.users.len() % 2 == 1 {
        bail!("{} users do not make pairs", target.users.len());
    }
    let members = crowd::gather_all(&target, &options.common).await?;
    let patience = target.timeout;
    let members = crowd::each("sent presence", members, |mut member| async move {
        arrive(&mut member.session, 0, patience).await?;
        Ok(member)
    })
    .await?;
    measure(sides(members, options), options).await
}

/// User 0 talks to 1, 2 to 3, and back.
fn sides(members: Vec<Member>, options: &Options) -> Vec<Side> {
    let jids: Vec<_> = members
        .iter()
        .map(|member| member.session.jid().to_owned())
        .collect();
    let address = |number: usize| match options.to {
        Address::Bare => bare(&jids[number]).to_owned(),
        Address::Full => jids[number].clone(),
    };
    let side = |member: Member| Side {
        partner: address(member.number ^ 1),
        member,
        body: "x".repeat(options.body),
        sent: 0,
        seen: 0,
    };
    members.into_iter().map(side).collect()
}

async fn measure(sides: Vec<Side>, options: &Options) -> Result<Report> {
    let users = sides.len();
    let board = Arc::new(Board::new());
    let (stop, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();
    let mut turns = Vec::with_capacity(users);
    for side in sides {
        let (turn, taken) = mpsc::channel(TURNS);
        turns.push(turn);
        tasks.spawn(side.talk(taken, Arc::clone(&board), stopped.clone()));
    }
    let meter = Meter::start(&options.server.pid)?;
    let count = beats(options.rate, options.duration);
    let noted = Arc::clone(&board);
    let _pacer = pace(options.rate, count, move |n, due| {
        if turns[n as usize % turns.len()].try_send(due).is_err() {
            noted.unsent.fetch_add(1, Ordering::Relaxed);
        }
    });
    tokio::time::sleep(options.duration).await;
    let spent = meter.stop()?;
    let received = board.received.load(Ordering::Relaxed);
    board.drain(count, options.drain).await;
    stop.send_replace(true);
    let (members, lost) = crowd::join(tasks).await;
    let report = Report::default()
        .with("command", "chat")
        .with("users", users)
        .with("seconds", options.duration.as_secs_f64())
        .with("rate_per_s", options.rate)
        .with("received_per_s", per_second(received, options.duration));
    let report = spent.report(board.report(report), "message", received);
    let report = report.with("sessions_lost", lost.report());
    crowd::close(members).await;
    Ok(report)
}

impl Side {
    /// Sends when it is its turn and notes what comes, until it is stopped.
    async fn talk(
        mut self,
        mut turns: mpsc::Receiver<Instant>,
        board: Arc<Board>,
        mut stopped: watch::Receiver<bool>,
    ) -> Result<Member, SessionError> {
        loop {
            tokio::select! {
                element = self.member.session.next() => self.note(&board, &element?),
                Some(due) = turns.recv() => self.send(&board, due)?,
                () = crowd::raised(&mut stopped) => return Ok(self.member),
            }
        }
    }

    fn send(&mut self, board: &Board, due: Instant) -> Result<(), SessionError> {
        self.sent += 1;
        let mut out = Writer::new();
        out.start("message")
            .attr("type", "chat")
            .attr("to", &self.partner);
        out.attr("id", &board.id(self.sent, due))
            .leaf("body", &self.body);
        self.member.session.queue(&out.finish())?;
        board.sent.fetch_add(1, Ordering::Relaxed);
        board.lags.record(due.elapsed());
        Ok(())
    }

    fn note(&mut self, board: &Board, element: &Element) {
        if element.name() != "message" {
            return;
        }
        if element.attr("type").as_deref() == Some("error") {
            board.bounced.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let id = element.attr("id").unwrap_or_default();
        let Some((serial, due)) = board.read_id(&id) else {
            return;
        };
        if serial <= self.seen {
            board.misordered.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.seen = serial;
        board.received.fetch_add(1, Ordering::Relaxed);
        board.latencies.record(due.elapsed());
    }
}
