//! What a restart makes of a node's recorded state.

use muster_cluster::{HaReason, HaState, HaStatus};

/// State and reason of a node that has just started, from what was recorded before. `away` tells
/// whether its users should be served by its peer.
pub(crate) fn after_boot(before: HaStatus, away: bool) -> (HaState, HaReason) {
    use HaReason as R;
    use HaState as S;
    let starting = if away { S::FailedOver } else { S::Initializing };
    match before.state {
        S::Idle | S::RunningInBackupMode | S::TakingOver | S::TakingBack => {
            (before.state, R::Initialization)
        }
        // The peer does the work of these; it knows the reason.
        S::FailingOver | S::FallingBack => (before.state, before.reason),
        S::RunningInFailedMode => (before.state, R::Unknown),
        S::Initializing
        | S::Normal
        | S::Unknown
        | S::FailedOver
        | S::FailedOverCriticalServicesNotRunning
        | S::BackupActivated
        | S::FailoverAffectedServices
        | S::Unreachable
        | S::Off => (starting, R::Initialization),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use HaReason::{AdminRequest, Initialization, PeerDown, Unknown};
    use HaState as S;
    use muster_types::Timestamp;

    #[test]
    fn a_restart_keeps_what_an_operator_or_a_failover_did() {
        for (state, reason, away, after) in [
            (
                S::Normal,
                HaReason::None,
                false,
                (S::Initializing, Initialization),
            ),
            (S::Idle, AdminRequest, true, (S::Idle, Initialization)),
            (
                S::RunningInBackupMode,
                PeerDown,
                false,
                (S::RunningInBackupMode, Initialization),
            ),
            (
                S::TakingOver,
                AdminRequest,
                false,
                (S::TakingOver, Initialization),
            ),
            (
                S::FailingOver,
                AdminRequest,
                true,
                (S::FailingOver, AdminRequest),
            ),
            (
                S::TakingBack,
                AdminRequest,
                false,
                (S::TakingBack, Initialization),
            ),
            (
                S::Unreachable,
                HaReason::None,
                true,
                (S::FailedOver, Initialization),
            ),
            (
                S::Unreachable,
                HaReason::None,
                false,
                (S::Initializing, Initialization),
            ),
            (
                S::Off,
                HaReason::None,
                true,
                (S::FailedOver, Initialization),
            ),
            (
                S::RunningInFailedMode,
                Unknown,
                true,
                (S::RunningInFailedMode, Unknown),
            ),
        ] {
            let before = HaStatus {
                state,
                reason,
                since: Timestamp(0),
            };
            assert_eq!(after_boot(before, away), after, "{state} ({reason})");
        }
    }
}
