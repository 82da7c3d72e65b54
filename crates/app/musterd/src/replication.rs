//! How far every replica is behind, as the leaders of the logs know it.
//!
//! ```text
//! note: what this node leads, twice a second -> History (how long the log has reached beyond an entry)
//! all:  the control log and every slot -> own_rows, here or asked of the leader over the link
//! ```

use crate::links;
use crate::shared::Shared;
use muster_admin::{Lag, ReplicaInfo, ReplicaState};
use muster_cluster::ClusterState;
use muster_ha::{control_voters, desired_voters};
use muster_raft::{Group, RaftGroupId, Status};
use muster_telemetry::alarms::REPLICA_REFUSES;
use muster_types::{NodeId, SlotId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a log's length is noted.
const NOTE: Duration = Duration::from_millis(500);
/// Notes kept of one log: an hour of writes without a pause.
const NOTES: usize = 7_200;

/// When a log was first seen to reach beyond which entry.
#[derive(Debug, Default)]
struct History(VecDeque<(Instant, u64)>);

impl History {
    fn note(&mut self, now: Instant, last: u64) {
        if self.0.back().is_some_and(|(_, known)| *known == last) {
            return;
        }
        self.0.push_back((now, last));
        if self.0.len() > NOTES {
            self.0.pop_front();
        }
    }

    /// For how long a replica that has everything up to `matched` has lacked something.
    fn lag(&self, now: Instant, matched: u64) -> Duration {
        let beyond = self.0.partition_point(|(_, last)| *last <= matched);
        let since = self.0.get(beyond).map(|(at, _)| *at);
        since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

/// The notes of all logs that this node leads.
#[derive(Debug, Default)]
pub(crate) struct Histories(Mutex<BTreeMap<RaftGroupId, History>>);

impl Histories {
    fn note(&self, now: Instant, groups: &[Group]) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for group in groups {
            let (leading, last) = {
                let status = group.status();
                let status = status.borrow();
                (status.leading, status.last_log)
            };
            if leading {
                all.entry(group.id()).or_default().note(now, last);
            } else {
                all.remove(&group.id());
            }
        }
    }

    fn lag(&self, group: RaftGroupId, matched: u64) -> Duration {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let history = all.get(&group);
        history.map_or(Duration::ZERO, |history| {
            history.lag(Instant::now(), matched)
        })
    }
}

/// Keeps the notes until the node ends.
pub(crate) async fn keep(shared: Arc<Shared>) {
    let mut tick = muster_ticks::ticks(NOTE);
    loop {
        tick.tick().await;
        let groups = shared.groups.all();
        shared.histories.note(Instant::now(), &groups);
        tell_of_refusals(&shared, &groups);
    }
}

fn tell_of_refusals(shared: &Shared, groups: &[Group]) {
    let refused = |group: &Group| Some(format!("group {}: {}", group.id(), group.refused()?));
    let refused: Vec<_> = groups.iter().filter_map(refused).collect();
    if refused.is_empty() {
        let words = "every replica takes what its leader sends";
        return shared.alarms.clear(&REPLICA_REFUSES, words);
    }
    let words = format!("replicas of this node stay behind: {}", refused.join("; "));
    shared.alarms.raise(&REPLICA_REFUSES, words);
}

/// One replica, as its leader tells another node of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    node: NodeId,
    votes: bool,
    leads: bool,
    reachable: bool,
    entries: u64,
    bytes: u64,
    time: Duration,
}

/// The replicas of a log that this node leads.
pub(crate) async fn own_rows(shared: &Arc<Shared>, id: RaftGroupId) -> Option<Vec<Row>> {
    let group = shared.groups.find(id)?;
    let status = group.status().borrow().clone();
    if !status.leading {
        return None;
    }
    let mut in_contact = shared.in_contact();
    in_contact.insert(shared.node);
    let mut rows = Vec::new();
    for node in status.voters.union(&status.learners) {
        let matched = match node == &shared.node {
            true => status.last_log,
            false => status.matched.get(node).copied().unwrap_or_default(),
        };
        rows.push(Row {
            node: *node,
            votes: status.voters.contains(node),
            leads: *node == shared.node,
            reachable: in_contact.contains(node),
            entries: status.last_log.saturating_sub(matched),
            bytes: missing_bytes(&group, &status, matched).await,
            time: lag(shared, &status, id, matched),
        });
    }
    Some(rows)
}

fn lag(shared: &Shared, status: &Status, id: RaftGroupId, matched: u64) -> Duration {
    if matched >= status.last_log {
        return Duration::ZERO;
    }
    shared.histories.lag(id, matched)
}

async fn missing_bytes(group: &Group, status: &Status, matched: u64) -> u64 {
    if matched >= status.last_log {
        return 0;
    }
    let group = group.clone();
    let counted = tokio::task::spawn_blocking(move || group.log_bytes(matched + 1)).await;
    // A store that cannot be read ends the node elsewhere.
    counted.ok().and_then(Result::ok).unwrap_or_default()
}

/// Every replica of every log.
pub(crate) async fn all(shared: &Arc<Shared>) -> Vec<ReplicaInfo> {
    let state = shared.cluster_state();
    let slots = state.slots().map(|slot| Some(slot.id));
    let logs: Vec<_> = std::iter::once(None).chain(slots).collect();
    let mut replicas = Vec::new();
    for slot in logs {
        let id = slot.map_or(RaftGroupId::CONTROL, crate::slot::group_of);
        match rows(shared, slot, id).await {
            Some(rows) => replicas.extend(rows.iter().map(|row| replica(slot, row))),
            None => replicas.extend(nobody_says(&state, slot)),
        }
    }
    replicas
}

async fn rows(shared: &Arc<Shared>, slot: Option<SlotId>, id: RaftGroupId) -> Option<Vec<Row>> {
    if let Some(rows) = own_rows(shared, id).await {
        return Some(rows);
    }
    let led = shared
        .groups
        .find(id)
        .filter(Group::is_led)
        .and_then(|group| group.status().borrow().leader);
    // A node without a replica knows only who serves, and that one leads too.
    let leader = led.or_else(|| Some(shared.owner_of(slot?)?.0))?;
    links::ask_replication(shared, leader, id).await
}

fn replica(slot: Option<SlotId>, row: &Row) -> ReplicaInfo {
    let state = match row {
        Row { leads: true, .. } => ReplicaState::Leads,
        Row {
            reachable: false, ..
        } => ReplicaState::Unreachable,
        Row { entries: 0, .. } => ReplicaState::InStep,
        Row { .. } => ReplicaState::CatchingUp,
    };
    ReplicaInfo {
        slot,
        node: row.node,
        votes: row.votes,
        state,
        lag: Lag {
            entries: row.entries,
            bytes: row.bytes,
            time: row.time,
        },
    }
}

fn nobody_says(state: &ClusterState, slot: Option<SlotId>) -> Vec<ReplicaInfo> {
    let voters = slot.map_or_else(|| control_voters(state), |slot| desired_voters(state, slot));
    let unknown = |node| ReplicaInfo {
        slot,
        node,
        votes: true,
        state: ReplicaState::Unknown,
        lag: Lag::default(),
    };
    voters.into_iter().map(unknown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_lags_since_the_log_first_reached_beyond_what_it_has() {
        let begin = Instant::now();
        let at = |secs| begin + Duration::from_secs(secs);
        let mut history = History::default();
        for (secs, last) in [(0, 5), (1, 5), (2, 9), (3, 12)] {
            history.note(at(secs), last);
        }
        for (matched, lag) in [(12, 0), (11, 7), (9, 7), (8, 8), (5, 8), (4, 10), (0, 10)] {
            assert_eq!(
                history.lag(at(10), matched),
                Duration::from_secs(lag),
                "{matched}"
            );
        }
        assert_eq!(history.0.len(), 3, "what is the same is no new note");
    }

    #[test]
    fn a_row_says_in_one_word_how_its_replica_is() {
        let row = |leads, reachable, entries| Row {
            node: NodeId(1),
            votes: true,
            leads,
            reachable,
            entries,
            bytes: entries * 10,
            time: Duration::ZERO,
        };
        for (row, state) in [
            (row(true, true, 0), ReplicaState::Leads),
            (row(false, true, 0), ReplicaState::InStep),
            (row(false, true, 3), ReplicaState::CatchingUp),
            (row(false, false, 0), ReplicaState::Unreachable),
            (row(false, false, 3), ReplicaState::Unreachable),
        ] {
            assert_eq!(replica(None, &row).state, state, "{row:?}");
        }
    }
}
