//! Beats while disks stand still.

use super::{Cluster, Transport, Wire};
use crate::rpc::{Addressed, GroupId, Request, Response, decode, encode};
use crate::types::{LogId, Types, Vote, raft_id};
use crate::{Status, Timing};
use muster_store::{Disk, Store};
use muster_types::NodeId;
use openraft::alias::LeaderIdOf;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse};
use openraft::vote::RaftLeaderId as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Three nodes whose disks can be held up, but for the first one's.
struct Slow {
    cluster: Cluster,
    held: watch::Sender<bool>,
}

impl Slow {
    async fn new() -> Self {
        let mut cluster = Cluster::empty(Timing::default());
        let held = watch::Sender::new(false);
        for id in 1..=3 {
            let disk = Disk::default();
            let store = Store::in_memory(&disk);
            tokio::spawn(sync(disk, (id > 1).then(|| held.subscribe())));
            let dir = tempfile::tempdir().unwrap();
            cluster.start_on(NodeId(id), store, dir).await;
        }
        cluster.unite().await;
        Self { cluster, held }
    }

    fn status(&self, id: u16) -> Status {
        self.cluster.group(id).status().borrow().clone()
    }
}

/// Ends syncs while nobody holds them up.
async fn sync(disk: Disk, mut held: Option<watch::Receiver<bool>>) {
    loop {
        disk.requested().await;
        let sync = disk.begin();
        if let Some(held) = &mut held
            && held.wait_for(|held| !held).await.is_err()
        {
            return;
        }
        disk.settle(&sync);
        disk.end(sync, Ok(()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_disks_of_its_followers_cost_no_leader_its_lease() {
    let slow = Slow::new().await;
    let (leader, clock) = (slow.cluster.group(1), slow.cluster.clock);
    let (before, _) = leader.propose(b"before".to_vec()).await.unwrap();
    slow.held.send_replace(true);
    leader.submit(b"meanwhile".to_vec()).await.unwrap();
    let lost = async {
        while leader.lease().holds(clock.now()) && slow.status(1).leading {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let lost = tokio::time::timeout(5 * Timing::default().election_max, lost).await;
    assert!(lost.is_err(), "the lease is lost");
    let applied = slow.status(1).applied;
    assert_eq!(applied, before.0, "committed without being durable");
    slow.held.send_replace(false);
    leader.propose(b"after".to_vec()).await.unwrap();
    assert_eq!(
        slow.cluster.seen(1),
        [&b"before"[..], b"meanwhile", b"after"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_says_of_an_entry_that_it_is_durable_before_it_is() {
    let slow = Slow::new().await;
    let leader = slow.cluster.group(1);
    let (before, _) = leader.propose(b"before".to_vec()).await.unwrap();
    // Behind one that waits no other is sent.
    let has_it = |status: &Status| status.matched.get(&NodeId(2)) >= Some(&before.0);
    slow.cluster.wait(1, has_it).await;
    slow.held.send_replace(true);
    leader.submit(b"meanwhile".to_vec()).await.unwrap();
    let last = before.0 + 1;
    slow.cluster.wait(2, |s| s.last_log >= last).await;
    // As the leader asks when it does not know yet what a follower has.
    let term = slow.status(1).term;
    let leads = LeaderIdOf::<Types>::new(term, raft_id(NodeId(1)));
    let before = LogId::new(leads.to_committed(), last);
    let probe = AppendEntriesRequest::<Types> {
        vote: Vote::new_committed(term, raft_id(NodeId(1))),
        prev_log_id: Some(before),
        entries: Vec::new(),
        leader_commit: None,
    };
    let asked = Addressed {
        group: GroupId(7),
        body: Request::Append(probe),
    };
    let wire = Wire {
        from: NodeId(1),
        wires: Arc::clone(&slow.cluster.wires),
    };
    let answer = wire.request(NodeId(2), encode(&asked).into(), Duration::MAX);
    tokio::pin!(answer);
    let early = tokio::time::timeout(Timing::default().election_max, &mut answer).await;
    assert!(early.is_err(), "{early:?}");
    slow.held.send_replace(false);
    let answer: Response = decode(&answer.await.unwrap()).unwrap();
    assert!(matches!(
        answer,
        Response::Append(AppendEntriesResponse::Success)
    ));
}
