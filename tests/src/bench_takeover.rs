//! Measures what a crowd of clients notices when a node dies, freezes or is cut off, with writes running.
//!
//! Three hosts in network namespaces (needs root). `muster-load` keeps the crowd: each client writes to its roster and
//! pings in turn, comes back when its connection ends or an answer is overdue, and is watched by another user, who counts
//! every `unavailable`. In the end every roster is read again. Beside it one probe writes for a user of the broken node,
//! through the other node, as fast as it can.
//!
//! Each round prints a line of JSON, and the last line is about the whole run.

mod takeover {
    pub(crate) mod crowd;
    pub(crate) mod probe;
}

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use muster_testkit::{Deployment, Signal, Watch};
use serde_json::{Value, json};
use takeover::crowd::Crowd;
use takeover::probe::Probe;

/// A round's way back takes as long as the copy needs.
const BACK: Duration = Duration::from_secs(120);

/// What is done to a node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    Kill,
    Pause,
    Partition,
}

impl Fault {
    fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Pause => "pause",
            Self::Partition => "partition",
        }
    }

    fn begin(self, cluster: &mut Deployment, node: &str) -> Result<()> {
        match self {
            Self::Kill => cluster.signal(node, Signal::Kill),
            Self::Pause => cluster.signal(node, Signal::Stop),
            Self::Partition => cluster.cut(node),
        }
    }

    fn end(self, cluster: &mut Deployment, node: &str) -> Result<()> {
        match self {
            Self::Kill => {
                cluster.buried(node)?;
                cluster.restart(node)
            }
            Self::Pause => cluster.signal(node, Signal::Continue),
            Self::Partition => cluster.heal(node),
        }
    }
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [kills, pauses, partitions, clients, settings @ ..] = &words[..] else {
        bail!("how many kills, pauses, partitions, clients?");
    };
    let clients: usize = clients.parse()?;
    let rounds = plan(kills.parse()?, pauses.parse()?, partitions.parse()?);
    let mut cluster = Deployment::start(&["probe-of-one", "probe-of-the-other"])?;
    for setting in settings {
        cluster.any_ctl()?.run(&["settings", "set", setting])?;
    }
    let mut crowd = Crowd::gather(&cluster, clients)?;
    let watch = cluster.any_ctl()?.watch()?;
    watch.listens(&cluster.any_ctl()?)?;
    let (mut told, mut probe_writes) = (Vec::new(), 0);
    // Clients stay where they are when a node is back: the next one to break is the one that has them.
    let mut victims = ["a", "b"].into_iter().cycle();
    for (number, fault) in rounds.iter().enumerate() {
        let label = format!("{}-{number}", fault.name());
        let victim = victims.next().context("a cycle ends")?;
        let peer = if victim == "a" { "b" } else { "a" };
        let mut probe = Probe::start(&cluster, victim, peer)?;
        let mark = watch.mark();
        crowd.mark(&label)?;
        let begun = Instant::now();
        fault.begin(&mut cluster, victim)?;
        let answered = probe.first_answer(begun)?;
        let detected = detected(&watch, mark, victim).map(|at| at.duration_since(begun));
        probe_writes += probe.writes();
        // The fault lasts until everybody has found the other node.
        crowd.is_online(&cluster.ctl(peer)?, BACK)?;
        fault.end(&mut cluster, victim)?;
        cluster
            .come_home(victim)
            .with_context(|| format!("round {label}"))?;
        cluster.is_protected()?;
        eprintln!("{label}: {:.0} ms", answered.as_secs_f64() * 1000.0);
        told.push((*fault, label, detected, answered));
    }
    let report = crowd.leave()?;
    for (fault, label, detected, answered) in told {
        let line = json!({
            "fault": fault.name(),
            "detect_ms": detected.map(|time| time.as_millis() as u64),
            "takeover_ms": answered.as_millis() as u64,
            "last_back_ms": last_back(&report, &label),
        });
        say(&line)?;
    }
    say(&json!({
        "run": {
            "clients": clients,
            "settings": settings,
            "rounds": rounds.len(),
            "writes": report["writes_acknowledged"],
            "probe_writes": probe_writes,
            "false_unavailable": report["false_unavailable"],
            "true_unavailable": report["true_unavailable"],
            "lost": report["acknowledged_writes_missing"],
            "not_verified": report["clients_not_verified"],
        }
    }))
}

/// The faults in turn, so that each meets every state that the others leave behind.
fn plan(kills: usize, pauses: usize, partitions: usize) -> Vec<Fault> {
    let mut left = [
        (Fault::Kill, kills),
        (Fault::Pause, pauses),
        (Fault::Partition, partitions),
    ];
    let mut rounds = Vec::new();
    while left.iter().any(|(_, count)| *count > 0) {
        for (fault, count) in &mut left {
            if *count > 0 {
                *count -= 1;
                rounds.push(*fault);
            }
        }
    }
    rounds
}

/// When somebody first acted on it: the silence was noticed, or another node led and handed over.
fn detected(watch: &Watch, mark: usize, home: &str) -> Option<Instant> {
    let signs = [
        format!("hears {home} no more"),
        format!("hands the users of {home} to"),
        format!("opens the slot of {home}"),
    ];
    watch.when(mark, |event: &Value| {
        let text = event["text"].as_str().unwrap_or_default();
        signs.iter().any(|sign| text.contains(sign))
    })
}

/// When the last client that had lost its connection was back, of those that lost it.
fn last_back(report: &Value, label: &str) -> Value {
    let mut rounds = report["rounds"].as_array().into_iter().flatten();
    let round = rounds.find(|round| round["round"] == label);
    round
        .filter(|round| round["returned"] != 0)
        .and_then(|round| round["last_back_ms"].as_f64())
        .map_or(Value::Null, |ms| (ms.round() as u64).into())
}

fn say(line: &Value) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").context("printing a result")
}
