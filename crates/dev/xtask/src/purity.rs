//! Core decides and never looks at the world: nothing under `crates/core` may reach a runtime, a disk or a socket library.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anyhow::Result;

use crate::workspace::{Node, Workspace};

/// What no core crate may be linked with, at any distance.
const OUTSIDE: &[&str] = &[
    "tokio", "mio", "socket2", "sled", "openraft", "tonic", "rustls", "hyper",
];

/// Each core crate that reaches one of [`OUTSIDE`], with the way there.
pub(crate) fn problems(workspace: &Workspace) -> Result<Vec<String>> {
    let nodes: BTreeMap<&str, &Node> = workspace
        .metadata
        .resolve
        .nodes
        .iter()
        .map(|node| (node.id.as_str(), node))
        .collect();
    let names: BTreeMap<&str, &str> = workspace
        .metadata
        .packages
        .iter()
        .map(|package| (package.id.as_str(), package.name.as_str()))
        .collect();
    let core = workspace
        .members()
        .filter(|package| workspace.folder(package).starts_with("crates/core/"));
    Ok(core
        .filter_map(|package| way_out(&package.id, &nodes, &names))
        .collect())
}

/// The shortest way from a crate to a forbidden one. Development dependencies are not linked, so they do not count.
fn way_out(
    from: &str,
    nodes: &BTreeMap<&str, &Node>,
    names: &BTreeMap<&str, &str>,
) -> Option<String> {
    let mut seen = BTreeSet::from([from]);
    let mut waiting = VecDeque::from([vec![from]]);
    while let Some(path) = waiting.pop_front() {
        let last = *path.last()?;
        if names.get(last).is_some_and(|name| OUTSIDE.contains(name)) {
            let way: Vec<_> = path
                .iter()
                .filter_map(|id| names.get(id).copied())
                .collect();
            return Some(format!("core must stay pure, but {}", way.join(" -> ")));
        }
        for next in nodes.get(last).into_iter().flat_map(|node| &node.deps) {
            let linked = next
                .dep_kinds
                .iter()
                .any(|kind| kind.kind.as_deref() != Some("dev"));
            if linked && seen.insert(&next.pkg) {
                let mut longer = path.clone();
                longer.push(&next.pkg);
                waiting.push_back(longer);
            }
        }
    }
    None
}
