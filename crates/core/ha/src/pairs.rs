//! The table of state pairs (domain facts A4): what a pair of states and reasons means, and what to
//! do about it. The operator's view; `docs/ha-states.md` says the same for reading.

use muster_cluster::{HaReason, HaState};

/// One pair: the affected node and its peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pair {
    /// State and reason of the affected node.
    pub affected: (HaState, HaReason),
    /// State and reason of its peer.
    pub peer: (HaState, HaReason),
    /// What has happened.
    pub cause: &'static str,
    /// What to do.
    pub action: &'static str,
}

const fn pair(
    affected: (HaState, HaReason),
    peer: (HaState, HaReason),
    cause: &'static str,
    action: &'static str,
) -> Pair {
    Pair {
        affected,
        peer,
        cause,
        action,
    }
}

/// Both nodes in the same state for the same reason.
const fn both(state: HaState, reason: HaReason, cause: &'static str, action: &'static str) -> Pair {
    pair((state, reason), (state, reason), cause, action)
}

use HaReason as R;
use HaState as S;

const WAIT: &str = "wait";
const FALL_BACK: &str = "fall back when wanted";
const FALL_BACK_OR_WAIT: &str = "fall back, or wait for the automatic fallback";
const RECOVER: &str = "recover; else restart both nodes";

