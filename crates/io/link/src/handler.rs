//! What the rest of the node does with what comes over the links.

use crate::join::{JoinRequest, JoinResponse};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use muster_types::{Boot, NodeId};

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The node, as its certificate says.
    pub node: NodeId,
    /// Its process start.
    pub boot: Boot,
    /// The newest version of the messages inside frames that it speaks.
    pub wire_version: u32,
    /// The oldest one it still speaks.
    pub wire_version_oldest: u32,
    /// The version of the data it writes into logs.
    pub data_version: u32,
}

/// The node behind the links. No call may block. [`hello`](Self::hello) and [`lost`](Self::lost) of
/// one peer alternate, one after the other; so do the calls of [`data`](Self::data) of one peer; the
/// two, and different peers, run side by side.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request of a peer. Called on the raft runtime; the futures of one peer run side
    /// by side on one task and are dropped when its connection ends.
    fn raft(&self, from: NodeId, body: Bytes) -> BoxFuture<'static, Bytes>;

    /// Takes one message of a peer, in order. The peer's next message is not read before the future
    /// is ready: a slow receiver fills the sender's outbox and no memory of its own.
    fn data(&self, from: NodeId, body: Bytes) -> BoxFuture<'static, ()>;

    /// This node's data lane to the peer stands (again), directly or by way of a third node. What was sent to it
    /// before may be lost.
    fn hello(&self, peer: Hello);

    /// This node's data lane to the peer has ended. Only a hint: the peer may be well. Not called for
    /// a peer that [`Links::set_peers`](crate::Links::set_peers) left out.
    fn lost(&self, node: NodeId);

    /// Answers a node that wants to join. Nothing but the token's secret in the request proves it.
    /// An error is the sentence its operator reads.
    fn join(&self, request: JoinRequest) -> BoxFuture<'static, Result<JoinResponse, String>>;
}
