//! What comes over the links, handed to whom it concerns.

use crate::control;
use crate::ousting::end_as_given_up;
use crate::replicas;
use crate::replication::{self, Row};
use crate::shared::{Shared, encode};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::future::BoxFuture;
use muster_envelope::Envelope;
use muster_ha::Input as HaInput;
use muster_link::{Handler, Hello, JoinRequest, JoinResponse, LinkError, PeerStatus};
use muster_owner::Input as SlotInput;
use muster_raft::{RaftGroupId, Transport};
use muster_router::Input as RouterInput;
use muster_store::REPLACE;
use muster_telemetry::{counter, metrics};
use muster_types::{NodeId, SlotId};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// The first byte of a request on the raft lane.
const RAFT: u8 = 0;
const PROPOSE: u8 = 1;
const PROGRESS: u8 = 2;
const REPLICATION: u8 = 3;

/// How long a node may take to tell of its log.
const PROGRESS_TIME: Duration = Duration::from_secs(1);

/// Applied index, last index, and what each other replica is known to have.
type Progress = (u64, u64, BTreeMap<NodeId, u64>);

/// The node behind its links.
pub(crate) struct LinkHandler {
    pub(crate) shared: Arc<Shared>,
    pub(crate) ha: mpsc::Sender<HaInput>,
}

impl Handler for LinkHandler {
    fn raft(&self, _from: NodeId, mut body: Bytes) -> BoxFuture<'static, Bytes> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            if body.is_empty() {
                return Bytes::new();
            }
            match body.split_to(1)[0] {
                RAFT => shared.groups.handle(body).await,
                PROPOSE => encode(&control::propose_here(&shared, body.to_vec()).await),
                PROGRESS => encode(&own_progress(&shared, &body)),
                REPLICATION => match postcard::from_bytes(&body) {
                    Ok(log) => encode(&replication::own_rows(&shared, RaftGroupId(log)).await),
                    Err(_) => Bytes::new(),
                },
                // A newer node would not ask an older one: the hello told it the version.
                _ => Bytes::new(),
            }
        })
    }

    fn data(&self, from: NodeId, body: Bytes) -> BoxFuture<'static, ()> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            match postcard::from_bytes::<Envelope>(&body) {
                Ok(envelope) => shared.take(from, envelope).await,
                Err(error) => tracing::error!(%from, %error, "unreadable envelope"),
            }
        })
    }

    fn hello(&self, peer: Hello) {
        tracing::info!(node = %peer.node, boot = peer.boot.0, "link up");
        counter!(metrics::LINK_RECONNECTS).increment(1);
        let state = self.shared.cluster_state();
        for slot in self.shared.all_slots() {
            slot.tell(SlotInput::NodeUp {
                node: peer.node,
                boot: peer.boot,
            });
            slot.tell(replicas::nodes(&self.shared, &state, slot.slot));
        }
        self.shared.follows.node_up(peer.node);
        self.shared.shards.tell(RouterInput::NodeUp {
            node: peer.node,
            boot: peer.boot,
        });
    }

    fn lost(&self, node: NodeId) {
        tracing::info!(%node, "link down");
        for slot in self.shared.all_slots() {
            slot.tell(SlotInput::NodeLost(node));
        }
        self.shared.shards.link_lost(node);
    }

    fn join(&self, request: JoinRequest) -> BoxFuture<'static, Result<JoinResponse, String>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { crate::membership::admit(&shared, request).await })
    }
}

impl LinkHandler {
    /// Beats that were heard since the last look, for the HA machine.
    pub(crate) async fn watch_beats(self: Arc<Self>, every: Duration) {
        let mut tick = muster_ticks::ticks(every);
        let mut heard = BTreeMap::new();
        loop {
            tick.tick().await;
            let Some(links) = self.shared.links.get() else {
                continue;
            };
            for peer in links.peers() {
                end_as_twin(&peer);
                end_as_given_up(&peer);
                if let Some(beat) = peer.beat {
                    self.shared.clocks.note(peer.node, beat);
                }
                let Some(at) = peer.last_heard else { continue };
                if heard.insert(peer.node, at) != Some(at) {
                    // A full inbox means that it was told moments ago.
                    let _ = self.ha.try_send(HaInput::Heard(peer.node));
                }
            }
        }
    }
}

