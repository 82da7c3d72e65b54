//! Measures how long the users of a dead (or paused) node wait until the peer serves them, with writes running.
//!
//! A roster set for one of these users is on the way all the time, through the living node. What is measured is the time
//! from the signal to the result of the first set that was sent after it. Beside it two of other people's clients watch
//! each other, and every `unavailable` between them is counted: none would be true.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use muster_testkit::{Client, ClientOptions, Library, Options, Quickstart, Raw, until};
use muster_tests::{Couple, c2s, from_node, log_in};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let rounds: usize = arguments.next().context("how many rounds?")?.parse()?;
    let pause = match arguments.next().as_deref() {
        Some("kill") => false,
        Some("pause") => true,
        other => bail!("kill or pause, not {other:?}"),
    };
    let mut cluster = Quickstart::start_with(Options {
        users: 4,
        pair: true,
    })?;
    let couple = Couple::of(&cluster)?;
    let options = ClientOptions {
        ping_s: 1,
        ..from_node(&cluster, Library::Slixmpp, &couple.home)?
    };
    let mut alice = cluster.client(&couple.alice, &options)?;
    alice.ready(0)?;
    let mut bob = log_in(&cluster, Library::Slixmpp, &couple.bob, &couple.peer)?;
    alice.befriend(&mut bob)?;
    let there = bob.mark();

    let writer = Writer::start(&cluster, &couple)?;
    let mut probe = Raw::login(
        c2s(cluster.node(&couple.peer)?)?,
        &cluster.trust()?,
        &couple.alice,
        "probe",
    )?;
    let mut waits = Vec::new();
    for round in 0..rounds {
        waits.push(one_round(&mut cluster, &couple, &mut probe, pause, round)?);
        let here = alice.mark();
        come_home(&mut cluster, &couple, pause)?;
        settle(&mut alice, here)?;
        eprintln!(
            "{} of {rounds}: {:.0} ms",
            round + 1,
            waits[round].as_secs_f64() * 1000.0
        );
    }
    let writes = writer.stop();
    let false_unavailable = bob
        .since(there)
        .iter()
        .filter(|e| e.is_presence("unavailable", alice.jid()))
        .count();
    report(pause, &mut waits, writes, false_unavailable)
}

/// Breaks the node and waits for the peer's first answer to its user.
fn one_round(
    cluster: &mut Quickstart,
    couple: &Couple,
    probe: &mut Raw,
    pause: bool,
    round: usize,
) -> Result<Duration> {
    let begun = Instant::now();
    if pause {
        cluster.pause(&couple.home)?;
    } else {
        cluster.kill(&couple.home)?;
    }
    let mut attempt = 0;
    loop {
        attempt += 1;
        if write(probe, &format!("probe-{round}-{attempt}-"))? {
            return Ok(begun.elapsed());
        }
        if begun.elapsed() > PATIENCE {
            bail!("the peer did not serve within {} s", PATIENCE.as_secs());
        }
    }
}

/// Brings the node back and its users home, so that the next round begins as the first one did.
fn come_home(cluster: &mut Quickstart, couple: &Couple, pause: bool) -> Result<()> {
    if pause {
        cluster.resume(&couple.home)?;
    } else {
        cluster.restart(&couple.home)?;
    }
    cluster.come_home(&couple.home)
}

/// Waits until the watched client answers again, wherever it is connected now.
fn settle(alice: &mut Client, mark: usize) -> Result<()> {
    until("alice is connected", PATIENCE, || {
        Ok(alice.ask(json!({"do": "ping"})).ok())
    })
    .with_context(|| format!("{:?}", alice.since(mark)))
    .map(drop)
}

/// Sends a roster set and waits for its answer; `false` is an error, which means: still between two owners.
fn write(raw: &mut Raw, id: &str) -> Result<bool> {
    raw.send(format!(
        "<iq type='set' id='{id}'><query xmlns='jabber:iq:roster'>\
         <item jid='someone@elsewhere.example' name='{id}'/></query></iq>"
    ))?;
    let start = raw.read_until(id)?;
    let rest = raw.read_until(">")?;
    Ok(!start.contains("error") && !rest.contains("error"))
}

/// Writes for the same user without a pause, as a load beside the probe.
struct Writer {
    stop: Arc<AtomicBool>,
    writes: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Writer {
    fn start(cluster: &Quickstart, couple: &Couple) -> Result<Self> {
        let mut raw = Raw::login(
            c2s(cluster.node(&couple.peer)?)?,
            &cluster.trust()?,
            &couple.alice,
            "writer",
        )?;
        let (stop, writes) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let (ended, count) = (Arc::clone(&stop), Arc::clone(&writes));
        let thread = thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                match write(
                    &mut raw,
                    &format!("write-{}-", count.load(Ordering::Relaxed)),
                ) {
                    Ok(true) => drop(count.fetch_add(1, Ordering::Relaxed)),
                    Ok(false) => {}
                    Err(_) => return,
                }
            }
        });
        Ok(Self {
            stop,
            writes,
            thread,
        })
    }

    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().ok();
        self.writes.load(Ordering::Relaxed)
    }
}

fn report(
    pause: bool,
    waits: &mut [Duration],
    writes: u64,
    false_unavailable: usize,
) -> Result<()> {
    waits.sort();
    let at = |share: f64| {
        let index = ((waits.len() as f64 * share).ceil() as usize).clamp(1, waits.len()) - 1;
        waits.get(index).map(|wait| wait.as_millis())
    };
    let line = json!({
        "bench": "takeover",
        "by": if pause { "SIGSTOP" } else { "kill -9" },
        "rounds": waits.len(),
        "p50_ms": at(0.50).map(|ms| ms as u64),
        "p99_ms": at(0.99).map(|ms| ms as u64),
        "max_ms": at(1.0).map(|ms| ms as u64),
        "writes": writes,
        "false_unavailable": false_unavailable,
    });
    writeln!(std::io::stdout(), "{line}").context("printing the result")
}