/// The pairs: first those of the domain facts in their order, then those that come on top because
/// this program heals by itself what others leave to the operator.
pub const PAIRS: &[Pair] = &[
    both(S::Normal, R::None, "healthy", "nothing to do"),
    pair(
        (S::FailingOver, R::AdminRequest),
        (S::TakingOver, R::AdminRequest),
        "manual failover running",
        WAIT,
    ),
    pair(
        (S::Idle, R::AdminRequest),
        (S::RunningInBackupMode, R::AdminRequest),
        "manual failover done",
        FALL_BACK,
    ),
    pair(
        (S::TakingBack, R::AdminRequest),
        (S::FallingBack, R::AdminRequest),
        "manual fallback running",
        WAIT,
    ),
    pair(
        (S::Idle, R::Initialization),
        (S::RunningInBackupMode, R::AdminRequest),
        "the node restarted while failed over by hand",
        FALL_BACK,
    ),
    pair(
        (S::Idle, R::Initialization),
        (S::RunningInBackupMode, R::Initialization),
        "both nodes restarted while failed over by hand",
        FALL_BACK,
    ),
    pair(
        (S::Idle, R::AdminRequest),
        (S::RunningInBackupMode, R::Initialization),
        "the backup restarted before it was missed",
        FALL_BACK,
    ),
    pair(
        (S::FailingOver, R::AdminRequest),
        (S::TakingOver, R::Initialization),
        "the backup restarted while taking over",
        WAIT,
    ),
    pair(
        (S::TakingBack, R::Initialization),
        (S::FallingBack, R::AdminRequest),
        "the node restarted while taking back",
        WAIT,
    ),
    pair(
        (S::TakingBack, R::AutomaticFallback),
        (S::FallingBack, R::AutomaticFallback),
        "automatic fallback running",
        WAIT,
    ),
    pair(
        (S::FailedOver, R::Initialization),
        (S::RunningInBackupMode, R::CriticalServiceDown),
        "the node's services are back after a restart",
        FALL_BACK_OR_WAIT,
    ),
    pair(
        (S::FailedOver, R::CriticalServiceDown),
        (S::RunningInBackupMode, R::CriticalServiceDown),
        "the node's services are back",
        FALL_BACK_OR_WAIT,
    ),
    pair(
        (
            S::FailedOverCriticalServicesNotRunning,
            R::CriticalServiceDown,
        ),
        (S::RunningInBackupMode, R::CriticalServiceDown),
        "automatic failover: a critical service is down",
        "start the services, else reboot the node, then fall back",
    ),
    pair(
        (S::FailedOverCriticalServicesNotRunning, R::DatabaseFailure),
        (S::RunningInBackupMode, R::DatabaseFailure),
        "the node's store failed",
        "reboot the node, then fall back",
    ),
    both(
        S::RunningInFailedMode,
        R::StartOfCriticalServicesFailed,
        "services would not start when users were taken back",
        "recover; else reboot the node, then fall back",
    ),
    both(
        S::RunningInFailedMode,
        R::CriticalServiceDown,
        "services are down on the backup too",
        "recover; else reboot the node",
    ),
    both(
        S::RunningInFailedMode,
        R::TakeOverUsersFailed,
        "the backup could not take the users over",
        RECOVER,
    ),
    both(
        S::RunningInFailedMode,
        R::TakeBackUsersFailed,
        "the node could not take its users back",
        RECOVER,
    ),
    both(
        S::RunningInFailedMode,
        R::Unknown,
        "a restart while the group was in failed mode, or an internal error",
        "recover",
    ),
    pair(
        (S::Unreachable, R::None),
        (S::RunningInBackupMode, R::PeerDown),
        "the node or its network is down",
        "repair; the node comes back by itself",
    ),
    pair(
        (S::Off, R::None),
        (S::RunningInBackupMode, R::PeerReboot),
        "the node was shut down",
        "start the node, then fall back or wait for the automatic fallback",
    ),
    pair(
        (S::FailedOver, R::Initialization),
        (S::RunningInBackupMode, R::PeerDownDuringInitialization),
        "the backup started and did not see the node",
        FALL_BACK_OR_WAIT,
    ),
    pair(
        (S::FailedOverCriticalServicesNotRunning, R::Initialization),
        (S::RunningInBackupMode, R::PeerDownDuringInitialization),
        "the same, and the node's services are down",
        "start the services, then fall back",
    ),
    pair(
        (S::BackupActivated, R::AutoRecoverDatabaseFailure),
        (S::FailoverAffectedServices, R::AutoRecoverDatabaseFailure),
        "the backup's store failed: all users went back",
        "repair the backup",
    ),
    pair(
        (S::BackupActivated, R::AutoRecoverCriticalServiceDown),
        (
            S::FailoverAffectedServices,
            R::AutoRecoverCriticalServiceDown,
        ),
        "the backup's services failed: all users went back",
        "repair the backup",
    ),
    both(
        S::Unknown,
        R::HighAvailabilityNotEnabled,
        "high availability is not enabled",
        "enable it for the group",
    ),
    both(
        S::Initializing,
        R::Initialization,
        "both nodes are starting",
        WAIT,
    ),
    pair(
        (S::Initializing, R::Initialization),
        (S::Normal, R::None),
        "the node is starting",
        WAIT,
    ),
    pair(
        (S::Unreachable, R::None),
        (S::RunningInBackupMode, R::PeerDownDuringInitialization),
        "the backup started and does not see the node",
        "repair; the node comes back by itself",
    ),
    pair(
        (S::FailedOver, R::Initialization),
        (S::RunningInBackupMode, R::PeerDown),
        "the node is back after a restart",
        FALL_BACK_OR_WAIT,
    ),
    pair(
        (S::FailedOver, R::PeerDown),
        (S::RunningInBackupMode, R::PeerDown),
        "the node is back after its network was cut",
        FALL_BACK_OR_WAIT,
    ),
    pair(
        (S::FailedOver, R::Initialization),
        (S::RunningInBackupMode, R::PeerReboot),
        "the node is back after a shutdown",
        FALL_BACK_OR_WAIT,
    ),
    pair(
        (S::FailedOver, R::Initialization),
        (S::RunningInBackupMode, R::Initialization),
        "both nodes restarted while failed over",
        FALL_BACK_OR_WAIT,
    ),
    pair(
        (S::Off, R::None),
        (S::Normal, R::None),
        "the node is being shut down",
        WAIT,
    ),
    pair(
        (S::TakingBack, R::Initialization),
        (S::FallingBack, R::AutomaticFallback),
        "the node restarted while taking back by itself",
        WAIT,
    ),
    pair(
        (S::FailedOver, R::DatabaseFailure),
        (S::RunningInBackupMode, R::DatabaseFailure),
        "the node's store works again",
        FALL_BACK_OR_WAIT,
    ),
    pair(
        (S::FailedOver, R::Initialization),
        (S::RunningInBackupMode, R::DatabaseFailure),
        "the node is back after its store failed",
        FALL_BACK_OR_WAIT,
    ),
    pair(
        (S::FailedOver, R::CriticalServiceDown),
        (S::RunningInBackupMode, R::Initialization),
        "the node's services are back, and the backup has restarted",
        FALL_BACK_OR_WAIT,
    ),
    pair(
        (S::FailedOver, R::DatabaseFailure),
        (S::RunningInBackupMode, R::Initialization),
        "the node's store works again, and the backup has restarted",
        FALL_BACK_OR_WAIT,
    ),
    pair(
        (S::FailedOver, R::PeerDown),
        (S::RunningInBackupMode, R::Initialization),
        "the node is back after its network was cut, and the backup has restarted",
        FALL_BACK_OR_WAIT,
    ),
    pair(
        (
            S::FailedOverCriticalServicesNotRunning,
            R::CriticalServiceDown,
        ),
        (S::RunningInBackupMode, R::Initialization),
        "a critical service is down, and the backup has restarted",
        "start the services, else reboot the node, then fall back",
    ),
    pair(
        (S::FailedOverCriticalServicesNotRunning, R::DatabaseFailure),
        (S::RunningInBackupMode, R::Initialization),
        "the node's store failed, and the backup has restarted",
        "reboot the node, then fall back",
    ),
    pair(
        (S::Unreachable, R::None),
        (S::RunningInBackupMode, R::Initialization),
        "the node or its network is down, and the backup has restarted",
        "repair; the node comes back by itself",
    ),
    pair(
        (S::Off, R::None),
        (S::RunningInBackupMode, R::Initialization),
        "the node was shut down, and the backup has restarted",
        "start the node, then fall back or wait for the automatic fallback",
    ),
];

