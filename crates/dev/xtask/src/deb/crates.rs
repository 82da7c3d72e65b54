//! The crates that the programs are made of, with their licences.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::PROGRAMS;
use crate::workspace::{Node, Workspace};

/// One line for each foreign crate that is linked in: name, version, licence.
pub(super) fn list(workspace: &Workspace) -> String {
    let ours: BTreeSet<&str> = workspace.members().map(|ours| ours.id.as_str()).collect();
    let linked = linked(workspace);
    let mut lines = BTreeSet::new();
    for package in &workspace.metadata.packages {
        let id = package.id.as_str();
        if linked.contains(id) && !ours.contains(id) {
            let licence = package.license.as_deref().unwrap_or("see its source");
            lines.insert((&package.name, &package.version, licence));
        }
    }
    let mut text = String::new();
    for (name, version, licence) in lines {
        writeln!(text, "{name} {version}: {licence}").ok();
    }
    text
}

/// What the programs depend on at any distance. Whether a crate only helps to build others is not told apart.
fn linked(workspace: &Workspace) -> BTreeSet<&str> {
    let resolved = &workspace.metadata.resolve.nodes;
    let nodes: BTreeMap<&str, &Node> = resolved.iter().map(|n| (n.id.as_str(), n)).collect();
    let programs = workspace
        .members()
        .filter(|ours| PROGRAMS.contains(&ours.name.as_str()));
    let mut waiting: Vec<&str> = programs.map(|program| program.id.as_str()).collect();
    let mut seen: BTreeSet<&str> = waiting.iter().copied().collect();
    while let Some(id) = waiting.pop() {
        for next in nodes.get(id).into_iter().flat_map(|node| &node.deps) {
            let linked = next.dep_kinds.iter().any(|kind| kind.kind.is_none());
            if linked && seen.insert(&next.pkg) {
                waiting.push(&next.pkg);
            }
        }
    }
    seen
}
