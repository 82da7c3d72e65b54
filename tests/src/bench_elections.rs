//! The curve of election timeout against false failovers: what each timeout costs while all cores are busy.
//!
//! For each timeout three hosts in network namespaces (needs root), a writer for a user of each node, and two busy
//! programs for each core. First nothing is broken for a while, and every lease that ends all the same is counted, and
//! every slot that another node takes. Then a node is killed a few times, and the first write that its peer answers is
//! timed, by a client that was connected to the peer. Each timeout prints a line of JSON.

mod takeover {
    pub(crate) mod probe;
}

use std::io::Write;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use muster_testkit::{Deployment, History, Plan, Writer, never, until};
use serde_json::{Value, json};
use takeover::probe::Probe;

/// The shortest timeout and the time between beats, as parts of the longest timeout: those of the default.
const SHORTEST: u64 = 2;
const BEAT: u64 = 8;
const BEAT_MAX_MS: u64 = 50;
/// How long a node may be away in the middle of it.
const BACK: Duration = Duration::from_secs(60);

/// Programs that do nothing, as fast as they can.
struct Busy(Vec<Child>);

impl Busy {
    fn start() -> Result<Self> {
        let cores = std::thread::available_parallelism()?.get();
        let mut busy = Self(Vec::new());
        for _ in 0..2 * cores {
            let child = Command::new("sh")
                .args(["-c", "while :; do :; done"])
                .spawn();
            busy.0.push(child.context("starting a busy program")?);
        }
        Ok(busy)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for child in &mut self.0 {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

fn main() -> Result<()> {
    let words: Vec<u64> = std::env::args()
        .skip(1)
        .map(|word| word.parse().with_context(|| word))
        .collect::<Result<_>>()?;
    let [seconds, kills, timeouts @ ..] = &words[..] else {
        bail!("how many seconds, how many kills, which election timeouts in ms?");
    };
    for longest in timeouts {
        say(&one(Duration::from_secs(*seconds), *kills, *longest)?)?;
    }
    Ok(())
}

fn say(line: &Value) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").context("printing a result")
}

/// Measures one timeout.
fn one(calm: Duration, kills: u64, longest: u64) -> Result<Value> {
    let (beat, shortest) = ((longest / BEAT).min(BEAT_MAX_MS), longest / SHORTEST);
    let example = "profile = \"lan\"";
    let chosen = format!(
        "{example}\nbeat_ms = {beat}\nelection_min_ms = {shortest}\nelection_max_ms = {longest}"
    );
    let mut cluster = Deployment::start_with(&Plan {
        users: &[
            "probe-of-one",
            "probe-of-the-other",
            "reader",
            "other-reader",
        ],
        options: &[(example, &*chosen)],
        ..Plan::default()
    })?;
    let busy = Busy::start()?;
    let history = write(&cluster)?;
    history.goes_on(1)?;
    let before = Counts::of(&cluster)?;
    let watched = Instant::now();
    // What is counted stands in the logs: asking the nodes all the time would be a load of another kind.
    never("a node that ended", calm, || {
        let ended = ["a", "b", "w"].map(|node| cluster.ended(node));
        Ok(ended
            .into_iter()
            .collect::<Result<Vec<_>>>()?
            .into_iter()
            .flatten()
            .next())
    })?;
    let watched = watched.elapsed();
    let after = Counts::of(&cluster)?;
    let (mut times, mut writes) = (Vec::new(), 0);
    for victim in ["a", "b"].into_iter().cycle().take(usize::try_from(kills)?) {
        let (served, written) = kill(&mut cluster, victim)?;
        times.push(served);
        writes += written;
    }
    drop(busy);
    let verdict = history.check()?;
    Ok(json!({
        "election_max_ms": longest,
        "election_min_ms": shortest,
        "beat_ms": beat,
        "seconds": watched.as_secs(),
        "leases_lost": after.lapses - before.lapses,
        "failovers": after.taken_over - before.taken_over,
        "takeover_ms": times,
        "probe_writes": writes,
        "lost": verdict.lost.len(),
    }))
}

fn write(cluster: &Deployment) -> Result<History> {
    let writer = |user: usize| -> Result<Writer> {
        Ok(Writer {
            user: cluster.user(user).clone(),
            reader: cluster.user(user + 2).clone(),
            addresses: vec![cluster.c2s("a")?, cluster.c2s("b")?],
        })
    };
    Ok(History::start(
        &cluster.trust()?,
        vec![writer(0)?, writer(1)?],
    ))
}

/// What the nodes' logs say so far.
struct Counts {
    /// Leases that ended under an owner.
    lapses: usize,
    /// Slots that another node than their home opened.
    taken_over: usize,
}

impl Counts {
    fn of(cluster: &Deployment) -> Result<Self> {
        let mut counts = Self {
            lapses: 0,
            taken_over: 0,
        };
        for node in ["a", "b"] {
            let log = cluster.log(node)?;
            counts.lapses += log.matches("lease lost").count();
            let opened = log.lines().filter(|line| line.contains("Opened {"));
            counts.taken_over += opened.filter(|line| !line.contains("why: Plan")).count();
        }
        Ok(counts)
    }
}

/// Kills a node and brings it back; how long its users were not served by its peer, in milliseconds, and
/// how many writes the peer acknowledged to one of them meanwhile.
fn kill(cluster: &mut Deployment, victim: &str) -> Result<(u64, u64)> {
    let peer = if victim == "a" { "b" } else { "a" };
    // With too short a timeout nodes may be without a lease for a while, and closed.
    let mut probe = until("the probe writes", BACK, || {
        Ok(Probe::start(cluster, victim, peer).ok())
    })?;
    let begun = Instant::now();
    cluster.kill(victim)?;
    let served = probe.first_answer(begun)?;
    cluster.restart(victim)?;
    cluster.come_home(victim)?;
    cluster.is_protected()?;
    Ok((u64::try_from(served.as_millis())?, probe.writes()))
}
