//! Names as operators write them, to ids.

use crate::quote::quoted;
use crate::refused;
use muster_cluster::{ClusterState, Group, Node};
use muster_types::{BareJid, DomainPart, NodeId};
use tonic::Status;

/// The member called `word`, or whose id (`n3`) it is. A name goes before an id.
pub(crate) fn node<'a>(state: &'a ClusterState, word: &str) -> Result<&'a Node, Status> {
    ready(state)?;
    let by_id = || state.members().find(|node| node.id.to_string() == word);
    state.node_named(word).or_else(by_id).ok_or_else(|| {
        let names = state.members().map(|node| node.name.as_str());
        Status::not_found(format!(
            "there is no node {}{}",
            quoted(word),
            listed("the nodes are", names)
        ))
    })
}

/// The node whose place can be given away: first one that was ousted and has no successor, whose name a
/// new node may have by now, then a member.
pub(crate) fn holder<'a>(state: &'a ClusterState, word: &str) -> Result<&'a Node, Status> {
    let ousted = |node: &&Node| node.ousted_by().is_some() && state.group_of(node.id).is_some();
    let named = |node: &&Node| node.name == word || node.id.to_string() == word;
    match state.nodes().filter(ousted).find(named) {
        Some(node) => Ok(node),
        None => node(state, word),
    }
}

/// The group called `word`, or whose id (`g1`) it is.
pub(crate) fn group<'a>(state: &'a ClusterState, word: &str) -> Result<&'a Group, Status> {
    ready(state)?;
    let by_id = || state.groups().find(|group| group.id.to_string() == word);
    state.group_named(word).or_else(by_id).ok_or_else(|| {
        let names = state.groups().map(|group| group.name.as_str());
        Status::not_found(format!(
            "there is no group {}{}",
            quoted(word),
            listed("the groups are", names)
        ))
    })
}

/// A user's address.
pub(crate) fn user(word: &str) -> Result<BareJid, Status> {
    let jid = BareJid::new(word).map_err(|error| {
        Status::invalid_argument(format!("{} is no address: {error}", quoted(word)))
    })?;
    if jid.node().is_none() {
        let word = quoted(word);
        let text = format!("{word} names no user: write it like alice@example.com");
        return Err(Status::invalid_argument(text));
    }
    Ok(jid)
}

/// A domain.
pub(crate) fn domain(word: &str) -> Result<DomainPart, Status> {
    DomainPart::new(word)
        .map(std::borrow::Cow::into_owned)
        .map_err(|error| {
            Status::invalid_argument(format!("{} is no domain: {error}", quoted(word)))
        })
}

/// A node's name for people; its id when it is unknown.
pub(crate) fn name_of(state: &ClusterState, node: NodeId) -> String {
    state
        .node(node)
        .map_or_else(|| node.to_string(), |node| node.name.clone())
}

/// Whether there is a cluster to ask about.
pub(crate) fn ready(state: &ClusterState) -> Result<(), Status> {
    match state.cluster() {
        Some(_) => Ok(()),
        None => Err(refused::no_cluster()),
    }
}

fn listed<'a>(before: &str, names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    if names.is_empty() {
        String::new()
    } else {
        format!(": {before} {}", names.join(", "))
    }
}
