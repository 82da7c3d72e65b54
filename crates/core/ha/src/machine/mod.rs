//! The machine of one node: takes inputs, looks at everything anew, and asks for the difference
//! between what is and what should be. One file for each thing it looks at.

mod fallback;
mod services;
mod slots;
mod status;

use crate::guard::guarded;
use crate::health::Health;
use crate::proposals::{Proposals, Topic};
use crate::services::Services;
use crate::{Detector, HaEvent, Identity, Input, Output, Timing};
use muster_cluster::{ClusterState, ControlCommand, HaState, Node};
use muster_types::{Instant, Machine, NodeId, SlotId};
use slots::Replica;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Decides for one node. See the crate's page.
#[derive(Debug)]
pub struct NodeMachine {
    identity: Identity,
    timing: Timing,
    started: Instant,
    /// The last applied state of the control log.
    state: Option<Arc<ClusterState>>,
    detector: Detector,
    /// The members that were alive at the last look, this node excluded.
    alive: BTreeSet<NodeId>,
    /// Nodes that were seen to record that they stop. What was recorded before this node started
    /// says nothing: after a stop of the whole cluster everybody is on record as off.
    went_off: BTreeSet<NodeId>,
    replicas: BTreeMap<SlotId, Replica>,
    leads_control: bool,
    services: Services,
    stopping: Option<Stopping>,
    proposals: Proposals,
    /// The count of each failed-over home node.
    health: BTreeMap<NodeId, Health>,
    /// Whether it is the time of day for automatic fallbacks.
    in_window: bool,
    /// Whether this process has served the slot it is home to.
    served_at_home: bool,
    /// Peers whose silence was recorded: not again before they were heard.
    reported_silent: BTreeSet<NodeId>,
    out: VecDeque<Output>,
    wake_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Stopping {
    since: Instant,
    done: bool,
}

impl NodeMachine {
    /// The machine of a node that starts at `now`.
    pub fn new(identity: Identity, timing: Timing, now: Instant) -> Self {
        Self {
            identity,
            timing,
            started: now,
            state: None,
            detector: Detector::new(muster_cluster::Settings::default().peer_timeout),
            alive: BTreeSet::new(),
            went_off: BTreeSet::new(),
            replicas: BTreeMap::new(),
            leads_control: false,
            services: Services::default(),
            stopping: None,
            proposals: Proposals::default(),
            health: BTreeMap::new(),
            in_window: true,
            served_at_home: false,
            reported_silent: BTreeSet::new(),
            out: VecDeque::new(),
            wake_at: None,
        }
    }

    /// The nodes heard at the last look, this one excluded.
    pub fn alive(&self) -> &BTreeSet<NodeId> {
        &self.alive
    }

    /// When the users of each failed-over node have been away for long enough to go home, if nothing happens; `None`
    /// while their home is not counted as healthy.
    pub fn homecomings(&self) -> BTreeMap<NodeId, Option<Instant>> {
        let delay = self
            .state
            .as_ref()
            .map(|state| state.settings().fallback_delay);
        let delay = delay.unwrap_or_default();
        let due = |(home, health): (&NodeId, &Health)| (*home, health.reaches(delay));
        self.health.iter().map(due).collect()
    }

    fn me(&self) -> NodeId {
        self.identity.node
    }

    fn on_cluster(&mut self, state: Arc<ClusterState>) {
        let timeout = state.settings().peer_timeout;
        self.detector
            .set_timeout(timeout.max(self.timing.least_silence));
        self.detector
            .retain(|node| state.node(node).is_some_and(|node| node.is_member()));
        // A state from the disk may lack a slot whose log is ahead of it already; what is known of that one is
        // not said again.
        let knew =
            |slot: &SlotId| (self.state.as_ref()).is_some_and(|was| was.slot(*slot).is_some());
        (self.replicas).retain(|slot, _| state.slot(*slot).is_some() || !knew(slot));
        self.note_who_went_off(&state);
        self.state = Some(state);
    }

