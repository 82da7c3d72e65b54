//! Changes of the configuration while the node runs. Everything is read and checked first; then all of it comes into
//! force that needs no restart, or nothing does and what was in force stays.
//!
//! ```text
//! SIGHUP, a file that is not as it was, `musterctl config apply` --> Reload::apply --> node, connections, services
//!                                                                       `-- refused: log, alarm
//! ```

mod files;

use crate::clients::certificates;
use crate::config::{Change, Config, InForce, Role, between};
use crate::node::{Node, NodeEvent};
use crate::notify;
use anyhow::Context;
use files::Stamps;
use muster_net::{CertificateInfo, TlsDomains};
use muster_telemetry::alarms::{CONFIG_REFUSED, RESTART_PENDING};
use muster_telemetry::{counter, metrics};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::signal::unix::Signal;

/// How often the files are looked at. They are read once they have stayed the same from one look to the next: whoever
/// renews a certificate writes two.
const LOOK: Duration = Duration::from_secs(2);

/// For so long a difference that was shown is not brought into force by itself.
const LOOKED_AT: Duration = Duration::from_secs(30);

/// What brings changes into force.
pub(crate) struct Reload {
    file: PathBuf,
    in_force: Arc<InForce>,
    node: OnceLock<Arc<Node>>,
    /// The service manager was told that the node is ready.
    ready: AtomicBool,
    last: Mutex<Last>,
}

/// What was read last.
struct Last {
    stamps: Stamps,
    /// Shown to somebody who may want it applied as it is.
    shown: Option<(Prepared, Stamps)>,
    /// Until when the files are left alone: somebody looks at the difference.
    looked_at_until: Option<Instant>,
}

/// What the files say, read and checked.
struct Prepared {
    config: Config,
    certificates: Option<TlsDomains>,
}

/// What is different, and a mark for it all.
#[derive(Clone, Debug)]
pub(crate) struct Difference {
    pub(crate) digest: String,
    pub(crate) changes: Vec<Change>,
}

impl Reload {
    /// For the configuration that was read from `file` at the start.
    pub(crate) fn new(file: &Path, config: Config) -> Arc<Self> {
        let stamps = Stamps::of(file, &config);
        Arc::new(Self {
            file: file.to_owned(),
            in_force: InForce::new(config),
            node: OnceLock::new(),
            ready: AtomicBool::new(false),
            last: Mutex::new(Last {
                stamps,
                shown: None,
                looked_at_until: None,
            }),
        })
    }

    /// The configuration in force.
    pub(crate) fn in_force(&self) -> &Arc<InForce> {
        &self.in_force
    }

    /// The file.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// From here on there is a node to change.
    pub(crate) fn started(&self, node: &Arc<Node>) {
        // A process has one node.
        let _ = self.node.set(Arc::clone(node));
        // It may have changed while the node was being made.
        node.configure(&self.in_force.get(), None);
    }

