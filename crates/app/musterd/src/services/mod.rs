//! The services of this node: each registers once, with a name, what the configuration says of it, and
//! a way to ask it for a sign of work. A thread of its own asks them all; it depends on none of them.
//!
//! ```text
//! c2s, router, presence, store, raft, … -- register --> Services
//! watchdog thread: ask each, every 2 s at most; what is down since when -> HA machine (raft thread)
//! ```

mod asks;
mod probe;

use crate::config::ServiceConfig;
use crate::shared::Shared;
pub(crate) use asks::{QUESTIONS, register_all};
use muster_admin::ServiceInfo;
use muster_ha::{Input as HaInput, ServiceDown, ServiceKind};
use muster_telemetry::{gauge, metrics};
pub(crate) use probe::Answer;
use probe::{Probe, Rhythm};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How often the watchdog looks.
const LOOK: Duration = Duration::from_millis(100);
/// A look that is so late means that the whole process stood still.
const STOOD_STILL: Duration = Duration::from_secs(1);

/// How a service is asked: it gets an answer to give, at once and without blocking.
type Ask = Box<dyn Fn(Answer) + Send>;

/// One service.
struct Service {
    name: &'static str,
    config: ServiceConfig,
    kind: ServiceKind,
    ask: Ask,
    probe: Probe,
}

/// All services of the node.
#[derive(Default)]
pub(crate) struct Services {
    list: Mutex<Vec<Service>>,
}

impl Services {
    fn list(&self) -> MutexGuard<'_, Vec<Service>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on the service is watched. With it fails what `kind` says.
    pub(crate) fn register(
        &self,
        name: &'static str,
        kind: ServiceKind,
        config: ServiceConfig,
        ask: impl Fn(Answer) + Send + 'static,
    ) {
        self.list().push(Service {
            name,
            config,
            kind,
            ask: Box::new(ask),
            probe: Probe::new(Rhythm::of(config.delay()), Instant::now()),
        });
    }

    /// How they all are.
    pub(crate) fn states(&self) -> Vec<ServiceInfo> {
        let now = Instant::now();
        let state = |service: &Service| ServiceInfo {
            name: service.name,
            critical: service.config.critical,
            delay: service.config.delay(),
            down: (service.probe.down_since()).map(|since| now.saturating_duration_since(since)),
        };
        self.list().iter().map(state).collect()
    }

    /// Brings the gauges up to date.
    pub(crate) fn gauge(&self) {
        for state in self.states() {
            gauge!(metrics::SERVICE_UP, "service" => state.name)
                .set(u8::from(state.down.is_none()));
        }
    }

    /// Asks those whose turn it is; returns those that are down, and since when.
    fn look(&self, now: Instant, paused: Option<Duration>) -> Vec<(&'static str, Instant)> {
        let mut down = Vec::new();
        for service in self.list().iter_mut() {
            if let Some(pause) = paused {
                service.probe.excuse(pause);
            }
            if let Some(answer) = service.probe.look(now) {
                (service.ask)(answer);
            }
            down.extend((service.probe.down_since()).map(|since| (service.name, since)));
        }
        down
    }

    /// What the HA machine is told.
    fn report(&self, shared: &Shared) -> Vec<ServiceDown> {
        let (now, here) = (Instant::now(), shared.clock.now());
        let report = |service: &Service| {
            let down = now.saturating_duration_since(service.probe.down_since()?);
            Some(ServiceDown {
                name: service.name,
                since: here - down,
                delay: service.config.delay(),
                critical: service.config.critical,
                kind: service.kind,
            })
        };
        self.list().iter().filter_map(report).collect()
    }
}

/// Starts the watchdog. It ends with the process.
pub(crate) fn watch(shared: Arc<Shared>, ha: mpsc::Sender<HaInput>) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name("watchdog".into())
        .spawn(move || run(&shared, &ha))
        .map(drop)
}

fn run(shared: &Shared, ha: &mpsc::Sender<HaInput>) {
    let services = &shared.services;
    let mut told = Vec::new();
    let mut last = Instant::now();
    while !ha.is_closed() {
        std::thread::sleep(LOOK);
        let now = Instant::now();
        let pause = now.duration_since(last);
        last = now;
        let down = services.look(now, (pause >= STOOD_STILL).then_some(pause));
        if down != told {
            say(&told, &down);
            // A full inbox is told at the next look.
            if ha
                .try_send(HaInput::Services(services.report(shared)))
                .is_ok()
            {
                told = down;
            }
        }
    }
}

fn say(before: &[(&'static str, Instant)], now: &[(&'static str, Instant)]) {
    let names =
        |list: &[(&'static str, Instant)]| list.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    let (before, now) = (names(before), names(now));
    for service in now.iter().filter(|name| !before.contains(name)) {
        tracing::warn!(service, "a service does not answer");
    }
    for service in before.iter().filter(|name| !now.contains(name)) {
        tracing::info!(service, "the service answers");
    }
}
