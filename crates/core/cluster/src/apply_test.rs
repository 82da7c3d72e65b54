//! Commands and what comes of them.

use crate::*;
use muster_sasl::{ScramVerifier, Verifiers};
use muster_types::{
    BareJid, Boot, DomainPart, Epoch, GroupId, LogIndex, NodeId, Origin, Replicated, SlotId,
    Timestamp, Writes,
};
use std::time::Duration;

pub(crate) const A: NodeId = NodeId(1);
pub(crate) const B: NodeId = NodeId(2);
pub(crate) const W: NodeId = NodeId(3);
pub(crate) const EAST: GroupId = GroupId(1);

/// A replica with its own proposer.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) state: ClusterState,
    pub(crate) writes: Writes,
    index: u64,
}

impl Log {
    pub(crate) fn propose(&mut self, command: ControlCommand) -> Vec<ControlEvent> {
        let serial = self.index + 1;
        self.propose_as(
            Origin {
                node: A,
                boot: Boot(1),
                serial,
            },
            command,
        )
    }

    fn propose_as(&mut self, origin: Origin, command: ControlCommand) -> Vec<ControlEvent> {
        self.index += 1;
        let proposal = Proposal {
            origin,
            at: Timestamp(self.index * 1000),
            command,
        };
        self.state
            .apply(LogIndex(self.index), proposal, &mut self.writes)
    }

    fn outcome(&mut self, command: ControlCommand) -> ControlOutcome {
        let ControlEvent::Outcome { outcome, .. } = self.propose(command).remove(0) else {
            panic!("the outcome comes first")
        };
        outcome
    }

    fn ok(&mut self, command: ControlCommand) -> ControlOutcome {
        let outcome = self.outcome(command.clone());
        assert!(
            !matches!(outcome, ControlOutcome::Refused(_)),
            "{command:?}: {outcome:?}"
        );
        outcome
    }

    fn refused(&mut self, command: ControlCommand) -> Refusal {
        let before = self.state.clone();
        let ControlOutcome::Refused(why) = self.outcome(command.clone()) else {
            panic!("{command:?} was not refused")
        };
        let same = ClusterState {
            outcomes: self.state.outcomes.clone(),
            ..before
        };
        assert_eq!(self.state, same, "a refused command changes nothing");
        why
    }
}

pub(crate) fn new_node(name: &str, role: Role) -> NewNode {
    NewNode {
        name: name.to_owned(),
        role,
        addresses: Addresses {
            link: format!("{name}:1"),
            ..Addresses::default()
        },
        version: SoftwareVersion { wire: 1, data: 1 },
        boot: Boot(1),
    }
}

pub(crate) fn init() -> ControlCommand {
    ControlCommand::Init {
        cluster: "c1".to_owned(),
        node: new_node("a", Role::Serving),
    }
}

pub(crate) fn token(n: u8, role: Role) -> ControlCommand {
    ControlCommand::TokenCreate {
        hash: TokenHash([n; 32]),
        role,
        expires: Timestamp(1_000_000),
    }
}

pub(crate) fn join(n: u8, name: &str, role: Role) -> ControlCommand {
    ControlCommand::NodeJoin {
        token: TokenHash([n; 32]),
        node: new_node(name, role),
    }
}

pub(crate) fn verifiers(n: u8) -> Verifiers {
    let verifier = |bytes| ScramVerifier {
        iterations: 4096,
        salt: vec![n; 16],
        stored_key: vec![n; bytes],
        server_key: vec![n; bytes],
    };
    Verifiers {
        sha1: verifier(20),
        sha256: verifier(32),
    }
}

pub(crate) fn jid(text: &str) -> BareJid {
    BareJid::new(text).unwrap()
}

pub(crate) fn row(text: &str, home: Option<NodeId>) -> AccountRow {
    AccountRow {
        jid: jid(text),
        verifiers: verifiers(1),
        home,
        name: None,
    }
}

pub(crate) fn put(rows: Vec<AccountRow>) -> ControlCommand {
    ControlCommand::AccountsPut {
        rows,
        update: false,
    }
}

