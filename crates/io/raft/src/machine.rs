//! The replicated state behind a group, and how it is kept in the store.

use crate::rpc::GroupId;
use crate::runtime;
use crate::stored::{Position, Records, Stored};
use crate::types::{Answer, LogId, Membership, SnapshotMeta, Types};
use futures_util::future::BoxFuture;
use futures_util::{Stream, StreamExt};
use muster_store::{Batch, Store};
use muster_types::{LogIndex, Writes};
use openraft::alias::SnapshotOf;
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What came of one command.
#[derive(Debug, Default)]
pub struct Applied {
    /// For the proposer.
    pub answer: Vec<u8>,
    /// The records that changed.
    pub writes: Writes,
}

/// A replicated state: the other side of a group's committed commands.
pub trait StateMachine: Send + Sync + 'static {
    /// Takes the state as stored, at start or from a snapshot. Everything before is void.
    ///
    /// The future resolves to an error text when the records cannot be read: the group stops.
    fn install(&mut self, records: Records) -> BoxFuture<'_, Result<(), String>>;

    /// Applies committed commands in order; one result for each.
    ///
    /// The future resolves to an error text when a command cannot be applied: a replica that leaves
    /// one out differs from the others without knowing, so the group stops.
    fn apply(
        &mut self,
        commands: Vec<(LogIndex, Vec<u8>)>,
    ) -> BoxFuture<'_, Result<Vec<Applied>, String>>;
}

/// Entries handed to the state machine at once.
const BATCH: usize = 256;

/// A snapshot: where it stands is in openraft's metadata. Taking one captures nothing, because
/// the stored state is itself durable; the records are read when one is really sent.
#[derive(Clone, Debug)]
pub(crate) enum SnapshotData {
    Mark,
    Records(Records),
}

/// openraft's view of a [`StateMachine`].
pub(crate) struct Machine {
    state: Box<dyn StateMachine>,
    stored: Stored,
    position: Position,
    /// False while openraft starts: it asks for the current snapshot to learn where it stands.
    live: Arc<AtomicBool>,
}

impl Machine {
    pub(crate) async fn open(
        store: &Store,
        group: GroupId,
        mut state: Box<dyn StateMachine>,
    ) -> io::Result<Self> {
        let (stored, position) = Stored::open(store, group)?;
        stored.empty_other().await;
        let records = records(&stored).await?;
        state.install(records).await.map_err(io::Error::other)?;
        Ok(Self {
            state,
            stored,
            position,
            live: Arc::default(),
        })
    }

    /// Set it once openraft runs.
    pub(crate) fn live(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.live)
    }

    /// The last entry that the stored state has in it.
    pub(crate) fn applied(&self) -> Option<&LogId> {
        self.position.applied.as_ref()
    }

    fn meta(&self) -> SnapshotMeta {
        SnapshotMeta {
            last_log_id: self.position.applied,
            last_membership: self.position.membership.clone(),
        }
    }

    async fn apply_batch(&mut self, entries: Vec<EntryResponder<Types>>) -> io::Result<()> {
        let mut commands = Vec::with_capacity(entries.len());
        let mut responders = Vec::with_capacity(entries.len());
        for (entry, responder) in entries {
            self.position.applied = Some(entry.log_id);
            let is_command = match entry.payload {
                EntryPayload::Blank => false,
                EntryPayload::Normal(command) => {
                    commands.push((LogIndex(entry.log_id.index), command.0));
                    true
                }
                EntryPayload::Membership(membership) => {
                    self.position.membership = Membership::new(Some(entry.log_id), membership);
                    false
                }
            };
            responders.push((is_command, responder));
        }
        let applied = self.state.apply(commands).await;
        let mut applied = applied.map_err(io::Error::other)?.into_iter();
        let mut batch = Batch::default();
        let mut answers = Vec::with_capacity(responders.len());
        for (is_command, responder) in responders {
            let applied = if is_command { applied.next() } else { None }.unwrap_or_default();
            for write in applied.writes {
                match write.value {
                    Some(value) => batch.put(write.key, value),
                    None => batch.remove(write.key),
                }
            }
            answers.push((responder, applied.answer));
        }
        self.stored.apply(batch, &self.position)?;
        for (responder, answer) in answers {
            if let Some(responder) = responder {
                responder.send(Answer(answer));
            }
        }
        Ok(())
    }
}

/// Reads all of a state beside this thread.
pub(crate) async fn records(stored: &Stored) -> io::Result<Records> {
    let stored = stored.clone();
    runtime::aside(move || stored.records()).await
}

/// Hands out the mark that openraft asked for.
pub(crate) struct Builder(SnapshotMeta);

impl RaftSnapshotBuilder<Types> for Builder {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> io::Result<SnapshotOf<Types, SnapshotData>> {
        Ok(openraft::Snapshot {
            meta: self.0.clone(),
            snapshot: SnapshotData::Mark,
        })
    }
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, Membership)> {
        Ok((self.position.applied, self.position.membership.clone()))
    }

    async fn apply<Strm>(&mut self, entries: Strm) -> io::Result<()>
    where
        Strm: Stream<Item = io::Result<EntryResponder<Types>>> + Unpin + OptionalSend,
    {
        let mut batches = entries.ready_chunks(BATCH);
        while let Some(batch) = batches.next().await {
            self.apply_batch(batch.into_iter().collect::<io::Result<_>>()?)
                .await?;
        }
        Ok(())
    }

    async fn try_create_snapshot_builder(&mut self, _force: bool) -> Option<Builder> {
        Some(Builder(self.meta()))
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder(self.meta())
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: SnapshotData,
    ) -> io::Result<()> {
        let SnapshotData::Records(records) = snapshot else {
            return Ok(());
        };
        self.position = Position {
            applied: meta.last_log_id,
            membership: meta.last_membership.clone(),
        };
        let records = self.stored.replace(records, &self.position).await?;
        self.state
            .install(records)
            .await
            .map_err(io::Error::other)?;
        self.stored.empty_other().await;
        Ok(())
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> io::Result<Option<SnapshotOf<Types, SnapshotData>>> {
        if self.position.applied.is_none() {
            return Ok(None);
        }
        let snapshot = if self.live.load(Ordering::Acquire) {
            SnapshotData::Records(records(&self.stored).await?)
        } else {
            SnapshotData::Mark
        };
        Ok(Some(openraft::Snapshot {
            meta: self.meta(),
            snapshot,
        }))
    }
}
