//! Commands and what comes of them.

use crate::*;
use muster_sasl::{ScramVerifier, Verifiers};
use muster_types::{
    BareJid, Boot, DomainPart, Epoch, GroupId, LogIndex, NodeId, Origin, ROSTER_ITEMS_MAX,
    Replicated, SlotId, Timestamp, Writes,
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

    pub(crate) fn outcome(&mut self, command: ControlCommand) -> ControlOutcome {
        let ControlEvent::Outcome { outcome, .. } = self.propose(command).remove(0) else {
            panic!("the outcome comes first")
        };
        outcome
    }

    pub(crate) fn ok(&mut self, command: ControlCommand) -> ControlOutcome {
        let outcome = self.outcome(command.clone());
        assert!(
            !matches!(outcome, ControlOutcome::Refused(_)),
            "{command:?}: {outcome:?}"
        );
        outcome
    }

    pub(crate) fn refused(&mut self, command: ControlCommand) -> Refusal {
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

pub(crate) fn domain(name: &str) -> DomainPart {
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

pub(crate) fn protected() -> Log {
    let mut log = pair();
    log.ok(ControlCommand::GroupEnableHa { group: EAST });
    log
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
    let many = [
        Setting::ContactsMax(100_000),
        Setting::WatchersMax(ROSTER_ITEMS_MAX + 1),
    ];
    for many in many {
        let together = vec![Setting::FallbackAuto(false), many];
        let why = log.refused(ControlCommand::SettingsSet(together));
        assert!(matches!(why, Refusal::MoreThanARoster { .. }), "{why}");
    }
    assert!(log.state.settings().fallback_auto);
    log.ok(ControlCommand::SettingsSet(vec![
        Setting::FallbackDelay(Duration::from_secs(5)),
        Setting::ContactsMax(ROSTER_ITEMS_MAX),
        Setting::WatchersMax(0),
    ]));
    assert_eq!(log.state.settings().bounds(), (5_000, 5_000));
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
fn a_missed_beat_voids_what_was_counted_and_what_is_on_its_way() {
    let mut log = protected();
    let changes = |log: &Log| log.state.group(EAST).map_or(0, |group| group.changes);
    let healthy = |changes, secs| ControlCommand::Healthy {
        node: A,
        accrued: Duration::from_secs(secs),
        changes,
    };
    let old = changes(&log);
    log.ok(healthy(old, 120));
    log.ok(healthy(old, 60));
    let counted = Duration::from_secs(120);
    assert_eq!(log.state.healthy(A), counted, "an older count came late");
    log.ok(healthy(old, 0));
    assert_eq!(log.state.healthy(A), Duration::ZERO);
    for secs in [0, 180] {
        let refused = log.refused(healthy(old, secs));
        assert_eq!(refused, Refusal::StaleHealth { node: A });
    }
    assert_eq!(changes(&log), old + 1);
}

#[test]
fn what_was_planned_on_an_older_picture_of_a_group_is_refused_whole() {
    let mut log = protected();
    let changes = log.state.group(EAST).map_or(0, |group| group.changes);
    let plan = |node, state| {
        let reason = HaReason::CriticalServiceDown;
        let transition = ControlCommand::HaTransition {
            node,
            state,
            reason,
        };
        let unchanged = ControlCommand::GroupUnchanged {
            group: EAST,
            changes,
        };
        ControlCommand::Together(vec![unchanged, transition])
    };
    log.ok(plan(A, HaState::FailedOver));
    let before = log.state.clone();
    let group = "east".to_owned();
    assert_eq!(
        log.refused(plan(B, HaState::FailedOver)),
        Refusal::GroupChanged { group }
    );
    assert_eq!(log.state.node(B), before.node(B));
}

#[test]
fn a_start_is_told_once_with_what_it_means_and_not_again_when_that_is_out_of_date() {
    let mut log = protected();
    let started = |boot, state| {
        let booted = ControlCommand::NodeBooted {
            node: A,
            boot: Boot(boot),
            version: SoftwareVersion { wire: 1, data: 1 },
            addresses: Addresses::default(),
        };
        let transition = ControlCommand::HaTransition {
            node: A,
            state,
            reason: HaReason::Initialization,
        };
        ControlCommand::Together(vec![booted, transition])
    };
    log.ok(started(5, HaState::RunningInBackupMode));
    let known = Refusal::BootKnown { node: A };
    assert_eq!(log.refused(started(5, HaState::Idle)), known);
    assert_eq!(log.refused(started(4, HaState::Idle)), known);
    let state = log.state.node(A).map(|node| node.ha.state);
    assert_eq!(state, Some(HaState::RunningInBackupMode));
    log.ok(started(6, HaState::Idle));
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
        (
            Refusal::MoreThanARoster {
                name: "contacts-max".to_owned(),
                max: 5_000,
            },
            "contacts-max must be 0 to 5000: a roster goes to a client in one piece, so others would feel a user with more",
        ),
    ] {
        assert_eq!(refusal.to_string(), text);
    }
}
