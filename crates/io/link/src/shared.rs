//! What the listener, the diallers and the API have in common.

use crate::config::{LinkLimits, LinkTiming, Versions};
use crate::handler::Handler;
use crate::identity::TlsConfigs;
use crate::outbox::OutboxLimits;
use crate::peer::Peer;
use crate::wire::{self, Lane, proto};
use arc_swap::ArcSwap;
use muster_types::{Boot, NodeId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tonic::Status;

/// One node's links.
pub(crate) struct Shared {
    pub(crate) cluster: String,
    pub(crate) node: NodeId,
    pub(crate) boot: Boot,
    /// Random: no other process has it.
    pub(crate) process: u64,
    pub(crate) versions: Versions,
    pub(crate) limits: LinkLimits,
    pub(crate) timing: LinkTiming,
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) tls: ArcSwap<TlsConfigs>,
    /// Whom this node dials and whose calls it takes.
    pub(crate) peers: ArcSwap<BTreeMap<NodeId, Arc<Peer>>>,
    /// Whose calls it refuses for ever, and why.
    pub(crate) refused: ArcSwap<BTreeMap<NodeId, String>>,
    pub(crate) raft_runtime: Handle,
    pub(crate) data_runtime: Handle,
    /// Counts the connections this process made, and the relayed lanes it asked for.
    pub(crate) connections: AtomicU64,
    /// Counts the messages that this node passed on for others.
    pub(crate) relayed: AtomicU64,
    /// What [`Peer::heard`] counts from.
    pub(crate) started: Instant,
}

impl Shared {
    pub(crate) fn peer(&self, node: NodeId) -> Option<Arc<Peer>> {
        self.peers.load().get(&node).cloned()
    }

    /// Why a node that is no peer is not let in.
    pub(crate) fn no_peer(&self, node: NodeId) -> Status {
        match self.refused.load().get(&node) {
            Some(why) => Status::new(wire::FOR_EVER, why),
            None => {
                Status::permission_denied(format!("{node} is no member that {} knows", self.node))
            }
        }
    }

    pub(crate) fn runtime(&self, lane: Lane) -> &Handle {
        match lane {
            Lane::Raft => &self.raft_runtime,
            Lane::Data => &self.data_runtime,
        }
    }

    pub(crate) fn beat(&self, lane: Lane) -> Duration {
        match lane {
            Lane::Raft => self.timing.beat,
            Lane::Data => self.timing.data_beat,
        }
    }

    pub(crate) fn frame_bytes(&self, lane: Lane) -> u32 {
        match lane {
            Lane::Raft => self.limits.raft_frame_bytes,
            Lane::Data => self.limits.data_frame_bytes,
        }
    }

    pub(crate) fn outbox_limits(&self, lane: Lane) -> OutboxLimits {
        OutboxLimits {
            frames: self.limits.outbox_frames,
            bytes: self.limits.outbox_bytes,
            frame_bytes: self.frame_bytes(lane),
        }
    }

    /// What this node says first; the listener answers with connection 0.
    pub(crate) fn hello(&self, connection: u64) -> proto::Hello {
        proto::Hello {
            cluster: self.cluster.clone(),
            node: self.node.0.into(),
            boot: self.boot.0,
            wire_version: self.versions.wire,
            wire_version_oldest: self.versions.wire_oldest,
            data_version: self.versions.data,
            connection,
            process: self.process,
        }
    }

    pub(crate) fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Why this node cannot work with the one that said `hello`, which is `expected` by its
    /// certificate; `None` if it can.
    pub(crate) fn objection(&self, hello: &proto::Hello, expected: NodeId) -> Option<String> {
        if hello.cluster != self.cluster {
            return Some(format!(
                "cluster {} was asked for, this is cluster {}",
                hello.cluster, self.cluster
            ));
        }
        if wire::node_id(hello.node) != Some(expected) {
            return Some(format!(
                "the certificate is of {expected}, the hello of n{}",
                hello.node
            ));
        }
        let (newest, oldest) = (hello.wire_version, hello.wire_version_oldest);
        if !self.versions.overlap(newest, oldest) {
            return Some(format!(
                "{expected} speaks wire versions {oldest} to {newest}, {} speaks {} to {}",
                self.node, self.versions.wire_oldest, self.versions.wire
            ));
        }
        None
    }
}
