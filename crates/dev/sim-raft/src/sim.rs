//! What all parts of a running simulation share.

use crate::count::{Counts, Op};
use crate::exec::{Exec, Host};
use crate::faults::Fault;
use crate::net::Net;
use crate::node::Node;
use crate::plan::Plan;
use crate::rng::Rng;
use crate::truth::Truth;
use muster_raft::RaftGroupId;
use muster_types::NodeId;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

/// Who should hold a group's log, and whose majority should decide.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) voters: BTreeSet<NodeId>,
    pub(crate) all: BTreeSet<NodeId>,
}

/// One simulation.
pub(crate) struct Sim {
    pub(crate) exec: Rc<Exec>,
    pub(crate) plan: Plan,
    pub(crate) net: RefCell<Net>,
    pub(crate) nodes: RefCell<BTreeMap<NodeId, Node>>,
    pub(crate) wanted: RefCell<BTreeMap<RaftGroupId, Wanted>>,
    pub(crate) truth: RefCell<Truth>,
    pub(crate) counts: RefCell<Counts>,
    /// Faults that have not ended, by number.
    pub(crate) active: RefCell<BTreeMap<u64, Fault>>,
    /// When to look next whether all is well.
    pub(crate) next_look: Cell<Duration>,
    log: RefCell<Vec<String>>,
    rng: RefCell<Rng>,
}

thread_local! {
    static SIM: RefCell<Option<Rc<Sim>>> = const { RefCell::new(None) };
}

/// The simulation of this thread.
pub(crate) fn sim() -> Rc<Sim> {
    SIM.with(|current| current.borrow().clone())
        .expect("simulated things exist only while their simulation does")
}

/// Makes a simulation that of this thread, or none.
pub(crate) fn set(sim: Option<Rc<Sim>>) -> Option<Rc<Sim>> {
    SIM.with(|current| current.replace(sim))
}

/// A node's machine. A wiped node comes back under a new id, so each id has its own.
pub(crate) fn host(node: NodeId) -> Host {
    Host(node.0)
}

impl Sim {
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            exec: Rc::new(Exec::new(plan.seed)),
            net: RefCell::new(Net::new(&plan)),
            rng: RefCell::new(Rng::new(plan.seed ^ 0x0B5E55ED)),
            plan,
            nodes: RefCell::default(),
            wanted: RefCell::default(),
            truth: RefCell::default(),
            counts: RefCell::default(),
            active: RefCell::default(),
            next_look: Cell::default(),
            log: RefCell::default(),
        }
    }

    /// Draws from the world's chance.
    pub(crate) fn draw<T>(&self, draw: impl FnOnce(&mut Rng) -> T) -> T {
        draw(&mut self.rng.borrow_mut())
    }

    /// Writes a line into the run's log.
    pub(crate) fn say(&self, line: impl AsRef<str>) {
        let now = self.exec.now();
        let line = format!(
            "{:>4}.{:06} {}",
            now.as_secs(),
            now.subsec_micros(),
            line.as_ref()
        );
        self.log.borrow_mut().push(line);
    }

    pub(crate) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.log.borrow_mut())
    }

    /// An operation was done: under these faults.
    pub(crate) fn did(&self, op: Op) {
        let active = self.active.borrow();
        let kinds: BTreeSet<_> = active.values().map(Fault::kind).collect();
        self.counts.borrow_mut().add(op, &kinds);
    }

    pub(crate) fn group_ids(&self) -> Vec<RaftGroupId> {
        self.wanted.borrow().keys().copied().collect()
    }

    pub(crate) fn wanted(&self, group: RaftGroupId) -> Wanted {
        self.wanted
            .borrow()
            .get(&group)
            .cloned()
            .unwrap_or_default()
    }

    /// Whether the run has begun to heal.
    pub(crate) fn heals(&self) -> bool {
        self.exec.now() >= self.plan.heal
    }

    pub(crate) fn is_after(&self, at: Duration) -> bool {
        self.exec.now() >= at
    }
}
