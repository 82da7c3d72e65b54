//! When the users of a slot go home, as far as the answering node says.

use crate::command::wait::TRANSITIONS;
use crate::time::age;
use muster_admin::proto::{Node, Slot, StatusResponse};
use muster_types::Timestamp;
use std::fmt;
use std::time::Duration;

/// The state of a node that is back and whose users go home by themselves.
const FAILED_OVER: &str = "Failed Over";
/// The state of a node whose users an operator has moved.
const IDLE: &str = "Idle";
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
    /// By themselves, not before that time has passed: each gap in what is heard of the two nodes starts
    /// it again, and no node says whether there was one.
    Automatic(Duration),
    /// When somebody says so, and why not by themselves.
    ByHand(&'static str),
    /// Not before something else is done.
    After(String),
}

impl Homing {
    /// What holds for a slot now.
    pub(super) fn of(status: &StatusResponse, slot: &Slot, now: Timestamp) -> Self {
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
            IDLE => Self::ByHand("an operator moved them"),
            FAILED_OVER if !BACKUP.contains(&backup.state.as_str()) => {
                Self::After(format!("{}: {}", backup.name, backup.advice))
            }
            FAILED_OVER => automatic(status, home, backup, now),
            _ => Self::After(format!("{}: {}", home.name, home.advice)),
        }
    }
}

/// The time counts from the last change of either node's state.
fn automatic(status: &StatusResponse, home: &Node, backup: &Node, now: Timestamp) -> Homing {
    let setting = |name: &str| {
        let found = status.settings.iter().find(|setting| setting.name == name);
        found.map_or("", |setting| setting.value.as_str())
    };
    if setting("fallback-auto") == "off" {
        return Homing::ByHand("fallback-auto is off");
    }
    let delay = muster_admin::parse_duration(setting("fallback-delay"));
    let since = |node: &Node| node.since.parse::<Timestamp>();
    let (Ok(delay), Ok(home), Ok(backup)) = (delay, since(home), since(backup)) else {
        return Homing::ByHand("the node does not say when");
    };
    let passed = now.0.saturating_sub(home.0.max(backup.0));
    Homing::Automatic(delay.saturating_sub(Duration::from_millis(passed)))
}

impl fmt::Display for Homing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtHome => f.write_str("at home"),
            Self::Unserved => f.write_str("nobody serves them"),
            Self::Moving => f.write_str("moving"),
            Self::Automatic(left) if left.is_zero() => {
                f.write_str("any moment, or later after a gap")
            }
            // Rounded up: what is left is never shown as nothing.
            Self::Automatic(left) => write!(
                f,
                "in {} at the earliest",
                age((left.as_secs_f64().ceil()) as u64)
            ),
            Self::ByHand(why) => write!(f, "by hand: {why}"),
            Self::After(what) => f.write_str(what),
        }
    }
}

#[cfg(test)]
#[path = "homing_test.rs"]
mod homing_test;
