//! What goes wrong, and when.

use crate::Rng;
use muster_types::{Instant, NodeId};
use std::time::Duration;

/// One thing that goes wrong, or right again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// A process dies.
    Crash(NodeId),
    /// It is started again.
    Restart(NodeId),
    /// A process stops responding, and its clock goes on.
    Pause(NodeId),
    /// It goes on.
    Resume(NodeId),
    /// Nothing passes between a node and the others.
    Isolate(NodeId),
    /// Nothing passes between two nodes.
    Cut(NodeId, NodeId),
    /// Everything passes again.
    Heal,
    /// An operator moves a node's users to its peer.
    Failover(NodeId),
}

/// Draws the faults of a run between `begin` and `end`. Each is over within 5 s.
pub(crate) fn draw(
    rng: &mut Rng,
    nodes: &[NodeId],
    begin: Instant,
    end: Instant,
) -> Vec<(Instant, Fault)> {
    let mut plan = Vec::new();
    let mut at = begin + rng.millis(0..2000);
    while at + Duration::from_secs(5) < end {
        let longest = one(rng, nodes, at, &mut plan);
        if rng.chance(20) {
            let second = at + rng.millis(0..1000);
            one(rng, nodes, second, &mut plan);
        }
        at = at + longest + rng.millis(3000..6000);
    }
    plan.sort_by_key(|(at, _)| *at);
    plan
}

fn one(rng: &mut Rng, nodes: &[NodeId], at: Instant, plan: &mut Vec<(Instant, Fault)>) -> Duration {
    let (Some(node), Some(other)) = (rng.pick(nodes).copied(), rng.pick(nodes).copied()) else {
        return Duration::ZERO;
    };
    let short = rng.chance(30);
    let lasts = if short {
        rng.millis(20..400)
    } else {
        rng.millis(400..5000)
    };
    let (begins, ends) = match rng.below(10) {
        0..3 => (Fault::Crash(node), Some(Fault::Restart(node))),
        3..6 => (Fault::Pause(node), Some(Fault::Resume(node))),
        6..8 => (Fault::Isolate(node), Some(Fault::Heal)),
        8 if node != other => (Fault::Cut(node, other), Some(Fault::Heal)),
        _ => (Fault::Failover(node), None),
    };
    plan.push((at, begins));
    plan.extend(ends.map(|fault| (at + lasts, fault)));
    lasts
}
