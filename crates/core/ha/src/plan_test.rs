use crate::log_test::{A, B, Log, SLOT_A, SLOT_B, W, join, new_node, pair_and_witness};
use crate::{control_voters, desired_learners, desired_voters};
use muster_cluster::{ControlCommand, Role};
use muster_types::{GroupId, NodeId, SlotId};

fn ids(ids: &[u16]) -> Vec<NodeId> {
    ids.iter().copied().map(NodeId).collect()
}

#[test]
fn a_protected_slot_has_home_peer_and_witness() {
    let log = pair_and_witness(true);
    assert_eq!(desired_voters(&log.state, SLOT_A), [A, B, W]);
    assert_eq!(desired_voters(&log.state, SLOT_B), [B, A, W]);
    assert_eq!(desired_learners(&log.state, SLOT_A), []);
}

#[test]
fn an_unprotected_slot_has_its_home_and_learners() {
    let log = pair_and_witness(false);
    assert_eq!(desired_voters(&log.state, SLOT_A), [A]);
    assert_eq!(desired_learners(&log.state, SLOT_A), [B, W]);
    assert_eq!(desired_voters(&log.state, SlotId(9)), []);
}

#[test]
fn without_a_witness_the_third_voters_are_spread_over_other_groups() {
    let mut log = Log::default();
    let cluster = "c".to_owned();
    log.all([ControlCommand::Init {
        cluster,
        node: new_node("a", Role::Serving),
    }]);
    ["b", "c", "d"]
        .into_iter()
        .for_each(|name| join(&mut log, name, Role::Serving));
    for (group, nodes) in [(1, [1, 2]), (2, [3, 4])] {
        log.all([ControlCommand::GroupCreate {
            name: format!("g{group}"),
        }]);
        let group = GroupId(group);
        let add = |node| ControlCommand::GroupAddNode {
            group,
            node: NodeId(node),
        };
        log.all(nodes.map(add));
    }
    log.all([GroupId(1), GroupId(2)].map(|group| ControlCommand::GroupEnableHa { group }));
    let voters: Vec<_> = (1..=4)
        .map(|slot| desired_voters(&log.state, SlotId(slot)))
        .collect();
    assert_eq!(
        voters,
        [
            ids(&[1, 2, 4]),
            ids(&[2, 1, 3]),
            ids(&[3, 4, 2]),
            ids(&[4, 3, 1])
        ]
    );
    assert_eq!(control_voters(&log.state), ids(&[1, 3, 2]));
}

#[test]
fn the_control_log_has_an_odd_number_of_voters_spread_over_the_pairs() {
    let mut log = Log::default();
    let cluster = "c".to_owned();
    assert_eq!(control_voters(&log.state), []);
    log.all([ControlCommand::Init {
        cluster,
        node: new_node("a", Role::Serving),
    }]);
    assert_eq!(control_voters(&log.state), [A]);
    join(&mut log, "w", Role::Witness);
    assert_eq!(
        control_voters(&log.state),
        [A],
        "one of two votes, and it is no witness"
    );
    join(&mut log, "b", Role::Serving);
    assert_eq!(control_voters(&log.state), ids(&[2, 1, 3]));
    for name in ["c", "d", "e", "f", "g", "h"] {
        join(&mut log, name, Role::Serving);
    }
    for (group, nodes) in [(1, [1, 3]), (2, [4, 5]), (3, [6, 7])] {
        log.all([ControlCommand::GroupCreate {
            name: format!("g{group}"),
        }]);
        let group = GroupId(group);
        let add = |node| ControlCommand::GroupAddNode {
            group,
            node: NodeId(node),
        };
        log.all(nodes.map(add));
    }
    assert_eq!(control_voters(&log.state), ids(&[2, 1, 4, 6, 3, 5, 7]));
    log.all([8, 9].map(|node| ControlCommand::NodeRemove { node: NodeId(node) }));
    log.all([ControlCommand::NodeRemove { node: NodeId(7) }]);
    assert_eq!(
        control_voters(&log.state),
        ids(&[2, 1, 4, 6, 3]),
        "six nodes, five voters"
    );
}

#[test]
fn who_has_ousted_its_peer_has_its_users_until_a_successor_comes() {
    let mut log = Log::default();
    let cluster = "c".to_owned();
    log.all([ControlCommand::Init {
        cluster,
        node: new_node("a", Role::Serving),
    }]);
    join(&mut log, "b", Role::Serving);
    let group = GroupId(1);
    log.all([ControlCommand::GroupCreate {
        name: "east".to_owned(),
    }]);
    log.all([A, B].map(|node| ControlCommand::GroupAddNode { group, node }));
    assert_eq!(control_voters(&log.state), [A]);
    log.all([ControlCommand::NodeOust { node: A, by: B }]);
    assert_eq!(control_voters(&log.state), [B]);
    for slot in [SLOT_A, SLOT_B] {
        assert_eq!(desired_voters(&log.state, slot), [B]);
        assert_eq!(desired_learners(&log.state, slot), []);
    }
    join(&mut log, "c", Role::Serving);
    let new = NodeId(3);
    log.all([ControlCommand::NodeReplace { old: A, new }]);
    assert_eq!(control_voters(&log.state), [B]);
    assert_eq!(desired_voters(&log.state, SLOT_A), [new]);
    assert_eq!(desired_learners(&log.state, SLOT_A), [B]);
    assert_eq!(desired_voters(&log.state, SLOT_B), [B]);
    assert_eq!(desired_learners(&log.state, SLOT_B), [new]);
}
