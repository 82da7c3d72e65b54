//! The tree is the architecture: a crate depends only on crates of lower floors.

use anyhow::Result;

use crate::workspace::{Package, Workspace};

/// Each crate's floor. The numbers are those of the graph as it is: every dependency goes down by at least one.
///
/// | floors | what stands there |
/// |---|---|
/// | 0–5 | `crates/core`: words (0), one stanza or secret (1), one rule book each (2), replicated data (3), what nodes and owners say to each other and who serves (4), the machines that serve (5) |
/// | 6–8 | `crates/io`: logs and metrics, ticks (6), one adapter for each outside thing (7), Raft over store and link (8) |
/// | 9 | the admin CLI, and the programs that drive the core or the protocol from outside |
/// | 10 | the node (which is also `musterctl` under its other name), and what tests and checks from outside |
/// | 11 | the tests |
const FLOORS: &[(&str, u8)] = &[
    ("muster-types", 0),
    ("muster-stanza", 1),
    ("muster-sasl", 1),
    ("muster-stream", 2),
    ("muster-xep", 2),
    ("muster-roster", 2),
    ("muster-presence", 2),
    ("muster-cluster", 3),
    ("muster-slot", 3),
    ("muster-envelope", 4),
    ("muster-ha", 4),
    ("muster-router", 5),
    ("muster-owner", 5),
    ("muster-telemetry", 6),
    ("muster-ticks", 6),
    ("muster-store", 7),
    ("muster-link", 7),
    ("muster-net", 7),
    ("muster-admin", 7),
    ("muster-raft", 8),
    ("musterctl", 9),
    ("muster-sim-raft", 9),
    ("muster-sim", 9),
    ("muster-load", 9),
    ("muster-bench", 9),
    ("musterd", 10),
    ("muster-testkit", 10),
    ("xtask", 10),
    ("muster-tests", 11),
];

/// Which floors a folder holds.
const FOLDERS: &[(&str, std::ops::RangeInclusive<u8>)] = &[
    ("crates/core/", 0..=5),
    ("crates/io/", 6..=8),
    ("crates/app/", 9..=10),
    ("crates/dev/", 9..=10),
    ("tests", 11..=11),
];

/// What breaks the order: an upward or sideways dependency, a crate on no floor, a crate in the wrong folder.
pub(crate) fn problems(workspace: &Workspace) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for package in workspace.members() {
        let Some(floor) = floor(&package.name) else {
            found.push(format!(
                "{} has no floor: give it one in crates/dev/xtask/src/floors.rs",
                package.name
            ));
            continue;
        };
        let folder = workspace.folder(package);
        if !FOLDERS
            .iter()
            .any(|(prefix, floors)| folder.starts_with(prefix) && floors.contains(&floor))
        {
            found.push(format!(
                "{} is on floor {floor}, which does not belong in {folder}",
                package.name
            ));
        }
        found.extend(upward(package, floor));
    }
    Ok(found)
}

/// The dependencies of a crate, of any kind, that do not go down.
fn upward(package: &Package, floor_here: u8) -> impl Iterator<Item = String> {
    package.dependencies.iter().filter_map(move |dependency| {
        let there = floor(&dependency.name)?;
        (there >= floor_here).then(|| {
            format!(
                "{} (floor {floor_here}) depends on {} (floor {there}); a crate depends only on lower floors",
                package.name, dependency.name
            )
        })
    })
}

fn floor(name: &str) -> Option<u8> {
    FLOORS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, floor)| *floor)
}
