//! The services of this node: each registers once, with a name, what the configuration says of it, and
//! a way to ask it for a sign of work. A thread of its own asks them all; it depends on none of them.
//!
//! ```text
//! c2s, router, presence, store, raft, … -- register --> Services
//! watchdog thread: ask each, every 2 s at most; what is down since when -> HA machine (raft thread)
//! ```

mod asks;
mod probe;

use crate::alarms::Alarms;
use crate::config::{ServiceConfig, ServicesConfig};
use crate::notify::{self, notify};
use crate::shared::Shared;
pub(crate) use asks::{QUESTIONS, register_all};
use muster_admin::ServiceInfo;
use muster_ha::{Input as HaInput, ServiceDown, ServiceKind};
use muster_telemetry::alarms::{CRITICAL_SERVICE_DOWN, SERVICE_DOWN};
use muster_telemetry::{gauge, metrics};
pub(crate) use probe::Answer;
use probe::{Probe, Rhythm};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How often the watchdog looks.
const LOOK: Duration = Duration::from_millis(100);
/// The services whose tasks are the node's event loops: the service manager's watchdog is fed while they turn.
const EVENT_LOOPS: [&str; 3] = ["router", "presence", "raft"];
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
    /// What is said of them has changed: the HA machine has to hear of it.
    changed: AtomicBool,
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

    /// Watches them as another configuration says.
    pub(crate) fn configure(&self, config: &ServicesConfig) {
        for service in self.list().iter_mut() {
            if let Some(config) = config.of(service.name) {
                service.config = config;
                service.probe.set_rhythm(Rhythm::of(config.delay()));
            }
        }
        self.changed.store(true, Ordering::Release);
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
    let (mut told, mut failed) = (Vec::new(), false);
    let mut last = Instant::now();
    let (feed, mut fed) = (notify::watchdog(), None::<Instant>);
    while !ha.is_closed() {
        std::thread::sleep(LOOK);
        let now = Instant::now();
        let pause = now.duration_since(last);
        last = now;
        let down = services.look(now, (pause >= STOOD_STILL).then_some(pause));
        if let Some(every) = feed
            && fed.is_none_or(|fed| now.duration_since(fed) >= every)
            && turns(&down)
        {
            notify("WATCHDOG=1");
            fed = Some(now);
        }
        if failed || !down.is_empty() {
            failed = alarm(&shared.alarms, &services.states());
        }
        if down != told || services.changed.load(Ordering::Acquire) {
            say(&told, &down);
            services.changed.store(false, Ordering::Release);
            // A full inbox is told at the next look.
            if ha
                .try_send(HaInput::Services(services.report(shared)))
                .is_ok()
            {
                told = down;
            } else {
                services.changed.store(true, Ordering::Release);
            }
        }
    }
}

/// Whether the event loops do: without one of them a restart is all that helps. What else is down the peer makes up for.
fn turns(down: &[(&'static str, Instant)]) -> bool {
    let mut names = down.iter().map(|(name, _)| *name);
    !names.any(|name| EVENT_LOOPS.contains(&name))
}

/// What is down for longer than it may, as alarms; whether there is any.
fn alarm(alarms: &Alarms, states: &[ServiceInfo]) -> bool {
    let mut any = false;
    for (alarm, critical) in [(&CRITICAL_SERVICE_DOWN, true), (&SERVICE_DOWN, false)] {
        let failed = states
            .iter()
            .filter(|one| one.critical == critical && one.has_failed());
        let names: Vec<_> = failed.map(|one| one.name).collect();
        let kind = if critical { "critical " } else { "" };
        match names[..] {
            [] => alarms.clear(alarm, "the services of this node answer"),
            [one] => alarms.raise(alarm, format!("the {kind}service {one} has failed")),
            _ => alarms.raise(
                alarm,
                format!("the {kind}services {} have failed", names.join(", ")),
            ),
        }
        any |= !names.is_empty();
    }
    any
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
