//! Faults as they happen: processes die, stop and start, links break, disks and clocks fail.

use super::{Event, World};
use crate::LinkNews;
use crate::net::Weather;
use crate::node::{Arrival, Condition, Node};
use crate::plan::{Fault, Place};
use muster_cluster::{Group, HaState};
use muster_types::NodeId;
use std::collections::VecDeque;
use std::time::Duration;

/// Counts as disturbances as long as they last.
const PAUSES: &str = "pause";
const CUTS: &str = "cut";
const WEATHER: &str = "weather";
const DISKS: &str = "disk";
const SERVICES: &str = "services";
const CLOCKS: &str = "clock";

/// A wrong clock is found out in this time.
const CLOCK_UNKNOWN: Duration = Duration::from_secs(9);
/// How much a wrong clock runs fast, in millionths of the true time.
const WRONG_PPM: i64 = 200_000;

impl World {
    pub(super) fn node_in(&self, place: Place) -> NodeId {
        self.machines[place.0].node
    }

    pub(super) fn condition(&self, node: NodeId) -> Option<Condition> {
        self.nodes.get(&node).map(|node| node.condition)
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        self.note(|| format!("{fault:?}"));
        self.disturbed_at = self.now;
        match fault {
            Fault::Crash(place) => self.crash(self.node_in(place)),
            Fault::Restart(place) => self.restart(place),
            Fault::Pause(place) => self.pause(self.node_in(place)),
            Fault::Resume(place) => self.resume(self.node_in(place)),
            Fault::Isolate(place) => self.isolate(self.node_in(place)),
            Fault::Cut { from, to } => {
                self.net.cut(self.node_in(from), self.node_in(to));
                self.disturbances.insert(CUTS, 1);
            }
            Fault::Heal => {
                self.net.heal();
                self.disturbances.remove(CUTS);
            }
            Fault::Rough { loss, twice, delay } => {
                let delay_us = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
                self.net.set_weather(Some(Weather {
                    loss,
                    twice,
                    delay_us,
                }));
                self.disturbances.insert(WEATHER, 1);
            }
            Fault::Smooth => {
                self.net.set_weather(None);
                self.disturbances.remove(WEATHER);
            }
            Fault::Disk(place, health) => {
                let id = self.node_in(place);
                if let Some(node) = self.nodes.get_mut(&id) {
                    node.device.health = health;
                }
                self.note_disks();
            }
            Fault::Service(place, works) => {
                let id = self.node_in(place);
                self.arrive(id, Arrival::Service { works });
                if works {
                    self.failing.remove(&place);
                } else {
                    self.failing.insert(place);
                }
                let count = self.failing.len();
                self.count_disturbances(SERVICES, count);
            }
            Fault::ClockJump(place, by) => {
                let id = self.node_in(place);
                if let Some(node) = self.nodes.get_mut(&id) {
                    node.clock.ahead_ms += by;
                }
            }
            Fault::FastClock(place, fast) => self.restart_with_clock(place, fast),
            Fault::Wipe(place) => self.wipe(place),
            Fault::Failover(_)
            | Fault::Fallback(_)
            | Fault::Recover(_)
            | Fault::SwitchHa(_)
            | Fault::Visitor
            | Fault::Upgrade => self.operate(fault),
        }
    }

    /// One at a time: with two wrong clocks of three the right one is out of step. What did not begin does not end.
    fn restart_with_clock(&mut self, place: Place, fast: bool) {
        let id = self.node_in(place);
        let may = match self.wrong_clock() {
            None => fast,
            Some(wrong) => !fast && wrong == id,
        };
        if !may {
            return;
        }
        self.crash(id);
        if let Some(node) = self.nodes.get_mut(&id) {
            let more = WRONG_PPM - node.clock.fast_ppm;
            node.clock.wrong_ppm = if fast { more } else { 0 };
        }
        self.wrong_clock_at = self.now;
        self.disturbances.insert(CLOCKS, u32::from(fast));
        self.start(id);
    }

    /// The node whose clock is wrong.
    pub(super) fn wrong_clock(&self) -> Option<NodeId> {
        let mut nodes = self.nodes.values();
        let wrong = nodes.find(|node| node.clock.wrong_ppm != 0);
        wrong.map(|node| node.id())
    }

    /// A node has a wrong clock and may be the only one that can serve its users: there is no high availability,
    /// something else is wrong too, or its peer is being stopped.
    pub(super) fn is_alone_with_wrong_clock(&self) -> bool {
        let Some(node) = self.wrong_clock().and_then(|id| self.nodes.get(&id)) else {
            return false;
        };
        let group = node.cluster().group_of(node.id());
        let down = |node: &Node| node.condition != Condition::Running;
        let other = self.disturbances.iter();
        let mut other = other.filter(|(name, count)| **name != CLOCKS && **count > 0);
        // In failed mode users stay where they are until an operator recovers the group.
        let state = |id: &NodeId| self.truth.cluster.node(*id).map(|node| node.ha.state);
        let stops = |group: &Group| group.nodes.iter().any(|id| state(id) == Some(HaState::Off));
        group.is_some_and(|group| !group.ha || stops(group))
            || state(&node.id()) == Some(HaState::RunningInFailedMode)
            || other.next().is_some()
            || self.nodes.values().any(down)
    }

