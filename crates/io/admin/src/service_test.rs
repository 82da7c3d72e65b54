use super::*;
use crate::fake::Fake;
use crate::{
    AdminEvent, AlarmInfo, EventKind, Lag, ProposeFailure, ReplicaInfo, ReplicaState, ServiceInfo,
};
use muster_types::SlotId;
use muster_types::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;
use tonic::Code;

fn service(fake: &Arc<Fake>) -> Service {
    Service::new(Arc::<Fake>::clone(fake))
}

fn named(node: &str) -> Request<proto::NodeRef> {
    Request::new(proto::NodeRef {
        node: node.to_owned(),
    })
}

fn east() -> Request<proto::GroupRef> {
    Request::new(proto::GroupRef {
        group: "east".to_owned(),
    })
}

async fn put(
    service: &Service,
    rows: &[(&str, &str, &str)],
    update: bool,
) -> Result<proto::UsersPutResponse, Status> {
    let row = |(jid, password, home): &(&str, &str, &str)| proto::UserRow {
        jid: (*jid).to_owned(),
        password: (*password).to_owned(),
        home: (*home).to_owned(),
        name: String::new(),
    };
    let batch = proto::UsersPutRequest {
        rows: rows.iter().map(row).collect(),
        update,
    };
    let batches = futures_util::stream::iter([Ok(batch)]);
    let answers = accounts::put(service.clone(), "a test".to_owned(), batches);
    Box::pin(answers).next().await.unwrap()
}

#[tokio::test]
async fn before_there_is_a_cluster_everything_says_how_to_make_one() {
    let service = service(&Fake::fresh());
    let refused = service.failover(named("a")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.message().contains("cluster init"), "{refused}");
    let users = put(&service, &[("alice@example.com", "secret", "")], false).await;
    assert_eq!(users.unwrap_err().code(), Code::Unavailable);
    let status = service
        .status(Request::new(proto::StatusRequest {}))
        .await
        .unwrap();
    assert_eq!(status.into_inner().cluster, "");
}

#[tokio::test]
async fn what_is_wrong_is_told_with_services_and_replicas() {
    let fake = Fake::pair();
    let service = service(&fake);
    let down = |seconds| Some(Duration::from_secs(seconds));
    let delay = Duration::from_secs(10);
    let one = |name, down| ServiceInfo {
        name,
        critical: name != "web",
        delay,
        down,
    };
    fake.set_services(vec![
        one("router", None),
        one("store", down(9)),
        one("web", down(10)),
    ]);
    let asked = Request::new(proto::ServiceListRequest {});
    let services = service.service_list(asked).await.unwrap().into_inner();
    let told = services.services.iter().map(|one| {
        (
            one.name.as_str(),
            one.node.as_str(),
            one.critical,
            one.state.as_str(),
            one.down_ms,
        )
    });
    let told: Vec<_> = told.collect();
    assert_eq!(
        told,
        [
            ("router", "a", true, "running", 0),
            ("store", "a", true, "not answering", 9_000),
            ("web", "a", false, "failed", 10_000),
        ]
    );
    let words = "the start is delayed".to_owned();
    fake.set_alarms(vec![AlarmInfo {
        name: "StartDelayed",
        severity: "warning",
        since: Timestamp(0),
        words,
        remedy: "wait",
    }]);
    let status = service.status(Request::new(proto::StatusRequest {})).await;
    assert_eq!(
        status.unwrap().into_inner().alarms[0].words,
        "the start is delayed"
    );

    let lag = Lag {
        entries: 3,
        bytes: 700,
        time: Duration::from_millis(1_500),
    };
    let replica = |slot, node, state| ReplicaInfo {
        slot,
        node: NodeId(node),
        votes: true,
        state,
        lag,
    };
    fake.set_replicas(vec![
        replica(None, 3, ReplicaState::Unreachable),
        replica(Some(SlotId(2)), 1, ReplicaState::CatchingUp),
    ]);
    let asked = Request::new(proto::ReplicationListRequest {});
    let told = service
        .replication_list(asked)
        .await
        .unwrap()
        .into_inner()
        .replicas;
    let texts = |one: &proto::Replica| {
        [&one.log, &one.home, &one.node, &one.role, &one.state].map(String::clone)
    };
    assert_eq!(
        texts(&told[0]),
        ["control", "", "w", "voter", "unreachable"]
    );
    assert_eq!(texts(&told[1]), ["s2", "b", "a", "voter", "catching up"]);
    let figures = |one: &proto::Replica| (one.lag_entries, one.lag_bytes, one.lag_ms);
    assert_eq!(figures(&told[1]), (3, 700, 1_500));
}

