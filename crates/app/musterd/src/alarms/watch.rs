//! The alarms that are seen from outside: by what the node hears of the others, and by what stands in the control log.

use super::{expiry, space};
use crate::backend::NodeBackend;
use crate::node::Node;
use crate::shared::wall;
use muster_admin::{Backend, LiveView};
use muster_cluster::ClusterState;
use muster_telemetry::alarms::{
    Alarm, FAILOVER, FAILOVER_FAILED, NOT_PROTECTED, PEER_NODE_FAILURE, QUORUM_LOST,
};
use muster_types::NodeId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often is looked.
const LOOK: Duration = Duration::from_secs(1);
/// What is over so soon was no failure.
const SHORT: Duration = Duration::from_secs(5);
/// A pair whose node restarts is protected again so soon.
const LONG: Duration = Duration::from_secs(30);
/// A takeover is done long before.
const TAKEOVER: Duration = Duration::from_secs(10);

/// One thing that may be wrong.
struct Watched {
    alarm: &'static Alarm,
    /// How long it has to be wrong.
    lasting: Duration,
    /// What is wrong; `None` if nothing is.
    find: fn(&ClusterState, &LiveView) -> Option<String>,
    over: &'static str,
}

static ALL: [Watched; 5] = [
    Watched {
        alarm: &PEER_NODE_FAILURE,
        lasting: SHORT,
        find: silent_nodes,
        over: "all nodes are heard",
    },
    Watched {
        alarm: &FAILOVER,
        lasting: Duration::ZERO,
        find: served_for_others,
        over: "this node serves its own users only",
    },
    Watched {
        alarm: &FAILOVER_FAILED,
        lasting: TAKEOVER,
        find: unserved,
        over: "all users are served",
    },
    Watched {
        alarm: &QUORUM_LOST,
        lasting: SHORT,
        find: no_quorum,
        over: "the control log has a quorum",
    },
    Watched {
        alarm: &NOT_PROTECTED,
        lasting: LONG,
        find: unprotected,
        over: "all groups that this node knows are protected",
    },
];

/// Raises and clears them until the node ends.
pub(crate) async fn keep(backend: Arc<NodeBackend>, node: Arc<Node>) {
    let mut tick = muster_ticks::ticks(LOOK);
    let mut since = BTreeMap::new();
    while !node.is_stopping() {
        tick.tick().await;
        space::look(&node.shared.alarms, &node.shared.config().data_dir);
        if let Some(clients) = &node.clients {
            expiry::look(&node.shared.alarms, wall(), &clients.tls.certificates());
        }
        let (state, live) = (backend.cluster(), backend.live());
        for (watched, words) in due(&mut since, Instant::now(), &state, &live) {
            let alarms = &node.shared.alarms;
            match words {
                Some(words) => alarms.raise(watched.alarm, words),
                None => alarms.clear(watched.alarm, watched.over),
            }
        }
    }
}

/// What is wrong for long enough, and what is not wrong; what may be over in a moment is neither.
fn due(
    since: &mut BTreeMap<&'static str, Instant>,
    now: Instant,
    state: &ClusterState,
    live: &LiveView,
) -> Vec<(&'static Watched, Option<String>)> {
    let look = |watched: &'static Watched| {
        let name = watched.alarm.name;
        let Some(words) = (watched.find)(state, live) else {
            since.remove(name);
            return Some((watched, None));
        };
        let began = *since.entry(name).or_insert(now);
        (now.duration_since(began) >= watched.lasting).then_some((watched, Some(words)))
    };
    ALL.iter().filter_map(look).collect()
}

fn name(state: &ClusterState, node: NodeId) -> String {
    let node = state.node(node).map(|node| node.name.clone());
    node.unwrap_or_default()
}

fn silent_nodes(state: &ClusterState, live: &LiveView) -> Option<String> {
    let silent = state.members().filter(|node| !live.hears(node.id));
    let names: Vec<_> = silent.map(|node| node.name.as_str()).collect();
    match names[..] {
        [] => None,
        [one] => Some(format!("node {one} is not heard")),
        _ => Some(format!("the nodes {} are not heard", names.join(", "))),
    }
}

fn served_for_others(state: &ClusterState, live: &LiveView) -> Option<String> {
    let foreign = state.slots().filter(|slot| slot.home != live.node);
    let here = foreign.filter(|slot| {
        let view = live.slots.get(&slot.id);
        view.and_then(|view| view.owner)
            .is_some_and(|(owner, _)| owner == live.node)
    });
    let homes: Vec<_> = here.map(|slot| name(state, slot.home)).collect();
    let homes = homes.join(", ");
    (!homes.is_empty()).then(|| format!("this node serves the users of {homes} too"))
}

fn unserved(state: &ClusterState, live: &LiveView) -> Option<String> {
    let nobody = |slot: &&muster_cluster::Slot| {
        let view = live.slots.get(&slot.id);
        let owner = view.and_then(|view| view.owner);
        owner.is_none_or(|(owner, _)| !live.hears(owner))
    };
    let homes = state.slots().filter(nobody);
    let homes: Vec<_> = homes.map(|slot| name(state, slot.home)).collect();
    let homes = homes.join(", ");
    (!homes.is_empty())
        .then(|| format!("nobody serves the users of {homes}, as far as this node knows"))
}

fn no_quorum(state: &ClusterState, live: &LiveView) -> Option<String> {
    let lost = state.cluster().is_some() && !live.control_quorum;
    lost.then(|| {
        "the control log has no quorum: nothing can be changed, and no user taken over".to_owned()
    })
}

fn unprotected(state: &ClusterState, live: &LiveView) -> Option<String> {
    // Where nobody asked for high availability its absence is no alarm.
    let wanted = |name: &str| state.groups().any(|group| group.name == name && group.ha);
    let all = muster_admin::protection(state, live);
    let missing = all
        .into_iter()
        .filter(|one| !one.protected && wanted(&one.group));
    let words: Vec<_> = missing
        .map(|one| format!("group {}: {}", one.group, one.words))
        .collect();
    (!words.is_empty()).then(|| words.join("; "))
}

#[cfg(test)]
#[path = "watch_test.rs"]
mod watch_test;
