//! How a world begins.

use super::{Event, World};
use crate::client::Client;
use crate::invariants::epochs::Epochs;
use crate::invariants::fallback::Fallback;
use crate::net::Net;
use crate::node::{Clock, Node, Setup};
use crate::plan::beginning::{Beginning, first_node};
use crate::plan::{Place, Plan, at};
use crate::truth::Truth;
use crate::{Rng, world::Stats};
use muster_cluster::Role;
use muster_types::{BareJid, Instant, NodeId, ResourcePart};
use std::collections::{BTreeMap, BTreeSet};

/// How many contacts a user begins with.
const CONTACTS: usize = 6;
/// When the first client logs in.
const FIRST_LOGIN: u64 = 3;

/// What stands in a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Machine {
    pub(super) node: NodeId,
    pub(super) role: Role,
    /// The version that is installed.
    pub(super) version: u32,
    /// The node was wiped, and nothing has taken its place yet.
    pub(super) vacant: bool,
}

impl World {
    /// A cluster that is about to start.
    pub fn new(plan: Plan, noisy: bool) -> Self {
        let beginning = Beginning::new(&plan);
        let machines = plan.topology.places().into_iter();
        let machine = |(place, role)| Machine {
            node: first_node(place),
            role,
            version: 1,
            vacant: false,
        };
        let mut world = Self {
            noisy,
            now: Instant::ZERO,
            rng: Rng::new(plan.seed),
            queue: super::queue::Queue::default(),
            net: Net::new(),
            nodes: BTreeMap::new(),
            machines: machines.map(machine).collect(),
            clients: Vec::new(),
            errands: Vec::new(),
            names: 0,
            effects: Vec::new(),
            truth: Truth::new(plan.limits.clone(), &beginning),
            servers: BTreeMap::new(),
            epochs: Epochs::default(),
            fallback: Fallback::new(plan.fallback_delay),
            reach: super::reach::Reach::default(),
            disturbed_at: Instant::ZERO,
            disturbances: BTreeMap::new(),
            alone_with_wrong_clock_at: None,
            wrong_clock_at: Instant::ZERO,
            failing: BTreeSet::new(),
            looked_at: Instant::ZERO,
            beaten_at: Instant::ZERO,
            stats: Stats::default(),
            log: Vec::new(),
            violation: None,
            beginning,
            plan,
        };
        world.make_clients();
        for (when, fault) in world.plan.faults.clone() {
            world.schedule(when, Event::Fault(fault));
        }
        for machine in world.machines.clone() {
            world.make_node(machine.node, machine.role, true);
        }
        for machine in world.machines.clone() {
            world.start(machine.node);
        }
        world
    }

    /// A node that has never run; one that is there from the beginning has the logs' beginning.
    pub(super) fn make_node(&mut self, id: NodeId, role: Role, first: bool) {
        let setup = Setup {
            id,
            role,
            limits: self.plan.limits.clone(),
            raft: self.plan.raft.clone(),
            sabotage: self.plan.sabotage,
            seed: self.plan.seed,
            noisy: self.noisy,
        };
        let widest = i64::try_from(self.plan.clock_ppm).unwrap_or_default();
        let drawn = self.rng.below(2 * self.plan.clock_ppm + 1);
        let clock = Clock {
            fast_ppm: i64::try_from(drawn).unwrap_or_default() - widest,
            ..Clock::default()
        };
        let beginning = first.then_some(&self.beginning);
        let node = Node::new(setup, clock, beginning);
        self.nodes.insert(id, node);
        self.net.join(id, self.nodes.keys().copied());
    }

    fn make_clients(&mut self) {
        let serving = (0..self.plan.topology.serving()).map(Place);
        let all: Vec<_> = serving
            .map(|place| self.plan.topology.users(place))
            .collect();
        let active: Vec<_> = all.iter().flat_map(|(active, _)| active.clone()).collect();
        let sleepers: Vec<_> = all
            .iter()
            .flat_map(|(_, sleepers)| sleepers.clone())
            .collect();
        let resource = |name| ResourcePart::new(name).expect("a short word").into_owned();
        for (count, user) in active.iter().enumerate() {
            let others = self.contacts(user, &active);
            let names: &[_] = if count % 4 == 0 {
                &["desk", "phone"]
            } else {
                &["desk"]
            };
            for name in names {
                // Most are there from the beginning; some log in for the first time meanwhile.
                let until = if self.rng.chance(80) {
                    at(FIRST_LOGIN) + self.rng.millis(0..3000)
                } else {
                    at(FIRST_LOGIN) + self.rng.millis(5_000..150_000)
                };
                let jid = user.with_resource(&resource(name));
                let (others, sleepers) = (others.clone(), sleepers.clone());
                self.clients.push(Client::new(jid, until, others, sleepers));
            }
        }
        for sleeper in &sleepers {
            let jid = sleeper.with_resource(&resource("bed"));
            let until = self.plan.wake_sleepers;
            self.clients
                .push(Client::new(jid, until, Vec::new(), Vec::new()));
        }
    }

    fn contacts(&mut self, user: &BareJid, all: &[BareJid]) -> Vec<BareJid> {
        let mut contacts = Vec::new();
        for _ in 0..CONTACTS {
            let contact = self.rng.pick(all).filter(|other| *other != user);
            contacts.extend(contact.cloned());
        }
        contacts.sort();
        contacts.dedup();
        contacts
    }
}
