//! States and reasons move only along the table (domain facts A3 and A4, and what this program adds to
//! it because it heals by itself).

use super::Violation;
use muster_cluster::{ClusterState, ControlCommand, HaReason, HaState, HaStatus, Proposal};
use muster_types::NodeId;

/// Looks at an entry of the control log, before and after.
///
/// # Errors
/// When a node's state changed to one that does not follow, or to one without its reason.
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
        let is_allowed =
            follows(was.ha, node.ha) || gets_users_back(before, after, proposal, node.id);
        if changed && !(is_allowed && stands_in_the_table(node.ha)) {
            let (id, was, is) = (node.id, was.ha, node.ha);
            let seen = format!("{id} from {was} to {is} by {:?}", proposal.command);
            return Err(Violation::new("states move along the table", seen));
        }
    }
    Ok(())
}

/// Whether some pair of the table has this state for this reason.
fn stands_in_the_table(status: HaStatus) -> bool {
    let mut all = muster_ha::PAIRS.iter();
    all.any(|pair| {
        status.is(pair.affected.0, pair.affected.1) || status.is(pair.peer.0, pair.peer.1)
    })
}

/// Whether a node is Initializing because the node that had its users was replaced: they come home, as
/// the new one has no data. Nothing else makes a node that has failed over start anew.
fn gets_users_back(
    before: &ClusterState,
    after: &ClusterState,
    proposal: &Proposal,
    node: NodeId,
) -> bool {
    let ControlCommand::NodeReplace { old, .. } = &proposal.command else {
        return false;
    };
    let desired = |state: &ClusterState| state.slot_of_home(node).map(|slot| slot.desired);
    let is = after.node(node).map(|node| node.ha.state);
    is == Some(HaState::Initializing)
        && desired(before) == Some(*old)
        && desired(after) == Some(node)
}

/// Whether a state may follow another.
fn follows(was: HaStatus, is: HaStatus) -> bool {
    use HaState as S;
    if is.state == S::Unknown {
        return is.reason == HaReason::HighAvailabilityNotEnabled;
    }
    next(was.state).contains(&is.state)
}

/// What may follow a state. A restart keeps what an operator or a failover did (with a new reason).
const fn next(state: HaState) -> &'static [HaState] {
    use HaState as S;
    match state {
        S::Unknown => &[S::Initializing],
        S::Initializing | S::Normal => SERVING,
        S::FailingOver | S::TakingOver => MOVING_AWAY,
        S::TakingBack | S::FallingBack => MOVING_HOME,
        S::Idle => IDLE,
        S::RunningInBackupMode | S::RunningInFailedMode => BACKING_UP,
        S::FailedOver
        | S::FailedOverCriticalServicesNotRunning
        | S::BackupActivated
        | S::FailoverAffectedServices => AWAY,
        S::Unreachable | S::Off => GONE,
    }
}

use HaState as S;

const SERVING: &[HaState] = &[
    S::Normal,
    S::Initializing,
    S::FailingOver,
    S::TakingOver,
    S::RunningInBackupMode,
    S::RunningInFailedMode,
    S::FailedOver,
    S::FailedOverCriticalServicesNotRunning,
    S::Unreachable,
    S::Off,
];
const MOVING_AWAY: &[HaState] = &[
    S::Idle,
    S::RunningInBackupMode,
    S::RunningInFailedMode,
    S::FailedOver,
    S::FailedOverCriticalServicesNotRunning,
    S::Normal,
    S::FailingOver,
    S::TakingOver,
    S::Unreachable,
    S::Off,
];
const MOVING_HOME: &[HaState] = &[
    S::Normal,
    S::TakingBack,
    S::FallingBack,
    S::RunningInBackupMode,
    S::RunningInFailedMode,
    S::FailedOver,
    S::FailedOverCriticalServicesNotRunning,
    S::Unreachable,
    S::Off,
];
const IDLE: &[HaState] = &[
    S::Idle,
    S::TakingBack,
    S::Normal,
    S::RunningInBackupMode,
    S::RunningInFailedMode,
    S::BackupActivated,
    S::FailedOverCriticalServicesNotRunning,
    S::Unreachable,
    S::Off,
];
const BACKING_UP: &[HaState] = &[
    S::Initializing,
    S::RunningInBackupMode,
    S::RunningInFailedMode,
    S::FallingBack,
    S::TakingBack,
    S::FailedOver,
    S::FailedOverCriticalServicesNotRunning,
    S::FailoverAffectedServices,
    S::Normal,
    S::Unreachable,
    S::Off,
];
const AWAY: &[HaState] = &[
    S::FailedOver,
    S::FailedOverCriticalServicesNotRunning,
    S::TakingBack,
    S::FallingBack,
    S::BackupActivated,
    S::RunningInBackupMode,
    S::RunningInFailedMode,
    S::Normal,
    S::Unreachable,
    S::Off,
];
const GONE: &[HaState] = &[
    S::TakingBack,
    S::TakingOver,
    S::FailedOver,
    S::FailedOverCriticalServicesNotRunning,
    S::Initializing,
    S::RunningInBackupMode,
    S::RunningInFailedMode,
    S::Idle,
    S::Normal,
    S::Unreachable,
    S::Off,
];