/// Status of one node: state and reason.
type Status = (HaState, HaReason);

/// The row for the states of two nodes, whichever of them is the affected one.
pub fn find_pair(one: Status, other: Status) -> Option<&'static Pair> {
    PAIRS.iter().find(|pair| {
        (pair.affected, pair.peer) == (one, other) || (pair.affected, pair.peer) == (other, one)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_pair_stands_twice() {
        let pairs: BTreeSet<_> = PAIRS
            .iter()
            .map(|pair| (pair.affected, pair.peer))
            .collect();
        assert_eq!(pairs.len(), PAIRS.len());
    }

    #[test]
    fn every_reason_stands_in_some_pair() {
        let used: BTreeSet<_> = PAIRS
            .iter()
            .flat_map(|pair| [pair.affected.1, pair.peer.1])
            .collect();
        assert_eq!(used, HaReason::ALL.iter().copied().collect());
    }

    #[test]
    fn every_state_stands_in_some_pair() {
        let used: BTreeSet<_> = PAIRS
            .iter()
            .flat_map(|pair| [pair.affected.0, pair.peer.0])
            .collect();
        assert_eq!(used, HaState::ALL.iter().copied().collect());
    }

    /// A pair as the page for operators has it.
    fn line(pair: &Pair) -> String {
        let status = |(state, reason): Status| {
            let since = muster_types::Timestamp(0);
            muster_cluster::HaStatus {
                state,
                reason,
                since,
            }
            .to_string()
        };
        let (affected, peer) = (status(pair.affected), status(pair.peer));
        format!(
            "| {affected} | {peer} | {} | {} | yes |",
            pair.cause, pair.action
        )
    }

    #[test]
    fn the_page_for_operators_has_exactly_these_pairs() {
        let page = include_str!("../../../../docs/ha-states.md");
        let rows = page
            .lines()
            .filter(|line| line.ends_with("| yes |") || line.ends_with("| no |"));
        let wanted: Vec<_> = PAIRS.iter().map(line).collect();
        assert_eq!(
            rows.collect::<Vec<_>>(),
            wanted,
            "docs/ha-states.md should have:\n{}",
            wanted.join("\n")
        );
    }

    #[test]
    fn a_pair_is_found_from_both_sides() {
        let (idle, backup) = (
            (S::Idle, R::AdminRequest),
            (S::RunningInBackupMode, R::AdminRequest),
        );
        assert_eq!(find_pair(idle, backup), find_pair(backup, idle));
        assert!(find_pair(idle, backup).is_some_and(|pair| pair.cause == "manual failover done"));
        assert_eq!(find_pair(idle, idle), None);
    }
}
