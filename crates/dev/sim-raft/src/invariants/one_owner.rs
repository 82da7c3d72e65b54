//! At any instant at most one node decides for a group; and but for a leader that is handing over, at
//! most one holds a lease at all.

use super::Violation;
use crate::node::Seat;
use crate::plan::Mistake;
use crate::sim::{Sim, host};
use muster_raft::RaftGroupId;
use std::rc::Rc;

/// Looks at all nodes at this instant, by each one's own clock. One that stands still counts as well:
/// it would go on with what it has.
pub(crate) fn check(sim: &Sim) -> Result<(), Violation> {
    for group in sim.group_ids() {
        let leased = leased(sim, group);
        let deciding: Vec<_> = leased
            .iter()
            .filter(|seat| seat.serving().is_some())
            .collect();
        if deciding.len() > 1 {
            return Err(two("decide", &leased));
        }
        let holding = leased.iter().filter(|seat| !seat.is_handing_over());
        if holding.count() > 1 {
            return Err(two("hold a lease", &leased));
        }
    }
    Ok(())
}

fn leased(sim: &Sim, group: RaftGroupId) -> Vec<Rc<Seat>> {
    let nodes = sim.nodes.borrow();
    let mut leased = Vec::new();
    for (id, node) in nodes.iter() {
        let Some(process) = &node.process else {
            continue;
        };
        let Some(seat) = process.seats.get(&group) else {
            continue;
        };
        let now = sim.exec.within(host(*id), || process.clock.now());
        let ignored = sim.plan.mistake == Some(Mistake::IgnoresLease) && seat.serving().is_some();
        if seat.group.lease().holds(now) || ignored {
            leased.push(Rc::clone(seat));
        }
    }
    leased
}

fn two(what: &str, seats: &[Rc<Seat>]) -> Violation {
    let names: Vec<_> = seats
        .iter()
        .map(|seat| {
            let status = seat.group.status().borrow().clone();
            format!(
                "{} (term {}, voters {:?}, epoch {:?})",
                seat.replica,
                status.term,
                status.voters,
                seat.serving().map(|serving| serving.epoch)
            )
        })
        .collect();
    Violation::of("one_owner", format!("{what} at once: {}", names.join(", ")))
}
