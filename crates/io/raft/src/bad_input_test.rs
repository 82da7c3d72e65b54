//! What a replica must not take: snapshots that are not whole, and entries that it does not know.

use super::*;
use crate::rpc::{Addressed, Request, Response, SnapshotPart, decode, encode};
use std::sync::atomic::{AtomicBool, Ordering};

/// What is done to the parts of snapshots on their way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Harm {
    /// The last part comes early: the rest is missing.
    Cut,
    /// A bit is turned.
    Flip,
    /// The second part is lost, and the third is taken for it.
    Skip,
    /// A newer program sent it.
    Newer,
}

/// Does it to one request.
pub(super) fn harm(harm: Harm, body: &Bytes) -> Bytes {
    let mut request: Addressed<Request> = decode(body).unwrap();
    if let Request::Snapshot(part) = &mut request.body {
        spoil(harm, part);
    }
    Bytes::from(encode(&request))
}

fn spoil(harm: Harm, part: &mut SnapshotPart) {
    let first = part.offset == 0;
    match harm {
        Harm::Cut if first => part.last = true,
        Harm::Flip if first => part.data[100] ^= 1,
        Harm::Skip if !first => part.offset += 1,
        Harm::Newer if first => part.data[0] = 2,
        Harm::Cut | Harm::Flip | Harm::Skip | Harm::Newer => {}
    }
}

async fn refuses(cluster: &Cluster, id: u16, why: &str) {
    let refused = async {
        loop {
            match cluster.group(id).refused() {
                Some(said) if said.contains(why) => return,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), refused).await;
    let said = cluster.group(id).refused();
    assert!(waited.is_ok(), "{why}: {said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_is_not_whole_is_refused_and_changes_nothing() {
    let timing = Timing {
        entries_per_snapshot: 3_000,
        ..Timing::default()
    };
    let mut cluster = Cluster::of(1, timing).await;
    let leader = cluster.group(1);
    for _ in 0..3 {
        leader.propose(vec![b'x'; 200_000]).await.unwrap();
    }
    for n in 0..7_000u32 {
        leader.submit(n.to_be_bytes().to_vec()).await.unwrap();
    }
    let (last, _) = leader.propose(b"last".to_vec()).await.unwrap();
    // The log no longer has the beginning: who has nothing needs a snapshot.
    let purged = async {
        // Counting while the pieces of a large entry are removed may fail: counted again.
        while !leader.log_bytes(0).is_ok_and(|bytes| bytes <= 200_000) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let purged = tokio::time::timeout(Duration::from_secs(20), purged);
    purged.await.unwrap();
    cluster.start(NodeId(2), tempfile::tempdir().unwrap()).await;
    *cluster.wires.harm.lock().unwrap() = Some(Harm::Cut);
    leader.add_learner(NodeId(2)).await.unwrap();
    for (harm, why) in [
        (Harm::Cut, "a truncated snapshot: "),
        (Harm::Flip, "a damaged snapshot: "),
        (Harm::Skip, "a part of a snapshot begins at byte "),
        (
            Harm::Newer,
            "of version 2, and this program knows 1: upgrade this node",
        ),
    ] {
        *cluster.wires.harm.lock().unwrap() = Some(harm);
        refuses(&cluster, 2, why).await;
        assert!(cluster.seen(2).is_empty(), "{harm:?}");
        let status = cluster.group(2).status().borrow().clone();
        assert_eq!((status.stopped, status.applied), (None, 0), "{harm:?}");
    }
    *cluster.wires.harm.lock().unwrap() = None;
    cluster.wait(2, |s| s.applied >= last.0).await;
    assert_eq!(cluster.seen(2), cluster.seen(1));
    // What is installed is applied a moment before its sender is answered.
    let forgotten = async {
        while cluster.group(2).refused().is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let forgotten = tokio::time::timeout(Duration::from_secs(20), forgotten);
    forgotten.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_meets_a_newer_entry_stops_there_and_goes_on_when_upgraded() {
    let mut cluster = Cluster::of(3, Timing::default()).await;
    for id in [1, 2] {
        cluster.nodes[&NodeId(id)].journal.upgrade();
    }
    let leader = cluster.group(1);
    leader.propose(b"known".to_vec()).await.unwrap();
    let (newer, _) = leader.propose(UNREADABLE.to_vec()).await.unwrap();
    let (after, _) = leader.propose(b"after".to_vec()).await.unwrap();
    // Found by append, then twice in the log at a start: never passed, never left out.
    for attempt in 0..3 {
        cluster.wait(3, |s| s.stopped.is_some()).await;
        let status = cluster.group(3).status().borrow().clone();
        let why = status.stopped.unwrap();
        assert!(why.ends_with("of a newer version"), "{attempt}: {why}");
        assert!(status.applied < newer.0 && !status.leading, "{attempt}");
        let seen = cluster.seen(3);
        assert!(
            seen.iter().all(|seen| seen == b"known"),
            "{attempt}: {seen:?}"
        );
        assert!(!cluster.group(3).lease().holds(cluster.clock.now()));
        if attempt < 2 {
            cluster.restart(3).await;
        }
    }
    cluster.knows_all.store(true);
    cluster.restart(3).await;
    cluster.wait(3, |s| s.applied >= after.0).await;
    assert_eq!(cluster.seen(3), [&b"known"[..], UNREADABLE, b"after"]);
    assert_eq!(cluster.seen(3), cluster.seen(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_are_no_requests_are_answered_with_the_reason() {
    let cluster = Cluster::of(1, Timing::default()).await;
    let groups = cluster.wires.nodes.lock().unwrap()[&NodeId(1)].clone();
    let good = encode(&Addressed {
        group: GROUP,
        body: Request::Committed,
    });
    for (what, bytes) in [
        ("nothing", vec![]),
        ("cut", good[..good.len() - 1].to_vec()),
        ("of a newer program", vec![GROUP.0 as u8, 99]),
        ("noise", vec![0xff; 64]),
    ] {
        let answer = groups.handle(Bytes::from(bytes)).await;
        let Response::Failed(said) = decode::<Response>(&answer).unwrap() else {
            panic!("{what} was taken");
        };
        assert!(said.contains("unreadable request"), "{what}: {said}");
    }
    let answer = groups.handle(Bytes::from(good)).await;
    assert!(matches!(decode(&answer), Ok(Response::Committed(_))));
}

/// What an upgrade changes.
#[derive(Clone, Default)]
pub(super) struct Knowledge(Arc<AtomicBool>);

impl Knowledge {
    pub(super) fn store(&self, all: bool) {
        self.0.store(all, Ordering::Release);
    }

    pub(super) fn has_all(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
