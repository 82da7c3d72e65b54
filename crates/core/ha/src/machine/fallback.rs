//! Automatic fallback: every node counts the healthy time of failed-over nodes, the control leader
//! logs it and sends the users home when it is enough.

use super::NodeMachine;
use crate::health::{Health, Seen, log_interval};
use crate::moves::fall_back;
use crate::proposals::Topic;
use crate::{HaEvent, Hearing, Output};
use muster_cluster::{ClusterState, ControlCommand, HaReason, HaState, Node, Slot};
use muster_types::{Instant, NodeId};
use std::collections::BTreeSet;
use std::time::Duration;

/// How old a sign of life may be to send somebody users for it: several beats.
const FRESH: Duration = Duration::from_millis(400);
/// When it is looked at again.
const AGAIN: Duration = Duration::from_millis(50);

impl NodeMachine {
    pub(super) fn look_at_health(&mut self, now: Instant, state: &ClusterState) {
        if !self.services.count_time() {
            // With a right clock it goes on from what is logged.
            return self.health.clear();
        }
        let recovering: Vec<_> = state
            .slots()
            .filter(|slot| is_recovering(state, slot))
            .collect();
        self.health
            .retain(|home, _| recovering.iter().any(|slot| slot.home == *home));
        let mut led = BTreeSet::new();
        for slot in recovering {
            let Some(group) = state.group(slot.group) else {
                continue;
            };
            let seen = Seen {
                changes: group.changes,
                logged: state.healthy(slot.home),
                home: self.hearing(now, state, slot.home),
                backup: self.hearing(now, state, slot.desired),
                vouches: self.vouches(state, slot),
            };
            let health = self
                .health
                .entry(slot.home)
                .or_insert_with(|| Health::new(seen));
            health.observe(now, seen);
            if health.is_lost() {
                if seen.vouches {
                    self.begin_again(now, slot.home, group.changes);
                }
                continue;
            }
            // One at a time: the second of a group goes home when the first is there.
            let first = led.insert(group.id);
            let wanted = state.settings().fallback_auto && !group.held;
            if first && self.leads_control && wanted {
                self.lead_fallback(now, state.settings().fallback_delay, slot, group.changes);
            }
        }
    }

    /// Whether this node says in the log what it missed: it leads, or the two are itself and its peer.
    /// A start is recorded first, and begins the time again by itself.
    fn vouches(&self, state: &ClusterState, slot: &Slot) -> bool {
        let me = self.me();
        let recorded = state
            .node(me)
            .is_some_and(|node| node.boot >= self.identity.boot);
        recorded && (self.leads_control || slot.home == me || slot.desired == me)
    }

    /// A beat was missed: the healthy time begins again, whoever counts it.
    fn begin_again(&mut self, now: Instant, node: NodeId, changes: u64) {
        let accrued = Duration::ZERO;
        let command = ControlCommand::Healthy {
            node,
            accrued,
            changes,
        };
        self.want(now, Topic::Health(node), command);
    }

    /// As the control leader: logs the count, or acts on it.
    fn lead_fallback(&mut self, now: Instant, delay: Duration, slot: &Slot, changes: u64) {
        let Some(health) = self.health.get(&slot.home).cloned() else {
            return;
        };
        let (accrued, logged, node) = (health.accrued(now), health.logged(), slot.home);
        if accrued >= delay && !self.in_window {
            // The window opens with an input.
            return;
        }
        if accrued >= delay {
            // One that has just fallen silent is not missed yet, and it would be sent users.
            if !self.hears_now(now, slot.home) || !self.hears_now(now, slot.desired) {
                return self.wake_by(now + AGAIN);
            }
            let commands = fall_back(slot, HaReason::AutomaticFallback).to_vec();
            if self.want(
                now,
                Topic::Fallback(slot.id),
                ControlCommand::Together(commands),
            ) {
                self.out
                    .push_back(Output::Event(HaEvent::FallbackDue(node)));
            }
            return;
        }
        let interval = log_interval(delay);
        // Whole intervals, so that the same count is one proposal.
        let steps = u32::try_from(accrued.as_nanos() / interval.as_nanos()).unwrap_or(u32::MAX);
        let whole = interval.saturating_mul(steps);
        if whole > logged {
            let command = ControlCommand::Healthy {
                node,
                accrued: whole,
                changes,
            };
            self.want(now, Topic::Health(node), command);
        }
        if let Some(at) = health.reaches(delay.min(whole + interval)) {
            self.wake_by(at);
        }
    }

    /// Whether a node gave a sign of life a few beats ago at most.
    fn hears_now(&self, now: Instant, node: NodeId) -> bool {
        let heard = self.detector.last_heard(node);
        node == self.me() || heard.is_some_and(|at| now.since(at) <= FRESH)
    }

    /// What is known of a node, this one too. What was counted before this one started counts only once
    /// the others know that it did, and then no more.
    fn hearing(&self, now: Instant, state: &ClusterState, node: NodeId) -> Hearing {
        let recorded = |me: &Node| me.boot >= self.identity.boot;
        if node == self.me() {
            if state.node(node).is_some_and(recorded) {
                Hearing::Alive { breaks: 0 }
            } else {
                Hearing::Silent { last: now }
            }
        } else {
            self.detector.hearing(now, node)
        }
    }
}

/// Whether a slot's home node is back from a failover that nobody ordered, and its backup is well.
fn is_recovering(state: &ClusterState, slot: &Slot) -> bool {
    let in_state = |node, wanted| state.node(node).is_some_and(|node| node.ha.state == wanted);
    slot.is_failed_over()
        && state.group(slot.group).is_some_and(|group| group.ha)
        && slot.owner_node() == Some(slot.desired)
        && in_state(slot.home, HaState::FailedOver)
        // Both may have failed over: each serves the other's users.
        && (in_state(slot.desired, HaState::RunningInBackupMode)
            || in_state(slot.desired, HaState::FailedOver))
}
