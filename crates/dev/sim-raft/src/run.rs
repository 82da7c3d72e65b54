//! One run from beginning to end.

use crate::count::Counts;
use crate::exec::WORLD;
use crate::invariants::{self, Violation};
use crate::node::{self, Node};
use crate::plan::Plan;
use crate::rng::Rng;
use crate::sim::{self, Sim, Wanted, host};
use crate::{client, faults, operator};
use muster_types::NodeId;
use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::time::Duration;

/// What came of a run.
#[derive(Debug)]
pub struct Run {
    /// What happened, line by line; the last one is all of it in one number.
    pub log: Vec<String>,
    /// What must not have happened.
    pub violation: Option<Violation>,
    /// What was done under which fault.
    pub counts: Counts,
    /// How long it took in virtual time.
    pub lasted: Duration,
    /// How often a task was polled.
    pub polls: u64,
}

/// Runs a plan up to its end or the first violation.
pub fn run(plan: &Plan) -> Run {
    let sim = Rc::new(Sim::new(plan.clone()));
    let world: Rc<dyn muster_raft::World> = Rc::clone(&sim.exec) as _;
    let entered = muster_raft::enter(world);
    let before = sim::set(Some(Rc::clone(&sim)));
    begin(&sim);
    let settled = Cell::new(false);
    let ran = panic::catch_unwind(AssertUnwindSafe(|| {
        sim.exec.run(plan.end, || {
            let looked = invariants::one_owner::check(&sim);
            sim.truth.borrow_mut().found(looked);
            settled.set(sim.is_after(plan.calm) && is_quiet(&sim));
            settled.get() || sim.truth.borrow().violation().is_some()
        });
    }));
    if let Err(panic) = ran {
        let outcome = Err(Violation::of("panics", text(&*panic)));
        sim.truth.borrow_mut().found(outcome);
    } else if !settled.get() {
        let looked = invariants::settles::check(&sim);
        sim.truth.borrow_mut().found(looked);
    }
    let outcome = finish(&sim);
    tear_down(&sim);
    sim::set(before);
    drop(entered);
    outcome
}

/// What a panic said.
fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or_default()
        .to_owned()
}

/// Whether all is well, looked at twice a second.
fn is_quiet(sim: &Sim) -> bool {
    let now = sim.exec.now();
    let due = sim.next_look.get() <= now;
    if due {
        sim.next_look.set(now + Duration::from_millis(500));
    }
    due && invariants::settles::check(sim).is_ok()
}

fn begin(sim: &Rc<Sim>) {
    let mut rates = Rng::new(sim.plan.seed ^ 0x4A7E);
    for id in (1..=sim.plan.nodes).map(NodeId) {
        let node = Node {
            witness: sim.plan.is_witness(id),
            ..Node::default()
        };
        sim.nodes.borrow_mut().insert(id, node);
        sim.exec.add_host(host(id), sim.plan.rate(rates.next()));
    }
    for group in &sim.plan.groups {
        let voters = group.voters.iter().copied().collect();
        let all = (1..=sim.plan.nodes).map(NodeId).collect();
        let wanted = Wanted { voters, all };
        sim.wanted.borrow_mut().insert(group.id, wanted);
        for node in &group.voters {
            node::add_group(*node, group.id);
        }
    }
    for id in (1..=sim.plan.nodes).map(NodeId) {
        node::start(id);
    }
    for (number, (at, fault)) in (1..).zip(sim.plan.faults.clone()) {
        sim.exec.after(at, move || faults::begin(number, fault));
    }
    sim.exec.after(sim.plan.heal, faults::heal);
    sim.exec.after(Duration::from_secs(1), || {
        client::start_all();
        operator::start();
    });
}

fn finish(sim: &Sim) -> Run {
    let violation = sim.truth.borrow().violation().cloned();
    if let Some(violation) = &violation {
        sim.say(format!("violation: {violation}"));
    }
    sim.say(format!(
        "{} polls, trace {:016x}",
        sim.exec.polls(),
        sim.exec.trace()
    ));
    Run {
        log: sim.take_log(),
        violation,
        counts: sim.counts.borrow().clone(),
        lasted: sim.exec.now(),
        polls: sim.exec.polls(),
    }
}

/// Tasks hold their simulation, so they go first.
fn tear_down(sim: &Sim) {
    let ids: Vec<_> = sim.nodes.borrow().keys().copied().collect();
    for id in ids {
        node::kill(id);
    }
    sim.exec.kill(WORLD);
    sim.exec.clear();
    drop(sim.take_log());
}
