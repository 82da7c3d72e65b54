//! The services of this node: what becomes of the users while critical ones are down.

use super::NodeMachine;
use crate::breakdown::Pair;
use crate::proposals::Topic;
use crate::{HaEvent, Output};
use muster_cluster::ClusterState;
use muster_types::Instant;

impl NodeMachine {
    /// Tells of services that fail, and that are up again.
    pub(super) fn tell_of_services(&mut self, now: Instant) {
        let news: Vec<HaEvent> = self.services.news(now);
        self.out.extend(news.into_iter().map(Output::Event));
        if let Some(next) = self.services.next(now) {
            self.wake_by(next);
        }
    }

    /// Sees to it that users are served by whoever can. Returns whether that changes states now.
    pub(super) fn look_at_services(&mut self, now: Instant, state: &ClusterState) -> bool {
        if self.stopping.is_some() || self.has_unrecorded(state) {
            return false;
        }
        let Some(pair) = Pair::of(state, self.me()) else {
            return false;
        };
        if pair.me.boot < self.identity.boot {
            return false; // it has not said yet that it is there
        }
        let command = match self.services.failed(now) {
            None => pair.recovered_backup(),
            Some(failed) => {
                let peer_lives = self.detector.is_alive(now, pair.peer.id);
                let found = pair.breakdown(failed, peer_lives);
                found.map(|breakdown| pair.plan(breakdown))
            }
        };
        let Some(command) = command else { return false };
        self.want(now, Topic::Services, command);
        true
    }
}
