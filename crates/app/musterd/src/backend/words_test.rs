use super::*;
use muster_admin::AlarmInfo;
use muster_cluster::{
    Addresses, ControlCommand, HaState, HaStatus, NewNode, Proposal, Role, Setting,
    SoftwareVersion, TokenHash,
};
use muster_ha::Why;
use muster_types::{Boot, DomainPart, LogIndex, Origin, Replicated, Writes};

const A: NodeId = NodeId(1);
const B: NodeId = NodeId(2);
/// The slot of a's users.
const SLOT: SlotId = SlotId(1);

fn node(name: &str) -> NewNode {
    NewNode {
        name: name.to_owned(),
        role: Role::Serving,
        addresses: Addresses::default(),
        version: SoftwareVersion { wire: 1, data: 1 },
        boot: Boot(1),
    }
}

/// Nodes `a` and `b` in the group `east`.
pub(crate) fn pair() -> ClusterState {
    let (token, group) = (TokenHash([1; 32]), GroupId(1));
    let commands = [
        ControlCommand::Init {
            cluster: "c-1".to_owned(),
            node: node("a"),
        },
        ControlCommand::TokenCreate {
            hash: token,
            role: Role::Serving,
            expires: Timestamp(u64::MAX),
        },
        ControlCommand::NodeJoin {
            token,
            node: node("b"),
        },
        ControlCommand::GroupCreate {
            name: "east".to_owned(),
        },
        ControlCommand::GroupAddNode { group, node: A },
        ControlCommand::GroupAddNode { group, node: B },
    ];
    let mut state = ClusterState::default();
    for (at, command) in (1..).zip(commands) {
        apply(&mut state, at, command);
    }
    state
}

fn apply(state: &mut ClusterState, at: u64, command: ControlCommand) {
    let origin = Origin {
        node: A,
        boot: Boot(1),
        serial: at,
    };
    let proposal = Proposal {
        origin,
        at: Timestamp(0),
        command,
    };
    state.apply(LogIndex(at), proposal, &mut Writes::new());
}

/// What node `b` tells of an event between two states.
fn told_between(before: &ClusterState, now: &ClusterState, event: NodeEvent) -> AdminEvent {
    let known = Known {
        here: B,
        now,
        before,
    };
    describe(&event, &known).unwrap().at(Timestamp(0))
}

fn told(event: NodeEvent) -> AdminEvent {
    told_between(&pair(), &pair(), event)
}

fn field<'a>(event: &'a AdminEvent, name: &str) -> Option<&'a str> {
    event.fields.get(name).map(String::as_str)
}

fn owned(gap: Option<Duration>) -> NodeEvent {
    NodeEvent::Decided(ControlEvent::SlotOwned {
        slot: SLOT,
        node: B,
        epoch: Epoch::opened_at(LogIndex(7)),
        gap,
    })
}

#[test]
fn a_takeover_is_told_with_names_and_its_gap() {
    let event = told(owned(Some(Duration::from_millis(1_234))));
    assert_eq!(
        event.text,
        "the users of a are served by b, after 1234 ms without an owner"
    );
    assert_eq!(field(&event, "node"), Some("b"));
    assert_eq!(field(&event, "home"), Some("a"));
    assert_eq!(field(&event, "gap_ms"), Some("1234"));
    assert!(!event.local);
}

#[test]
fn a_gap_that_is_not_known_is_not_told() {
    let event = told(owned(None));
    assert_eq!(event.text, "the users of a are served by b");
    assert_eq!(field(&event, "gap_ms"), None);
}

#[test]
fn a_state_is_told_with_its_reason_if_it_has_one() {
    for (state, reason, text) in [
        (HaState::Normal, HaReason::None, "b is Normal"),
        (
            HaState::RunningInBackupMode,
            HaReason::PeerDown,
            "b is Running in Backup Mode (Peer Down)",
        ),
    ] {
        let status = HaStatus {
            state,
            reason,
            since: Timestamp(0),
        };
        let event = told(NodeEvent::Decided(ControlEvent::HaChanged {
            node: B,
            before: status,
            after: status,
        }));
        assert_eq!(event.text, text);
        assert_eq!(field(&event, "node"), Some("b"));
        assert_eq!(field(&event, "state"), Some(state.label()));
        assert_eq!(field(&event, "reason"), Some(reason.label()));
    }
}

