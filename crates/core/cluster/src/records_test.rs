//! The stored form gives the state back.

use crate::api_clients_test::client;
use crate::apply_test::{A, B, EAST, Log, W, init, jid, join, new_node, pair, put, row, token};
use crate::*;
use muster_types::{
    Boot, Epoch, LoadError, LogIndex, Origin, Replicated, SlotId, Timestamp, Write,
};
use std::collections::BTreeMap;
use std::time::Duration;

type Records = BTreeMap<Vec<u8>, Vec<u8>>;

fn store(records: &mut Records, writes: &[Write]) {
    for Write { key, value } in writes {
        match value {
            Some(value) => records.insert(key.clone(), value.clone()),
            None => records.remove(key),
        };
    }
}

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

fn any_of_programs(choice: u64, byte: u8) -> ControlCommand {
    let name = format!("c{}", byte % 4);
    match choice {
        0..5 => {
            let client = client(byte);
            ControlCommand::ApiClientCreate { name, client }
        }
        5..7 => {
            let hash = TokenHash([byte + 7; 32]);
            ControlCommand::ApiClientRotate { name, hash }
        }
        _ => ControlCommand::ApiClientRemove { name },
    }
}

fn any_command(numbers: &mut Numbers) -> ControlCommand {
    use ControlCommand as C;
    let node = [A, B, W, muster_types::NodeId(4)][numbers.below(4) as usize];
    let slot = SlotId(1 + numbers.below(3) as u16);
    let user = format!("u{}@example.com", numbers.below(20));
    let byte = numbers.below(6) as u8;
    let state = HaState::ALL[numbers.below(HaState::ALL.len() as u64) as usize];
    let reason = HaReason::ALL[numbers.below(HaReason::ALL.len() as u64) as usize];
    match numbers.below(23) {
        0 => token(byte, Role::Serving),
        1 => join(byte, &format!("n{byte}"), Role::Serving),
        2 => C::GroupCreate {
            name: format!("g{byte}"),
        },
        3 => C::GroupAddNode {
            group: muster_types::GroupId(1 + u16::from(byte)),
            node,
        },
        4 => C::GroupEnableHa { group: EAST },
        5 => C::GroupDisableHa { group: EAST },
        6 => C::SlotOwned {
            slot,
            node,
            epoch: Epoch::opened_at(LogIndex(numbers.below(500))),
            gap: None,
        },
        7 => C::SlotDesire { slot, node, reason },
        8 => C::HaTransition {
            node,
            state,
            reason,
        },
        9 => C::Healthy {
            node,
            accrued: Duration::from_secs(7),
            changes: numbers.below(5),
        },
        10 | 11 => put(vec![row(&user, None), row(&user, Some(node))]),
        12 => C::AccountRemove { jid: jid(&user) },
        17 => C::AccountPurged {
            jid: jid(&user),
            at: LogIndex(numbers.below(500)),
        },
        13 => C::SettingsSet(vec![Setting::FallbackAuto(byte > 2)]),
        14 => C::TokenRemove {
            hash: TokenHash([byte; 32]),
        },
        15 => C::NodeRemove { node },
        19 => C::AccountPolicy {
            jid: jid(&user),
            policy: muster_presence::source::Policy::ALL[usize::from(byte % 2)],
            on: byte > 1,
        },
        20..=22 => any_of_programs(numbers.below(9), byte),
        18 => C::PresenceRulesSet {
            text: (byte > 2).then(|| format!("# {byte}")),
        },
        _ => C::SlotVotersChanged {
            slot,
            voters: vec![node],
        },
    }
}

#[test]
fn what_was_written_and_what_a_snapshot_carries_give_the_state_back() {
    for seed in 0..20 {
        let mut numbers = Numbers(seed);
        let mut log = pair();
        for _ in 0..1200 {
            log.propose(any_command(&mut numbers));
        }
        let mut stored = Records::new();
        store(&mut stored, &log.writes);
        let snapshot = log.state.records();
        assert!(snapshot.is_sorted(), "in key order");
        assert_eq!(
            stored.clone().into_iter().collect::<Vec<_>>(),
            snapshot,
            "seed {seed}"
        );
        assert_eq!(
            ClusterState::load(&mut stored.into_iter()),
            Ok(log.state),
            "seed {seed}"
        );
    }
}

#[test]
fn an_empty_store_is_an_empty_state() {
    assert_eq!(
        ClusterState::load(&mut std::iter::empty()),
        Ok(ClusterState::default())
    );
    assert_eq!(ClusterState::default().records(), []);
}

#[test]
fn bad_records_are_refused() {
    for (key, value, error) in [
        (vec![99], vec![1], LoadError::UnknownTable { table: 99 }),
        (vec![], vec![1], LoadError::UnknownTable { table: 0 }),
        (
            vec![3, 0, 1],
            vec![2],
            LoadError::NewerVersion {
                table: 3,
                version: 2,
            },
        ),
        (vec![3, 0, 1], vec![1, 9], LoadError::Damaged { table: 3 }),
        (vec![3, 0], vec![1, 9], LoadError::Damaged { table: 3 }),
        (vec![7, 0xff], vec![1], LoadError::Damaged { table: 7 }),
    ] {
        let mut records = std::iter::once((key.clone(), value));
        assert_eq!(ClusterState::load(&mut records), Err(error), "{key:?}");
    }
}

#[test]
fn proposals_of_this_release_stay_readable() {
    let origin = Origin {
        node: A,
        boot: Boot(2),
        serial: 3,
    };
    let at = Timestamp(4);
    let desire = ControlCommand::SlotDesire {
        slot: SlotId(1),
        node: B,
        reason: HaReason::AdminRequest,
    };
    // Version 1: origin, time, version byte, number of the variant, its fields.
    for (command, bytes) in [
        (desire, vec![1, 2, 3, 4, 1, 13, 1, 2, 1]),
        (
            ControlCommand::GroupRemove { group: EAST },
            vec![1, 2, 3, 4, 1, 7, 1],
        ),
        (
            ControlCommand::Together(Vec::new()),
            vec![1, 2, 3, 4, 1, 25, 0],
        ),
        (
            ControlCommand::ApiClientRemove {
                name: "c".to_owned(),
            },
            vec![1, 2, 3, 4, 1, 33, 1, b'c'],
        ),
    ] {
        let proposal = Proposal {
            origin,
            at,
            command,
        };
        assert_eq!(muster_types::encode_value(0, &proposal)[1..], bytes);
        let mut versioned = vec![0];
        versioned.extend(&bytes);
        assert_eq!(muster_types::decode_value(0, 0, &versioned), Ok(proposal));
        let newer = versioned
            .iter()
            .enumerate()
            .map(|(at, byte)| if at == 5 { 2 } else { *byte });
        let read = muster_types::decode_value::<Proposal>(0, 0, &newer.collect::<Vec<_>>());
        assert_eq!(read, Err(LoadError::Damaged { table: 0 }));
    }
}

#[test]
fn two_replicas_are_equal() {
    let life = || {
        let mut log = Log::default();
        log.propose(init());
        log.propose(ControlCommand::NodeJoin {
            token: TokenHash([1; 32]),
            node: new_node("b", Role::Serving),
        });
        (log.state, log.writes)
    };
    assert_eq!(life(), life());
}
