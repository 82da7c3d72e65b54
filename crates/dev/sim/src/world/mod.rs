//! The world: the queue of what is to happen, the clock, and who acts when.

mod clients;
mod faults;

use crate::client::Client;
use crate::invariants::one_owner::OneOwner;
use crate::invariants::{acknowledged, quiet};
use crate::net::{Net, Way};
use crate::node::{Arrival, Condition, Effect, Node, Packet};
use crate::plan::{NODES, at, users};
use crate::truth::Truth;
use crate::{Fault, LinkNews, Plan, Rng, Violation, beginning};
use muster_cluster::Role;
use muster_envelope::Envelope;
use muster_router::{Input, Output};
use muster_types::{Instant, LogIndex, NodeId, ResourcePart, SessionId, SlotId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const TICK: Duration = Duration::from_millis(10);
/// Between a client and its node.
const CLIENT_LATENCY: Duration = Duration::from_micros(300);
/// How long something may be on its way at worst: through a pause or a cut and what follows.
const LATE: Duration = Duration::from_secs(12);
/// A client that comes back has to be heard by its owner before the grace ends.
const MARGIN: Duration = Duration::from_secs(6);

#[derive(Debug)]
enum Event {
    Packet {
        way: Way,
        packet: Packet,
    },
    Data {
        way: Way,
        generation: u64,
        envelope: Envelope,
    },
    Up {
        session: SessionId,
        input: Input,
    },
    Down {
        output: Output,
    },
    Noticed {
        client: usize,
        session: SessionId,
    },
    Fault(Fault),
}

/// How a run ended.
#[derive(Debug)]
pub struct Run {
    /// The broken promise, if one was.
    pub violation: Option<Violation>,
    /// What happened, a line each.
    pub log: Vec<String>,
}

/// Carries out a plan.
pub fn run(plan: &Plan) -> Run {
    let mut world = World::new(plan.clone());
    world.run();
    Run {
        violation: world.violation,
        log: world.log,
    }
}

/// Everything there is.
pub struct World {
    plan: Plan,
    now: Instant,
    rng: Rng,
    queue: BTreeMap<(Instant, u64), Event>,
    queued: u64,
    net: Net,
    nodes: BTreeMap<NodeId, Node>,
    clients: Vec<Client>,
    truth: Truth,
    one_owner: OneOwner,
    beginning: usize,
    log: Vec<String>,
    violation: Option<Violation>,
}

impl World {
    /// A cluster that is about to start.
    pub fn new(plan: Plan) -> Self {
        let beginning = beginning(plan.fallback_delay);
        let nodes = NODES
            .map(|(id, role)| (id, Node::new(id, role, &plan, &beginning)))
            .into_iter()
            .collect();
        let mut world = Self {
            now: Instant::ZERO,
            rng: Rng::new(plan.seed),
            queue: BTreeMap::new(),
            queued: 0,
            net: Net::new(&NODES.map(|(id, _)| id)),
            nodes,
            clients: Vec::new(),
            truth: Truth::new(plan.limits.clone()),
            one_owner: OneOwner::default(),
            beginning: beginning.len(),
            log: Vec::new(),
            violation: None,
            plan,
        };
        world.make_clients();
        for (when, fault) in world.plan.faults.clone() {
            world.schedule(when, Event::Fault(fault));
        }
        for (id, _) in NODES {
            world.start(id);
        }
        world
    }

    fn make_clients(&mut self) {
        let serving = NODES.iter().filter(|(_, role)| *role == Role::Serving);
        let all: Vec<_> = serving.map(|(home, _)| users(*home)).collect();
        let active: Vec<_> = all.iter().flat_map(|(active, _)| active.clone()).collect();
        let sleepers: Vec<_> = all
            .iter()
            .flat_map(|(_, sleepers)| sleepers.clone())
            .collect();
        let resource = |name| ResourcePart::new(name).expect("a short word").into_owned();
        let begin = at(3);
        let others = |user| {
            active
                .iter()
                .filter(|other| *other != user)
                .cloned()
                .collect::<Vec<_>>()
        };
        for (count, user) in active.iter().enumerate() {
            let names: &[_] = if count % 3 == 0 {
                &["desk", "phone"]
            } else {
                &["desk"]
            };
            for name in names {
                let until = begin + self.rng.millis(0..2000);
                let jid = user.with_resource(&resource(name));
                self.clients
                    .push(Client::new(jid, until, others(user), sleepers.clone()));
            }
        }
        for sleeper in &sleepers {
            let jid = sleeper.with_resource(&resource("bed"));
            let until = self.plan.wake_sleepers;
            self.clients
                .push(Client::new(jid, until, Vec::new(), Vec::new()));
        }
    }

    /// Runs to the end, or to the first violation.
    pub fn run(&mut self) {
        self.run_until(self.plan.heal);
        self.repair();
        self.run_until(self.plan.end);
        if self.violation.is_none() {
            self.check_end();
        }
    }

    /// Runs until then, or to the first violation.
    pub fn run_until(&mut self, until: Instant) {
        while self.now < until && self.violation.is_none() {
            let next = self.now + TICK;
            while let Some((due, _)) = self.queue.first_key_value().map(|(key, _)| *key)
                && due <= next
                && self.violation.is_none()
            {
                if let Some((_, event)) = self.queue.pop_first() {
                    self.now = due.max(self.now);
                    self.happen(event);
                }
            }
            self.now = next;
            self.tick();
        }
    }

    /// The broken promise, if one was.
    pub const fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Who owns a slot now.
    pub fn owner(&self, slot: SlotId) -> Option<NodeId> {
        let mut nodes = self.nodes.values();
        nodes
            .find(|node| node.decides(self.now, slot).is_some())
            .map(|node| node.id)
    }

    fn schedule(&mut self, when: Instant, event: Event) {
        self.queued += 1;
        self.queue.insert((when, self.queued), event);
    }

    fn note(&mut self, line: &str) {
        self.log.push(format!("{:?} {line}", self.now));
    }

    fn expect(&mut self, outcome: Result<(), Violation>) {
        if let Err(violation) = outcome
            && self.violation.is_none()
        {
            self.note(&format!("VIOLATION {violation}"));
            self.violation = Some(violation);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Packet {
                way: (from, to),
                packet,
            } => {
                if self.net.passes(from, to) {
                    self.arrive(to, Arrival::Packet { from, packet });
                }
            }
            Event::Data {
                way,
                generation,
                envelope,
            } => {
                if let Some(envelope) = self.net.arrive(way, generation, envelope) {
                    self.arrive(
                        way.1,
                        Arrival::Data {
                            from: way.0,
                            envelope,
                        },
                    );
                }
            }
            Event::Up { session, input } => {
                let lives = self
                    .nodes
                    .get(&session.node)
                    .is_some_and(|n| n.boot == session.boot);
                if lives {
                    self.arrive(session.node, Arrival::Client(input));
                }
            }
            Event::Down { output } => self.hand_to_client(output),
            Event::Noticed { client, session } => {
                if self.clients[client].session() == Some(session) {
                    self.cut_off(client);
                }
            }
            Event::Fault(fault) => self.fault(fault),
        }
    }

    fn arrive(&mut self, id: NodeId, arrival: Arrival) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        match node.condition {
            Condition::Down => {}
            Condition::Paused => node.backlog.push_back(arrival),
            Condition::Running => {
                node.arrive(self.now, &mut self.rng, arrival);
                self.settle(id);
            }
        }
    }

    fn settle(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        let effects = node.settle(self.now);
        for effect in effects {
            self.carry_out(id, effect);
        }
        self.check_owners();
    }

    fn carry_out(&mut self, id: NodeId, effect: Effect) {
        match effect {
            Effect::Packet { to, packet } => {
                if self.net.passes(id, to) {
                    let when = self.now + self.rng.micros(100..1000);
                    self.schedule(
                        when,
                        Event::Packet {
                            way: (id, to),
                            packet,
                        },
                    );
                }
            }
            Effect::Data { to, envelope } => {
                let way = (id, to);
                if let Some((when, generation)) = self.net.send(self.now, &mut self.rng, way) {
                    self.schedule(
                        when,
                        Event::Data {
                            way,
                            generation,
                            envelope,
                        },
                    );
                }
            }
            Effect::Client(output) => {
                self.schedule(self.now + CLIENT_LATENCY, Event::Down { output });
            }
            Effect::Applied {
                slot,
                index,
                command,
            } => self.applied(slot, index, &command),
            Effect::Restless => {
                let seen = format!("{id} goes on without end");
                self.expect(Err(Violation::new("machines come to rest", seen)));
            }
            Effect::Note(line) => self.note(&line),
        }
    }

    fn applied(&mut self, slot: SlotId, index: LogIndex, command: &Arc<muster_slot::SlotCommand>) {
        if !self.truth.applied(self.now, slot, index, command) {
            let seen = format!("{slot} {index}: {command:?}");
            self.expect(Err(Violation::new("replicas apply the same log", seen)));
        }
    }

    fn check_owners(&mut self) {
        for slot in [SlotId(1), SlotId(2)] {
            let owners: Vec<_> = self
                .nodes
                .values()
                .filter_map(|node| Some((node.id, node.decides(self.now, slot)?)))
                .collect();
            let outcome = self.one_owner.check(slot, &owners);
            self.expect(outcome);
        }
    }

    fn tick(&mut self) {
        let responding: BTreeSet<_> = self
            .nodes
            .values()
            .filter(|node| node.condition == Condition::Running)
            .map(|node| node.id)
            .collect();
        for (end, other, news) in self.net.tick(self.now, &|node| responding.contains(&node)) {
            self.tell_link(end, other, news);
        }
        for ((from, to), envelope) in self.net.release() {
            self.arrive(to, Arrival::Data { from, envelope });
        }
        for id in responding {
            let Some(node) = self.nodes.get_mut(&id) else {
                continue;
            };
            node.tick(self.now, &mut self.rng);
            let away = node.send_away(self.now);
            self.settle(id);
            for session in away {
                self.lose_session(session);
            }
        }
        for at in 0..self.clients.len() {
            let calm = self.now >= self.plan.calm;
            let acts = self.clients[at].think(self.now, &mut self.rng, calm);
            self.act(at, acts);
        }
    }

    fn tell_link(&mut self, end: NodeId, other: NodeId, news: LinkNews) {
        let boot = self
            .nodes
            .get(&other)
            .map(|node| node.boot)
            .unwrap_or_default();
        self.arrive(end, Arrival::Link { other, boot, news });
    }

    fn check_end(&mut self) {
        let outcome = acknowledged::check(&self.truth);
        self.expect(outcome);
        let ownerless = [SlotId(1), SlotId(2)]
            .into_iter()
            .find(|slot| self.owner(*slot).is_none());
        let outcome = quiet::check(&self.truth, &self.clients, ownerless);
        self.expect(outcome);
    }
}
