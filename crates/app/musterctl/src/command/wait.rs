//! Waiting until a change has taken effect.

use crate::ask::ask;
use crate::cli::Wait;
use crate::connect::Connector;
use crate::failure::Failure;
use crate::output::progress;
use muster_admin::proto::{Node, StatusRequest, StatusResponse};
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);
/// The state that needs an operator.
pub(super) const FAILED: &str = "Running in Failed Mode";
/// States in which something is still moving.
pub(super) const TRANSITIONS: &[&str] = &[
    "Initializing",
    "Taking Over",
    "Failing Over",
    "Falling Back",
    "Taking Back",
];

/// What is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Until<'a> {
    /// The users of this node are served by its peer.
    Away(&'a str),
    /// The users of this node's group are all at home.
    Home(&'a str),
    /// This group is protected.
    Protected(&'a str),
}

/// How far it is.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Stage {
    Done,
    Waiting(String),
    Failed(String),
}

/// Looks until it is so, if the user wants to wait.
pub(super) async fn until(
    connector: &Connector,
    wait: Wait,
    until: Until<'_>,
) -> Result<(), Failure> {
    if !wait.wait {
        return Ok(());
    }
    let started = Instant::now();
    let mut client = connector.client().await?;
    let mut told = String::new();
    loop {
        match ask(client.status(StatusRequest {})).await {
            Ok(status) => match stage(&status, until) {
                Stage::Done => {
                    progress(&format!(
                        "done after {:.1} s",
                        started.elapsed().as_secs_f64()
                    ));
                    return Ok(());
                }
                Stage::Failed(text) => return Err(Failure::Refused(text)),
                Stage::Waiting(text) if text != told => {
                    progress(&text);
                    told = text;
                }
                Stage::Waiting(_) => {}
            },
            // The node that was asked may be the one that ends: another one knows as well.
            Err(Failure::Unknown(_)) => client = connector.client().await?,
            Err(failure) => return Err(failure),
        }
        if started.elapsed() > wait.timeout {
            return Err(Failure::Unknown(format!("still not done: {told}")));
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn stage(status: &StatusResponse, until: Until<'_>) -> Stage {
    let group = match until {
        Until::Protected(group) => group,
        Until::Away(node) | Until::Home(node) => {
            find(status, node).map_or("", |node| node.group.as_str())
        }
    };
    let group = status
        .groups
        .iter()
        .find(|one| one.name == group || format!("g{}", one.id) == group);
    let Some(group) = group else {
        return Stage::Failed("the group is gone".to_owned());
    };
    let nodes: Vec<_> = status
        .nodes
        .iter()
        .filter(|node| node.group == group.name)
        .collect();
    let states: Vec<_> = nodes.iter().map(|node| words(node)).collect();
    let states = states.join(", ");
    if nodes.iter().any(|node| node.state == FAILED) {
        return Stage::Failed(format!(
            "it failed ({states}): `musterctl group recover {}` brings the group back",
            group.name
        ));
    }
    let moving = nodes
        .iter()
        .any(|node| TRANSITIONS.contains(&node.state.as_str()));
    let slots = || status.slots.iter().filter(|slot| slot.group == group.name);
    let done = match until {
        Until::Away(node) => {
            let home = find(status, node).map_or("", |node| node.name.as_str());
            slots().any(|slot| slot.home == home && !slot.owner.is_empty() && slot.owner != home)
        }
        Until::Home(_) => slots().all(|slot| slot.owner == slot.home),
        Until::Protected(_) => status
            .protection
            .iter()
            .any(|one| one.group == group.name && one.protected),
    };
    if done && !moving {
        return Stage::Done;
    }
    match status.protection.iter().find(|one| one.group == group.name) {
        Some(one) if matches!(until, Until::Protected(_)) => Stage::Waiting(one.words.clone()),
        _ => Stage::Waiting(states),
    }
}

fn find<'a>(status: &'a StatusResponse, word: &str) -> Option<&'a Node> {
    let named = status.nodes.iter().find(|node| node.name == word);
    named.or_else(|| {
        status
            .nodes
            .iter()
            .find(|node| format!("n{}", node.id) == word)
    })
}

fn words(node: &Node) -> String {
    match node.reason.as_str() {
        "" => format!("{}: {}", node.name, node.state),
        reason => format!("{}: {} ({reason})", node.name, node.state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_admin::proto::{Group, Slot};

    fn pair(a: &str, b: &str, owner_of_a: &str) -> StatusResponse {
        let node = |id: u32, name: &str, state: &str| Node {
            id,
            name: name.to_owned(),
            group: "east".to_owned(),
            state: state.to_owned(),
            ..Node::default()
        };
        let slot = |home: &str, owner: &str| Slot {
            group: "east".to_owned(),
            home: home.to_owned(),
            owner: owner.to_owned(),
            ..Slot::default()
        };
        StatusResponse {
            nodes: vec![node(1, "a", a), node(2, "b", b)],
            groups: vec![Group {
                id: 1,
                name: "east".to_owned(),
                ..Group::default()
            }],
            slots: vec![slot("a", owner_of_a), slot("b", "b")],
            ..StatusResponse::default()
        }
    }

    #[test]
    fn a_move_is_done_when_the_owner_serves_and_nothing_moves() {
        for (a, b, owner, until, done) in [
            ("Normal", "Normal", "a", Until::Away("a"), false),
            ("Failing Over", "Taking Over", "b", Until::Away("a"), false),
            (
                "Idle",
                "Running in Backup Mode",
                "",
                Until::Away("a"),
                false,
            ),
            (
                "Idle",
                "Running in Backup Mode",
                "b",
                Until::Away("n1"),
                true,
            ),
            (
                "Idle",
                "Running in Backup Mode",
                "b",
                Until::Home("a"),
                false,
            ),
            ("Taking Back", "Falling Back", "a", Until::Home("a"), false),
            ("Normal", "Normal", "a", Until::Home("b"), true),
        ] {
            let stage = stage(&pair(a, b, owner), until);
            assert_eq!(
                stage == Stage::Done,
                done,
                "{a}, {b}, {owner}, {until:?}: {stage:?}"
            );
        }
    }

    #[test]
    fn a_failed_group_ends_the_wait() {
        let stage = stage(&pair(FAILED, FAILED, ""), Until::Home("a"));
        assert!(matches!(stage, Stage::Failed(text) if text.contains("group recover east")));
    }
}
