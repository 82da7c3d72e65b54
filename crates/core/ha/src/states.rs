//! The table of node states (domain facts A3): kind, meaning, and what an operator can do.

use muster_cluster::HaState;
use std::fmt;

/// What kind of state it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StateKind {
    /// Passes by itself.
    Transition,
    /// Stays until something happens.
    Stable,
    /// Needs an operator.
    Error,
    /// The backup broke and the users went back by themselves.
    AutoRecovery,
    /// What others say of a node that says nothing itself.
    Observed,
}

/// What an operator can do about a node or its group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HaAction {
    /// Move the node's users to its peer.
    Failover,
    /// Move the users home.
    Fallback,
    /// Bring a group in failed mode back to work.
    Recover,
}

impl HaAction {
    /// The word in the CLI.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Failover => "failover",
            Self::Fallback => "fallback",
            Self::Recover => "recover",
        }
    }
}

impl fmt::Display for HaAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// Kind and meaning of a state, and the command it allows.
type Row = (StateKind, &'static str, Option<HaAction>);

const fn row(state: HaState) -> Row {
    use HaAction::{Failover, Fallback, Recover};
    use HaState as S;
    use StateKind as K;
    match state {
        S::Initializing => (K::Transition, "the node is starting", None),
        S::Idle => (
            K::Stable,
            "an operator moved its users to the peer",
            Some(Fallback),
        ),
        S::Normal => (K::Stable, "in service", Some(Failover)),
        S::RunningInBackupMode => (
            K::Stable,
            "serves its own and its peer's users",
            Some(Fallback),
        ),
        S::TakingOver => (K::Transition, "receives its peer's users", None),
        S::FailingOver => (K::Transition, "gives its users up", None),
        S::FailedOver => {
            let meaning = "its users are served by the peer; it could serve them again";
            (K::Stable, meaning, Some(Fallback))
        }
        S::FailedOverCriticalServicesNotRunning => (
            K::Stable,
            "its users are served by the peer; its services are down",
            None,
        ),
        S::FallingBack => (K::Transition, "returns its peer's users", None),
        S::TakingBack => (K::Transition, "receives its own users back", None),
        S::RunningInFailedMode => (K::Error, "a transition failed", Some(Recover)),
        S::BackupActivated => (
            K::AutoRecovery,
            "got all users because the backup broke",
            None,
        ),
        S::FailoverAffectedServices => (
            K::AutoRecovery,
            "broke while it was the backup; the peer serves all users",
            None,
        ),
        S::Unknown => (
            K::Error,
            "high availability is not enabled, or the state cannot be known",
            None,
        ),
        S::Unreachable => (K::Observed, "the peer hears nothing from it", None),
        S::Off => (K::Observed, "it was shut down", None),
    }
}

/// What kind of state it is.
pub const fn kind(state: HaState) -> StateKind {
    row(state).0
}

/// What the state means, as half a sentence.
pub const fn meaning(state: HaState) -> &'static str {
    row(state).1
}

/// What an operator can command in this state.
pub const fn allowed_action(state: HaState) -> Option<HaAction> {
    row(state).2
}

/// What an operator should do, as half a sentence.
pub const fn advice(state: HaState) -> &'static str {
    use HaState as S;
    match state {
        S::Initializing | S::TakingOver | S::FailingOver | S::FallingBack | S::TakingBack => "wait",
        S::Idle => "fall back when wanted",
        S::Normal => "nothing to do",
        S::RunningInBackupMode => {
            "repair the peer, then fall back or wait for the automatic fallback"
        }
        S::FailedOver => "fall back, or wait for the automatic fallback",
        S::FailedOverCriticalServicesNotRunning | S::FailoverAffectedServices => {
            "start its services first"
        }
        S::RunningInFailedMode => "recover the group",
        S::BackupActivated => "repair the peer",
        S::Unknown => "enable high availability for the group; else restart both nodes",
        S::Unreachable => "repair the node or its network",
        S::Off => "start the node",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use HaAction::{Failover, Fallback, Recover};

    #[test]
    fn states_have_the_labels_and_actions_of_the_domain() {
        for (state, label, action) in [
            (HaState::Initializing, "Initializing", None),
            (HaState::Idle, "Idle", Some(Fallback)),
            (HaState::Normal, "Normal", Some(Failover)),
            (
                HaState::RunningInBackupMode,
                "Running in Backup Mode",
                Some(Fallback),
            ),
            (HaState::TakingOver, "Taking Over", None),
            (HaState::FailingOver, "Failing Over", None),
            (HaState::FailedOver, "Failed Over", Some(Fallback)),
            (
                HaState::FailedOverCriticalServicesNotRunning,
                "Failed Over with Critical Services Not Running",
                None,
            ),
            (HaState::FallingBack, "Falling Back", None),
            (HaState::TakingBack, "Taking Back", None),
            (
                HaState::RunningInFailedMode,
                "Running in Failed Mode",
                Some(Recover),
            ),
            (HaState::BackupActivated, "Backup Activated", None),
            (
                HaState::FailoverAffectedServices,
                "Failover Affected Services",
                None,
            ),
            (HaState::Unknown, "Unknown", None),
            (HaState::Unreachable, "(unreachable)", None),
            (HaState::Off, "(off)", None),
        ] {
            assert_eq!((state.label(), allowed_action(state)), (label, action));
        }
        assert_eq!(HaState::ALL.len(), 16);
    }
}
