//! A new log from what a learner has.

use super::Cluster;
use crate::Timing;
use crate::group::lineage;
use muster_types::NodeId;
use std::collections::BTreeSet;

/// Node 1 votes alone, the others follow it.
async fn lone_voter(learners: &[u16]) -> Cluster {
    let mut cluster = Cluster::of(1, Timing::default()).await;
    for id in learners {
        let dir = tempfile::tempdir().unwrap();
        cluster.start(NodeId(*id), dir).await;
        cluster.group(1).add_learner(NodeId(*id)).await.unwrap();
    }
    cluster
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_learner_begins_a_new_log_with_all_it_has_and_keeps_it_over_a_restart() {
    let mut cluster = lone_voter(&[2]).await;
    for command in ["one", "two"] {
        cluster.group(1).propose(command.into()).await.unwrap();
    }
    let last = cluster.group(1).status().borrow().last_log;
    cluster.wait(2, |s| s.last_log >= last).await;
    cluster.cut(1);
    // What only the lost node has.
    cluster.group(1).propose(b"lost".to_vec()).await.unwrap();

    let own = cluster.group(2);
    let begins = own.begin_anew(NodeId(1), Some(b"first".to_vec())).await;
    let begins = begins.unwrap();
    let (index, _) = own.propose(b"after".to_vec()).await.unwrap();
    assert!(index > begins && begins.0 > 1 << 40, "{begins} {index}");
    let wanted = [&b"one"[..], b"two", b"first", b"after"];
    assert_eq!(cluster.seen(2), wanted);

    drop(own);
    cluster.restart(2).await;
    cluster.wait(2, |s| s.leading).await;
    assert_eq!(cluster.seen(2), wanted);
    let status = cluster.group(2).status().borrow().clone();
    assert_eq!(status.voters, BTreeSet::from([NodeId(2)]));
    assert_eq!(lineage(status.term), 1);
    cluster
        .group(2)
        .propose(b"once more".to_vec())
        .await
        .unwrap();

    // A new node follows the new log.
    let dir = tempfile::tempdir().unwrap();
    cluster.start(NodeId(3), dir).await;
    cluster.group(2).add_learner(NodeId(3)).await.unwrap();
    cluster.wait(3, |s| s.applied > index.0 + 1).await;
    assert_eq!(cluster.seen(3), cluster.seen(2));
    // And may begin the next one.
    cluster.cut(2);
    let next = cluster.group(3).begin_anew(NodeId(2), None).await.unwrap();
    assert!(next.0 > begins.0 + (1 << 40), "{next}");
    assert_eq!(lineage(cluster.group(3).status().borrow().term), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_of_the_old_log_never_get_into_the_new_one() {
    let mut cluster = lone_voter(&[2]).await;
    cluster.group(1).propose(b"shared".to_vec()).await.unwrap();
    let last = cluster.group(1).status().borrow().last_log;
    cluster.wait(2, |s| s.applied >= last).await;
    cluster.cut(1);
    cluster.group(1).propose(b"old".to_vec()).await.unwrap();
    cluster.group(2).begin_anew(NodeId(1), None).await.unwrap();
    // The links would refuse it; the log does too.
    cluster.heal();
    for n in 0..20u8 {
        // It leads a log of its own, in its old terms: nothing of that comes over here, nor is it told of the new ones.
        cluster.group(1).propose(vec![n]).await.unwrap();
    }
    assert_eq!(lineage(cluster.group(1).status().borrow().term), 0);
    let own = cluster.group(2);
    own.propose(b"new".to_vec()).await.unwrap();
    assert_eq!(cluster.seen(2), [&b"shared"[..], b"new"]);
    drop(own);
    cluster.restart(2).await;
    assert_eq!(cluster.seen(2), [&b"shared"[..], b"new"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_follow_the_lost_node_alone_begins_nothing() {
    let cluster = Cluster::of(3, Timing::default()).await;
    let said = cluster.group(2).begin_anew(NodeId(1), None).await;
    let said = said.unwrap_err().to_string();
    assert!(said.contains("does not follow n1 alone"), "{said}");
    let mut alone = lone_voter(&[]).await;
    let said = alone.group(1).begin_anew(NodeId(1), None).await;
    assert!(said.is_err(), "it leads");
    // One that never heard of the log.
    let dir = tempfile::tempdir().unwrap();
    alone.start(NodeId(2), dir).await;
    let said = alone.group(2).begin_anew(NodeId(1), None).await;
    assert!(said.is_err(), "it has nothing");
    assert_eq!(alone.seen(2), Vec::<Vec<u8>>::new());
}
