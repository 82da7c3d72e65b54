//! When the users of a slot go home, as far as the answering node says.

use crate::command::wait::TRANSITIONS;
use crate::time::age;
use muster_admin::proto::{Node, Slot, StatusResponse};
use std::fmt;
use std::time::Duration;

/// The state of a node that is back and whose users go home by themselves.
const FAILED_OVER: &str = "Failed Over";
/// The states of a backup that is well.
const BACKUP: &[&str] = &["Running in Backup Mode", FAILED_OVER];

/// When the users of a slot go home.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Homing {
    /// They are there.
    AtHome,
    /// Nobody serves them.
    Unserved,
    /// They are moving.
    Moving,
    /// By themselves after that time, if they wait for nothing else: what else, or nothing.
    Automatic(Duration, String),
    /// Not by themselves, and why not.
    Stay(String),
    /// Not before something else is done.
    After(String),
}

impl Homing {
    /// What holds for a slot, so long after the node has answered.
    pub(super) fn of(status: &StatusResponse, slot: &Slot, since: Duration) -> Self {
        let node = |name: &str| status.nodes.iter().find(|node| node.name == name);
        let is_moving = |node: &Node| TRANSITIONS.contains(&node.state.as_str());
        let (home, backup) = (node(&slot.home), node(&slot.desired));
        if [home, backup].into_iter().flatten().any(is_moving) {
            return Self::Moving;
        }
        if slot.owner.is_empty() {
            return Self::Unserved;
        }
        if slot.owner == slot.home {
            return Self::AtHome;
        }
        let (Some(home), Some(backup)) = (home, backup) else {
            return Self::Moving;
        };
        match home.state.as_str() {
            FAILED_OVER if !BACKUP.contains(&backup.state.as_str()) => {
                Self::After(format!("{}: {}", backup.name, backup.advice))
            }
            _ if let Some(ms) = home.fallback_in_ms => {
                let left = Duration::from_millis(ms).saturating_sub(since);
                Self::Automatic(left, home.fallback_waits.clone())
            }
            _ if !home.fallback_waits.is_empty() => Self::Stay(home.fallback_waits.clone()),
            _ => Self::After(format!("{}: {}", home.name, home.advice)),
        }
    }
}

impl fmt::Display for Homing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtHome => f.write_str("at home"),
            Self::Unserved => f.write_str("nobody serves them"),
            Self::Moving => f.write_str("moving"),
            Self::Automatic(left, waits) => {
                // Rounded up: what is left is never shown as nothing.
                let seconds = left.as_secs_f64().ceil() as u64;
                match (seconds, waits.as_str()) {
                    (0, "") => f.write_str("any moment"),
                    (0, waits) => f.write_str(waits),
                    (_, "") => write!(f, "in {}", age(seconds)),
                    (_, waits) => write!(f, "in {}, {waits}", age(seconds)),
                }
            }
            Self::Stay(why) => f.write_str(why),
            Self::After(what) => f.write_str(what),
        }
    }
}

#[cfg(test)]
#[path = "homing_test.rs"]
mod homing_test;
