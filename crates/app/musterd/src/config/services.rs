//! The table of services: which of them the node cannot serve without, and how long it waits for one.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The services of a node. One that is down for its delay and critical makes the node hand its users to
/// its peer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ServicesConfig {
    /// The client listeners: each takes a connection and ends it when asked to.
    pub(crate) c2s: ServiceConfig,
    /// The router: the task of each shard answers.
    pub(crate) router: ServiceConfig,
    /// The presence of users: the task of each replica answers.
    pub(crate) presence: ServiceConfig,
    /// The store: what was written reaches the disk.
    pub(crate) store: ServiceConfig,
    /// Raft: its thread and each of its groups answer.
    pub(crate) raft: ServiceConfig,
    /// The clock: it runs as fast as those of most peers.
    pub(crate) clock: ServiceConfig,
}

/// One service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ServiceConfig {
    /// Whether the node cannot serve its users without it. Default true.
    pub(crate) critical: bool,
    /// How long it may be down before that counts, in seconds, 1 to 3,600. Default 10.
    pub(crate) delay_seconds: u64,
}

impl Default for ServiceConfig {
    fn default() -> Self {
        Self {
            critical: true,
            delay_seconds: 10,
        }
    }
}

impl ServiceConfig {
    pub(crate) fn delay(self) -> Duration {
        Duration::from_secs(self.delay_seconds)
    }
}

/// Longer than anybody waits for a service that hangs.
const DELAY_SECONDS_MAX: u64 = 3_600;

impl ServicesConfig {
    fn all(&self) -> [(&'static str, ServiceConfig); 6] {
        [
            ("c2s", self.c2s),
            ("router", self.router),
            ("presence", self.presence),
            ("store", self.store),
            ("raft", self.raft),
            ("clock", self.clock),
        ]
    }

    /// What is said of a service.
    pub(crate) fn of(&self, name: &str) -> Option<ServiceConfig> {
        let mut all = self.all().into_iter();
        all.find(|(other, _)| *other == name)
            .map(|(_, config)| config)
    }

    pub(super) fn check(&self) -> Result<(), String> {
        for (name, service) in self.all() {
            if !(1..=DELAY_SECONDS_MAX).contains(&service.delay_seconds) {
                return Err(format!(
                    "services.{name}.delay_seconds is {}: it must be from 1 to {DELAY_SECONDS_MAX}",
                    service.delay_seconds
                ));
            }
        }
        Ok(())
    }
}
