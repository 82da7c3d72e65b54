//! What a node must do its work: the services that run on it, and which of them fail. Whether a
//! service is alive and gets on, its probes find out; this keeps what they said, and the clock.
//!
//! ```text
//! probes -- Input::Services (what is down, since when) --> Services -- failed(now) --> Breakdown
//! ```

use crate::HaEvent;
use muster_cluster::HaReason;
use muster_types::Instant;
use std::collections::BTreeMap;
use std::time::Duration;

/// What fails with a service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServiceKind {
    /// Where the node keeps its data.
    Store,
    /// What the node counts time by.
    Clock,
    /// Anything else.
    Work,
}

/// A service that does not do its work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServiceDown {
    /// Its name, as in the configuration.
    pub name: &'static str,
    /// Since when.
    pub since: Instant,
    /// After how long that counts.
    pub delay: Duration,
    /// Whether the node cannot serve its users without it.
    pub critical: bool,
    /// What fails with it.
    pub kind: ServiceKind,
}

impl ServiceDown {
    fn counts_from(&self) -> Instant {
        self.since + self.delay
    }
}

/// The services of this node that are down, and what was told of them.
#[derive(Debug, Default)]
pub(crate) struct Services {
    down: Vec<ServiceDown>,
    /// Those that were told to be down, and whether they are critical.
    told: BTreeMap<&'static str, bool>,
}

impl Services {
    /// Takes what the probes say now.
    pub(crate) fn take(&mut self, down: Vec<ServiceDown>) {
        self.down = down;
    }

    /// Why this node cannot serve; `None` while it can.
    pub(crate) fn failed(&self, now: Instant) -> Option<HaReason> {
        let failing = |service: &&ServiceDown| service.critical && now >= service.counts_from();
        let mut failing = self.down.iter().filter(failing).peekable();
        failing.peek()?;
        Some(
            if failing.any(|service| service.kind == ServiceKind::Store) {
                HaReason::DatabaseFailure
            } else {
                HaReason::CriticalServiceDown
            },
        )
    }

    /// Whether this node's clock is known to be wrong; that counts at once.
    pub(crate) fn count_time(&self) -> bool {
        !(self.down.iter()).any(|service| service.kind == ServiceKind::Clock)
    }

    /// When the next service that is down begins to count.
    pub(crate) fn next(&self, now: Instant) -> Option<Instant> {
        let counts = self.down.iter().map(ServiceDown::counts_from);
        counts.filter(|at| *at > now).min()
    }

    /// What people have not been told yet.
    pub(crate) fn news(&mut self, now: Instant) -> Vec<HaEvent> {
        let counts = |service: &&ServiceDown| now >= service.counts_from();
        let down: BTreeMap<_, _> = (self.down.iter().filter(counts))
            .map(|service| (service.name, service.critical))
            .collect();
        let failed = down
            .iter()
            .filter(|(name, _)| !self.told.contains_key(*name));
        let failed = failed.map(|(service, critical)| HaEvent::ServiceFailed {
            service,
            critical: *critical,
        });
        let recovered = self.told.keys().filter(|name| !down.contains_key(*name));
        let recovered = recovered.map(|service| HaEvent::ServiceRecovered { service });
        let news = failed.chain(recovered).collect();
        self.told = down;
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(secs: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(secs)
    }

    fn down(name: &'static str, since: u64, critical: bool) -> ServiceDown {
        ServiceDown {
            name,
            since: secs(since),
            delay: Duration::from_secs(10),
            critical,
            kind: match name {
                "store" => ServiceKind::Store,
                "clock" => ServiceKind::Clock,
                _ => ServiceKind::Work,
            },
        }
    }

    #[test]
    fn a_service_counts_when_it_is_critical_and_its_delay_is_over() {
        let mut services = Services::default();
        assert_eq!(services.failed(secs(100)), None);
        for (what, all, at, failed) in [
            ("not yet", vec![down("router", 5, true)], 14, None),
            (
                "now",
                vec![down("router", 5, true)],
                15,
                Some(HaReason::CriticalServiceDown),
            ),
            ("not critical", vec![down("router", 5, false)], 99, None),
            (
                "the store",
                vec![down("router", 5, true), down("store", 6, true)],
                16,
                Some(HaReason::DatabaseFailure),
            ),
            (
                "the store not yet",
                vec![down("router", 5, true), down("store", 6, true)],
                15,
                Some(HaReason::CriticalServiceDown),
            ),
        ] {
            services.take(all);
            assert_eq!(services.failed(secs(at)), failed, "{what}");
        }
        assert_eq!(services.next(secs(14)), Some(secs(15)));
        assert_eq!(services.next(secs(15)), Some(secs(16)));
        assert_eq!(services.next(secs(16)), None);
    }

    #[test]
    fn people_are_told_once_that_a_service_fails_and_once_that_it_is_back() {
        let mut services = Services::default();
        services.take(vec![down("router", 5, true), down("web", 5, false)]);
        assert_eq!(services.news(secs(14)), []);
        let failed = |service, critical| HaEvent::ServiceFailed { service, critical };
        assert_eq!(
            services.news(secs(15)),
            [failed("router", true), failed("web", false)]
        );
        assert_eq!(services.news(secs(16)), []);
        services.take(vec![down("web", 5, false)]);
        let service = "router";
        assert_eq!(
            services.news(secs(17)),
            [HaEvent::ServiceRecovered { service }]
        );
    }
}
