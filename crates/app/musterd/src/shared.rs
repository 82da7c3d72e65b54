//! What every part of a running node can reach, and the one place envelopes pass through.

use crate::alarms::Alarms;
use crate::asks::Asks;
use crate::clocks::PeerClocks;
use crate::config::{Config, InForce};
use crate::follows::{self, Follows};
use crate::homecomings::Homecomings;
use crate::raft_thread::Rank;
use crate::replication::Histories;
use crate::services::Services;
use crate::shards::Shards;
use crate::slot::SlotHandle;
use bytes::Bytes;
use muster_admin::AskFailure;
use muster_cluster::ClusterState;
use muster_envelope::Envelope;
use muster_link::{LinkError, Links, PeerStatus};
use muster_owner::{Body, Input as SlotInput};
use muster_raft::{Clock, Groups, RaftGroupId};
use muster_store::Store;
use muster_types::{Boot, Epoch, NodeId, SlotId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, RwLock};
use std::time::SystemTime;
use tokio::sync::watch;

/// One running node.
pub(crate) struct Shared {
    config: Arc<InForce>,
    pub(crate) cluster: String,
    pub(crate) node: NodeId,
    pub(crate) boot: Boot,
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) groups: Groups,
    /// Set once, before anything could send.
    pub(crate) links: OnceLock<Links>,
    /// The newest applied state of the control log.
    pub(crate) state: watch::Sender<Arc<ClusterState>>,
    /// The session side.
    pub(crate) shards: Shards,
    pub(crate) slots: RwLock<BTreeMap<SlotId, SlotHandle>>,
    /// The main runtime; groups and leases run on their own.
    pub(crate) main: tokio::runtime::Handle,
    /// The runtime of Raft, heartbeats and leases.
    pub(crate) raft: tokio::runtime::Handle,
    /// How its thread ranks among the others.
    pub(crate) raft_rank: Rank,
    /// Who serves each slot, by the highest epoch heard of; gone when it closed.
    owners: RwLock<BTreeMap<SlotId, (Option<NodeId>, Epoch)>>,
    /// The members this node was told of when it joined.
    pub(crate) first_peers: BTreeMap<NodeId, String>,
    /// What this node does its work with.
    pub(crate) services: Services,
    /// What is wrong with it.
    pub(crate) alarms: Alarms,
    /// How its clock runs in comparison with its peers'.
    pub(crate) clocks: PeerClocks,
    /// How the logs that it leads have grown.
    pub(crate) histories: Histories,
    /// When users go home by themselves.
    pub(crate) homecomings: Homecomings,
    /// What this node has asked owners.
    pub(crate) asks: Asks,
    /// Whom programs on this node follow.
    pub(crate) follows: Follows,
    /// The node was told to end.
    pub(crate) stopping: AtomicBool,
    proposals: AtomicU64,
}

/// The parts that only [`crate::node`] makes.
pub(crate) struct Parts {
    pub(crate) config: Arc<InForce>,
    pub(crate) cluster: String,
    pub(crate) node: NodeId,
    pub(crate) boot: Boot,
    pub(crate) store: Store,
    pub(crate) shards: Shards,
    pub(crate) first_peers: BTreeMap<NodeId, String>,
    pub(crate) main: tokio::runtime::Handle,
    pub(crate) raft: tokio::runtime::Handle,
    pub(crate) raft_rank: Rank,
    pub(crate) alarms: Alarms,
}

