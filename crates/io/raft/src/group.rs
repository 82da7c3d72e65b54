//! One running group.

mod anew;
mod beat;
mod catch_up;
mod led;
mod observe;
mod size;
mod stand;

pub use anew::lineage;

use crate::config::Timing;
use crate::lease::{Clock, Lease};
use crate::log::LogStore;
use crate::machine::{Machine, SnapshotData, StateMachine};
use crate::network::{Network, Transport};
use crate::rpc::{GroupId, Request, Response, SnapshotPart};
use crate::runtime;
use crate::sealed::{SnapshotError, unseal};
use crate::status::{Status, is_settled, plain};
use crate::types::{Command, Types, node_of, raft_id};
use muster_store::Store;
use muster_types::{LogIndex, NodeId};
use openraft::ChangeMembers;
use openraft::async_runtime::WatchReceiver as _;
use openraft::errors::{ClientWriteError, ForwardToLeader, RaftError};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse};
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use tokio::sync::{Mutex, watch};

type Raft = openraft::Raft<Types, Machine>;

/// Why a group could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its log or state could not be read.
    #[error("group {group} cannot be started: {cause}")]
    Storage {
        /// The group.
        group: GroupId,
        /// What went wrong.
        cause: String,
    },
    /// The timing does not fit together.
    #[error("raft timing: {0}")]
    Timing(String),
}

/// Why a command was not committed, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// Nothing was written: another node leads.
    #[error("this node does not lead the group")]
    NotLeader {
        /// The node that leads, if known.
        leader: Option<NodeId>,
    },
    /// It may or may not be committed: propose it again under the same origin.
    #[error("leadership changed while the command was under way")]
    Unknown,
    /// The group has stopped for good.
    #[error("the group has stopped: {0}")]
    Stopped(String),
}

/// Why a change of voters did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ChangeError {
    /// Another node leads.
    #[error("this node does not lead the group")]
    NotLeader,
    /// It cannot be done (another change is under way, no quorum, …).
    #[error("{0}")]
    Failed(String),
}

/// Why leadership is not handed over now.
const CHANGING: &str = "voters are being changed";

/// One running group. Cheap to clone.
#[derive(Clone)]
pub struct Group {
    inner: Arc<Inner>,
}

struct Inner {
    id: GroupId,
    node: NodeId,
    raft: Raft,
    timing: Timing,
    status: watch::Receiver<Status>,
    lease: Lease,
    log: LogStore,
    store: Store,
    network: Network,
    led: Arc<led::Led>,
    /// Held while voters are changed or leadership is handed over: one at a time.
    changing: Mutex<()>,
    /// The snapshot being received: its parts so far.
    incoming: Mutex<Vec<u8>>,
    /// Why the last snapshot was refused, until one is taken.
    refused: watch::Sender<Option<String>>,
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Group({})", self.inner.id)
    }
}

/// What [`Group::start`] needs to know of its node.
pub struct Host {
    /// This node.
    pub node: NodeId,
    /// Timing of all groups.
    pub timing: Timing,
    /// Whether others shall ask to lead first: a witness serves nobody.
    pub yields: bool,
    /// The node's clock, for the lease.
    pub clock: Clock,
    /// The node's store.
    pub store: Store,
    /// The way to other nodes.
    pub transport: Arc<dyn Transport>,
}

