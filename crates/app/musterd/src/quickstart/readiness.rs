//! What a quickstart waits for, and what it says when the users are not where they belong. Other
//! groups and their nodes are an operator's business.

use super::GROUP;
use muster_admin::proto::{Node, Protection, Role, Slot, StatusResponse};

/// How many nodes vote for a slot: its home, the peer and the witness.
const VOTERS: usize = 3;

/// Every node is there, and every slot has an owner, wherever that is.
pub(super) fn serves(status: &StatusResponse) -> bool {
    let ours = |node: &&Node| node.group == GROUP || node.role() == Role::Witness;
    slots(status).count() > 0
        && slots(status).all(|slot| !slot.owner.is_empty())
        && status.nodes.iter().filter(ours).all(|node| node.reachable)
}

/// The cluster is as a quickstart makes it, wherever an operator or a failure has moved the users.
pub(super) fn stands(status: &StatusResponse) -> bool {
    serves(status)
        && status
            .groups
            .iter()
            .any(|group| group.name == GROUP && group.ha)
        && slots(status).all(|slot| slot.voters.len() == VOTERS)
}

/// Every user is protected, or everything waits for an operator: a state that passes by itself
/// allows no action, and Normal allows a failover.
pub(super) fn is_settled(status: &StatusResponse) -> bool {
    let nodes = || status.nodes.iter().filter(|node| node.group == GROUP);
    let waits = nodes().all(|node| !node.action.is_empty())
        && nodes().any(|node| node.action != "failover");
    waits || protection(status).all(|group| group.protected)
}

/// What stands against a failure, and how the users that are away come home; nothing when all is
/// well.
pub(super) fn advice(status: &StatusResponse, musterctl: &str) -> Vec<String> {
    let open = protection(status).filter(|group| !group.protected);
    let mut lines: Vec<_> = open.map(|group| group.words.clone()).collect();
    for slot in slots(status).filter(|slot| slot.owner != slot.home) {
        let (home, owner) = (&slot.home, &slot.owner);
        lines.push(format!(
            "The users of node {home} are with {owner}, as before. To bring them home:\n  \
             {musterctl} group fallback {home}"
        ));
    }
    lines
}

fn slots(status: &StatusResponse) -> impl Iterator<Item = &Slot> {
    status.slots.iter().filter(|slot| slot.group == GROUP)
}

fn protection(status: &StatusResponse) -> impl Iterator<Item = &Protection> {
    status.protection.iter().filter(|one| one.group == GROUP)
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_admin::proto::Group;

    /// Both nodes, reachable, with what an operator can do about each; who serves a's users.
    fn pair(a: &str, b: &str, owner_of_a: &str) -> StatusResponse {
        let node = |name: &str, action: &str| Node {
            name: name.to_owned(),
            group: GROUP.to_owned(),
            action: action.to_owned(),
            reachable: true,
            ..Node::default()
        };
        let slot = |home: &str, owner: &str| Slot {
            group: GROUP.to_owned(),
            home: home.to_owned(),
            owner: owner.to_owned(),
            voters: ["a", "b", "w"].map(str::to_owned).to_vec(),
            ..Slot::default()
        };
        let protected = (a, b) == ("failover", "failover");
        let words = if protected {
            "protected: …"
        } else {
            "not protected: …"
        };
        StatusResponse {
            nodes: vec![node("a", a), node("b", b)],
            groups: vec![Group {
                name: GROUP.to_owned(),
                ha: true,
                ..Group::default()
            }],
            slots: vec![slot("a", owner_of_a), slot("b", "b")],
            protection: vec![Protection {
                group: GROUP.to_owned(),
                protected,
                words: words.to_owned(),
            }],
            ..StatusResponse::default()
        }
    }

    #[test]
    fn users_that_are_with_the_peer_are_no_obstacle() {
        let away = pair("fallback", "fallback", "b");
        assert!(stands(&away) && is_settled(&away));
        let lines = advice(&away, "musterctl");
        assert_eq!(lines[0], "not protected: …");
        assert!(
            lines[1].ends_with("\n  musterctl group fallback a"),
            "{lines:?}"
        );
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn nothing_is_said_when_all_is_well() {
        let well = pair("failover", "failover", "a");
        assert!(stands(&well) && is_settled(&well));
        assert!(advice(&well, "musterctl").is_empty());
    }

    #[test]
    fn what_operators_made_beside_it_is_no_obstacle() {
        let mut status = pair("failover", "failover", "a");
        status.groups.push(Group::default());
        status.nodes.push(Node::default());
        status.slots.push(Slot::default());
        status.protection.push(Protection::default());
        assert!(stands(&status) && is_settled(&status));
        assert!(advice(&status, "musterctl").is_empty());
    }

    #[test]
    fn what_is_missing_is_waited_for() {
        type Change = fn(&mut StatusResponse);
        let table: [Change; 4] = [
            |status| status.nodes[1].reachable = false,
            |status| status.slots[0].owner.clear(),
            |status| status.groups[0].ha = false,
            |status| drop(status.slots[1].voters.pop()),
        ];
        for (row, change) in table.iter().enumerate() {
            let mut status = pair("failover", "failover", "a");
            change(&mut status);
            assert!(!stands(&status), "row {row}");
        }
        for passing in [pair("", "fallback", "b"), pair("", "", "a")] {
            assert!(!is_settled(&passing));
        }
    }
}