#[test]
fn what_is_removed_has_the_name_it_had() {
    let mut now = pair();
    let group = GroupId(2);
    let name = "west".to_owned();
    apply(&mut now, 8, ControlCommand::GroupCreate { name });
    let before = now.clone();
    apply(&mut now, 9, ControlCommand::GroupRemove { group });
    let removed = NodeEvent::Decided(ControlEvent::GroupRemoved(group));
    let event = told_between(&before, &now, removed);
    assert_eq!(event.text, "group west is removed");
    assert_eq!(field(&event, "group"), Some("west"));
}

#[test]
fn changed_settings_are_told_with_their_values() {
    let (before, mut now) = (pair(), pair());
    let delay = Setting::FallbackDelay(Duration::from_secs(600));
    apply(&mut now, 8, ControlCommand::SettingsSet(vec![delay]));
    let changed = NodeEvent::Decided(ControlEvent::SettingsChanged);
    let event = told_between(&before, &now, changed);
    assert_eq!(event.text, "fallback-delay is 10m");
    assert_eq!(event.kind, EventKind::Setting);
    assert_eq!(field(&event, "fallback-delay"), Some("10m"));
    assert_eq!(event.fields.len(), 1);
}

#[test]
fn users_and_domains_are_told() {
    let jid = BareJid::new("alice@example.com").unwrap();
    let removed = ControlEvent::AccountRemoved {
        jid: jid.clone(),
        slot: SLOT,
    };
    for (event, change) in [
        (ControlEvent::AccountAdded(jid.clone()), "added"),
        (ControlEvent::AccountChanged(jid), "changed"),
        (removed, "removed"),
    ] {
        let event = told(NodeEvent::Decided(event));
        assert_eq!(event.kind, EventKind::User);
        assert_eq!(field(&event, "jid"), Some("alice@example.com"));
        assert_eq!(field(&event, "change"), Some(change));
        assert_eq!(event.fields.len(), 2, "nothing secret");
    }
    let domain = DomainPart::new("example.com").unwrap().to_string();
    let event = told(NodeEvent::Decided(ControlEvent::DomainAdded(domain)));
    assert_eq!(event.kind, EventKind::Domain);
    assert_eq!(event.text, "example.com is hosted");
}

#[test]
fn a_session_is_told_with_its_address_and_where_it_was() {
    let session = SessionId {
        node: A,
        boot: Boot(3),
        serial: 9,
    };
    let jid = FullJid::new("alice@example.com/phone").unwrap();
    let event = told(NodeEvent::Owner(OwnerEvent::SessionDown { session, jid }));
    assert_eq!(event.text, "alice@example.com/phone has ended");
    assert_eq!(field(&event, "session"), Some("1.3.9"));
    assert_eq!(field(&event, "node"), Some("a"), "where the client was");
    assert_eq!(field(&event, "by"), Some("b"));
    assert!(event.local);
}

#[test]
fn no_text_or_node_shows_an_id() {
    let epoch = Epoch::opened_at(LogIndex(7));
    let (slot, to) = (SLOT, B);
    let events = [
        NodeEvent::Ha(HaEvent::Silent(A)),
        NodeEvent::Ha(HaEvent::Opened {
            slot,
            epoch,
            why: Why::PeerDown,
            before: Some(A),
            gap: Duration::from_millis(1_100),
        }),
        NodeEvent::Ha(HaEvent::HandingOver { slot, to }),
        NodeEvent::Ha(HaEvent::TransferFailed { slot, to }),
        NodeEvent::Ha(HaEvent::MoveFailed { slot, to }),
        NodeEvent::Ha(HaEvent::FallbackDue(A)),
        NodeEvent::Ha(HaEvent::ServiceFailed {
            service: "router",
            critical: true,
        }),
        NodeEvent::Ha(HaEvent::ServiceRecovered { service: "router" }),
        NodeEvent::Ha(HaEvent::Stuck(slot)),
        NodeEvent::Alarm {
            raised: true,
            alarm: AlarmInfo {
                name: "StartDelayed",
                severity: "warning",
                since: Timestamp(0),
                words: "the start is delayed".to_owned(),
                remedy: "wait",
            },
        },
        NodeEvent::Owner(OwnerEvent::Opened {
            slot,
            epoch,
            warm: true,
            sessions: 4,
        }),
        NodeEvent::Owner(OwnerEvent::Closed { slot, epoch }),
        NodeEvent::Decided(ControlEvent::NodeReplaced { old: A, new: B }),
        NodeEvent::Decided(ControlEvent::SlotVotersChanged(slot)),
    ];
    for event in events {
        let event = told(event);
        let words = event.text.split(|c: char| !c.is_alphanumeric());
        for word in words.chain(event.fields.get("node").map(String::as_str)) {
            assert!(!["n1", "n2", "s1"].contains(&word), "{}", event.text);
        }
    }
}