fn domain(name: &str) -> DomainPart {
    DomainPart::new(name).unwrap().into_owned()
}

/// Nodes a, b, witness w; group east with a and b, HA off; domain example.com.
pub(crate) fn pair() -> Log {
    let mut log = Log::default();
    for command in [
        init(),
        token(1, Role::Serving),
        join(1, "b", Role::Serving),
        token(2, Role::Witness),
        join(2, "w", Role::Witness),
        ControlCommand::GroupCreate {
            name: "east".to_owned(),
        },
        ControlCommand::GroupAddNode {
            group: EAST,
            node: A,
        },
        ControlCommand::GroupAddNode {
            group: EAST,
            node: B,
        },
        ControlCommand::DomainAdd {
            domain: domain("example.com"),
        },
    ] {
        log.ok(command);
    }
    log
}

fn protected() -> Log {
    let mut log = pair();
    log.ok(ControlCommand::GroupEnableHa { group: EAST });
    log
}

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
    log.ok(ControlCommand::AccountRemove {
        jid: jid("alice@example.com"),
    });
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
fn balanced_assignment_is_equal_within_one() {
    let mut log = pair();
    let rows = (0..7)
        .map(|n| row(&format!("u{n}@example.com"), None))
        .collect();
    let report = AccountsReport {
        added: 7,
        updated: 0,
        refused: Vec::new(),
    };
    assert_eq!(log.ok(put(rows)), ControlOutcome::Accounts(report));
    assert_eq!(
        [1, 2].map(|slot| log.state.slot_accounts(SlotId(slot))),
        [4, 3]
    );
    log.ok(put(vec![
        row("x@example.com", Some(A)),
        row("y@example.com", None),
    ]));
    assert_eq!(
        [1, 2].map(|slot| log.state.slot_accounts(SlotId(slot))),
        [5, 4]
    );
}

#[test]
fn the_other_modes_fill_the_first_node_or_nobody() {
    let mut log = pair();
    let mode = |mode| ControlCommand::SettingsSet(vec![Setting::Assignment(mode)]);
    log.ok(mode(AssignmentMode::ActiveStandby));
    log.ok(put((0..3)
        .map(|n| row(&format!("u{n}@example.com"), None))
        .collect()));
    assert_eq!(
        [1, 2].map(|slot| log.state.slot_accounts(SlotId(slot))),
        [3, 0]
    );
    log.ok(mode(AssignmentMode::None));
    let ControlOutcome::Accounts(report) = log.ok(put(vec![row("z@example.com", None)])) else {
        panic!("accounts have a report")
    };
    assert_eq!(report.refused, [(0, RowRefusal::HomeMissing)]);
}

#[test]
fn bad_rows_are_named_and_the_good_ones_go_in() {
    let mut log = pair();
    let long = AccountRow {
        name: Some("n".repeat(1024)),
        ..row("long@example.com", None)
    };
    let rows = vec![
        row("alice@example.com", None),
        row("alice@example.com", None),
        row("example.com", None),
        row("bob@elsewhere.org", None),
        row("carol@example.com", Some(W)),
        long,
        row("dave@example.com", None),
    ];
    let ControlOutcome::Accounts(report) = log.ok(put(rows)) else {
        panic!("accounts have a report")
    };
    assert_eq!(report.added, 2);
    assert_eq!(
        report.refused,
        [
            (
                1,
                RowRefusal::Exists {
                    jid: jid("alice@example.com")
                }
            ),
            (
                2,
                RowRefusal::NoUser {
                    jid: jid("example.com")
                }
            ),
            (
                3,
                RowRefusal::UnknownDomain {
                    domain: "elsewhere.org".to_owned()
                }
            ),
            (4, RowRefusal::NoSuchHome { node: W }),
            (
                5,
                RowRefusal::NameTooLong {
                    bytes: 1024,
                    limit: 1023
                }
            ),
        ]
    );
    let too_many = vec![row("eve@example.com", None); ACCOUNT_ROWS_MAX + 1];
    assert!(matches!(
        log.refused(put(too_many)),
        Refusal::TooMany { .. }
    ));
}

