//! A node: its machine, its process, and the replicas that run in it.

use crate::count::Op;
use crate::disk::{self, Flaws};
use crate::net::Wire;
use crate::plan::Mistake;
use crate::sim::{host, sim};
use crate::state::{Machine, State};
use crate::truth::Replica;
use crate::{align, owner};
use muster_raft::{Clock, Group, Groups, Host, Lease, RaftGroupId, Timing};
use muster_store::{Disk, Store};
use muster_types::NodeId;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// What stays when the process ends.
#[derive(Default)]
pub(crate) struct Node {
    pub(crate) disk: Disk,
    pub(crate) flaws: Flaws,
    pub(crate) process: Option<Process>,
    pub(crate) boot: u64,
    /// It votes and keeps a copy, but never serves.
    pub(crate) witness: bool,
    /// Faults that keep it down.
    pub(crate) held: u32,
    /// Without power it does not even refuse.
    pub(crate) dark: bool,
    /// Wiped: it never comes back under this id.
    pub(crate) gone: bool,
    /// How far its wall clock is off, in milliseconds.
    pub(crate) wall: i64,
    /// The groups whose logs it holds.
    pub(crate) groups: BTreeSet<RaftGroupId>,
}

/// A running process.
pub(crate) struct Process {
    store: Store,
    pub(crate) clock: Clock,
    pub(crate) groups: Groups,
    pub(crate) seats: BTreeMap<RaftGroupId, Rc<Seat>>,
}

/// An owner's mandate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Serving {
    pub(crate) epoch: u64,
    pub(crate) term: u64,
}

/// One replica and whoever may serve from it.
pub(crate) struct Seat {
    pub(crate) replica: Replica,
    pub(crate) witness: bool,
    pub(crate) group: Group,
    pub(crate) lease: Lease,
    pub(crate) clock: Clock,
    pub(crate) serving: Cell<Option<Serving>>,
    /// In this term it handed leadership over, or tried.
    pub(crate) handed: Cell<Option<u64>>,
    state: Arc<std::sync::Mutex<State>>,
}

impl Seat {
    pub(crate) fn serving(&self) -> Option<Serving> {
        self.serving.get()
    }

    pub(crate) fn is_handing_over(&self) -> bool {
        self.handed.get() == Some(self.group.status().borrow().term)
    }

    pub(crate) fn state(&self) -> State {
        self.state
            .lock()
            .map(|state| state.clone())
            .unwrap_or_default()
    }
}

/// How long it takes a failed process to be started again.
const AGAIN: std::ops::Range<u64> = 200..2_000;

/// Starts the node's process, unless something holds it down.
pub(crate) fn start(id: NodeId) {
    let sim = sim();
    let mut nodes = sim.nodes.borrow_mut();
    let Some(node) = nodes.get_mut(&id) else {
        return;
    };
    if node.gone || node.held > 0 || node.process.is_some() {
        return;
    }
    node.boot += 1;
    let clock = sim.exec.within(host(id), Clock::start);
    let store = Store::in_memory(&node.disk);
    node.process = Some(Process {
        store: store.clone(),
        clock,
        groups: Groups::default(),
        seats: BTreeMap::new(),
    });
    sim.say(format!("{id} starts, boot {}", node.boot));
    if node.boot > 1 {
        sim.did(Op::Restart);
    }
    let (disk, groups) = (node.disk.clone(), node.groups.clone());
    drop(nodes);
    sim.exec.spawn_on(host(id), disk::flush(id, disk));
    for group in groups {
        sim.exec
            .spawn_on(host(id), open(id, group, clock, store.clone()));
    }
}

/// The node gets a replica of one more group.
pub(crate) fn add_group(id: NodeId, group: RaftGroupId) {
    let sim = sim();
    let mut nodes = sim.nodes.borrow_mut();
    let Some(node) = nodes.get_mut(&id) else {
        return;
    };
    if !node.groups.insert(group) {
        return;
    }
    if let Some(process) = &node.process {
        let opening = open(id, group, process.clock, process.store.clone());
        sim.exec.spawn_on(host(id), opening);
    }
}

fn timing(id: NodeId, boot: u64) -> Timing {
    let plan = &sim().plan;
    match plan.mistake {
        Some(Mistake::LongLease) if id == NodeId(1) => Timing {
            election_max: plan.timing.election_max * 4,
            ..plan.timing
        },
        Some(Mistake::HastyVoter) if boot > 1 => Timing {
            election_min: plan.timing.beat + Duration::from_millis(10),
            election_max: plan.timing.beat + Duration::from_millis(30),
            ..plan.timing
        },
        _ => plan.timing,
    }
}

async fn open(id: NodeId, group: RaftGroupId, clock: Clock, store: Store) {
    let sim = sim();
    let (boot, witness) = {
        let nodes = sim.nodes.borrow();
        let Some(node) = nodes.get(&id) else { return };
        (node.boot, node.witness)
    };
    let replica = Replica {
        node: id,
        group,
        boot,
    };
    let state = Arc::default();
    let host = Host {
        node: id,
        timing: timing(id, boot),
        yields: witness,
        clock,
        store,
        transport: Arc::new(Wire(id)),
    };
    let machine = Machine::new(replica, Arc::clone(&state));
    let started = Group::start(&host, group, Box::new(machine)).await;
    let group = match started {
        Ok(group) => group,
        Err(error) => {
            sim.say(format!("{replica} does not start: {error}"));
            return end(id);
        }
    };
    let seat = Rc::new(Seat {
        replica,
        witness,
        lease: group.lease(),
        group: group.clone(),
        clock,
        serving: Cell::new(None),
        handed: Cell::new(None),
        state,
    });
    if let Some(node) = sim.nodes.borrow_mut().get_mut(&id)
        && let Some(process) = &mut node.process
    {
        process.groups.insert(group.clone());
        process.seats.insert(replica.group, Rc::clone(&seat));
    }
    begin(&seat).await;
    sim.exec
        .spawn_on(crate::sim::host(id), align::keep(Rc::clone(&seat)));
    owner::run(seat).await;
}

/// A group's log begins on its first voter.
async fn begin(seat: &Seat) {
    let first = sim()
        .plan
        .groups
        .iter()
        .find(|plan| plan.id == seat.replica.group)
        .and_then(|plan| plan.voters.first().copied());
    if seat.replica.boot == 1
        && first == Some(seat.replica.node)
        && !seat.group.is_initialized().await
        && let Err(error) = seat.group.initialize().await
    {
        sim().say(format!("{} cannot begin: {error}", seat.replica));
    }
}

/// A process ends itself, and whoever supervises it starts it again.
pub(crate) fn end(id: NodeId) {
    let sim = sim();
    // Not from within a task of the process.
    sim.exec.after(Duration::ZERO, move || {
        kill(id);
        let again = crate::sim::sim().draw(|rng| rng.millis(AGAIN));
        crate::sim::sim().exec.after(again, move || start(id));
    });
}

/// Ends the process where it stands; its disk loses what was not synced.
pub(crate) fn kill(id: NodeId) {
    let sim = sim();
    let (process, disk) = {
        let mut nodes = sim.nodes.borrow_mut();
        let Some(node) = nodes.get_mut(&id) else {
            return;
        };
        (node.process.take(), node.disk.clone())
    };
    let Some(process) = process else { return };
    sim.say(format!("{id} is killed"));
    sim.exec.kill(host(id));
    sim.exec.within(host(id), || drop(process));
    sim.exec.resume(host(id));
    disk::crash(&disk);
}
