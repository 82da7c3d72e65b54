//! A process starts and dies; its disk stays.

use super::part::{Part, replay};
use super::parts::Parts;
use super::shards::Shards;
use super::upkeep::Wanted;
use super::{Clock, Condition, Node, Setup, services};
use crate::Rng;
use crate::device::Device;
use crate::plan::Sabotage;
use crate::plan::beginning::{Beginning, version};
use crate::raft::Raft;
use muster_cluster::{Addresses, ClusterState};
use muster_ha::{Clocks, Identity, NodeMachine, Timing};
use muster_router::{Directory, Router};
use muster_types::{Boot, Instant, Replicated, SessionId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// In so many of 100 starts the state on the disk lags behind the log.
const LAGS: u64 = 25;

fn identity(setup: &Setup, boot: Boot, number: u32) -> Identity {
    Identity {
        node: setup.id,
        boot,
        version: version(number),
        addresses: Addresses::default(),
    }
}

fn new_shards(setup: &Setup, boot: Boot, cluster: &ClusterState) -> Shards {
    let host = muster_xep::HostInfo {
        name: "Muster".to_owned(),
        version: "0".to_owned(),
        os: None,
        domain: String::new(),
        features: Vec::new(),
    };
    let directory: Arc<dyn Directory> = Arc::new(cluster.clone());
    let limits = setup.limits.clone();
    let config = muster_router::Config { limits, host };
    Shards::new(setup, boot, || {
        Router::new(config.clone(), Arc::clone(&directory))
    })
}

impl Node {
    /// A node that has never run: with the logs' beginning, or with an empty disk.
    pub(crate) fn new(setup: Setup, clock: Clock, beginning: Option<&Beginning>) -> Self {
        let (id, timing, sabotage) = (setup.id, setup.raft.clone(), setup.sabotage);
        let control = beginning.map(|b| b.control.clone()).unwrap_or_default();
        let cluster = beginning.map(|b| b.cluster.clone()).unwrap_or_default();
        let mut node = Self {
            boot: Boot(0),
            version: 1,
            condition: Condition::Down,
            silent_at: Instant::ZERO,
            wakes_at: Instant::from_nanos(u64::MAX),
            backlog: VecDeque::new(),
            sessions: BTreeSet::new(),
            clock,
            clocks: Clocks::new(services::WINDOW),
            hangs_since: None,
            wrong_since: None,
            device: Device::default(),
            stopped: false,
            stopping: false,
            control: Raft::new(id, timing.clone(), sabotage, control),
            control_dirty: true,
            lost_control: false,
            control_leader: None,
            leads_control: false,
            parts: Parts::default(),
            machine: NodeMachine::new(
                identity(&setup, Boot(0), 1),
                Timing::default(),
                Instant::ZERO,
            ),
            router: new_shards(&setup, Boot(0), &cluster),
            cluster,
            wanted: None,
            connected: BTreeMap::new(),
            cut_off_since: None,
            away: false,
            started: Instant::ZERO,
            fed: false,
            upkeep_at: Instant::ZERO,
            proposals: 0,
            next_session: 0,
            local: VecDeque::new(),
            outgoing: Vec::new(),
            wishes: VecDeque::new(),
            owners: BTreeMap::new(),
            setup,
        };
        let applied = node.control.length();
        // The beginning is applied on everybody.
        node.control.start(Instant::ZERO, &mut Rng::new(0), applied);
        let Some(beginning) = beginning else {
            return node;
        };
        for slot in Wanted::of(&node.cluster).slots_of(id) {
            let raft = Raft::new(id, timing.clone(), sabotage, beginning.slot(slot));
            let state = replay(&node.setup, &raft, 0);
            let part = Part::new(&node.setup, Boot(0), slot, raft, state);
            node.parts.insert(slot, part);
        }
        node
    }

    /// The process starts: only the disk is left of the one before.
    pub(crate) fn start(&mut self, world: Instant, rng: &mut Rng) {
        let now = self.clock.local(world);
        if self.setup.sabotage != Some(Sabotage::KeepBoot) || self.boot == Boot(0) {
            self.boot = Boot(self.boot.0 + 1);
        }
        self.condition = Condition::Running;
        (self.started, self.upkeep_at) = (now, now);
        (self.fed, self.leads_control, self.control_leader) = (false, false, None);
        (self.stopped, self.stopping, self.away, self.cut_off_since) = (false, false, false, None);
        self.owners.clear();
        self.clocks = Clocks::new(services::WINDOW);
        (self.hangs_since, self.wrong_since) = (None, None);
        let lags = rng.chance(LAGS);
        self.load_control(now, rng, lags);
        for slot in self.slots_here() {
            if let Some(mut part) = self.parts.remove(slot) {
                let mut applied = part.raft.applied();
                let mut state = part.replica.state().clone();
                if lags || part.lost_entries {
                    applied = pick(rng, applied);
                    state = replay(&self.setup, &part.raft, applied);
                }
                part.raft.start(now, rng, applied);
                let part = Part::new(&self.setup, self.boot, slot, part.raft, state);
                self.parts.insert(slot, part);
            }
        }
        let identity = identity(&self.setup, self.boot, self.version);
        self.machine = NodeMachine::new(identity, Timing::default(), now);
        self.router = new_shards(&self.setup, self.boot, &self.cluster);
        for slot in self.slots_here() {
            self.introduce(world, slot);
        }
    }

    fn load_control(&mut self, now: Instant, rng: &mut Rng, lags: bool) {
        let mut applied = self.control.applied();
        if lags || self.lost_control {
            self.wanted = None;
            applied = pick(rng, applied);
            self.cluster = ClusterState::default();
            for (index, proposal) in self.control.commands(applied) {
                self.cluster
                    .apply(index, (**proposal).clone(), &mut Vec::new());
            }
        }
        self.lost_control = false;
        self.control.start(now, rng, applied);
        self.control_dirty = true;
    }

    /// The process dies. Answers the sessions that were on it.
    pub(crate) fn die(&mut self, rng: &mut Rng) -> Vec<SessionId> {
        self.condition = Condition::Down;
        let kept = self.device.crash(rng);
        self.lost_control |= self.control.crash(kept);
        for (_, part) in self.parts.iter_mut() {
            part.lost_entries |= part.raft.crash(kept);
        }
        self.backlog.clear();
        self.connected.clear();
        self.local.clear();
        self.wishes.clear();
        std::mem::take(&mut self.sessions).into_iter().collect()
    }
}

/// Somewhere up to there.
fn pick(rng: &mut Rng, upto: usize) -> usize {
    usize::try_from(rng.below(upto as u64 + 1)).unwrap_or(upto)
}