#[test]
fn an_update_keeps_home_and_changes_password_and_name() {
    let mut log = pair();
    log.ok(put(vec![row("alice@example.com", Some(A))]));
    let change = |home, name: Option<&str>| ControlCommand::AccountsPut {
        rows: vec![AccountRow {
            verifiers: verifiers(2),
            name: name.map(str::to_owned),
            ..row("alice@example.com", home)
        }],
        update: true,
    };
    let ControlOutcome::Accounts(report) = log.ok(change(Some(B), None)) else {
        panic!("accounts have a report")
    };
    assert_eq!(
        report.refused,
        [(
            0,
            RowRefusal::Homed {
                jid: jid("alice@example.com"),
                home: A
            }
        )]
    );
    log.ok(change(Some(A), Some("Alice")));
    log.ok(change(None, None));
    let account = log.state.account(&jid("alice@example.com")).unwrap();
    assert_eq!(
        (account.name.as_deref(), &account.verifiers),
        (Some("Alice"), &verifiers(2))
    );
    assert_eq!(log.state.account_count(), 1);
}

#[test]
fn accounts_are_changed_and_removed() {
    let mut log = pair();
    let alice = || jid("alice@example.com");
    log.ok(put(vec![row("alice@example.com", Some(A))]));
    log.ok(ControlCommand::AccountPassword {
        jid: alice(),
        verifiers: verifiers(3),
    });
    log.ok(ControlCommand::AccountDisable {
        jid: alice(),
        disabled: true,
    });
    let account = log.state.account(&alice()).unwrap();
    assert!(account.disabled && account.verifiers == verifiers(3));
    let remove = || ControlCommand::AccountRemove { jid: alice() };
    let events = log.propose(remove());
    assert_eq!(
        events.last(),
        Some(&ControlEvent::AccountRemoved {
            jid: alice(),
            slot: SlotId(1)
        })
    );
    assert_eq!(
        log.refused(remove()),
        Refusal::NoSuchAccount { jid: alice() }
    );
    assert_eq!(
        (
            log.state.slot_accounts(SlotId(1)),
            log.state.domain_accounts("example.com")
        ),
        (0, 0)
    );
}

#[test]
fn accounts_are_listed_in_pages() {
    let mut log = pair();
    log.ok(put(["b", "a", "c"]
        .map(|n| row(&format!("{n}@example.com"), None))
        .to_vec()));
    let page = |last: Option<&BareJid>| {
        let jids = log
            .state
            .accounts_after(last)
            .take(2)
            .map(|(jid, _)| jid.to_string());
        jids.collect::<Vec<_>>()
    };
    assert_eq!(page(None), ["a@example.com", "b@example.com"]);
    assert_eq!(page(Some(&jid("b@example.com"))), ["c@example.com"]);
}

#[test]
fn a_domain_goes_only_without_accounts() {
    let mut log = pair();
    log.ok(put(vec![row("alice@example.com", None)]));
    let name = || "example.com".to_owned();
    let remove = || ControlCommand::DomainRemove {
        domain: domain("example.com"),
    };
    let add = || ControlCommand::DomainAdd {
        domain: domain("example.com"),
    };
    assert_eq!(log.refused(add()), Refusal::DomainExists { domain: name() });
    assert_eq!(
        log.refused(remove()),
        Refusal::DomainHasAccounts {
            domain: name(),
            accounts: 1
        }
    );
    log.ok(ControlCommand::AccountRemove {
        jid: jid("alice@example.com"),
    });
    log.ok(remove());
    assert_eq!(
        log.refused(remove()),
        Refusal::NoSuchDomain { domain: name() }
    );
}

