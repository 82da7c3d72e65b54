//! Nodes and groups: entering, high availability, being replaced, leaving.

use crate::apply_test::{A, B, EAST, Log, W, init, jid, join, pair, protected, put, row, token};
use crate::*;
use muster_types::{Boot, GroupId, NodeId, SlotId, Timestamp};

#[test]
fn a_cluster_is_made_once_and_before_anything_else() {
    let mut log = Log::default();
    let create = || ControlCommand::GroupCreate {
        name: "east".to_owned(),
    };
    assert_eq!(log.refused(create()), Refusal::NotInitialised);
    assert_eq!(log.ok(init()), ControlOutcome::Node(A));
    assert_eq!(
        log.refused(init()),
        Refusal::AlreadyInitialised {
            cluster: "c1".to_owned()
        }
    );
    assert_eq!(log.state.cluster(), Some("c1"));
}

#[test]
fn a_token_lets_one_node_in() {
    let mut log = Log::default();
    log.ok(init());
    log.ok(token(1, Role::Serving));
    let late = ControlCommand::TokenCreate {
        hash: TokenHash([9; 32]),
        role: Role::Serving,
        expires: Timestamp(2999),
    };
    log.ok(late);
    for (command, why) in [
        (join(7, "b", Role::Serving), Refusal::UnknownToken),
        (join(9, "b", Role::Serving), Refusal::TokenExpired),
        (
            join(1, "w", Role::Witness),
            Refusal::TokenRole {
                allowed: Role::Serving,
                asked: Role::Witness,
            },
        ),
        (
            join(1, "a", Role::Serving),
            Refusal::NodeExists {
                name: "a".to_owned(),
            },
        ),
        (
            join(1, "no good", Role::Serving),
            Refusal::InvalidName {
                name: "no good".to_owned(),
            },
        ),
        (token(1, Role::Serving), Refusal::TokenExists),
    ] {
        assert_eq!(log.refused(command), why);
    }
    assert_eq!(log.ok(join(1, "b", Role::Serving)), ControlOutcome::Node(B));
    assert_eq!(
        log.refused(join(1, "c", Role::Serving)),
        Refusal::TokenUsed { by: B }
    );
}

#[test]
fn dead_tokens_make_room() {
    let mut log = Log::default();
    log.ok(init());
    for n in 0..TOKENS_MAX {
        let n = u8::try_from(n).unwrap();
        log.ok(token(n, Role::Serving));
    }
    let what = "join tokens".to_owned();
    assert_eq!(
        log.refused(token(200, Role::Serving)),
        Refusal::TooMany {
            what,
            limit: TOKENS_MAX
        }
    );
    log.ok(join(0, "b", Role::Serving));
    log.ok(token(200, Role::Serving));
    assert_eq!(log.state.tokens().count(), TOKENS_MAX);
}

#[test]
fn groups_take_serving_nodes_two_at_most() {
    let mut log = pair();
    log.ok(token(3, Role::Serving));
    log.ok(join(3, "c", Role::Serving));
    log.ok(ControlCommand::GroupCreate {
        name: "west".to_owned(),
    });
    let (west, c) = (GroupId(2), NodeId(4));
    let add = |group, node| ControlCommand::GroupAddNode { group, node };
    let east = || "east".to_owned();
    for (command, why) in [
        (
            ControlCommand::GroupCreate { name: east() },
            Refusal::GroupExists { name: east() },
        ),
        (add(west, W), Refusal::Witness { node: W }),
        (
            add(west, A),
            Refusal::InGroup {
                node: A,
                group: east(),
            },
        ),
        (add(EAST, c), Refusal::GroupFull { group: east() }),
        (
            add(GroupId(9), c),
            Refusal::NoSuchGroup { group: GroupId(9) },
        ),
        (
            add(west, NodeId(9)),
            Refusal::NoSuchNode { node: NodeId(9) },
        ),
        (
            ControlCommand::GroupRemove { group: EAST },
            Refusal::GroupNotEmpty { group: east() },
        ),
    ] {
        assert_eq!(log.refused(command), why);
    }
    assert_eq!(log.ok(add(west, c)), ControlOutcome::Slot(SlotId(3)));
    assert_eq!(log.state.slot_of_home(c).map(|slot| slot.desired), Some(c));
}

