//! openraft's own suite for stores, run on ours.

use crate::log::LogStore;
use crate::machine::{Applied, Machine, StateMachine};
use crate::rpc::GroupId;
use crate::stored::Records;
use crate::types::{Entry, LogId, Types, Vote};
use futures_util::future::BoxFuture;
use muster_store::Store;
use muster_types::LogIndex;
use openraft::StorageError;
use openraft::storage::{IOFlushed, RaftLogReader as _, RaftLogStorage};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::vote::RaftLeaderId;

/// Keeps nothing: the suite looks at the position only.
struct Forgetful;

impl StateMachine for Forgetful {
    fn install(&mut self, _: Records) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }

    fn apply(
        &mut self,
        commands: Vec<(LogIndex, Vec<u8>)>,
    ) -> BoxFuture<'_, Result<Vec<Applied>, String>> {
        Box::pin(async move { Ok(commands.iter().map(|_| Applied::default()).collect()) })
    }
}

struct Builder;

impl StoreBuilder<Types, LogStore, Machine, tempfile::TempDir> for Builder {
    async fn build(&self) -> Result<(tempfile::TempDir, LogStore, Machine), StorageError<Types>> {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let log = LogStore::open(&store, GroupId(1)).unwrap();
        let machine = Machine::open(&store, GroupId(1), Box::new(Forgetful))
            .await
            .unwrap();
        machine
            .live()
            .store(true, std::sync::atomic::Ordering::Release);
        Ok((dir, log, machine))
    }
}

#[test]
fn the_store_passes_the_suite_of_openraft() {
    tokio::runtime::Runtime::new()
        .unwrap()
        .block_on(Suite::test_all(Builder))
        .unwrap();
}

fn id(index: u64) -> LogId {
    let leader = openraft::alias::LeaderIdOf::<Types>::new(2, 1);
    LogId::new(leader.to_committed(), index)
}

fn entry(index: u64) -> Entry {
    Entry {
        log_id: id(index),
        payload: openraft::EntryPayload::Blank,
    }
}

#[tokio::test]
async fn an_entry_is_durable_when_it_was_synced_since_the_log_was_last_cut() {
    let disk = muster_store::Disk::default();
    let store = Store::in_memory(&disk);
    let mut log = LogStore::open(&store, GroupId(1)).unwrap();
    let sync = || {
        let sync = disk.begin();
        disk.settle(&sync);
        disk.end(sync, Ok(()));
    };
    let vote = Vote::new_committed(2, 1);
    let is_durable = |log: &LogStore, index| log.is_durable(&vote, Some(&id(index)));
    log.append((1..4).map(entry), IOFlushed::noop())
        .await
        .unwrap();
    sync();
    assert!(!is_durable(&log, 1), "the vote is not");
    let (saved, ()) = tokio::join!(log.save_vote(&vote), async { sync() });
    saved.unwrap();
    assert!(is_durable(&log, 3) && !is_durable(&log, 4));
    assert!(log.is_durable(&vote, None));
    assert!(!log.is_durable(&Vote::new_committed(3, 1), None));
    let earlier = openraft::alias::LeaderIdOf::<Types>::new(1, 1);
    let earlier = LogId::new(earlier.to_committed(), 2);
    assert!(
        !log.is_durable(&vote, Some(&earlier)),
        "nothing is known of it"
    );
    // A sync that began before the cut says nothing of what is written after it.
    log.append((4..9).map(entry), IOFlushed::noop())
        .await
        .unwrap();
    log.truncate_after(Some(id(1))).await.unwrap();
    sync();
    log.append((2..9).map(entry), IOFlushed::noop())
        .await
        .unwrap();
    assert!(is_durable(&log, 1) && !is_durable(&log, 2));
    sync();
    assert!(is_durable(&log, 8));
    // What a restart finds is on the disk when it was synced once more.
    let mut again = LogStore::open(&store, GroupId(1)).unwrap();
    again.read_vote().await.unwrap();
    again.get_log_state().await.unwrap();
    assert!(!is_durable(&again, 8));
    sync();
    assert!(is_durable(&again, 8) && !is_durable(&again, 9));
    // A snapshot replaces more than there was.
    again.purge(id(20)).await.unwrap();
    assert!(!is_durable(&again, 20));
    sync();
    assert!(is_durable(&again, 20));
}

#[tokio::test]
async fn a_crash_within_a_purge_leaves_a_log_that_begins_after_the_mark() {
    let disk = muster_store::Disk::default();
    let store = Store::in_memory(&disk);
    let mut log = LogStore::open(&store, GroupId(1)).unwrap();
    log.append((1..9).map(entry), IOFlushed::noop())
        .await
        .unwrap();
    disk.settle(&disk.begin());
    // A snapshot reaches further than the log: of the purge only the mark is durable.
    log.purge(id(20)).await.unwrap();
    disk.crash(|written| {
        assert_eq!(written, 2);
        1
    });
    let state = log.get_log_state().await.unwrap();
    assert_eq!(state.last_purged_log_id, Some(id(20)));
    assert_eq!(state.last_log_id, Some(id(20)));
}

#[tokio::test]
async fn a_state_that_lacks_what_the_log_has_no_more_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = LogStore::open(&Store::open(dir.path()).unwrap(), GroupId(1)).unwrap();
    log.follows_on(None).unwrap();
    log.purge(id(7)).await.unwrap();
    log.follows_on(Some(&id(7))).unwrap();
    for behind in [None, Some(&id(6))] {
        let said = log.follows_on(behind).unwrap_err().to_string();
        assert!(said.contains("musterctl node replace"), "{said}");
    }
}
