//! A small owner on top of each replica: it opens, decides under its lease alone, and hands over.

use crate::count::Op;
use crate::exec::sleep;
use crate::node::{self, Seat, Serving};
use crate::plan::Mistake;
use crate::sim::{host, sim};
use crate::state::{Command, Outcome, encode};
use muster_raft::{ProposeError, RaftGroupId, Status};
use muster_types::NodeId;
use std::rc::Rc;
use std::time::Duration;

/// Between two looks, when nothing changes.
const LOOK: Duration = Duration::from_millis(25);
/// How long one attempt to open or to hand over may take.
const ATTEMPT: Duration = Duration::from_secs(2);
/// How often, and after which pause, a proposal whose fate is unknown is made again.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(40);

/// Serves from a replica whenever it may, until the process ends.
pub(crate) async fn run(seat: Rc<Seat>) {
    let mut changes = seat.group.status();
    loop {
        let status = changes.borrow_and_update().clone();
        if let Some(why) = &status.stopped {
            sim().say(format!("{} has stopped: {why}", seat.replica));
            return node::end(seat.replica.node);
        }
        close_if_over(&seat, &status);
        if status.leading && seat.serving().is_none() && !seat.is_handing_over() {
            tokio::select! {
                biased;
                () = step(&seat, &status) => {}
                () = sleep(ATTEMPT) => {}
            }
        }
        tokio::select! {
            biased;
            changed = changes.changed() => if changed.is_err() { return },
            () = sleep(LOOK) => {}
        }
    }
}

fn close_if_over(seat: &Seat, status: &Status) {
    let Some(serving) = seat.serving() else {
        return;
    };
    let leads = status.leading && status.term == serving.term;
    let ignores = sim().plan.mistake == Some(Mistake::IgnoresLease);
    if !leads || !(ignores || has_lease(seat)) {
        seat.serving.set(None);
        sim().did(Op::Close);
        sim().say(format!("{} closes epoch {}", seat.replica, serving.epoch));
    }
}

fn has_lease(seat: &Seat) -> bool {
    seat.lease.holds(seat.clock.now())
}

async fn step(seat: &Seat, status: &Status) {
    if seat.witness {
        hand_to_anyone(seat, status).await;
    } else {
        open(seat, status.term).await;
    }
}

async fn open(seat: &Seat, term: u64) {
    let command = Command::Open {
        node: seat.replica.node,
        boot: seat.replica.boot,
    };
    let Ok((index, _)) = seat.group.propose(encode(&command)).await else {
        return;
    };
    let status = seat.group.status().borrow().clone();
    if status.leading && status.term == term && has_lease(seat) && !seat.is_handing_over() {
        let epoch = index.0;
        seat.serving.set(Some(Serving { epoch, term }));
        sim().did(Op::Open);
        sim().say(format!(
            "{} opens epoch {epoch} in term {term}",
            seat.replica
        ));
    }
}

/// A witness brings somebody else up to date and lets it lead.
async fn hand_to_anyone(seat: &Seat, status: &Status) {
    let fit: Vec<_> = {
        let sim = sim();
        let nodes = sim.nodes.borrow();
        let serves = |node: &NodeId| nodes.get(node).is_some_and(|node| !node.witness);
        let matched = status.matched.iter();
        matched
            .filter(|(node, at)| {
                **at == status.last_log && status.voters.contains(node) && serves(node)
            })
            .map(|(node, _)| *node)
            .collect()
    };
    if let Some(to) = sim().draw(|rng| rng.pick(&fit))
        && hand_over(seat, to).await
    {
        sim().did(Op::HandOver);
    }
}

/// Stops serving and transfers leadership; false when nothing has happened.
pub(crate) async fn hand_over(seat: &Seat, to: NodeId) -> bool {
    let status = seat.group.status().borrow().clone();
    if sim().plan.mistake != Some(Mistake::KeepsServing) {
        seat.serving.set(None);
        seat.handed.set(Some(status.term));
    }
    let outcome = seat.group.transfer(to).await;
    match outcome {
        Ok(()) => sim().say(format!("{} hands over to {to}", seat.replica)),
        Err(_) => seat.handed.set(None),
    }
    outcome.is_ok()
}

/// A client's number reaches a node: what it answers, if it does. `None` when it does not serve.
pub(crate) async fn take(seat: Rc<Seat>, client: u16, number: u64, filler: Vec<u8>) -> bool {
    let Some(serving) = seat.serving() else {
        return false;
    };
    if !has_lease(&seat) && sim().plan.mistake != Some(Mistake::IgnoresLease) {
        return false;
    }
    sim()
        .truth
        .borrow_mut()
        .decides(seat.replica, serving.epoch);
    let command = encode(&Command::Put {
        epoch: serving.epoch,
        client,
        number,
        at: wall(seat.replica.node),
        filler,
    });
    let Some((index, outcome)) = propose(&seat, command).await else {
        return false;
    };
    if !matches!(outcome, Outcome::Accepted | Outcome::Known) {
        return false;
    }
    let sim = sim();
    sim.did(Op::Write);
    sim.truth
        .borrow_mut()
        .acked(seat.replica.group, client, number, index);
    true
}

/// Proposes until the fate is known: again under the same number, as a node does.
async fn propose(seat: &Seat, command: Vec<u8>) -> Option<(u64, Outcome)> {
    for _ in 0..TRIES {
        match seat.group.propose(command.clone()).await {
            Ok((index, answer)) => {
                return Some((index.0, postcard::from_bytes(&answer).ok()?));
            }
            Err(ProposeError::Stopped(_)) => return None,
            Err(ProposeError::NotLeader { .. } | ProposeError::Unknown) => sleep(PAUSE).await,
        }
    }
    None
}

/// What the node's wall clock shows, in milliseconds: it goes into commands, never into a decision.
fn wall(node: NodeId) -> i64 {
    let sim = sim();
    let off = sim.nodes.borrow().get(&node).map_or(0, |node| node.wall);
    let boot = sim.exec.boottime_of(host(node)).as_millis();
    i64::try_from(boot).unwrap_or(i64::MAX).saturating_add(off)
}

/// The replica of a group on a node, if it runs.
pub(crate) fn seat(node: NodeId, group: RaftGroupId) -> Option<Rc<Seat>> {
    let sim = sim();
    let nodes = sim.nodes.borrow();
    nodes
        .get(&node)?
        .process
        .as_ref()?
        .seats
        .get(&group)
        .cloned()
}