impl Group {
    /// Starts the group on the current runtime, from what the store holds of it. A group that the
    /// store knows nothing of waits to be [`initialize`](Self::initialize)d or to hear from a leader.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(
        host: &Host,
        id: GroupId,
        state: Box<dyn StateMachine>,
    ) -> Result<Self, StartError> {
        let storage = |cause: io::Error| StartError::Storage {
            group: id,
            cause: cause.to_string(),
        };
        let config = host
            .timing
            .openraft()
            .map_err(|e| StartError::Timing(e.to_string()))?;
        let log = LogStore::open(&host.store, id).map_err(storage)?;
        let machine = Machine::open(&host.store, id, state)
            .await
            .map_err(storage)?;
        log.follows_on(machine.applied()).map_err(storage)?;
        let live = machine.live();
        let network = Network {
            group: id,
            transport: Arc::clone(&host.transport),
        };
        let stored = log.clone();
        let raft = Raft::new(raft_id(host.node), config, network.clone(), log, machine)
            .await
            .map_err(|e| StartError::Storage {
                group: id,
                cause: plain(&e),
            })?;
        live.store(true, std::sync::atomic::Ordering::Release);
        let lease = Lease::default();
        let led = Arc::new(led::Led::new(host.timing));
        let stand = stand::Stand::new(host.timing, Arc::clone(&led), host.yields);
        let (status_tx, status) = watch::channel(Status::default());
        let seen = observe::Seen {
            timing: host.timing,
            clock: host.clock,
            lease: lease.clone(),
            status: status_tx,
        };
        runtime::spawn(observe::observe(raft.clone(), seen, stand));
        let inner = Inner {
            id,
            node: host.node,
            raft,
            timing: host.timing,
            status,
            lease,
            log: stored,
            store: host.store.clone(),
            network,
            led,
            changing: Mutex::new(()),
            incoming: Mutex::new(Vec::new()),
            refused: watch::Sender::new(None),
        };
        let group = Self {
            inner: Arc::new(inner),
        };
        group.sit_out_first_election();
        Ok(group)
    }

    /// A voter that forgot by a restart how long it promised to wait helps nobody to lead for one
    /// election timeout: the owner it promised may still hold its lease.
    fn sit_out_first_election(&self) {
        self.inner.raft.runtime_config().elect(false);
        let group = self.clone();
        runtime::spawn(async move {
            runtime::sleep(group.inner.timing.election_max).await;
            group.inner.raft.runtime_config().elect(true);
        });
    }

    /// Makes this node the only voter of a group that nobody has begun.
    ///
    /// # Errors
    /// [`ChangeError::Failed`] when the group holds something already.
    pub async fn initialize(&self) -> Result<(), ChangeError> {
        let members = BTreeSet::from([raft_id(self.inner.node)]);
        self.inner
            .raft
            .initialize(members)
            .await
            .map_err(|e| ChangeError::Failed(e.to_string()))
    }

    /// True when the group has a log, or has heard of one.
    pub async fn is_initialized(&self) -> bool {
        self.inner.raft.is_initialized().await.unwrap_or(false)
    }

    /// Commits a command and returns its log index and what the state machine answered.
    ///
    /// # Errors
    /// [`ProposeError`].
    pub async fn propose(&self, command: Vec<u8>) -> Result<(LogIndex, Vec<u8>), ProposeError> {
        match self.inner.raft.client_write(Command(command)).await {
            Ok(done) => Ok((LogIndex(done.log_id.index), done.data.0)),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(ForwardToLeader {
                leader_id,
                ..
            }))) => Err(ProposeError::NotLeader {
                leader: leader_id.map(node_of),
            }),
            Err(RaftError::APIError(_)) => Err(ProposeError::Unknown),
            Err(RaftError::Fatal(e)) => Err(ProposeError::Stopped(e.to_string())),
        }
    }

    /// Hands a command to the log without waiting. Commands submitted one after the other by one
    /// task keep their order; what became of them shows in the state machine, or, when leadership
    /// is lost, nowhere.
    ///
    /// # Errors
    /// [`ProposeError::Stopped`].
    pub async fn submit(&self, command: Vec<u8>) -> Result<(), ProposeError> {
        self.inner
            .raft
            .client_write_ff(Command(command), None)
            .await
            .map_err(|e| ProposeError::Stopped(e.to_string()))
    }

    /// The group as this node sees it, and its changes.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.inner.status.clone()
    }

    /// The lease of this node on the group's leadership.
    pub fn lease(&self) -> Lease {
        self.inner.lease.clone()
    }

    /// Why the last snapshot that came was refused, until one is taken: this replica stays behind.
    pub fn refused(&self) -> Option<String> {
        self.inner.refused.borrow().clone()
    }

    /// Which group this is.
    pub fn id(&self) -> GroupId {
        self.inner.id
    }

    /// Adds a node that follows without voting; returns at once, the node catches up by itself.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn add_learner(&self, node: NodeId) -> Result<(), ChangeError> {
        self.inner
            .raft
            .add_learner(raft_id(node), openraft::impls::EmptyNode {}, false)
            .await
            .map(drop)
            .map_err(change_error)
    }

    /// Makes `voters` the nodes whose majority decides. Voters that are dropped stay as learners
    /// when `keep` is set. Returns when the change is complete. A leader that is not among them has no
    /// lease from here on, and hands over.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn change_voters(
        &self,
        voters: &BTreeSet<NodeId>,
        keep: bool,
    ) -> Result<(), ChangeError> {
        let _alone = self.inner.changing.lock().await;
        // The others may follow the new voters before this node looks at its lease again.
        let _barred = (!voters.contains(&self.inner.node)).then(|| self.inner.lease.bar());
        let voters: BTreeSet<u64> = voters.iter().copied().map(raft_id).collect();
        self.inner
            .raft
            .change_membership(voters, keep)
            .await
            .map(drop)
            .map_err(change_error)
    }

    /// Completes a change of voters that was left half done.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn finish_change(&self) -> Result<(), ChangeError> {
        let _alone = self.inner.changing.lock().await;
        let none: ChangeMembers<u64, openraft::impls::EmptyNode> =
            ChangeMembers::AddVoterIds(BTreeSet::new());
        self.inner
            .raft
            .change_membership(none, true)
            .await
            .map(drop)
            .map_err(change_error)
    }

    /// Removes nodes that only follow.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn remove_learners(&self, nodes: &BTreeSet<NodeId>) -> Result<(), ChangeError> {
        let nodes: BTreeSet<u64> = nodes.iter().copied().map(raft_id).collect();
        let change: ChangeMembers<u64, openraft::impls::EmptyNode> =
            ChangeMembers::RemoveNodes(nodes);
        self.inner
            .raft
            .change_membership(change, true)
            .await
            .map(drop)
            .map_err(change_error)
    }

    /// Hands leadership to `to`, which must have everything in its log. The caller has stopped
    /// serving before. From here on the group takes no commands on this node; should the transfer
    /// fail, the missing beats let the others elect a leader. There must be others: a group that lost
    /// them by a change of voters meanwhile would take no commands ever again.
    ///
    /// # Errors
    /// [`ChangeError::Failed`] when `to` lags or does not vote, or voters are being changed; then nothing
    /// has happened.
    pub async fn transfer(&self, to: NodeId) -> Result<(), ChangeError> {
        let metrics = self.inner.raft.metrics().borrow_watched().clone();
        let status = Status::of(&metrics);
        if !status.leading {
            return Err(ChangeError::NotLeader);
        }
        let Ok(_alone) = self.inner.changing.try_lock() else {
            return Err(ChangeError::Failed(CHANGING.to_owned()));
        };
        if !is_settled(&metrics) {
            return Err(ChangeError::Failed(CHANGING.to_owned()));
        }
        if !status.voters.contains(&to) {
            return Err(ChangeError::Failed(format!("{to} does not vote")));
        }
        if status.matched.get(&to) != Some(&status.last_log) {
            return Err(ChangeError::Failed(format!("{to} has not caught up")));
        }
        self.inner
            .raft
            .trigger()
            .transfer_leader(raft_id(to))
            .await
            .map_err(|e| ChangeError::Failed(e.to_string()))
    }

    /// Stops the group on this node; its log and state stay.
    pub async fn shutdown(&self) {
        self.inner.lease.end();
        if let Err(e) = self.inner.raft.shutdown().await {
            tracing::warn!(group = %self.inner.id, error = %e, "group did not stop cleanly");
        }
    }

    /// Answers one request of another node.
    pub(crate) async fn answer(&self, request: Request) -> Response {
        let answer = self.respond(request).await;
        self.inner.led.note(&answer);
        answer
    }

    async fn respond(&self, request: Request) -> Response {
        let raft = &self.inner.raft;
        let failed = |e: &dyn std::fmt::Display| Response::Failed(e.to_string());
        match request {
            request if self.is_left_behind(&request) => {
                Response::Failed("of a log that was given up".to_owned())
            }
            Request::Append(rpc) if rpc.entries.is_empty() => self.hear(rpc).await,
            Request::Append(rpc) => self.append(rpc).await,
            Request::Vote(_) | Request::PreVote(_) if self.inner.led.just_started() => {
                Response::Failed("started less than one election timeout ago".to_owned())
            }
            Request::Vote(rpc) => raft
                .vote(rpc)
                .await
                .map_or_else(|e| failed(&e), Response::Vote),
            Request::PreVote(rpc) => raft
                .pre_vote(rpc)
                .await
                .map_or_else(|e| failed(&e), Response::Vote),
            Request::Transfer(rpc) => raft
                .handle_transfer_leader(rpc)
                .await
                .map_or_else(|e| failed(&e), Response::Transfer),
            Request::Snapshot(part) => self.take_part(part).await,
            Request::Committed => match self.confirm_committed().await {
                Some(index) => Response::Committed(index),
                None => Response::Failed("no quorum follows this node".to_owned()),
            },
        }
    }

    async fn append(&self, rpc: AppendEntriesRequest<Types>) -> Response {
        match self.inner.raft.append_entries(rpc).await {
            Ok(answer) => {
                // Entries follow on what is here: no snapshot is needed any more.
                if matches!(answer, AppendEntriesResponse::Success) {
                    self.inner
                        .refused
                        .send_if_modified(|why| why.take().is_some());
                }
                Response::Append(answer)
            }
            Err(e) => Response::Failed(e.to_string()),
        }
    }

    async fn take_part(&self, part: SnapshotPart) -> Response {
        let whole = match self.collect(&part).await {
            Ok(None) => return Response::Snapshot(None),
            Ok(Some(whole)) => runtime::aside(move || unseal(&whole)).await,
            Err(error) => Err(error),
        };
        let records = match whole {
            Ok(records) => records,
            Err(why) => {
                tracing::warn!(group = %self.inner.id, %why, "a snapshot is refused");
                self.inner.refused.send_replace(Some(why.to_string()));
                return Response::Failed(why.to_string());
            }
        };
        let snapshot = openraft::Snapshot {
            meta: part.meta,
            snapshot: SnapshotData::Records(records),
        };
        let taken = self.inner.raft.install_full_snapshot(part.vote, snapshot);
        match taken.await {
            Ok(done) => {
                self.inner.refused.send_replace(None);
                Response::Snapshot(Some(done))
            }
            Err(e) => Response::Failed(e.to_string()),
        }
    }

    /// Adds a part to those before it; the whole when it was the last one. A part that does not follow on
    /// them ends the attempt: the sender begins anew.
    async fn collect(&self, part: &SnapshotPart) -> Result<Option<Vec<u8>>, SnapshotError> {
        let mut incoming = self.inner.incoming.lock().await;
        if part.offset == 0 {
            incoming.clear();
        }
        let have = incoming.len() as u64;
        if have != part.offset {
            incoming.clear();
            let begins = part.offset;
            return Err(SnapshotError::OutOfOrder { begins, have });
        }
        incoming.extend_from_slice(&part.data);
        Ok(part.last.then(|| std::mem::take(&mut *incoming)))
    }
}

fn change_error(error: RaftError<Types, ClientWriteError<Types>>) -> ChangeError {
    match error {
        RaftError::APIError(ClientWriteError::ForwardToLeader(_)) => ChangeError::NotLeader,
        RaftError::APIError(e) => ChangeError::Failed(e.to_string()),
        RaftError::Fatal(e) => ChangeError::Failed(e.to_string()),
    }
}
