//! What state a node should record for itself once things have come to rest: the end of every
//! transition. Its beginning is recorded with what caused it.

use muster_cluster::{HaReason, HaState, HaStatus};

/// Who has a slot, and who should.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Held {
    /// This node should serve it and does.
    Mine,
    /// This node should, and does not yet.
    BecomingMine,
    /// The peer should and does.
    Theirs,
    /// The peer should, and does not yet.
    BecomingTheirs,
}

/// The state to record for this node, when it holds its own slot and its peer's so. `None`: it may
/// stay as it is. `lost_by` is why its users were taken over, if nothing else says so; `up` tells
/// whether its critical services run.
pub(crate) fn settle(
    status: HaStatus,
    own: Held,
    other: Held,
    lost_by: HaReason,
    up: bool,
) -> Option<(HaState, HaReason)> {
    if status.state == HaState::RunningInFailedMode {
        return None; // until an operator recovers the group
    }
    let wanted = match (own, other) {
        (Held::Mine, Held::Mine) => backing_up(status),
        (Held::Mine, Held::Theirs) => Some((HaState::Normal, HaReason::None)),
        // The peer's users go home and are not there yet.
        (Held::Mine, Held::BecomingTheirs) if status.state == HaState::FallingBack => None,
        (Held::Mine, Held::BecomingTheirs) => Some((HaState::Normal, HaReason::None)),
        (Held::Mine, Held::BecomingMine) | (Held::BecomingMine, _) => None,
        (Held::Theirs | Held::BecomingTheirs, _) => away(status, own, lost_by, up),
    };
    wanted.filter(|(state, reason)| !status.is(*state, *reason))
}

/// A move ends for both nodes at once: what the end of `before` is for the peer that was in the other
/// half of it.
pub(crate) fn settle_peer(before: HaState, peer: HaStatus) -> Option<(HaState, HaReason)> {
    use HaState as S;
    match (before, peer.state) {
        (S::FailingOver, S::TakingOver) => Some((S::RunningInBackupMode, peer.reason)),
        (S::TakingOver, S::FailingOver) => Some((S::Idle, peer.reason)),
        (S::TakingBack, S::FallingBack) | (S::FallingBack, S::TakingBack) => {
            Some((S::Normal, HaReason::None))
        }
        _ => None,
    }
}

/// This node serves everybody.
fn backing_up(status: HaStatus) -> Option<(HaState, HaReason)> {
    use HaState as S;
    match status.state {
        S::RunningInBackupMode | S::BackupActivated => None,
        S::TakingOver => Some((S::RunningInBackupMode, status.reason)),
        S::Initializing => Some((S::RunningInBackupMode, HaReason::Initialization)),
        // It took its own users back because the backup had gone, and the backup's as well.
        S::Idle
        | S::Normal
        | S::FailingOver
        | S::FailedOver
        | S::FailedOverCriticalServicesNotRunning
        | S::FallingBack
        | S::TakingBack
        | S::RunningInFailedMode
        | S::FailoverAffectedServices
        | S::Unknown
        | S::Unreachable
        | S::Off => Some((S::RunningInBackupMode, HaReason::PeerDown)),
    }
}

/// The peer should serve this node's users.
fn away(status: HaStatus, own: Held, lost_by: HaReason, up: bool) -> Option<(HaState, HaReason)> {
    use HaState as S;
    match status.state {
        S::FailingOver if own == Held::BecomingTheirs => None,
        S::FailingOver => Some((S::Idle, status.reason)),
        S::Idle | S::FailedOver | S::BackupActivated | S::FailoverAffectedServices => None,
        S::FailedOverCriticalServicesNotRunning => up.then_some((S::FailedOver, status.reason)),
        S::Initializing | S::Off => Some((S::FailedOver, HaReason::Initialization)),
        // The others lost sight of it.
        S::Unreachable
        | S::Normal
        | S::RunningInBackupMode
        | S::TakingOver
        | S::FallingBack
        | S::TakingBack
        | S::RunningInFailedMode
        | S::Unknown => Some((S::FailedOver, lost_by)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use HaReason::{
        AdminRequest, AutomaticFallback, CriticalServiceDown, Initialization, PeerDown,
    };
    use HaState as S;
    use Held::{BecomingMine, BecomingTheirs, Mine, Theirs};
    use muster_types::Timestamp;

    type Row = (HaState, HaReason, Held, Held, Option<(HaState, HaReason)>);

    fn check(rows: &[Row]) {
        for (state, reason, own, other, after) in rows.iter().copied() {
            let status = HaStatus {
                state,
                reason,
                since: Timestamp(0),
            };
            let settled = settle(status, own, other, PeerDown, true);
            assert_eq!(settled, after, "{state} {own:?} {other:?}");
        }
    }

    #[test]
    fn starts_and_failovers_end_where_the_table_says() {
        let no = HaReason::None;
        check(&[
            (
                S::Initializing,
                Initialization,
                Mine,
                BecomingTheirs,
                Some((S::Normal, no)),
            ),
            (S::Initializing, Initialization, BecomingMine, Theirs, None),
            (S::Normal, no, Mine, Theirs, None),
            (S::TakingOver, AdminRequest, Mine, BecomingMine, None),
            (
                S::TakingOver,
                AdminRequest,
                Mine,
                Mine,
                Some((S::RunningInBackupMode, AdminRequest)),
            ),
            (S::FailingOver, AdminRequest, BecomingTheirs, Theirs, None),
            (
                S::FailingOver,
                AdminRequest,
                Theirs,
                Theirs,
                Some((S::Idle, AdminRequest)),
            ),
            (S::Idle, AdminRequest, Theirs, Theirs, None),
            (S::RunningInBackupMode, PeerDown, Mine, Mine, None),
        ]);
    }

    #[test]
    fn fallbacks_and_returns_end_where_the_table_says() {
        let no = HaReason::None;
        check(&[
            (
                S::FallingBack,
                AutomaticFallback,
                Mine,
                BecomingTheirs,
                None,
            ),
            (
                S::FallingBack,
                AutomaticFallback,
                Mine,
                Theirs,
                Some((S::Normal, no)),
            ),
            (S::TakingBack, AutomaticFallback, BecomingMine, Theirs, None),
            (
                S::TakingBack,
                AutomaticFallback,
                Mine,
                Theirs,
                Some((S::Normal, no)),
            ),
            (
                S::Unreachable,
                no,
                Theirs,
                Theirs,
                Some((S::FailedOver, PeerDown)),
            ),
            (
                S::Off,
                no,
                Theirs,
                Theirs,
                Some((S::FailedOver, Initialization)),
            ),
            (
                S::FailedOverCriticalServicesNotRunning,
                CriticalServiceDown,
                Theirs,
                Theirs,
                Some((S::FailedOver, CriticalServiceDown)),
            ),
            (
                S::RunningInFailedMode,
                HaReason::Unknown,
                Mine,
                Theirs,
                None,
            ),
        ]);
    }
}
