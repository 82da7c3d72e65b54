//! `status`: the cluster on one screen.

use crate::ask::ask;
use crate::connect::Connector;
use crate::failure::Failure;
use crate::objects;
use crate::output::Answer;
use crate::table::{Column, table};
use crate::time;
use muster_admin::proto::{Alarm, Node, StatusRequest, StatusResponse};
use serde_json::{Value, json};

/// What a node says that is in no cluster.
pub(super) const NO_CLUSTER: &str = "this node is in no cluster yet.\nNext: `musterctl cluster init` on the first node, `musterctl cluster join TOKEN` on the others";

const NODES: &[Column] = &[
    ("NODE", "name"),
    ("ROLE", "role"),
    ("GROUP", "group"),
    ("STATE", "state"),
    ("REASON", "reason"),
    ("AGE", "since"),
    ("REACHABLE", "reachable"),
];

const SLOTS: &[Column] = &[
    ("USERS OF", "home"),
    ("SERVED BY", "owner"),
    ("USERS", "users"),
    ("EPOCH", "epoch"),
    ("VOTERS", "voters"),
];

pub(super) async fn run(connector: &Connector) -> Result<Answer, Failure> {
    let status = ask(connector.client().await?.status(StatusRequest {})).await?;
    Ok(answer(&status))
}

fn answer(status: &StatusResponse) -> Answer {
    if status.cluster.is_empty() {
        return Answer::new(NO_CLUSTER, json!({ "cluster": null }));
    }
    let nodes: Vec<Value> = status.nodes.iter().map(objects::node).collect();
    let slots: Vec<Value> = status.slots.iter().map(objects::slot).collect();
    let mut text = head(status);
    text += &format!("\n{}", table(NODES, &nodes));
    if !slots.is_empty() {
        text += &format!("\n{}", table(SLOTS, &slots));
    }
    text += &format!("\n{}", protection(status));
    text += &homing(status);
    for alarm in &status.alarms {
        let Alarm {
            name,
            severity,
            words,
            remedy,
            ..
        } = alarm;
        text += &format!("ALARM {name} ({severity}): {words}\n  Next: {remedy}\n");
    }
    let named = |id: u32| {
        status
            .nodes
            .iter()
            .find(|node| node.id == id)
            .map(|node| &node.name)
    };
    let value = json!({
        "cluster": status.cluster,
        "answered_by": named(status.answered_by),
        "control_quorum": status.control_quorum,
        "control_leader": named(status.control_leader),
        "users": status.users,
        "domains": status.domains.iter().map(|domain| &domain.name).collect::<Vec<_>>(),
        "nodes": nodes,
        "groups": objects::groups(status),
        "slots": slots,
        "alarms": status.alarms.iter().map(objects::alarm).collect::<Vec<_>>(),
    });
    Answer::new(text, value)
}

fn head(status: &StatusResponse) -> String {
    let name = |id: u32| {
        let node = status.nodes.iter().find(|node| node.id == id);
        node.map_or("nobody", |node| node.name.as_str())
    };
    let control = if status.control_quorum {
        format!("led by {}", name(status.control_leader))
    } else {
        "NO QUORUM: nothing can be changed, users are served on".to_owned()
    };
    let domains: Vec<_> = status
        .domains
        .iter()
        .map(|domain| domain.name.as_str())
        .collect();
    let domains = if domains.is_empty() {
        "none yet".to_owned()
    } else {
        domains.join(", ")
    };
    format!(
        "Cluster:      {}, as node {} sees it\nControl log:  {control}\nDomains:      {domains}\nUsers:        {}\n",
        status.cluster,
        name(status.answered_by),
        status.users
    )
}

/// When users go home by themselves, and what they wait for; a line for each node whose users are away.
fn homing(status: &StatusResponse) -> String {
    let line = |node: &Node| {
        let due = node.fallback_in_ms.map(|ms| {
            let seconds = ms.div_ceil(1_000);
            format!("in {}", time::age(seconds))
        });
        let waits = Some(node.fallback_waits.clone()).filter(|words| !words.is_empty());
        let words: Vec<_> = due.into_iter().chain(waits).collect();
        let words = words.join(", ");
        (!words.is_empty()).then(|| format!("Fallback of {}: {words}\n", node.name))
    };
    status.nodes.iter().filter_map(line).collect()
}

/// Whether a failure now would be survived, a line for each group.
fn protection(status: &StatusResponse) -> String {
    if status.protection.is_empty() {
        return "There is no group yet, so nobody can be served.\nNext: `musterctl group create NAME`, `musterctl group add-node NAME NODE`\n".to_owned();
    }
    let line = |one: &muster_admin::proto::Protection| {
        let mut reasons = one.words.split("; ");
        let mut text = format!(
            "Group {}: {}\n",
            one.group,
            reasons.next().unwrap_or_default()
        );
        for reason in reasons {
            text += &format!("  and {reason}\n");
        }
        text
    };
    status.protection.iter().map(line).collect()
}