/// A process that others take for a copy of this node for so long is one: after a restart they do so
/// for half a second at most.
const TWIN: Duration = Duration::from_secs(3);
/// The exit status of a node that must not run (sysexits).
const EX_CONFIG: i32 = 78;

/// Two processes with one id would both believe to have promised what the other did.
fn end_as_twin(peer: &PeerStatus) {
    if peer.twin_for > TWIN {
        let problem = peer.problem.as_deref().unwrap_or_default();
        tracing::error!(
            "{problem}: this node ends. Only one process may run from a data folder or a copy of it; \
             if the other one is gone for good, {REPLACE}"
        );
        std::process::exit(EX_CONFIG);
    }
}

/// Raft's way to other nodes.
pub(crate) struct LinkTransport {
    pub(crate) shared: Arc<Shared>,
}

impl Transport for LinkTransport {
    fn request(
        &self,
        to: NodeId,
        body: Bytes,
        timeout: Duration,
    ) -> BoxFuture<'static, io::Result<Bytes>> {
        request(Arc::clone(&self.shared), to, RAFT, body, timeout)
    }
}

/// Hands a proposal for the control log to another node.
pub(crate) async fn propose_there(
    shared: &Arc<Shared>,
    to: NodeId,
    proposal: Vec<u8>,
    timeout: Duration,
) -> io::Result<Bytes> {
    request(
        Arc::clone(shared),
        to,
        PROPOSE,
        Bytes::from(proposal),
        timeout,
    )
    .await
}

/// How far the replicas of a slot are, if this node leads it.
fn own_progress(shared: &Shared, slot: &[u8]) -> Option<Progress> {
    let status = shared
        .slot(postcard::from_bytes(slot).ok()?)?
        .group
        .status()
        .borrow()
        .clone();
    status
        .leading
        .then_some((status.applied, status.last_log, status.matched))
}

/// Asks the leader of a slot how far its replicas are.
pub(crate) async fn ask_progress(
    shared: &Arc<Shared>,
    leader: NodeId,
    slot: SlotId,
) -> Option<Progress> {
    let answer = request(
        Arc::clone(shared),
        leader,
        PROGRESS,
        encode(&slot),
        PROGRESS_TIME,
    )
    .await
    .ok()?;
    postcard::from_bytes(&answer).ok()?
}

/// Asks the leader of a log how far its replicas are behind.
pub(crate) async fn ask_replication(
    shared: &Arc<Shared>,
    leader: NodeId,
    log: RaftGroupId,
) -> Option<Vec<Row>> {
    let answer = request(
        Arc::clone(shared),
        leader,
        REPLICATION,
        encode(&log.0),
        PROGRESS_TIME,
    );
    postcard::from_bytes(&answer.await.ok()?).ok()?
}

fn request(
    shared: Arc<Shared>,
    to: NodeId,
    kind: u8,
    body: Bytes,
    timeout: Duration,
) -> BoxFuture<'static, io::Result<Bytes>> {
    Box::pin(async move {
        let links = shared.links.get().ok_or(io::ErrorKind::NotConnected)?;
        let mut framed = BytesMut::with_capacity(body.len() + 1);
        framed.put_u8(kind);
        framed.extend_from_slice(&body);
        links
            .request(to, framed.freeze(), timeout)
            .await
            .map_err(|error| match error {
                LinkError::NotConnected(_) | LinkError::Lost(_) | LinkError::UnknownPeer(_) => {
                    io::Error::new(io::ErrorKind::NotConnected, error)
                }
                LinkError::Timeout(_) => io::Error::new(io::ErrorKind::TimedOut, error),
                other => io::Error::other(other),
            })
    })
}