#[test]
fn enabling_ha_names_what_is_missing() {
    let mut log = Log::default();
    log.ok(init());
    log.ok(ControlCommand::GroupCreate {
        name: "east".to_owned(),
    });
    log.ok(ControlCommand::GroupAddNode {
        group: EAST,
        node: A,
    });
    let enable = || ControlCommand::GroupEnableHa { group: EAST };
    let group = || "east".to_owned();
    assert_eq!(
        log.refused(enable()),
        Refusal::NotAPair {
            group: group(),
            nodes: 1
        }
    );
    log.ok(token(1, Role::Serving));
    log.ok(join(1, "b", Role::Serving));
    log.ok(ControlCommand::GroupAddNode {
        group: EAST,
        node: B,
    });
    assert_eq!(
        log.refused(enable()),
        Refusal::NoThirdVoter { group: group() }
    );
    log.ok(token(2, Role::Witness));
    log.ok(join(2, "w", Role::Witness));
    let boot = |version| ControlCommand::NodeBooted {
        node: B,
        boot: Boot(2),
        version,
        addresses: Addresses::default(),
    };
    let (first, second) = (
        SoftwareVersion { wire: 1, data: 1 },
        SoftwareVersion { wire: 2, data: 1 },
    );
    log.ok(boot(second));
    assert_eq!(
        log.refused(enable()),
        Refusal::VersionsDiffer {
            group: group(),
            first,
            second
        }
    );
    log.ok(boot(first));
    log.ok(enable());
    let states: Vec<_> = log.state.nodes().map(|node| node.ha.state).collect();
    assert_eq!(
        states,
        [
            HaState::Initializing,
            HaState::Initializing,
            HaState::Normal
        ]
    );
}

#[test]
fn ha_is_disabled_only_when_everybody_is_at_home() {
    let mut log = protected();
    let desire = |node| ControlCommand::SlotDesire {
        slot: SlotId(1),
        node,
        reason: HaReason::PeerDown,
    };
    log.ok(desire(B));
    let disable = || ControlCommand::GroupDisableHa { group: EAST };
    assert_eq!(log.refused(disable()), Refusal::AwayFromHome { home: A });
    log.ok(desire(A));
    log.ok(disable());
    let status = log
        .state
        .node(A)
        .map(|node| (node.ha.state, node.ha.reason));
    assert_eq!(
        status,
        Some((HaState::Unknown, HaReason::HighAvailabilityNotEnabled))
    );
    let group = "east".to_owned();
    assert_eq!(log.refused(desire(B)), Refusal::HaOff { group });
}

#[test]
fn removing_nodes_is_refused_while_they_are_needed() {
    let mut log = protected();
    log.ok(put(vec![row("alice@example.com", Some(B))]));
    let remove = |node| ControlCommand::NodeRemove { node };
    let group = || "east".to_owned();
    assert_eq!(
        log.refused(remove(W)),
        Refusal::NeededAsVoter {
            node: W,
            group: group()
        }
    );
    assert_eq!(log.refused(remove(B)), Refusal::HaOn { group: group() });
    log.ok(ControlCommand::GroupDisableHa { group: EAST });
    assert_eq!(
        log.refused(remove(B)),
        Refusal::HasAccounts {
            node: B,
            accounts: 1
        }
    );
    let alice = || jid("alice@example.com");
    log.ok(ControlCommand::AccountRemove { jid: alice() });
    assert_eq!(
        log.refused(remove(B)),
        Refusal::HasAccounts {
            node: B,
            accounts: 1
        },
        "its data is still there"
    );
    let at = log.state.next_removal(SlotId(2)).unwrap().0;
    log.ok(ControlCommand::AccountPurged { jid: alice(), at });
    log.ok(remove(B));
    assert_eq!(log.state.slot_of_home(B), None);
    assert_eq!(log.refused(remove(B)), Refusal::NotMember { node: B });
    assert_eq!(log.refused(remove(A)), Refusal::LastNode { node: A });
    log.ok(remove(W));
    log.ok(token(3, Role::Serving));
    assert_eq!(
        log.ok(join(3, "b", Role::Serving)),
        ControlOutcome::Node(NodeId(4)),
        "no id twice"
    );
}

#[test]
fn a_replacement_takes_the_place_and_no_account_moves() {
    let mut log = protected();
    log.ok(put(vec![row("alice@example.com", Some(A))]));
    log.ok(token(3, Role::Serving));
    log.ok(join(3, "a2", Role::Serving));
    let new = NodeId(4);
    let replace = |old, new| ControlCommand::NodeReplace { old, new };
    assert_eq!(log.refused(replace(A, new)), Refusal::OnlyCopy { node: A });
    log.ok(ControlCommand::SlotVotersChanged {
        slot: SlotId(1),
        voters: vec![A, B, W],
    });
    let cannot = |old, new, role| Refusal::CannotReplace { old, new, role };
    assert_eq!(log.refused(replace(A, B)), cannot(A, B, Role::Serving));
    assert_eq!(log.refused(replace(W, new)), cannot(W, new, Role::Witness));
    let slot_before = log.state.account_slot(&jid("alice@example.com"));
    log.ok(replace(A, new));
    assert_eq!(
        log.state.account_slot(&jid("alice@example.com")),
        slot_before
    );
    let slot = log.state.slot(SlotId(1)).unwrap();
    assert_eq!((slot.home, slot.desired), (new, new));
    assert_eq!(
        log.state.group(EAST).map(|group| group.nodes.clone()),
        Some(vec![new, B])
    );
    assert_eq!(
        log.state.node(A).map(|node| node.state),
        Some(NodeState::Replaced { by: new })
    );
    assert_eq!(log.refused(replace(A, new)), Refusal::NotMember { node: A });
}

