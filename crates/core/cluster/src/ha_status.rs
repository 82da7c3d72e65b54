//! States of a node in its redundancy group, and their reasons (domain facts A3 and A4). The rules
//! about them are in `muster-ha`; they stand here because the log stores them.

use muster_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! labelled {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $label:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The text that API, CLI and logs show.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.label())
            }
        }
    };
}

labelled! {
    /// What a node does in its group (A3), and how its peer sees it when it is gone (first column
    /// of A4).
    HaState {
        /// The node has started and does not serve yet.
        Initializing = "Initializing",
        /// An operator moved its users away.
        Idle = "Idle",
        /// It serves its own users.
        Normal = "Normal",
        /// It serves its own and its peer's users.
        RunningInBackupMode = "Running in Backup Mode",
        /// It is receiving its peer's users.
        TakingOver = "Taking Over",
        /// It is giving its users up.
        FailingOver = "Failing Over",
        /// Its users are served by the peer, and it could serve them again.
        FailedOver = "Failed Over",
        /// Its users are served by the peer, and it could not serve them.
        FailedOverCriticalServicesNotRunning = "Failed Over with Critical Services Not Running",
        /// It is returning its peer's users.
        FallingBack = "Falling Back",
        /// It is receiving its own users back.
        TakingBack = "Taking Back",
        /// A transition failed, or the backup itself broke.
        RunningInFailedMode = "Running in Failed Mode",
        /// The backup broke while this node could serve: it got all users.
        BackupActivated = "Backup Activated",
        /// It was the backup and broke; its peer serves all users.
        FailoverAffectedServices = "Failover Affected Services",
        /// HA is not enabled, or the state cannot be known.
        Unknown = "Unknown",
        /// The peer took over because it heard nothing from the node.
        Unreachable = "(unreachable)",
        /// The node said that it stops.
        Off = "(off)",
    }
}

labelled! {
    /// Why a node is in its state (A4). The table also writes "Critical Services Down" for
    /// [`CriticalServiceDown`](Self::CriticalServiceDown).
    HaReason {
        /// The state needs no reason.
        None = "",
        /// An operator asked for it.
        AdminRequest = "Admin Request",
        /// The node has (re)started.
        Initialization = "Initialization",
        /// The recovered node was healthy for the fallback delay.
        AutomaticFallback = "Automatic Fallback",
        /// A critical service was down for longer than its delay.
        CriticalServiceDown = "Critical Service Down",
        /// The store failed.
        DatabaseFailure = "Database Failure",
        /// Services would not start when users were to be taken back.
        StartOfCriticalServicesFailed = "Start of Critical Services Failed",
        /// The peer could not take the users over.
        TakeOverUsersFailed = "SRM Take Over Users Failed",
        /// The node could not take its users back.
        TakeBackUsersFailed = "SRM Take Back Users Failed",
        /// A restart while the peer was in failed mode, or an internal error.
        Unknown = "Unknown",
        /// The peer was not heard.
        PeerDown = "Peer Down",
        /// The peer said that it stops.
        PeerReboot = "Peer Reboot",
        /// The peer was never heard since this node started.
        PeerDownDuringInitialization = "Peer Down During Initialization",
        /// The backup's store failed, so the users went back by themselves.
        AutoRecoverDatabaseFailure = "Auto Recover Database Failure",
        /// The backup's critical service failed, so the users went back by themselves.
        AutoRecoverCriticalServiceDown = "Auto Recover Critical Service Down",
        /// HA is off for the node's group, or the node is in no group.
        HighAvailabilityNotEnabled = "High Availability Not Enabled",
    }
}

/// State, reason, and since when.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HaStatus {
    /// The state.
    pub state: HaState,
    /// Why.
    pub reason: HaReason,
    /// When state or reason last changed.
    pub since: Timestamp,
}

impl fmt::Display for HaStatus {
    /// `State (Reason)`, as in the tables of A4.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.reason == HaReason::None {
            write!(f, "{}", self.state)
        } else {
            write!(f, "{} ({})", self.state, self.reason)
        }
    }
}

impl HaStatus {
    /// The status of a node that HA does not protect, since `at`.
    pub(crate) const fn not_enabled(at: Timestamp) -> Self {
        Self {
            state: HaState::Unknown,
            reason: HaReason::HighAvailabilityNotEnabled,
            since: at,
        }
    }

    /// Whether state and reason are these, since whenever.
    pub fn is(&self, state: HaState, reason: HaReason) -> bool {
        (self.state, self.reason) == (state, reason)
    }
}
