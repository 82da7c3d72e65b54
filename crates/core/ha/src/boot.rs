//! What a restart makes of a node's recorded state.

use crate::breakdown::cause;
use muster_cluster::{HaReason, HaState, HaStatus};

/// Whose users a node should serve.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// Its own.
    AtHome,
    /// Nobody's: its own are with the peer.
    Away,
    /// Its own and its peer's.
    BacksUp,
}

/// State and reason of a node that has just started, from what was recorded before.
pub(crate) fn after_boot(before: HaStatus, peer: HaState, place: Place) -> (HaState, HaReason) {
    use HaReason as R;
    use HaState as S;
    if peer == S::RunningInFailedMode {
        return (S::RunningInFailedMode, R::Unknown);
    }
    let starting = match place {
        // Its users are on their way home.
        Place::AtHome if peer == S::FallingBack => S::TakingBack,
        Place::AtHome => S::Initializing,
        Place::Away => S::FailedOver,
        Place::BacksUp => S::RunningInBackupMode,
    };
    match before.state {
        S::Idle | S::RunningInBackupMode | S::TakingOver | S::TakingBack => {
            (before.state, R::Initialization)
        }
        // The peer does the work of these; it knows the reason.
        S::FailingOver | S::FallingBack => (before.state, before.reason),
        S::RunningInFailedMode => (before.state, R::Unknown),
        S::BackupActivated => (S::RunningInBackupMode, R::Initialization),
        S::Initializing
        | S::Normal
        | S::Unknown
        | S::FailedOver
        | S::FailedOverCriticalServicesNotRunning
        | S::FailoverAffectedServices
        | S::Unreachable
        | S::Off => (starting, R::Initialization),
    }
}

/// What the restart of a node makes of its peer: the reason of the pair is another one now.
pub(crate) fn peer_after_boot(before: HaStatus, peer: HaStatus) -> Option<(HaState, HaReason)> {
    use HaState as S;
    let after = match (before.state, peer.state) {
        (_, S::RunningInFailedMode) => (peer.state, HaReason::Unknown),
        (S::FailoverAffectedServices, S::BackupActivated) => {
            (S::RunningInBackupMode, cause(before.reason))
        }
        (S::BackupActivated, S::FailoverAffectedServices) => (
            S::FailedOverCriticalServicesNotRunning,
            cause(before.reason),
        ),
        _ => return None,
    };
    (!peer.is(after.0, after.1)).then_some(after)
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
            let place = if away { Place::Away } else { Place::AtHome };
            assert_eq!(
                after_boot(before, S::Normal, place),
                after,
                "{state} ({reason})"
            );
        }
    }

    #[test]
    fn a_backup_that_was_shut_down_is_one_again_and_failed_mode_is_not_left_by_a_restart() {
        let off = HaStatus {
            state: S::Off,
            reason: HaReason::None,
            since: Timestamp(0),
        };
        assert_eq!(
            after_boot(off, S::FailedOver, Place::BacksUp),
            (S::RunningInBackupMode, Initialization)
        );
        assert_eq!(
            after_boot(off, S::RunningInFailedMode, Place::AtHome),
            (S::RunningInFailedMode, Unknown)
        );
        assert_eq!(
            after_boot(off, S::FallingBack, Place::AtHome),
            (S::TakingBack, Initialization)
        );
    }

    #[test]
    fn a_restart_changes_what_is_said_of_the_peer_where_the_pair_had_one_reason() {
        let status = |(state, reason)| HaStatus {
            state,
            reason,
            since: Timestamp(0),
        };
        let (auto, down) = (
            HaReason::AutoRecoverDatabaseFailure,
            HaReason::DatabaseFailure,
        );
        for (before, peer, after) in [
            (
                (S::RunningInFailedMode, down),
                (S::RunningInFailedMode, down),
                Some((S::RunningInFailedMode, Unknown)),
            ),
            (
                (S::RunningInFailedMode, Unknown),
                (S::RunningInFailedMode, Unknown),
                None,
            ),
            (
                (S::FailoverAffectedServices, auto),
                (S::BackupActivated, auto),
                Some((S::RunningInBackupMode, down)),
            ),
            (
                (S::BackupActivated, auto),
                (S::FailoverAffectedServices, auto),
                Some((S::FailedOverCriticalServicesNotRunning, down)),
            ),
            (
                (S::FailedOver, PeerDown),
                (S::RunningInBackupMode, PeerDown),
                None,
            ),
        ] {
            assert_eq!(peer_after_boot(status(before), status(peer)), after);
        }
    }
}
