//! openraft's own suite for stores, run on ours.

use crate::log::LogStore;
use crate::machine::{Applied, Machine, Records, StateMachine};
use crate::rpc::GroupId;
use crate::types::{Entry, LogId, Types};
use futures_util::future::BoxFuture;
use muster_store::Store;
use muster_types::LogIndex;
use openraft::StorageError;
use openraft::storage::{IOFlushed, RaftLogStorage};
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
    log.append((1..4).map(entry), IOFlushed::noop())
        .await
        .unwrap();
    assert!(!log.is_durable(&id(1)));
    sync();
    assert!(log.is_durable(&id(3)) && !log.is_durable(&id(4)));
    // A sync that began before the cut says nothing of what is written after it.
    log.append((4..9).map(entry), IOFlushed::noop())
        .await
        .unwrap();
    log.truncate_after(Some(id(1))).await.unwrap();
    sync();
    log.append((2..9).map(entry), IOFlushed::noop())
        .await
        .unwrap();
    assert!(log.is_durable(&id(1)) && !log.is_durable(&id(2)));
    sync();
    assert!(log.is_durable(&id(8)));
    // Whatever a restart finds is on the disk.
    let mut again = LogStore::open(&store, GroupId(1)).unwrap();
    assert!(!again.is_durable(&id(8)));
    again.get_log_state().await.unwrap();
    assert!(again.is_durable(&id(8)) && !again.is_durable(&id(9)));
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