impl Shared {
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self {
            config: parts.config,
            cluster: parts.cluster,
            node: parts.node,
            boot: parts.boot,
            clock: Clock::start(),
            store: parts.store,
            groups: Groups::default(),
            links: OnceLock::new(),
            state: watch::Sender::new(Arc::new(ClusterState::default())),
            shards: parts.shards,
            slots: RwLock::default(),
            main: parts.main,
            raft: parts.raft,
            raft_rank: parts.raft_rank,
            owners: RwLock::default(),
            first_peers: parts.first_peers,
            services: Services::default(),
            alarms: parts.alarms,
            clocks: PeerClocks::default(),
            histories: Histories::default(),
            homecomings: Homecomings::default(),
            asks: Asks::default(),
            follows: Follows::default(),
            stopping: AtomicBool::new(false),
            proposals: AtomicU64::new(0),
        })
    }

    /// The configuration in force.
    pub(crate) fn config(&self) -> Arc<Config> {
        self.config.get()
    }

    /// The state of the cluster as this node has applied it.
    pub(crate) fn cluster_state(&self) -> Arc<ClusterState> {
        Arc::clone(&self.state.borrow())
    }

    /// The next number for a proposal of this process.
    pub(crate) fn next_proposal(&self) -> u64 {
        self.proposals.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The replica of a slot, if this node has one.
    pub(crate) fn slot(&self, slot: SlotId) -> Option<SlotHandle> {
        self.slots.read().ok()?.get(&slot).cloned()
    }

    /// All replicas of this node.
    pub(crate) fn all_slots(&self) -> Vec<SlotHandle> {
        self.slots
            .read()
            .map(|slots| slots.values().cloned().collect())
            .unwrap_or_default()
    }

    /// Who serves a slot now, as far as this node has heard.
    pub(crate) fn owner_of(&self, slot: SlotId) -> Option<(NodeId, Epoch)> {
        let (node, epoch) = *self.owners.read().ok()?.get(&slot)?;
        Some((node?, epoch))
    }

    /// Every owner this node has heard of.
    pub(crate) fn known_owners(&self) -> Vec<(SlotId, NodeId, Epoch)> {
        let owners = self
            .owners
            .read()
            .map(|owners| owners.clone())
            .unwrap_or_default();
        let known =
            |(slot, (node, epoch)): (SlotId, (Option<NodeId>, Epoch))| Some((slot, node?, epoch));
        owners.into_iter().filter_map(known).collect()
    }

    fn note_owner(&self, slot: SlotId, node: Option<NodeId>, epoch: Epoch) {
        if let Ok(mut owners) = self.owners.write() {
            let known = owners.entry(slot).or_insert((None, Epoch::NONE));
            if epoch >= known.1 {
                *known = (node, epoch);
            }
        }
        self.follows.ring();
    }

    /// The members this node knows, without itself.
    pub(crate) fn others(&self) -> Vec<NodeId> {
        let state = self.cluster_state();
        state
            .members()
            .map(|node| node.id)
            .filter(|id| *id != self.node)
            .collect()
    }

    /// The nodes whose data lane from here stands, without another node in between: what a quorum is
    /// made of.
    pub(crate) fn in_contact(&self) -> BTreeSet<NodeId> {
        let peers = self.peers().into_iter();
        peers
            .filter(|peer| peer.data)
            .map(|peer| peer.node)
            .collect()
    }

    /// The nodes that envelopes get to, by way of another node if need be.
    pub(crate) fn in_reach(&self) -> BTreeSet<NodeId> {
        let peers = self.peers().into_iter();
        let in_reach = peers.filter(PeerStatus::is_reached);
        in_reach.map(|peer| peer.node).collect()
    }

    /// How this node stands with each other one.
    pub(crate) fn peers(&self) -> Vec<PeerStatus> {
        let links = self.links.get();
        links.map(Links::peers).unwrap_or_default()
    }

    /// Whether a majority of the control log's voters is in contact, this node included.
    pub(crate) fn reaches_quorum(&self) -> bool {
        let Some(control) = self.groups.find(RaftGroupId::CONTROL) else {
            return false;
        };
        let voters = control.status().borrow().voters.clone();
        // The log goes over the raft lanes; a node whose other lane is stuck still votes.
        let peers = self.links.get().map(Links::peers).unwrap_or_default();
        let standing = peers.iter().filter(|peer| peer.raft);
        let mut reached: BTreeSet<_> = standing.map(|peer| peer.node).collect();
        reached.insert(self.node);
        voters.intersection(&reached).count() > voters.len() / 2
    }

    /// Hands an envelope of the router to its node. Never waits: what the router has out is bounded
    /// by its own books (`Limits::waiting_per_session` for each session).
    pub(crate) fn send_from_router(&self, to: NodeId, envelope: Envelope) {
        if to != self.node {
            return self.send_remote(to, &envelope);
        }
        if let Envelope::ToOwner { slot, epoch, body } = envelope
            && let Some(handle) = self.slot(slot)
        {
            let body = Body::ToOwner(body);
            handle.take_from_router(SlotInput::Envelope {
                from: self.node,
                epoch,
                body,
            });
        }
    }

    /// Hands an envelope of a slot's replica to its node; waits while the router here is busy.
    pub(crate) async fn send_from_slot(&self, to: NodeId, envelope: Envelope) {
        if to != self.node {
            return self.send_remote(to, &envelope);
        }
        match envelope {
            // Two replicas here must not wait for each other, nor one for itself; what they owe
            // each other is bounded by the window of the outbox.
            Envelope::ToOwner { .. } => self.send_from_router(to, envelope),
            Envelope::Opened { .. }
            | Envelope::Closed { .. }
            | Envelope::ToNode { .. }
            | Envelope::ToPeer { .. }
            | Envelope::Answer { .. } => self.take(self.node, envelope).await,
        }
    }

    /// Hands a question to its owner; waits while a replica here is busy. A link that is full has more
    /// important things to do.
    pub(crate) async fn send_asked(
        &self,
        to: NodeId,
        envelope: Envelope,
    ) -> Result<(), AskFailure> {
        if to == self.node {
            self.take(self.node, envelope).await;
            return Ok(());
        }
        let sent = self
            .links
            .get()
            .map(|links| links.send(to, encode(&envelope)));
        match sent {
            Some(Err(LinkError::Full(_))) => Err(AskFailure::Busy),
            // Asked again, or given up in time.
            Some(Ok(()) | Err(_)) | None => Ok(()),
        }
    }

    /// Hands an envelope of a slot's replica to all nodes, this one included.
    pub(crate) async fn broadcast(&self, envelope: Envelope) {
        for node in self.others() {
            self.send_remote(node, &envelope);
        }
        self.take(self.node, envelope).await;
    }

    /// A message that a full link cannot take breaks the order, so the link begins anew and both
    /// ends say everything that still matters again.
    fn send_remote(&self, to: NodeId, envelope: &Envelope) {
        let Some(links) = self.links.get() else {
            return;
        };
        match links.send(to, encode(envelope)) {
            Ok(()) => {}
            // Said again it would be too large again.
            Err(error @ LinkError::TooLarge { .. }) => {
                tracing::error!(%to, %error, "a message is dropped");
            }
            Err(LinkError::Full(_)) => {
                tracing::warn!(%to, "link overflows: starting it anew");
                links.reset(to);
            }
            // The link says so itself, by `lost`.
            Err(_) => {}
        }
    }

    /// Takes an envelope that has arrived; waits while its receiver is busy.
    pub(crate) async fn take(&self, from: NodeId, envelope: Envelope) {
        match envelope {
            Envelope::Opened {
                slot, epoch, node, ..
            } => {
                self.note_owner(slot, Some(node), epoch);
                for handle in self.all_slots() {
                    handle.tell(SlotInput::OwnerKnown { slot, node, epoch });
                }
                self.shards.take(envelope).await;
            }
            Envelope::Closed { slot, epoch } => {
                self.note_owner(slot, None, epoch);
                self.shards.take(envelope).await;
            }
            Envelope::ToNode { .. } => {
                self.shards.take(envelope).await;
            }
            Envelope::Answer { ask, answer } => {
                if let Some(answer) = follows::taken(&self.follows, answer) {
                    self.asks.answered(ask, answer);
                }
            }
            Envelope::ToOwner { slot, epoch, body } => {
                if let Some(handle) = self.slot(slot) {
                    let body = Body::ToOwner(body);
                    handle
                        .take_from_link(SlotInput::Envelope { from, epoch, body })
                        .await;
                }
            }
            Envelope::ToPeer { slot, epoch, body } => {
                if let Some(handle) = self.slot(slot) {
                    let body = Body::ToPeer(body);
                    handle
                        .take_from_link(SlotInput::Envelope { from, epoch, body })
                        .await;
                }
            }
        }
    }
}

/// The wall clock, for stamps.
pub(crate) fn wall() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Bytes of one of our own messages.
pub(crate) fn encode<T: serde::Serialize>(value: &T) -> Bytes {
    Bytes::from(postcard::to_stdvec(value).expect("our own plain types always encode"))
}
