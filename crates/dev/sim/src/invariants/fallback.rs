//! Users go home by themselves not before the home node was healthy for the delay. That they do
//! then is `settled`'s.

use super::Violation;
use muster_cluster::{ClusterState, ControlCommand, HaReason};
use muster_types::{Instant, NodeId};
use std::collections::BTreeMap;
use std::time::Duration;

/// How much less than the delay may pass: clocks differ, and looks are not continuous.
const TOLERANCE_PERCENT: u32 = 6;
const TOLERANCE: Duration = Duration::from_millis(700);
/// How long ago a node may have died at most without anybody knowing.
const UNNOTICED: Duration = Duration::from_millis(1_100);

/// Since when nothing happened to each node.
#[derive(Debug)]
pub(crate) struct Fallback {
    delay: Duration,
    unwell_at: BTreeMap<NodeId, Instant>,
}

impl Fallback {
    /// With this delay.
    pub(crate) const fn new(delay: Duration) -> Self {
        Self {
            delay,
            unwell_at: BTreeMap::new(),
        }
    }

    /// A node does not run.
    pub(crate) fn unwell(&mut self, now: Instant, node: NodeId) {
        self.unwell_at.insert(node, now);
    }

    /// Looks at an entry of the control log, before and after.
    ///
    /// # Errors
    /// When it sends users home too early.
    pub(crate) fn check(
        &mut self,
        now: Instant,
        before: &ClusterState,
        after: &ClusterState,
        command: &ControlCommand,
    ) -> Result<(), Violation> {
        let outcome = self.early(now, before, after, command);
        for node in after.nodes() {
            let changed = before.node(node.id).is_none_or(|was| {
                (was.ha.state, was.ha.reason, was.boot)
                    != (node.ha.state, node.ha.reason, node.boot)
            });
            if changed {
                self.unwell(now, node.id);
            }
        }
        outcome
    }

    fn early(
        &self,
        now: Instant,
        before: &ClusterState,
        after: &ClusterState,
        command: &ControlCommand,
    ) -> Result<(), Violation> {
        let commands = match command {
            ControlCommand::Together(all) => all.as_slice(),
            one => std::slice::from_ref(one),
        };
        let automatic = commands.iter().find_map(|one| match one {
            ControlCommand::SlotDesire {
                slot,
                node,
                reason: HaReason::AutomaticFallback,
            } => Some((*slot, *node)),
            _ => None,
        });
        let Some((slot, home)) = automatic else {
            return Ok(());
        };
        let desired = |state: &ClusterState| state.slot(slot).map(|slot| slot.desired);
        if desired(before) == desired(after) {
            return Ok(()); // refused, or no news
        }
        let backup = desired(before).unwrap_or(home);
        let unwell = |node| self.unwell_at.get(&node).copied().unwrap_or(Instant::ZERO);
        let healthy = now.since(unwell(home).max(unwell(backup)));
        // Who has died a moment ago is not missed yet.
        if healthy <= UNNOTICED {
            return Ok(());
        }
        let least = (self.delay - self.delay * TOLERANCE_PERCENT / 100).saturating_sub(TOLERANCE);
        if healthy < least {
            let seen = format!(
                "{slot} goes home to {home} after {healthy:?} of {:?}",
                self.delay
            );
            return Err(Violation::new("fallback not before the delay", seen));
        }
        Ok(())
    }
}
