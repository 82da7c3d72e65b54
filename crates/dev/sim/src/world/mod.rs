//! The world: the queue of what is to happen, the clock, and who acts when.

mod check;
mod clients;
mod errand;
mod faults;
mod operator;
mod queue;
mod reach;
mod setup;

use crate::client::Client;
use crate::coverage::Coverage;
use crate::invariants::epochs::Epochs;
use crate::invariants::fallback::Fallback;
use crate::net::{Net, Way};
use crate::node::{Arrival, Condition, Effect, Node, Packet};
use crate::plan::beginning::Beginning;
use crate::plan::{Fault, Operation, Place, Plan};
use crate::truth::Truth;
use crate::{LinkNews, Rng, Violation};
use errand::Errand;
use muster_envelope::Envelope;
use muster_router::{Input, Output};
use muster_types::{Instant, NodeId, SessionId, SlotId};
use queue::Queue;
use setup::Machine;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const TICK: Duration = Duration::from_millis(25);
/// How often nodes that are joined hear each other at least.
const BEAT: Duration = Duration::from_millis(100);
/// How often operators and invariants look.
const LOOK: Duration = Duration::from_millis(500);
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
        envelope: Box<Envelope>,
    },
    Wake(NodeId),
    Up {
        session: SessionId,
        input: Box<Input>,
    },
    Down {
        output: Box<Output>,
    },
    Noticed {
        client: usize,
        session: SessionId,
    },
    Fault(Fault),
}

/// What can be counted of a run.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Virtual time.
    pub time: Duration,
    /// Which operations were begun during which faults.
    pub coverage: Coverage,
    /// Messages that a client got twice.
    pub doubles: u64,
    /// Messages delivered.
    pub delivered: u64,
    /// Takeovers by a node that was not told to.
    pub takeovers: u64,
}

