//! openraft's own suite for stores, run on ours.

use crate::log::LogStore;
use crate::machine::{Applied, Machine, Records, StateMachine};
use crate::rpc::GroupId;
use crate::types::Types;
use futures_util::future::BoxFuture;
use muster_store::Store;
use muster_types::LogIndex;
use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};

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
