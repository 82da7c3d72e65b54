//! What operators do meanwhile: move leadership, change who votes, ask whether a node has caught up.

use crate::count::Op;
use crate::exec::{WORLD, sleep};
use crate::node::Seat;
use crate::owner;
use crate::sim::{Sim, Wanted, host, sim};
use muster_raft::RaftGroupId;
use muster_types::NodeId;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

/// How long somebody waits for a node to catch up.
const CATCH_UP: Duration = Duration::from_secs(5);

pub(crate) fn start() {
    sim().exec.spawn_on(WORLD, run());
}

async fn run() {
    while !sim().heals() {
        let pause = sim().draw(|rng| rng.millis(300..6_000));
        sleep(pause).await;
        let groups = sim().group_ids();
        let Some(group) = sim().draw(|rng| rng.pick(&groups)) else {
            return;
        };
        match sim().draw(|rng| rng.below(10)) {
            0..4 => transfer(group),
            4..6 => catch_up(group),
            _ => change(group),
        }
    }
}

fn seats(sim: &Sim, group: RaftGroupId) -> Vec<Rc<Seat>> {
    let nodes = sim.nodes.borrow();
    nodes
        .values()
        .filter_map(|node| node.process.as_ref()?.seats.get(&group).cloned())
        .collect()
}

/// A leader hands over to any voter, fit or not.
fn transfer(group: RaftGroupId) {
    let sim = sim();
    let Some(seat) = seats(&sim, group)
        .into_iter()
        .find(|seat| seat.group.status().borrow().leading)
    else {
        return;
    };
    let own = seat.replica.node;
    let voters: Vec<_> = seat
        .group
        .status()
        .borrow()
        .voters
        .iter()
        .copied()
        .collect();
    let Some(to) = sim.draw(|rng| rng.pick(&voters)).filter(|to| *to != own) else {
        return;
    };
    sim.exec.spawn_on(host(own), async move {
        if owner::hand_over(&seat, to).await {
            crate::sim::sim().did(Op::Transfer);
        }
    });
}

/// What was acknowledged before somebody asked must be there when the node says that it has caught up.
fn catch_up(group: RaftGroupId) {
    let sim = sim();
    let seats = seats(&sim, group);
    if seats.is_empty() {
        return;
    }
    let seat = Rc::clone(&seats[sim.draw(|rng| rng.index(seats.len()))]);
    sim.exec.spawn_on(host(seat.replica.node), async move {
        let sim = crate::sim::sim();
        let asked = sim.truth.borrow_mut().group(group).acked_upto;
        let caught_up = tokio::select! {
            biased;
            caught_up = seat.group.catch_up() => caught_up,
            () = sleep(CATCH_UP) => false,
        };
        if caught_up {
            sim.did(Op::CatchUp);
            sim.truth.borrow_mut().caught_up(seat.replica, asked);
        }
    });
}

/// Who should vote, and who should follow, is decided anew.
fn change(group: RaftGroupId) {
    let sim = sim();
    let mut nodes: Vec<_> = {
        let nodes = sim.nodes.borrow();
        let alive = nodes.iter().filter(|(_, node)| !node.gone);
        alive.map(|(id, node)| (*id, node.witness)).collect()
    };
    // Nobody is given up whose copy the others may still need.
    if !is_settled(&sim, group) {
        return;
    }
    let count = sim.draw(|rng| match rng.below(8) {
        0 => 1,
        1 => 2,
        2..6 => 3,
        _ => nodes.len(),
    });
    let mut voters = BTreeSet::new();
    while voters.len() < count.min(nodes.len()) {
        let at = sim.draw(|rng| rng.index(nodes.len()));
        let (id, witness) = nodes[at];
        // A lone witness would serve nobody.
        if !(witness && count == 1) {
            voters.insert(id);
        }
        if witness && count == 1 {
            nodes.remove(at);
        }
    }
    let mut all = voters.clone();
    for (id, _) in &nodes {
        if sim.draw(|rng| rng.chance(60)) {
            all.insert(*id);
        }
    }
    sim.say(format!("{group}: wanted voters {voters:?}, all {all:?}"));
    sim.wanted
        .borrow_mut()
        .insert(group, Wanted { voters, all });
}

/// Whether the membership is as wanted, and not half way, and everybody has everything. A leader that is
/// suspended does not know that another leads.
pub(crate) fn is_settled(sim: &Sim, group: RaftGroupId) -> bool {
    let wanted = sim.wanted(group);
    let seats = seats(sim, group);
    let terms = seats.iter().map(|seat| seat.group.status().borrow().term);
    let newest = terms.max().unwrap_or_default();
    seats.into_iter().any(|seat| {
        let status = seat.group.status().borrow().clone();
        let has_all = |node: &NodeId| {
            *node == seat.replica.node || status.matched.get(node) == Some(&status.last_log)
        };
        status.leading
            && status.term == newest
            && !status.changing
            && !status.joint
            && status.voters == wanted.voters
            && status.voters.iter().all(has_all)
    })
}
