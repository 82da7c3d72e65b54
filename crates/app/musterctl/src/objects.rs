//! Messages as objects for programs, and the columns that people see of them.

use crate::table::Column;
use muster_admin::proto;
use serde_json::{Value, json};

/// Columns of nodes.
pub(crate) const NODE: &[Column] = &[
    ("NAME", "name"),
    ("ID", "id"),
    ("ROLE", "role"),
    ("GROUP", "group"),
    ("STATE", "state"),
    ("REASON", "reason"),
    ("AGE", "since"),
    ("REACHABLE", "reachable"),
    ("VIA", "via"),
    ("ACTION", "action"),
];

/// A node.
pub(crate) fn node(node: &proto::Node) -> Value {
    let role = match node.role() {
        proto::Role::Witness => "witness",
        proto::Role::Serving => "serving",
        proto::Role::Unspecified => "unknown",
    };
    json!({
        "id": format!("n{}", node.id),
        "name": node.name,
        "role": role,
        "group": or_null(&node.group),
        "state": node.state,
        "reason": node.reason,
        "since": node.since,
        "meaning": node.meaning,
        "advice": node.advice,
        "action": or_null(&node.action),
        "reachable": node.reachable,
        "heard_ms_ago": node.heard_ms_ago,
        "via": or_null(&node.via),
        "answering": node.answering,
        "link": node.link,
        "admin": or_null(&node.admin),
        "c2s": node.c2s,
        "c2s_tls": node.c2s_tls,
        "version": node.version,
        "boot": node.boot,
        "fallback_in_seconds": node.fallback_in_ms.map(|ms| ms.div_ceil(1_000)),
        "fallback_waits": or_null(&node.fallback_waits),
    })
}

/// Columns of groups.
pub(crate) const GROUP: &[Column] = &[
    ("NAME", "name"),
    ("ID", "id"),
    ("NODES", "nodes"),
    ("HA", "ha"),
    ("PROTECTED", "protected"),
];

/// The groups, with how each is protected.
pub(crate) fn groups(status: &proto::StatusResponse) -> Vec<Value> {
    let one = |group: &proto::Group| {
        let protection = status.protection.iter().find(|one| one.group == group.name);
        json!({
            "id": format!("g{}", group.id),
            "name": group.name,
            "nodes": group.nodes,
            "ha": group.ha,
            "protected": protection.is_some_and(|one| one.protected),
            "protection": protection.map(|one| one.words.as_str()),
        })
    };
    status.groups.iter().map(one).collect()
}

/// Columns of slots.
pub(crate) const SLOT: &[Column] = &[
    ("ID", "id"),
    ("GROUP", "group"),
    ("HOME", "home"),
    ("SERVED BY", "owner"),
    ("EPOCH", "epoch"),
    ("USERS", "users"),
    ("VOTERS", "voters"),
];

/// A slot.
pub(crate) fn slot(slot: &proto::Slot) -> Value {
    json!({
        "id": format!("s{}", slot.id),
        "group": slot.group,
        "home": slot.home,
        "desired": slot.desired,
        "owner": or_null(&slot.owner),
        "epoch": slot.epoch,
        "voters": slot.voters,
        "users": slot.users,
        "applied": slot.applied,
        "last_log": slot.last_log,
    })
}

/// Columns of users.
pub(crate) const USER: &[Column] = &[
    ("JID", "jid"),
    ("NAME", "name"),
    ("HOME", "home"),
    ("SERVED BY", "served_by"),
    ("DISABLED", "disabled"),
    ("POLICIES", "policies"),
];

/// A user.
pub(crate) fn user(user: &proto::User) -> Value {
    json!({
        "jid": user.jid,
        "name": or_null(&user.name),
        "slot": format!("s{}", user.slot),
        "home": user.home,
        "served_by": or_null(&user.served_by),
        "disabled": user.disabled,
        "policies": user.policies,
    })
}

/// Columns of sessions.
pub(crate) const SESSION: &[Column] = &[
    ("JID", "jid"),
    ("NODE", "node"),
    ("ADDRESS", "address"),
    ("TLS", "tls"),
    ("AGE", "since"),
];

/// A session.
pub(crate) fn session(session: &proto::Session) -> Value {
    json!({
        "jid": session.jid,
        "node": session.node,
        "address": session.address,
        "tls": session.tls,
        "since": session.since,
    })
}

/// Columns of domains.
pub(crate) const DOMAIN: &[Column] = &[("NAME", "name")];

/// A domain.
pub(crate) fn domain(domain: &proto::Domain) -> Value {
    json!({ "name": domain.name })
}

/// Columns of settings.
pub(crate) const SETTING: &[Column] = &[("NAME", "name"), ("VALUE", "value"), ("MEANING", "help")];

/// A setting.
pub(crate) fn setting(setting: &proto::Setting) -> Value {
    json!({ "name": setting.name, "value": setting.value, "help": setting.help })
}

/// Columns of services.
pub(crate) const SERVICE: &[Column] = &[
    ("SERVICE", "name"),
    ("NODE", "node"),
    ("CRITICAL", "critical"),
    ("DELAY S", "delay_seconds"),
    ("STATE", "state"),
    ("DOWN MS", "down_ms"),
];

/// A service.
pub(crate) fn service(service: &proto::Service) -> Value {
    json!({
        "name": service.name,
        "node": service.node,
        "critical": service.critical,
        "delay_seconds": service.delay_seconds,
        "state": service.state,
        "down_ms": service.down_ms,
    })
}

/// Columns of replicas.
pub(crate) const REPLICA: &[Column] = &[
    ("LOG", "log"),
    ("USERS OF", "home"),
    ("NODE", "node"),
    ("ROLE", "role"),
    ("STATE", "state"),
    ("ENTRIES", "lag_entries"),
    ("BYTES", "lag_bytes"),
    ("SECONDS", "lag_seconds"),
];

/// A replica.
pub(crate) fn replica(replica: &proto::Replica) -> Value {
    let lag = std::time::Duration::from_millis(replica.lag_ms);
    json!({
        "log": replica.log,
        "home": or_null(&replica.home),
        "node": replica.node,
        "role": replica.role,
        "state": replica.state,
        "lag_entries": replica.lag_entries,
        "lag_bytes": replica.lag_bytes,
        "lag_seconds": lag.as_secs_f64(),
    })
}

/// An alarm.
pub(crate) fn alarm(alarm: &proto::Alarm) -> Value {
    json!({
        "name": alarm.name,
        "severity": alarm.severity,
        "since": alarm.since,
        "words": alarm.words,
        "remedy": alarm.remedy,
    })
}

/// An event.
pub(crate) fn event(event: &proto::Event) -> Value {
    json!({
        "at": event.at,
        "kind": event.kind,
        "text": event.text,
        "fields": event.fields,
        "local": event.local,
    })
}

fn or_null(text: &str) -> Value {
    if text.is_empty() {
        Value::Null
    } else {
        Value::from(text)
    }
}