impl Stats {
    /// Adds another run's.
    pub fn add(&mut self, other: &Self) {
        self.time += other.time;
        self.coverage.add(&other.coverage);
        self.doubles += other.doubles;
        self.delivered += other.delivered;
        self.takeovers += other.takeovers;
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct Run {
    /// The broken promise, if one was.
    pub violation: Option<Violation>,
    /// What happened, a line each, if that was asked for.
    pub log: Vec<String>,
    /// What was counted.
    pub stats: Stats,
}

/// Carries out a plan, and keeps a log of it.
pub fn run(plan: &Plan) -> Run {
    carry_out(plan, true)
}

/// Carries out a plan without a log, which is faster.
pub fn run_quietly(plan: &Plan) -> Run {
    carry_out(plan, false)
}

fn carry_out(plan: &Plan, noisy: bool) -> Run {
    let mut world = World::new(plan.clone(), noisy);
    world.run();
    world.stats.time = world.now.since(Instant::ZERO);
    Run {
        violation: world.violation,
        log: world.log,
        stats: world.stats,
    }
}

/// Everything there is.
pub struct World {
    plan: Plan,
    noisy: bool,
    now: Instant,
    rng: Rng,
    queue: Queue,
    net: Net,
    nodes: BTreeMap<NodeId, Node>,
    machines: Vec<Machine>,
    beginning: Beginning,
    clients: Vec<Client>,
    errands: Vec<Errand>,
    names: u32,
    /// What the node that acts wants, until it is carried out; empty otherwise.
    effects: Vec<Effect>,
    truth: Truth,
    /// Who has served which slot so far: nobody else can decide for it.
    servers: BTreeMap<SlotId, BTreeSet<NodeId>>,
    epochs: Epochs,
    fallback: Fallback,
    reach: reach::Reach,
    /// When something went wrong or right the last time.
    disturbed_at: Instant,
    /// Faults that disturb as long as they last.
    disturbances: BTreeMap<&'static str, u32>,
    /// When a node with a wrong clock may have been the only one that could serve its users, last.
    alone_with_wrong_clock_at: Option<Instant>,
    /// When a clock went wrong, last.
    wrong_clock_at: Instant,
    /// Where a critical service does not work.
    failing: BTreeSet<Place>,
    looked_at: Instant,
    beaten_at: Instant,
    stats: Stats,
    log: Vec<String>,
    violation: Option<Violation>,
}

impl World {
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
            while self.violation.is_none()
                && let Some((due, event)) = self.queue.pop_until(next)
            {
                self.now = due.max(self.now);
                self.happen(event);
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
            .map(Node::id)
    }

    fn schedule(&mut self, when: Instant, event: Event) {
        self.queue.push(when, event);
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        if self.noisy {
            self.log.push(format!("{:?} {}", self.now, line()));
        }
    }

    fn count(&mut self, operation: Operation) {
        let windows = &self.plan.windows;
        self.stats.coverage.count(self.now, windows, operation);
    }

    fn expect(&mut self, outcome: Result<(), Violation>) {
        if let Err(violation) = outcome
            && self.violation.is_none()
        {
            self.note(|| format!("VIOLATION {violation}"));
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
                    let (from, to) = way;
                    self.note(|| format!("{from} => {to} {envelope:?}"));
                    self.arrive(to, Arrival::Data { from, envelope });
                }
            }
            Event::Wake(id) => self.wake(id),
            Event::Up { session, input } => {
                let node = self.nodes.get(&session.node);
                if node.is_some_and(|node| node.boot == session.boot) {
                    self.arrive(session.node, Arrival::Client(input));
                }
            }
            Event::Down { output } => self.hand_to_client(*output),
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

    fn wake(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        if node.wakes_at > self.now || node.condition != Condition::Running {
            return;
        }
        let away = node.wake(self.now, &mut self.rng, &mut self.effects);
        self.settle(id);
        for session in away {
            self.lose_session(session);
        }
    }

    fn settle(&mut self, id: NodeId) {
        let mut effects = std::mem::take(&mut self.effects);
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        node.settle(self.now, &mut self.rng, &mut effects);
        for slot in node.served() {
            self.servers.entry(slot).or_default().insert(id);
        }
        let wakes_at = node.next_wake().max(self.now + Duration::from_micros(1));
        if wakes_at != node.wakes_at {
            node.wakes_at = wakes_at;
            self.queue.push(wakes_at, Event::Wake(id));
        }
        for effect in effects.drain(..) {
            self.carry_out(id, effect);
        }
        self.effects = effects;
        self.check_owner(id);
    }

    fn carry_out(&mut self, id: NodeId, effect: Effect) {
        match effect {
            Effect::Packet { to, packet } => self.send_packet((id, to), packet),
            Effect::Data { to, envelope } => {
                let way = (id, to);
                if let Some((when, generation)) = self.net.send(self.now, &mut self.rng, way) {
                    let event = Event::Data {
                        way,
                        generation,
                        envelope,
                    };
                    self.schedule(when, event);
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
            Effect::Controlled { index, proposal } => self.controlled(index, &proposal),
            Effect::Died => {
                self.note(|| format!("{id} ends: its disk failed"));
                self.crash(id);
            }
            Effect::Restless => {
                let seen = format!("{id} goes on without end");
                self.expect(Err(Violation::new("machines come to rest", seen)));
            }
            Effect::Note(line) => self.note(|| line),
        }
    }

    fn send_packet(&mut self, way: Way, packet: Packet) {
        if !self.net.passes(way.0, way.1) {
            return;
        }
        let [first, second] = self.net.send_packet(self.now, &mut self.rng);
        if let Some(again) = second {
            let packet = packet.clone();
            self.schedule(again, Event::Packet { way, packet });
        }
        if let Some(when) = first {
            self.schedule(when, Event::Packet { way, packet });
        }
    }

    fn tick(&mut self) {
        let runs = |node: &&Node| node.condition == Condition::Running;
        let running: Vec<_> = self.nodes.values().filter(runs).map(Node::id).collect();
        for (end, other, news) in self.net.tick(self.now, &running) {
            self.tell_link(end, other, news);
        }
        for ((from, to), envelope) in self.net.release() {
            self.note(|| format!("{from} => {to} {envelope:?}"));
            self.arrive(to, Arrival::Data { from, envelope });
        }
        if self.now.since(self.beaten_at) >= BEAT {
            self.beaten_at = self.now;
            self.beat();
            if self.is_alone_with_wrong_clock() {
                self.alone_with_wrong_clock_at = Some(self.now);
            }
        }
        let calm = self.now >= self.plan.calm;
        for at in 0..self.clients.len() {
            let acts = self.clients[at].think(self.now, &mut self.rng, calm);
            if !acts.is_empty() {
                self.act(at, acts);
            }
        }
        if self.now.since(self.looked_at) >= LOOK {
            self.looked_at = self.now;
            self.look_at_reach();
            self.run_errands();
            self.look();
        }
    }

    /// The beats of the links.
    fn beat(&mut self) {
        let ids: Vec<_> = self.nodes.keys().copied().collect();
        for id in &ids {
            let others = self.nodes.values().filter(|from| from.id() != *id);
            let heard: Vec<_> = others
                .filter(|from| from.condition == Condition::Running)
                .filter(|from| self.net.passes(from.id(), *id))
                .filter(|_| !self.net.loses(&mut self.rng))
                .map(|from| (from.id(), from.clock.local(self.now)))
                .collect();
            let Some(node) = self.nodes.get_mut(id) else {
                continue;
            };
            if node.condition == Condition::Running {
                node.hear(self.now, &heard);
                self.settle(*id);
            }
        }
    }

    fn tell_link(&mut self, end: NodeId, other: NodeId, news: LinkNews) {
        let boot = self
            .nodes
            .get(&other)
            .map(|node| node.boot)
            .unwrap_or_default();
        self.note(|| format!("{end}: link to {other} {news:?}"));
        self.arrive(end, Arrival::Link { other, boot, news });
    }
}
