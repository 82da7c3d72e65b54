//! `group`, and the moves of users that `node` shares with it.

use super::wait::{self, Until};
use crate::ask::ask;
use crate::cli::{Fallback, Group, Move};
use crate::connect::Connector;
use crate::failure::Failure;
use crate::output::Answer;
use muster_admin::proto::{
    FallbackOrder, FallbackOrderRequest, GroupAddNodeRequest, GroupCreateRequest, GroupRef, NodeRef,
};

pub(super) async fn run(connector: &Connector, command: Group) -> Result<Answer, Failure> {
    match command {
        Group::Create { group } => {
            let request = GroupCreateRequest {
                name: group.clone(),
            };
            ask(connector.client().await?.group_create(request)).await?;
            Ok(Answer::done(format!("group {group} is made")))
        }
        Group::Remove { group } => {
            let request = GroupRef {
                group: group.clone(),
            };
            ask(connector.client().await?.group_remove(request)).await?;
            Ok(Answer::done(format!("group {group} is removed")))
        }
        Group::AddNode { group, node } => {
            let request = GroupAddNodeRequest {
                group: group.clone(),
                node: node.clone(),
            };
            ask(connector.client().await?.group_add_node(request)).await?;
            Ok(Answer::done(format!("node {node} is in group {group}")))
        }
        Group::EnableHa { group, wait } => {
            let request = GroupRef {
                group: group.clone(),
            };
            ask(connector.client().await?.group_enable_ha(request)).await?;
            wait::until(connector, wait, Until::Protected(&group)).await?;
            Ok(Answer::done(format!(
                "high availability is enabled for group {group}"
            )))
        }
        Group::DisableHa { group } => {
            let request = GroupRef {
                group: group.clone(),
            };
            ask(connector.client().await?.group_disable_ha(request)).await?;
            Ok(Answer::done(format!(
                "high availability is disabled for group {group}"
            )))
        }
        Group::Recover { group, wait } => {
            let request = GroupRef {
                group: group.clone(),
            };
            ask(connector.client().await?.recover(request)).await?;
            wait::until(connector, wait, Until::Protected(&group)).await?;
            Ok(Answer::done(format!("group {group} recovers")))
        }
        Group::Failover(wanted) => failover(connector, wanted).await,
        Group::Fallback(wanted) => fallback(connector, wanted).await,
    }
}

pub(super) async fn failover(connector: &Connector, wanted: Move) -> Result<Answer, Failure> {
    let Move { node, wait } = wanted;
    ask(connector
        .client()
        .await?
        .failover(NodeRef { node: node.clone() }))
    .await?;
    wait::until(connector, wait, Until::Away(&node)).await?;
    let moved = if wait.wait {
        "are served by its peer"
    } else {
        "go to its peer"
    };
    Ok(Answer::done(format!("the users of {node} {moved}")))
}

pub(super) async fn fallback(connector: &Connector, wanted: Fallback) -> Result<Answer, Failure> {
    let Fallback {
        now,
        hold,
        release,
        cancel,
    } = wanted;
    let order = match (hold, release, cancel) {
        (true, ..) => Some((
            FallbackOrder::Hold,
            "nobody of its group goes home by itself until --release",
        )),
        (_, true, _) => Some((
            FallbackOrder::Release,
            "users may go home by themselves again",
        )),
        (.., true) => Some((
            FallbackOrder::Cancel,
            "the countdown is over: the users stay until `musterctl group fallback`",
        )),
        _ => None,
    };
    if let Some((order, done)) = order {
        let request = FallbackOrderRequest {
            node: now.node,
            order: order.into(),
        };
        ask(connector.client().await?.fallback_order(request)).await?;
        return Ok(Answer::done(done));
    }
    bring_home(connector, now).await
}

pub(super) async fn bring_home(connector: &Connector, wanted: Move) -> Result<Answer, Failure> {
    let Move { node, wait } = wanted;
    ask(connector
        .client()
        .await?
        .fallback(NodeRef { node: node.clone() }))
    .await?;
    wait::until(connector, wait, Until::Home(&node)).await?;
    // Either node of the pair may be named, so this does not say whose users.
    let moved = if wait.wait {
        "all users are at home"
    } else {
        "the users go home"
    };
    Ok(Answer::done(moved))
}
