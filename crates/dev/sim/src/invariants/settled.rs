//! After quiet, every slot has an owner and everybody serves their own users again: fallback came, and
//! no state is left over.

use super::Violation;
use muster_cluster::{ClusterState, HaState};
use muster_types::SlotId;

const NAME: &str = "after quiet, everybody is at home";

/// Looks at who serves at the end of a run.
///
/// # Errors
/// Names a slot without owner.
pub(crate) fn check_owners(ownerless: Option<SlotId>) -> Result<(), Violation> {
    match ownerless {
        Some(slot) => Err(Violation::new(NAME, format!("{slot} has no owner"))),
        None => Ok(()),
    }
}

/// Looks at the end of a run: the faults are over, the fallback delay has passed, an operator has
/// ended what operators must end.
///
/// # Errors
/// Names the first slot that is away from home, or the first node in another state than Normal.
pub(crate) fn check(cluster: &ClusterState) -> Result<(), Violation> {
    for slot in cluster.slots() {
        if slot.desired != slot.home || slot.owner_node() != Some(slot.home) {
            let states: Vec<_> = cluster
                .group(slot.group)
                .into_iter()
                .flat_map(|group| group.nodes.iter())
                .filter_map(|node| Some(cluster.node(*node)?.ha.to_string()))
                .collect();
            let seen = format!("{slot:?} is away from home; states {states:?}");
            return Err(Violation::new(NAME, seen));
        }
    }
    for group in cluster.groups().filter(|group| group.ha) {
        for node in group.nodes.iter().filter_map(|node| cluster.node(*node)) {
            if node.ha.state != HaState::Normal {
                return Err(Violation::new(NAME, format!("{} is {}", node.id, node.ha)));
            }
        }
    }
    Ok(())
}