    /// The node serves: the service manager is told, now and after each change.
    pub(crate) fn ready(&self) {
        self.ready.store(true, Ordering::Release);
        notify::notify("READY=1");
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows the files and SIGHUP until the node ends.
    pub(crate) async fn keep(self: Arc<Self>, mut hangups: Signal) {
        let mut ticks = muster_ticks::ticks(LOOK);
        let mut before = None;
        loop {
            let why = tokio::select! {
                Some(()) = hangups.recv() => "SIGHUP",
                _ = ticks.tick() => {
                    let last = self.last();
                    let found = last.stamps.again();
                    let looked_at = last.looked_at_until.is_some_and(|until| Instant::now() < until);
                    let changed = found != last.stamps && !looked_at;
                    drop(last);
                    if !changed || before.replace(found.clone()) != Some(found) {
                        continue;
                    }
                    "its files have changed"
                }
            };
            let reload = Arc::clone(&self);
            let applying = tokio::task::spawn_blocking(move || reload.again(why));
            // What it comes to is in the log, and an alarm.
            let _ = applying.await;
            before = None;
        }
    }

    /// Reads everything and applies it. The service manager waits until that is over.
    fn again(&self, why: &str) {
        let ready = self.ready.load(Ordering::Acquire);
        if ready {
            notify::reloading();
        }
        tracing::info!("reading {} again: {why}", self.file.display());
        // Refusals are told where they happen.
        let _ = self.apply_now(why);
        if ready {
            notify::notify("READY=1");
        }
    }

    fn apply_now(&self, by: &str) -> Result<Difference, String> {
        let mut last = self.last();
        let mut stamps = Stamps::of(&self.file, &self.in_force.get());
        match self.read(&mut stamps) {
            Ok(prepared) => Ok(self.bring_into_force(&mut last, (prepared, stamps), by)),
            Err(error) => Err(self.refuse(&mut last, stamps, &error)),
        }
    }

    /// What applying would change; nothing changes.
    ///
    /// # Errors
    /// Why it would be refused.
    pub(crate) fn check(&self) -> Result<Difference, String> {
        let mut last = self.last();
        let mut stamps = Stamps::of(&self.file, &self.in_force.get());
        let prepared = self.read(&mut stamps);
        let prepared = prepared.map_err(|error| format!("{error:#}"))?;
        let difference = self.difference(&prepared);
        last.shown = Some((prepared, stamps));
        last.looked_at_until = Some(Instant::now() + LOOKED_AT);
        Ok(difference)
    }

    /// Applies what [`check`](Self::check) has shown, and only that.
    ///
    /// # Errors
    /// Something else was shown last, or nothing.
    pub(crate) fn apply_shown(&self, digest: &str, by: &str) -> Result<Difference, String> {
        let mut last = self.last();
        let shown = last.shown.take();
        match shown.filter(|(shown, _)| self.difference(shown).digest == digest) {
            Some(shown) => Ok(self.bring_into_force(&mut last, shown, by)),
            None => Err(
                "this is not what was shown last: look at the difference again, then apply it"
                    .to_owned(),
            ),
        }
    }

    /// `stamps` were taken before, so that a change that comes in between is seen as one; what the file names comes to
    /// them.
    fn read(&self, stamps: &mut Stamps) -> anyhow::Result<Prepared> {
        let before = self.in_force.get();
        let config = Config::load(&self.file)?;
        stamps.add(&config);
        anyhow::ensure!(
            config.role == before.role,
            "{}: role: a node stays what it was when it entered its cluster; put it back, or make a new node",
            self.file.display()
        );
        let certificates = (config.role == Role::Serving)
            .then(|| certificates(&config.c2s))
            .transpose()
            .with_context(|| self.file.display().to_string())?;
        Ok(Prepared {
            config,
            certificates,
        })
    }

    fn in_use(&self) -> Vec<CertificateInfo> {
        let clients = self.node.get().and_then(|node| node.clients.as_ref());
        clients.map_or_else(Vec::new, |clients| clients.tls.certificates())
    }

    /// Against what is in force now.
    fn difference(&self, prepared: &Prepared) -> Difference {
        let newer = prepared.certificates.as_ref();
        let newer = newer.map(TlsDomains::certificates).unwrap_or_default();
        let mut changes = between(&self.in_force.get(), &prepared.config);
        changes.extend(renewed(&self.in_use(), &newer));
        let mut hash = Sha256::new();
        for change in &changes {
            hash.update(format!("{change:?}\n"));
        }
        for certificate in &newer {
            hash.update(certificate.sha256);
        }
        Difference {
            digest: hex(&hash.finalize()),
            changes,
        }
    }

    fn bring_into_force(
        &self,
        last: &mut Last,
        (prepared, stamps): (Prepared, Stamps),
        by: &str,
    ) -> Difference {
        let difference = self.difference(&prepared);
        let Prepared {
            config,
            certificates,
        } = prepared;
        last.stamps = stamps;
        (last.shown, last.looked_at_until) = (None, None);
        let config = self.in_force.get().with_live_options_of(&config);
        self.in_force.put(config.clone());
        counter!(metrics::CONFIG_RELOADS, "outcome" => "applied").increment(1);
        let (live, waiting): (Vec<_>, Vec<_>) =
            difference.changes.iter().partition(|change| change.live);
        for change in &live {
            tracing::info!("configuration: {}", in_words(change));
        }
        let words = match live.len() {
            0 => format!("the configuration in force is as it was ({by})"),
            1 => format!("1 change of the configuration is in force ({by})"),
            many => format!("{many} changes of the configuration are in force ({by})"),
        };
        tracing::info!("{words}");
        if let Some(node) = self.node.get() {
            node.configure(&config, certificates);
            self.tell(node, &waiting);
            // Nobody may be watching.
            let _ = node.events.send(NodeEvent::Configured(words));
        }
        difference
    }

    /// What is not wrong any more, and what waits for a restart.
    fn tell(&self, node: &Node, waiting: &[&Change]) {
        let alarms = &node.shared.alarms;
        alarms.clear(&CONFIG_REFUSED, "the configuration file is good");
        if waiting.is_empty() {
            alarms.clear(&RESTART_PENDING, "no option waits for a restart");
        } else {
            let names: Vec<_> = waiting
                .iter()
                .map(|change| change.option.as_str())
                .collect();
            let (names, file) = (names.join(", "), self.file.display());
            let words = format!("changed in {file} and not in force before a restart: {names}");
            alarms.raise(&RESTART_PENDING, words);
        }
    }

    fn refuse(&self, last: &mut Last, stamps: Stamps, error: &anyhow::Error) -> String {
        // Not read again before something changes.
        last.stamps = stamps;
        let words = format!("{error:#}; what was in force stays");
        counter!(metrics::CONFIG_RELOADS, "outcome" => "refused").increment(1);
        tracing::error!("the configuration is refused: {words}");
        if let Some(node) = self.node.get() {
            node.shared.alarms.raise(&CONFIG_REFUSED, words.clone());
        }
        words
    }
}

/// Certificates that are others than those in use, for the same domain.
fn renewed(in_use: &[CertificateInfo], newer: &[CertificateInfo]) -> Vec<Change> {
    let words = |one: &CertificateInfo| {
        let mark = hex(one.sha256.get(..8).unwrap_or_default());
        format!("{mark}…, ends {}", one.ends)
    };
    let change = |newer: &CertificateInfo| {
        let old = in_use.iter().find(|old| old.domain == newer.domain)?;
        (old != newer).then(|| Change {
            option: format!("c2s.certificate ({})", newer.domain),
            before: Some(words(old)),
            after: Some(words(newer)),
            live: true,
        })
    };
    newer.iter().filter_map(change).collect()
}

fn in_words(change: &Change) -> String {
    let none = || "not set".to_owned();
    format!(
        "{}: {} -> {}",
        change.option,
        change.before.clone().unwrap_or_else(none),
        change.after.clone().unwrap_or_else(none)
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[path = "reload_test.rs"]
mod reload_test;