    /// An operator moves users while nobody can know yet that a clock is wrong (ADR 10).
    pub(super) fn moves_users_blindly(&self) -> bool {
        self.wrong_clock().is_some() && self.now.since(self.wrong_clock_at) < CLOCK_UNKNOWN
    }

    fn note_disks(&mut self) {
        let ill = self
            .nodes
            .values()
            .filter(|node| node.device.health != crate::device::Health::Good);
        let count = ill.count();
        self.count_disturbances(DISKS, count);
    }

    pub(super) fn start(&mut self, id: NodeId) {
        let version = self
            .machines
            .iter()
            .find(|machine| machine.node == id)
            .map_or(1, |machine| machine.version);
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        if node.condition == Condition::Down {
            node.version = version;
            node.start(self.now, &mut self.rng);
            self.disturbed_at = self.now;
            self.settle(id);
        }
    }

    fn restart(&mut self, place: Place) {
        if !self.machines[place.0].vacant {
            self.start(self.node_in(place));
        }
    }

    /// A process dies. Its clients notice sooner or later.
    pub(super) fn crash(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        if node.condition == Condition::Down {
            return;
        }
        node.silent_at = self.now;
        let sessions = node.die(&mut self.rng);
        self.disturbed_at = self.now;
        self.count_pauses();
        for (end, other) in self.net.break_all(id) {
            self.tell_link(end, other, LinkNews::Lost);
        }
        for session in sessions {
            let Some(client) = self.client_of(session) else {
                continue;
            };
            self.missing(client);
            let when = self.now + self.rng.millis(20..1500);
            self.schedule(when, Event::Noticed { client, session });
        }
    }

    fn count_pauses(&mut self) {
        let paused = self
            .nodes
            .values()
            .filter(|node| node.condition == Condition::Paused);
        let count = paused.count();
        self.count_disturbances(PAUSES, count);
    }

    /// So many of a kind disturb now.
    fn count_disturbances(&mut self, kind: &'static str, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.disturbances.insert(kind, count);
    }

    fn pause(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get_mut(&id)
            && node.condition == Condition::Running
        {
            node.condition = Condition::Paused;
            node.silent_at = self.now;
            self.count_pauses();
        }
    }

    pub(super) fn resume(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        if node.condition != Condition::Paused {
            return;
        }
        node.condition = Condition::Running;
        let backlog: VecDeque<Arrival> = std::mem::take(&mut node.backlog);
        self.count_pauses();
        self.settle(id);
        self.schedule(self.now, Event::Wake(id));
        if let Some(node) = self.nodes.get_mut(&id) {
            node.wakes_at = self.now;
        }
        for arrival in backlog {
            self.arrive(id, arrival);
        }
    }

    fn isolate(&mut self, id: NodeId) {
        for other in self.nodes.keys().copied().filter(|other| *other != id) {
            self.net.cut(id, other);
            self.net.cut(other, id);
        }
        self.disturbances.insert(CUTS, 1);
    }

    /// A disk is lost, where another copy exists and nobody else is being replaced; otherwise the
    /// process only dies and comes back.
    fn wipe(&mut self, place: Place) {
        let id = self.node_in(place);
        self.crash(id);
        if self.may_lose(id) {
            self.machines[place.0].vacant = true;
            self.nodes.remove(&id);
            self.replace(place, id);
        } else {
            self.schedule(
                self.now + Duration::from_secs(2),
                Event::Fault(Fault::Restart(place)),
            );
        }
    }

    /// Everything that is broken is repaired.
    pub(super) fn repair(&mut self) {
        self.note(|| "repair".to_owned());
        self.net.heal();
        self.net.set_weather(None);
        self.failing.clear();
        self.disturbances.clear();
        self.disturbed_at = self.now;
        for id in self.nodes.keys().copied().collect::<Vec<_>>() {
            if let Some(node) = self.nodes.get_mut(&id) {
                node.device.health = crate::device::Health::Good;
            }
            if self.wrong_clock() == Some(id) {
                self.crash(id);
            }
            if let Some(node) = self.nodes.get_mut(&id) {
                node.clock.wrong_ppm = 0;
            }
            self.arrive(id, Arrival::Service { works: true });
            match self.condition(id) {
                Some(Condition::Down) => self.start(id),
                Some(Condition::Paused) => self.resume(id),
                Some(Condition::Running) | None => {}
            }
        }
    }
}