#[tokio::test]
async fn nodes_are_found_by_name_and_by_id() {
    for word in ["b", "n2"] {
        let service = service(&Fake::pair());
        service.failover(named(word)).await.unwrap();
        let state = service.backend.cluster();
        assert_eq!(state.slot(SlotId(2)).unwrap().desired, NodeId(1), "{word}");
    }
    let unknown = service(&Fake::pair())
        .failover(named("z"))
        .await
        .unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    assert!(unknown.message().contains("a, b, w"), "{unknown}");
}

#[tokio::test]
async fn a_failover_is_refused_when_the_peer_is_down_or_behind() {
    type Change = fn(&Fake);
    let down: Change = |fake| fake.heard(NodeId(2), None);
    let silent: Change = |fake| fake.heard(NodeId(2), Some(1_001));
    let behind: Change =
        |fake| fake.change_live(|live| live.slots.get_mut(&SlotId(1)).unwrap().last_log += 500);
    for (change, part) in [
        (down, "node b is not reachable"),
        (silent, "node b is not reachable"),
        (behind, "node b has not caught up"),
    ] {
        let fake = Fake::pair();
        change(&fake);
        let refused = service(&fake).failover(named("a")).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert!(refused.message().contains(part), "{refused}");
    }
}

#[tokio::test]
async fn a_move_is_refused_while_nobody_says_how_far_its_receiver_is() {
    let fake = Fake::pair();
    let known = |slot, known: bool| {
        fake.change_live(|live| live.slots.get_mut(&slot).unwrap().leading = known);
    };
    known(SlotId(1), false);
    let refused = service(&fake).failover(named("a")).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(
        refused.message(),
        "cannot tell whether b has caught up: try again"
    );
    // Only the slot that moves matters.
    service(&fake).failover(named("b")).await.unwrap();

    // What is known to be missing is said first.
    let fake = Fake::pair();
    fake.change_live(|live| live.slots.get_mut(&SlotId(1)).unwrap().leading = false);
    fake.heard(NodeId(2), None);
    let refused = service(&fake).failover(named("a")).await.unwrap_err();
    assert!(
        refused.message().contains("b is not reachable"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_node_that_is_reached_by_way_of_another_says_so() {
    let fake = Fake::pair();
    fake.heard(NodeId(2), None);
    fake.change_live(|live| live.via = [(NodeId(2), NodeId(3))].into());
    let service = service(&fake);
    let status = service.status(Request::new(proto::StatusRequest {})).await;
    let nodes = status.unwrap().into_inner().nodes;
    let seen = |node: &proto::Node| (node.name.clone(), node.reachable, node.via.clone());
    let seen: Vec<_> = nodes.iter().map(seen).collect();
    let row = |name: &str, reachable, via: &str| (name.to_owned(), reachable, via.to_owned());
    assert_eq!(
        seen,
        [row("a", true, ""), row("b", false, "w"), row("w", true, "")]
    );
}

#[tokio::test]
async fn sessions_say_since_when_they_are_there() {
    let fake = Fake::pair();
    fake.set_sessions(vec![crate::SessionInfo {
        jid: "alice@example.com/phone".to_owned(),
        address: "192.0.2.7".to_owned(),
        tls: true,
        since: Timestamp(1_735_689_600_000),
    }]);
    let request = Request::new(proto::SessionListRequest {});
    let sessions = service(&fake).session_list(request).await.unwrap();
    let [session] = &sessions.into_inner().sessions[..] else {
        panic!("one session")
    };
    assert_eq!(session.node, "a");
    assert_eq!(session.since, "2025-01-01T00:00:00.000Z");
}

#[tokio::test]
async fn moves_that_do_not_fit_the_state_are_refused() {
    let service = service(&Fake::pair());
    let refused = service.fallback(named("a")).await.unwrap_err();
    assert!(refused.message().contains("cannot fall back"), "{refused}");
    let refused = service.recover(east()).await.unwrap_err();
    assert!(refused.message().contains("cannot recover"), "{refused}");
}

#[tokio::test]
async fn ha_is_enabled_only_when_everybody_has_the_data() {
    let fake = Fake::pair();
    let service = service(&fake);
    service.group_disable_ha(east()).await.unwrap();

    fake.heard(NodeId(3), None);
    let refused = service.group_enable_ha(east()).await.unwrap_err();
    assert!(
        refused.message().contains("node w is not reachable"),
        "{refused}"
    );

    fake.change_live(|live| {
        live.heard_ms.insert(NodeId(3), 5);
        live.slots.get_mut(&SlotId(2)).unwrap().last_log = 900;
    });
    let refused = service.group_enable_ha(east()).await.unwrap_err();
    assert!(
        refused
            .message()
            .contains("has not caught up with the users of b"),
        "{refused}"
    );

    fake.change_live(|live| live.slots.get_mut(&SlotId(2)).unwrap().last_log = 10);
    service.group_enable_ha(east()).await.unwrap();
}

#[tokio::test]
async fn good_rows_go_in_and_bad_ones_are_named() {
    let service = service(&Fake::pair());
    let rows = [
        ("alice@example.com", "secret", ""),
        ("not an address", "secret", ""),
        ("bob@example.com", "", ""),
        ("carol@example.com", "secret", "z"),
        ("dave@elsewhere.net", "secret", ""),
        ("example.com", "secret", ""),
        ("erin@example.com", "secret", "w"),
        ("frank@example.com", "secret", "b"),
    ];
    let answer = put(&service, &rows, false).await.unwrap();
    assert_eq!((answer.added, answer.updated), (2, 0));
    let bad: Vec<_> = answer.errors.iter().map(|error| error.row).collect();
    assert_eq!(bad, [1, 2, 3, 4, 5, 6], "{:?}", answer.errors);
    assert!(
        answer.errors[5].reason.contains("node w hosts no users"),
        "{:?}",
        answer.errors
    );

    let again = put(&service, &rows[..1], false).await.unwrap();
    assert!(
        again.errors[0].reason.contains("already exists"),
        "{:?}",
        again.errors
    );
    let again = put(&service, &rows[..1], true).await.unwrap();
    assert_eq!((again.added, again.updated), (0, 1));
}

#[tokio::test]
async fn a_batch_that_is_too_long_is_refused() {
    let service = service(&Fake::pair());
    let rows = vec![("alice@example.com", "secret", ""); 501];
    let refused = put(&service, &rows, false).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn proposals_without_an_outcome_have_their_own_statuses() {
    let fake = Fake::pair();
    for (failure, code) in [
        (ProposeFailure::NoQuorum, Code::Unavailable),
        (ProposeFailure::Unknown, Code::Aborted),
    ] {
        fake.fail_with(Some(failure));
        let failed = service(&fake).failover(named("a")).await.unwrap_err();
        assert_eq!(failed.code(), code);
    }
}

#[tokio::test]
async fn users_come_in_pages() {
    let service = service(&Fake::pair());
    let jids = ["a@example.com", "b@example.com", "c@example.com"];
    let rows = jids.map(|jid| (jid, "secret", ""));
    put(&service, &rows, false).await.unwrap();
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let request = Request::new(proto::UserListRequest {
            after: after.clone(),
            limit: 2,
        });
        let page = service.user_list(request).await.unwrap().into_inner().users;
        let Some(last) = page.last() else { break };
        after = last.jid.clone();
        seen.extend(page);
    }
    assert_eq!(seen.iter().map(|user| &*user.jid).collect::<Vec<_>>(), jids);
    assert!(
        seen.iter().all(|user| user.served_by == user.home),
        "{seen:?}"
    );
}

#[tokio::test]
async fn settings_are_set_all_or_none() {
    let service = service(&Fake::pair());
    let set = |words: &[&str]| {
        let settings = words.iter().map(|word| (*word).to_owned()).collect();
        service.settings_set(Request::new(proto::SettingsSetRequest { settings }))
    };
    set(&["fallback-delay=5s", "fallback-auto=off"])
        .await
        .unwrap();
    let refused = set(&["fallback-auto=on", "peer-timeout=1h"])
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("peer-timeout"), "{refused}");
    let state = service.backend.cluster();
    assert!(!state.settings().fallback_auto);
    assert_eq!(state.settings().fallback_delay, Duration::from_secs(5));
}

#[tokio::test]
async fn a_node_that_runs_is_not_replaced() {
    let service = service(&Fake::pair());
    let replace = proto::NodeReplaceRequest {
        old: "b".to_owned(),
        new: "w".to_owned(),
    };
    let refused = service
        .node_replace(Request::new(replace))
        .await
        .unwrap_err();
    assert!(refused.message().contains("node b still runs"), "{refused}");
}

#[tokio::test]
async fn watchers_see_events() {
    let fake = Fake::pair();
    let request = Request::new(proto::WatchRequest {});
    let mut events = service(&fake).watch(request).await.unwrap().into_inner();
    let told = fake.tell(AdminEvent {
        at: Timestamp(0),
        kind: EventKind::Slot,
        text: "slot s1 is served by b".to_owned(),
        fields: BTreeMap::from([("slot".to_owned(), "s1".to_owned())]),
        local: true,
    });
    assert_eq!(told, 1);
    let event = events.next().await.unwrap().unwrap();
    assert_eq!((&*event.kind, &*event.fields["slot"]), ("slot", "s1"));
    assert!(event.local);
}
