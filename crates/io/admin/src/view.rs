//! The cluster as the answering node sees it, as messages.

use crate::homing;
use crate::settings::KNOWN;
use crate::{
    Act, AlarmInfo, Backend, CheckInfo, LiveView, ReplicaInfo, ServiceInfo, Verdict, proto, resolve,
};
use muster_cluster::{Account, ClusterState, Group, Node, Role, Slot};
use muster_ha::{advice, allowed_action, meaning};
use muster_types::{BareJid, NodeId};
use std::time::Duration;
use tonic::{Response, Status};

/// Everything but users and sessions.
pub(crate) fn status(
    state: &ClusterState,
    live: &LiveView,
    alarms: Vec<AlarmInfo>,
) -> proto::StatusResponse {
    let protection = crate::protection(state, live)
        .into_iter()
        .map(|one| proto::Protection {
            group: one.group,
            protected: one.protected,
            words: one.words,
        });
    let settings = KNOWN.iter().map(|known| proto::Setting {
        name: known.name.to_owned(),
        value: (known.show)(state.settings()),
        help: known.help.to_owned(),
    });
    proto::StatusResponse {
        cluster: state.cluster().unwrap_or_default().to_owned(),
        answered_by: live.node.0.into(),
        nodes: state.members().map(|one| node(state, live, one)).collect(),
        groups: state.groups().map(|one| group(state, one)).collect(),
        slots: state.slots().map(|one| slot(state, live, one)).collect(),
        domains: state
            .domains()
            .map(|(name, _)| proto::Domain {
                name: name.to_owned(),
            })
            .collect(),
        settings: settings.collect(),
        control_quorum: live.control_quorum,
        control_leader: live.control_leader.map_or(0, |node| node.0.into()),
        users: u64::try_from(state.account_count()).unwrap_or(u64::MAX),
        protection: protection.collect(),
        alarms: alarms.into_iter().map(alarm).collect(),
    }
}

fn alarm(alarm: AlarmInfo) -> proto::Alarm {
    proto::Alarm {
        since: alarm.since.to_string(),
        words: alarm.words,
        name: alarm.name.to_owned(),
        severity: alarm.severity.to_owned(),
        remedy: alarm.remedy.to_owned(),
    }
}

/// Most acts of one answer, and how many there are when nothing else is asked.
const ACTS: (u32, u32) = (10_000, 100);

/// The acts that were asked of the answering node.
pub(crate) async fn audit(
    backend: &dyn Backend,
    most: u32,
) -> Result<Response<proto::AuditListResponse>, Status> {
    let most = if most == 0 { ACTS.1 } else { most.min(ACTS.0) };
    let acts = backend.acts(usize::try_from(most).unwrap_or(usize::MAX));
    let acts = acts.await.map_err(Status::internal)?;
    let node = resolve::name_of(&backend.cluster(), backend.live().node);
    let shown = |act: Act| proto::Act {
        at: act.at.to_string(),
        node: node.clone(),
        by: act.by,
        call: act.call,
        about: act.about,
        outcome: act.outcome,
    };
    let acts = acts.into_iter().map(shown).collect();
    Ok(Response::new(proto::AuditListResponse { acts }))
}

/// One service of the answering node.
pub(crate) fn service(
    state: &ClusterState,
    live: &LiveView,
    service: &ServiceInfo,
) -> proto::Service {
    let word = match service.down {
        None => "running",
        Some(_) if service.has_failed() => "failed",
        Some(_) => "not answering",
    };
    proto::Service {
        name: service.name.to_owned(),
        node: resolve::name_of(state, live.node),
        critical: service.critical,
        delay_seconds: service.delay.as_secs(),
        state: word.to_owned(),
        down_ms: service.down.map_or(0, millis),
    }
}

/// What the answering node found out about itself.
pub(crate) fn checkup(
    state: &ClusterState,
    live: &LiveView,
    checks: &[CheckInfo],
) -> proto::CheckupResponse {
    let check = |check: &CheckInfo| proto::Check {
        name: check.name.to_owned(),
        verdict: i32::from(match check.verdict {
            Verdict::Pass => proto::Verdict::Pass,
            Verdict::Warn => proto::Verdict::Warn,
            Verdict::Fail => proto::Verdict::Fail,
        }),
        words: check.words.clone(),
        remedy: check.remedy.clone(),
    };
    let node = state.node(live.node);
    proto::CheckupResponse {
        node: node.map_or_else(String::new, |node| node.name.to_string()),
        checks: checks.iter().map(check).collect(),
    }
}