#[test]
fn settings_change_together_or_not_at_all() {
    let mut log = pair();
    let bad = ControlCommand::SettingsSet(vec![
        Setting::FallbackAuto(false),
        Setting::FallbackDelay(Duration::from_millis(999)),
    ]);
    assert!(matches!(
        log.refused(bad),
        Refusal::SettingOutOfRange { .. }
    ));
    log.ok(ControlCommand::SettingsSet(vec![Setting::FallbackDelay(
        Duration::from_secs(5),
    )]));
    assert_eq!(log.state.settings().fallback_delay, Duration::from_secs(5));
}

#[test]
fn owners_only_get_newer() {
    let mut log = pair();
    let own = |node, index| ControlCommand::SlotOwned {
        slot: SlotId(1),
        node,
        epoch: Epoch::opened_at(LogIndex(index)),
        gap: None,
    };
    log.ok(own(A, 5));
    assert_eq!(
        log.refused(own(B, 4)),
        Refusal::StaleOwner { slot: SlotId(1) }
    );
    assert_eq!(log.propose(own(A, 5)).len(), 1, "said twice, nothing new");
    log.ok(own(B, 9));
    assert_eq!(
        log.state.slot(SlotId(1)).and_then(Slot::owner_node),
        Some(B)
    );
}

#[test]
fn healthy_time_ends_with_any_change_of_state() {
    let mut log = protected();
    let changes = |log: &Log| log.state.group(EAST).map_or(0, |group| group.changes);
    let healthy = |changes| ControlCommand::Healthy {
        node: A,
        accrued: Duration::from_secs(60),
        changes,
    };
    let old = changes(&log);
    log.ok(healthy(old));
    assert_eq!(log.state.healthy(A), Duration::from_secs(60));
    let (state, reason) = (HaState::Normal, HaReason::None);
    log.ok(ControlCommand::HaTransition {
        node: B,
        state,
        reason,
    });
    assert_eq!(log.state.healthy(A), Duration::ZERO);
    assert_eq!(log.refused(healthy(old)), Refusal::StaleHealth { node: A });
    log.ok(healthy(changes(&log)));
    log.ok(ControlCommand::HaTransition {
        node: B,
        state,
        reason,
    });
    assert_eq!(
        log.state.healthy(A),
        Duration::from_secs(60),
        "the same state is no change"
    );
}

#[test]
fn a_repeated_proposal_gets_its_answer_and_is_applied_once() {
    let mut log = pair();
    let origin = Origin {
        node: B,
        boot: Boot(4),
        serial: 1,
    };
    let create = || ControlCommand::GroupCreate {
        name: "west".to_owned(),
    };
    let first = log.propose_as(origin, create());
    assert_eq!(first.len(), 2);
    let before = log.state.clone();
    assert_eq!(log.propose_as(origin, create()), first[..1]);
    assert_eq!(log.state, before);
}

#[test]
fn commands_together_apply_all_or_none() {
    let mut log = pair();
    let create = |name: &str| ControlCommand::GroupCreate {
        name: name.to_owned(),
    };
    let both = ControlCommand::Together(vec![create("west"), create("east")]);
    assert_eq!(
        log.refused(both),
        Refusal::GroupExists {
            name: "east".to_owned()
        }
    );
    let nested = ControlCommand::Together(vec![ControlCommand::Together(Vec::new())]);
    assert_eq!(log.refused(nested), Refusal::Nested);
    log.ok(ControlCommand::Together(vec![
        create("west"),
        create("north"),
    ]));
    assert_eq!(log.state.groups().count(), 3);
}

#[test]
fn refusals_read_as_sentences() {
    for (refusal, text) in [
        (
            Refusal::GroupExists {
                name: "east".to_owned(),
            },
            "group east already exists",
        ),
        (
            Refusal::Witness { node: NodeId(3) },
            "node n3 is a witness and cannot be in a group",
        ),
        (
            Refusal::TokenUsed { by: B },
            "the join token was already used by node n2: make a new one",
        ),
        (
            Refusal::SettingOutOfRange {
                name: "fallback-delay".to_owned(),
                min: Duration::from_secs(1),
                max: Duration::from_secs(60),
            },
            "fallback-delay must be between 1s and 60s",
        ),
    ] {
        assert_eq!(refusal.to_string(), text);
    }
}