    fn note_who_went_off(&mut self, state: &ClusterState) {
        let Some(before) = &self.state else { return };
        let is_off = |node: &Node| node.ha.state == HaState::Off;
        for node in state.members() {
            if !is_off(node) {
                self.went_off.remove(&node.id);
            } else if before.node(node.id).is_some_and(|node| !is_off(node)) {
                self.went_off.insert(node.id);
            }
        }
    }

    /// Looks at everything.
    fn look(&mut self, now: Instant) {
        self.wake_at = None;
        let me = self.me();
        let knows_me = |state: &Arc<ClusterState>| state.node(me).is_some_and(Node::is_member);
        self.tell_of_services(now);
        let Some(state) = self.state.clone().filter(knows_me) else {
            return self.stop();
        };
        self.proposals.begin();
        self.look_who_is_alive(now, &state);
        for slot in state.slots() {
            self.look_at_slot(now, &state, slot);
        }
        let broken = self.look_at_services(now, &state);
        self.look_at_status(now, &state, broken);
        self.look_at_health(now, &state);
        self.look_at_stopping(now, &state);
        if let Some(silence) = self.detector.next_silence(now) {
            self.wake_by(silence);
        }
        if let Some(again) = self.proposals.end() {
            self.wake_by(again);
        }
    }

    fn look_who_is_alive(&mut self, now: Instant, state: &ClusterState) {
        let others = state
            .members()
            .map(|node| node.id)
            .filter(|node| *node != self.me());
        let alive: BTreeSet<_> = others
            .filter(|node| self.detector.is_alive(now, *node))
            .collect();
        for node in alive.difference(&self.alive) {
            self.reported_silent.remove(node);
            self.out.push_back(Output::Event(HaEvent::Heard(*node)));
        }
        for node in self.alive.difference(&alive) {
            self.out.push_back(Output::Event(HaEvent::Silent(*node)));
        }
        self.alive = alive;
    }

    /// The process may end when every slot is handed over that somebody can take.
    fn look_at_stopping(&mut self, now: Instant, state: &ClusterState) {
        let Some(stopping) = self.stopping else {
            return;
        };
        let timeout = stopping.since + self.timing.stop_timeout;
        if now >= timeout || !self.holds_what_others_could_take(state) {
            self.stop();
        } else {
            self.wake_by(timeout);
        }
    }

    /// Says once that the process may end, if it was asked to.
    fn stop(&mut self) {
        if let Some(stopping) = self.stopping.as_mut().filter(|stopping| !stopping.done) {
            stopping.done = true;
            self.out.push_back(Output::Stopped);
        }
    }

    /// Wants a command in the control log. Returns true when it is proposed now.
    fn want(&mut self, now: Instant, topic: Topic, command: ControlCommand) -> bool {
        let retry = self.timing.propose_retry;
        let command = match &self.state {
            Some(state) => guarded(state, command),
            None => command,
        };
        let Some(command) = self.proposals.want(now, retry, topic, command) else {
            return false;
        };
        self.out.push_back(Output::Propose(command));
        true
    }

    fn wake_by(&mut self, at: Instant) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }
}

impl Machine for NodeMachine {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Instant, input: Input) {
        match input {
            // The common case changes nothing but the detector.
            Input::Heard(node) => {
                if !self.detector.heard(now, node) {
                    return;
                }
            }
            Input::Cluster(state) => self.on_cluster(state),
            Input::SlotRole(role) => self.on_role(now, role),
            Input::ControlRole { leading } => self.leads_control = leading,
            Input::Transferred { slot, ok } => self.on_transferred(now, slot, ok),
            Input::Services(down) => self.services.take(down),
            Input::FallbackWindow(is_now) => self.in_window = is_now,
            Input::Stopping => {
                self.stopping.get_or_insert(Stopping {
                    since: now,
                    done: false,
                });
            }
        }
        self.look(now);
    }

    fn wake(&mut self, now: Instant) {
        if self.deadline().is_some_and(|due| now >= due) {
            self.look(now);
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    fn deadline(&self) -> Option<Instant> {
        self.wake_at
    }
}
