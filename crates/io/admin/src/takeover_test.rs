use super::*;
use crate::fake::Fake;
use muster_cluster::{Addresses, NewNode, Role, SoftwareVersion, TokenHash};
use muster_types::{Boot, Epoch, LogIndex, SlotId, Timestamp};
use std::sync::Arc;

fn asked(accept_unsafe: bool, carry_out: bool) -> proto::NodeTakeoverRequest {
    proto::NodeTakeoverRequest {
        node: "a".to_owned(),
        accept_unsafe,
        carry_out,
    }
}

async fn refusal(fake: &Fake, request: proto::NodeTakeoverRequest) -> String {
    let before = fake.cluster();
    let status = run(fake, request).await.unwrap_err();
    assert_eq!(*fake.cluster(), *before, "{status}");
    status.message().to_owned()
}

#[tokio::test]
async fn a_takeover_that_is_not_asked_for_as_unsafe_is_refused() {
    let fake = Fake::lone_pair();
    let why = refusal(&fake, asked(false, true)).await;
    assert!(why.contains("--unsafe"), "{why}");
}

#[tokio::test]
async fn what_may_be_lost_is_said_before_anything_is_done() {
    let fake = Fake::lone_pair();
    let before = fake.cluster();
    let answer = run(&*fake, asked(true, false)).await.unwrap();
    assert!(!answer.done && answer.control && answer.heard);
    assert_eq!((answer.last_log, answer.control_last_log), (10, 20));
    let words = answer.warnings.join("\n");
    for word in [
        "heard a 60 s ago",
        "up to entry 10",
        "entry 20",
        "data folder",
        "node replace n1",
    ] {
        assert!(words.contains(word), "{word}: {words}");
    }
    assert_eq!(*fake.cluster(), *before);
    // It is known when something is missing.
    let behind = Fake::lone_pair();
    behind.must(ControlCommand::SlotOwned {
        slot: SlotId(1),
        node: NodeId(1),
        epoch: Epoch::opened_at(LogIndex(12)),
        gap: None,
    });
    let answer = run(&*behind, asked(true, false)).await.unwrap();
    let words = answer.warnings.join("\n");
    assert!(words.contains("at least up to entry 12"), "{words}");
}

#[tokio::test]
async fn a_node_that_is_heard_is_not_taken_over() {
    let fake = Fake::lone_pair();
    for (heard, up, word) in [
        (Some(200), 3_600, "heard 200 ms ago"),
        (Some(9_999), 3_600, "silent for 10 s"),
        (None, 9, "has run for 9000 ms only"),
    ] {
        fake.heard(NodeId(1), heard);
        fake.change_live(|live| live.up = Duration::from_secs(up));
        let why = refusal(&fake, asked(true, true)).await;
        assert!(why.contains(word), "{why}");
    }
    fake.change_live(|live| live.up = Duration::from_secs(10));
    assert!(run(&*fake, asked(true, true)).await.unwrap().done);
}

#[tokio::test]
async fn where_a_quorum_exists_or_no_copy_there_is_nothing_to_take_over() {
    let pair = Fake::pair();
    let why = refusal(
        &pair,
        proto::NodeTakeoverRequest {
            node: "b".to_owned(),
            ..asked(true, true)
        },
    )
    .await;
    assert!(
        why.contains("third voter") && why.contains("failover"),
        "{why}"
    );

    let own = Fake::lone_pair();
    own.change_live(|live| live.node = NodeId(1));
    let why = refusal(&own, asked(true, true)).await;
    assert!(why.contains("the node asked"), "{why}");

    let empty = Fake::lone_pair();
    empty.change_live(|live| drop(live.slots.remove(&SlotId(1))));
    let why = refusal(&empty, asked(true, true)).await;
    assert!(why.contains("no copy"), "{why}");

    let others_vote = Fake::lone_pair();
    others_vote.change_live(|live| live.control_voters = [NodeId(1), NodeId(3)].into());
    let why = refusal(&others_vote, asked(true, true)).await;
    assert!(why.contains("majority"), "{why}");
}

fn new_machine(fake: &Arc<Fake>, name: &str) {
    let token = TokenHash([9; 32]);
    fake.must(ControlCommand::TokenCreate {
        hash: token,
        role: Role::Serving,
        expires: Timestamp(u64::MAX),
    });
    let node = NewNode {
        name: name.to_owned(),
        role: Role::Serving,
        addresses: Addresses::default(),
        version: SoftwareVersion { wire: 1, data: 1 },
        boot: Boot(1),
    };
    fake.must(ControlCommand::NodeJoin { token, node });
}

#[tokio::test]
async fn the_lost_node_is_out_and_its_place_can_be_given_to_a_new_one_of_its_name() {
    let fake = Fake::lone_pair();
    assert!(run(&*fake, asked(true, true)).await.unwrap().done);
    let state = fake.cluster();
    assert_eq!(state.ousted_by(NodeId(1)), Some(NodeId(2)));
    assert!(state.members().all(|node| node.id == NodeId(2)));
    let words = crate::protection(&state, &fake.live()).remove(0).words;
    assert!(words.contains("node replace n1"), "{words}");
    let why = refusal(&fake, asked(true, true)).await;
    assert!(why.contains("already"), "{why}");

    new_machine(&fake, "a");
    let state = fake.cluster();
    let old = resolve::holder(&state, "a").unwrap().id;
    let new = resolve::node(&state, "a").unwrap().id;
    assert_eq!((old, new), (NodeId(1), NodeId(3)));
    fake.must(ControlCommand::NodeReplace { old, new });
    let state = fake.cluster();
    assert_eq!(resolve::holder(&state, "a").unwrap().id, new);
    assert_eq!(state.ousted_by(old), Some(NodeId(2)), "for ever");
}
