//! The one task of this crate beside openraft's: beats, status, lease, and asking to lead.

use super::Raft;
use super::stand::Stand;
use crate::config::Timing;
use crate::lease::{Clock, Lease, Suspensions};
use crate::runtime::Beat;
use crate::status::{Status, is_lone_voter, is_settled, is_voter};
use crate::types::Types;
use openraft::ServerState;
use openraft::async_runtime::WatchReceiver as _;
use openraft::metrics::RaftMetrics;
use tokio::sync::watch;

/// What the task keeps up to date, and by what.
pub(super) struct Seen {
    pub(super) timing: Timing,
    pub(super) clock: Clock,
    pub(super) lease: Lease,
    pub(super) status: watch::Sender<Status>,
}

/// Sends the beats, turns openraft's metrics into [`Status`], keeps the lease, takes snapshots when
/// enough was written, and hands over when this node leads without a vote. Ends when the group does.
pub(super) async fn observe(raft: Raft, seen: Seen, mut stand: Stand) {
    let Seen {
        timing,
        clock,
        lease,
        status,
    } = seen;
    let mut metrics = raft.metrics();
    let mut beat = Beat::new(timing.beat);
    // What is there at the start was snapshot before, or will be with what comes.
    let mut snapshot_at = Status::of(&metrics.borrow_watched().clone()).applied;
    let mut suspensions = Suspensions::default();
    loop {
        let current = metrics.borrow_watched().clone();
        suspensions.look();
        renew(&lease, &current, timing, clock, &suspensions);
        let now = Status::of(&current);
        let ended = now.stopped.is_some();
        if now.applied >= snapshot_at + timing.entries_per_snapshot {
            snapshot_at = now.applied;
            // The group may stop between; the next turn of the loop sees it.
            let _ = raft.trigger().snapshot().await;
        }
        status.send_if_modified(|old| {
            let changed = *old != now;
            *old = now;
            changed
        });
        if ended {
            return lease.end();
        }
        // The beat first: it is rare, and must not wait for metrics that never rest.
        tokio::select! {
            biased;
            () = beat.tick() => {
                if current.state == ServerState::Leader {
                    // A group that stops is seen by the next turn of the loop.
                    let _ = raft.trigger().heartbeat().await;
                }
                if stand.is_due(&current) {
                    let _ = raft.trigger().elect(true).await;
                }
                if let Some(to) = heir(&current) {
                    let _ = raft.trigger().transfer_leader(to).await;
                }
            }
            changed = metrics.changed() => {
                if changed.is_err() {
                    return lease.end();
                }
            }
        }
    }
}

/// Who should lead in the place of a leader that has no vote: a voter that has everything.
fn heir(metrics: &RaftMetrics<Types>) -> Option<u64> {
    if metrics.state != ServerState::Leader || is_voter(metrics) || !is_settled(metrics) {
        return None;
    }
    let matched = metrics.replication.as_ref()?;
    let has_all = |id: &u64| {
        let at = matched.get(id).cloned().flatten();
        at.map(|at| at.index) == metrics.last_log_index
    };
    let membership = metrics.membership_config.membership();
    membership.voter_ids().find(has_all)
}

/// The lease runs from the *sending* of the last round that a quorum acknowledged. A lone voter
/// is its own quorum: it renews by the beat, so that a paused process still loses its lease before
/// any voter that it was just given could vote.
///
/// A leader that does not vote has none. openraft lets the only voter of a group stand for election
/// without waiting for anybody's lease, and hands over the leadership of one that it removes.
fn renew(
    lease: &Lease,
    metrics: &RaftMetrics<Types>,
    timing: Timing,
    clock: Clock,
    suspensions: &Suspensions,
) {
    let leads = metrics.state == ServerState::Leader && metrics.running_state.is_ok();
    if !leads || !is_voter(metrics) {
        return lease.end();
    }
    if is_lone_voter(metrics) {
        lease.set(clock.now() + timing.lease());
    } else if let Some(acked) = metrics.last_quorum_acked {
        // The clock is read before the age, so the sum errs towards an earlier end.
        let now = clock.now();
        let age = acked.into_inner().elapsed();
        if suspensions.know(age) {
            lease.set(now - age + timing.lease());
        } else {
            lease.end();
        }
    }
}