/// One replica of a log.
pub(crate) fn replica(state: &ClusterState, replica: &ReplicaInfo) -> proto::Replica {
    let slot = replica.slot.and_then(|slot| state.slot(slot));
    proto::Replica {
        log: replica
            .slot
            .map_or_else(|| "control".to_owned(), |slot| slot.to_string()),
        home: slot
            .map(|slot| resolve::name_of(state, slot.home))
            .unwrap_or_default(),
        node: resolve::name_of(state, replica.node),
        role: if replica.votes { "voter" } else { "learner" }.to_owned(),
        state: replica.state.label().to_owned(),
        lag_entries: replica.lag.entries,
        lag_bytes: replica.lag.bytes,
        lag_ms: millis(replica.lag.time),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn node(state: &ClusterState, live: &LiveView, node: &Node) -> proto::Node {
    let role = match node.role {
        Role::Serving => proto::Role::Serving,
        Role::Witness => proto::Role::Witness,
    };
    let in_ha = state.group_of(node.id).is_some_and(|group| group.ha);
    let action = allowed_action(node.ha.state)
        .filter(|_| in_ha)
        .map_or("", |action| action.label());
    let heard = live
        .heard_ms
        .get(&node.id)
        .copied()
        .filter(|_| node.id != live.node);
    let homing = homing::of(state, live, node);
    proto::Node {
        fallback_in_ms: homing.due_in.map(millis),
        fallback_waits: homing.waits,
        id: node.id.0.into(),
        name: node.name.clone(),
        role: role.into(),
        group: state
            .group_of(node.id)
            .map(|group| group.name.clone())
            .unwrap_or_default(),
        state: node.ha.state.label().to_owned(),
        reason: node.ha.reason.label().to_owned(),
        since: node.ha.since.to_string(),
        reachable: live.hears(node.id),
        heard_ms_ago: heard.unwrap_or_default(),
        via: live
            .via
            .get(&node.id)
            .map(|via| resolve::name_of(state, *via))
            .unwrap_or_default(),
        link: node.addresses.link.clone(),
        admin: node.addresses.admin.clone(),
        c2s: node.addresses.c2s.clone(),
        c2s_tls: node.addresses.c2s_tls.clone(),
        version: node.version.to_string(),
        boot: node.boot.0,
        action: action.to_owned(),
        meaning: meaning(node.ha.state).to_owned(),
        advice: advice(node.ha.state).to_owned(),
        answering: node.id == live.node,
    }
}

fn group(state: &ClusterState, group: &Group) -> proto::Group {
    proto::Group {
        id: group.id.0.into(),
        name: group.name.clone(),
        nodes: names(state, &group.nodes),
        ha: group.ha,
    }
}

fn slot(state: &ClusterState, live: &LiveView, slot: &Slot) -> proto::Slot {
    let seen = live.slots.get(&slot.id);
    let owner = owner(live, slot);
    let group = state.group(slot.group);
    proto::Slot {
        id: slot.id.0.into(),
        group: group.map(|group| group.name.clone()).unwrap_or_default(),
        home: resolve::name_of(state, slot.home),
        desired: resolve::name_of(state, slot.desired),
        owner: owner
            .map(|node| resolve::name_of(state, node))
            .unwrap_or_default(),
        epoch: seen
            .and_then(|view| view.owner)
            .or(slot.owner)
            .map_or(0, |(_, at)| at.index()),
        voters: names(state, &slot.voters),
        users: state.slot_accounts(slot.id),
        applied: seen.map_or(0, |view| view.applied),
        last_log: seen.map_or(0, |view| view.last_log),
    }
}

/// Who serves a slot: what this node has heard of it, otherwise what the control log was told, if
/// that node still lives.
fn owner(live: &LiveView, slot: &Slot) -> Option<NodeId> {
    match live.slots.get(&slot.id) {
        Some(view) => view.owner.map(|(node, _)| node),
        None => slot.owner_node().filter(|node| live.hears(*node)),
    }
}

/// One user.
pub(crate) fn user(
    state: &ClusterState,
    live: &LiveView,
    jid: &BareJid,
    account: &Account,
) -> proto::User {
    let slot = state.slot(account.slot);
    let served_by = slot.and_then(|slot| owner(live, slot));
    proto::User {
        jid: jid.to_string(),
        name: account.name.clone().unwrap_or_default(),
        slot: account.slot.0.into(),
        home: slot
            .map(|slot| resolve::name_of(state, slot.home))
            .unwrap_or_default(),
        served_by: served_by
            .map(|node| resolve::name_of(state, node))
            .unwrap_or_default(),
        disabled: account.disabled,
        policies: state
            .policies(jid)
            .iter()
            .map(|policy| policy.label().to_owned())
            .collect(),
    }
}

fn names(state: &ClusterState, nodes: &[NodeId]) -> Vec<String> {
    nodes
        .iter()
        .map(|node| resolve::name_of(state, *node))
        .collect()
}
