//! At any instant at most one node decides for a group; and but for a leader that is handing over, at
//! most one holds a lease at all.

use super::Violation;
use crate::node::Seat;
use crate::plan::Mistake;
use crate::sim::{Sim, host};
use muster_types::Instant;
use std::rc::Rc;

/// Looks at all nodes at this instant, by each one's own clock. One that stands still counts as well:
/// it would go on with what it has.
pub(crate) fn check(sim: &Sim) -> Result<(), Violation> {
    let leased = leased(sim);
    for (at, seat) in leased.iter().enumerate() {
        for other in &leased[at + 1..] {
            if other.replica.group == seat.replica.group {
                of_two(seat, other)?;
            }
        }
    }
    Ok(())
}

fn of_two(one: &Rc<Seat>, other: &Rc<Seat>) -> Result<(), Violation> {
    let both = [one, other];
    if both.iter().all(|seat| seat.serving().is_some()) {
        return Err(two("decide", both));
    }
    if both.iter().all(|seat| !seat.is_handing_over()) {
        return Err(two("hold a lease", both));
    }
    Ok(())
}

fn leased(sim: &Sim) -> Vec<Rc<Seat>> {
    let nodes = sim.nodes.borrow();
    let mut leased = Vec::new();
    for (id, node) in nodes.iter() {
        let seats = node
            .process
            .iter()
            .flat_map(|process| process.seats.values());
        for seat in seats {
            let ignored =
                sim.plan.mistake == Some(Mistake::IgnoresLease) && seat.serving().is_some();
            let holds = seat.lease.until() > Instant::ZERO
                && seat
                    .lease
                    .holds(sim.exec.within(host(*id), || seat.clock.now()));
            if holds || ignored {
                leased.push(Rc::clone(seat));
            }
        }
    }
    leased
}

fn two(what: &str, seats: [&Rc<Seat>; 2]) -> Violation {
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