#[test]
fn a_node_whose_backup_is_replaced_is_failed_over_no_more() {
    use HaState as S;
    let replaced = |before, desired| {
        let mut log = protected();
        log.ok(token(3, Role::Serving));
        log.ok(join(3, "b2", Role::Serving));
        log.ok(ControlCommand::SlotVotersChanged {
            slot: SlotId(2),
            voters: vec![A, B, W],
        });
        let reason = HaReason::Initialization;
        log.ok(ControlCommand::SlotDesire {
            slot: SlotId(1),
            node: desired,
            reason,
        });
        log.ok(ControlCommand::HaTransition {
            node: A,
            state: before,
            reason,
        });
        let (old, new) = (B, NodeId(4));
        log.ok(ControlCommand::NodeReplace { old, new });
        assert_eq!(log.state.slot(SlotId(1)).map(|slot| slot.desired), Some(A));
        log.state.node(A).map(|node| node.ha.state)
    };
    for (before, desired, after) in [
        (S::FailedOver, B, S::Initializing),
        (S::FailedOverCriticalServicesNotRunning, B, S::Initializing),
        (S::Idle, B, S::Initializing),
        (S::Unreachable, B, S::Unreachable),
        (S::RunningInFailedMode, B, S::RunningInFailedMode),
        (S::RunningInBackupMode, A, S::RunningInBackupMode),
    ] {
        assert_eq!(replaced(before, desired), Some(after), "{before}");
    }
}

fn oust(node: NodeId, by: NodeId) -> ControlCommand {
    ControlCommand::NodeOust { node, by }
}

#[test]
fn a_lone_pair_has_no_quorum_and_an_operator_may_oust_one_of_it() {
    let mut log = Log::default();
    log.ok(init());
    log.ok(token(1, Role::Serving));
    log.ok(join(1, "b", Role::Serving));
    assert_eq!(log.refused(oust(A, B)), Refusal::NoGroup { node: A });
    log.ok(ControlCommand::GroupCreate {
        name: "east".to_owned(),
    });
    let add = |node| ControlCommand::GroupAddNode { group: EAST, node };
    log.ok(add(A));
    assert!(log.state.lone_pair(A).is_none());
    let no_pair = Refusal::NotAPair {
        group: "east".to_owned(),
        nodes: 1,
    };
    assert_eq!(log.refused(oust(A, B)), no_pair);
    log.ok(add(B));
    assert!(log.state.lone_pair(A).is_some() && log.state.lone_pair(B).is_some());
    log.ok(oust(A, B));
    assert_eq!(log.state.ousted_by(A), Some(B));
    assert!(log.state.slots().all(|slot| slot.desired == B));
    assert_eq!(log.refused(oust(A, B)), Refusal::NotMember { node: A });
    assert_eq!(log.refused(oust(B, A)), Refusal::NotMember { node: A });

    // A witness does not make a pair of it, a new node does.
    log.ok(token(2, Role::Witness));
    log.ok(join(2, "w", Role::Witness));
    let enable = || ControlCommand::GroupEnableHa { group: EAST };
    assert_eq!(log.refused(enable()), Refusal::Ousted { node: A });
    log.ok(token(3, Role::Serving));
    log.ok(join(3, "a", Role::Serving));
    let (old, new) = (A, NodeId(4));
    log.ok(ControlCommand::NodeReplace { old, new });
    assert_eq!(log.state.ousted_by(A), Some(B), "for ever");
    assert_eq!(
        log.state.slot_of_home(new).map(|slot| slot.desired),
        Some(new)
    );
    log.ok(enable());
    let again = ControlCommand::NodeReplace { old, new };
    assert_eq!(log.refused(again), Refusal::NotMember { node: A });
}

#[test]
fn nobody_is_ousted_where_a_quorum_exists() {
    for mut log in [pair(), protected()] {
        let group = "east".to_owned();
        assert_eq!(log.refused(oust(A, B)), Refusal::HasThirdVoter { group });
    }
}
