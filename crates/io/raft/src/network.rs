//! How a group reaches its other nodes.

use crate::machine::SnapshotData;
use crate::rpc::{Addressed, GroupId, Request, Response, SnapshotPart, decode, encode};
use crate::runtime;
use crate::sealed::seal;
use crate::types::{Types, Vote, node_of};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use muster_types::NodeId;
use openraft::alias::SnapshotOf;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Carries one request to a node and its answer back. The link crate does it over mTLS; tests do it
/// in memory.
pub trait Transport: Send + Sync + 'static {
    /// Sends `body` to `to` and waits for its answer, at most `timeout`.
    fn request(
        &self,
        to: NodeId,
        body: Bytes,
        timeout: Duration,
    ) -> BoxFuture<'static, io::Result<Bytes>>;
}

/// Bytes of a snapshot in one request: few enough that a beat behind it is not late.
const PART_BYTES: usize = 256 << 10;

#[derive(Clone)]
pub(crate) struct Network {
    pub(crate) group: GroupId,
    pub(crate) transport: Arc<dyn Transport>,
}

impl Network {
    fn peer(&self, to: NodeId) -> Peer {
        Peer {
            group: self.group,
            to,
            transport: Arc::clone(&self.transport),
        }
    }

    /// Asks the leader `to` how far the log is committed.
    pub(crate) async fn ask_committed(&self, to: NodeId, timeout: Duration) -> io::Result<u64> {
        match self.peer(to).call(Request::Committed, timeout).await? {
            Response::Committed(index) => Ok(index),
            _ => Err(unexpected()),
        }
    }
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Peer;

    async fn new_client(&mut self, target: u64, _node: &openraft::impls::EmptyNode) -> Peer {
        self.peer(node_of(target))
    }
}

/// One group's way to one node.
pub(crate) struct Peer {
    group: GroupId,
    to: NodeId,
    transport: Arc<dyn Transport>,
}

impl Peer {
    async fn call(&self, request: Request, timeout: Duration) -> Result<Response, io::Error> {
        let body = encode(&Addressed {
            group: self.group,
            body: request,
        });
        let answer = self
            .transport
            .request(self.to, Bytes::from(body), timeout)
            .await?;
        match decode(&answer).map_err(io::Error::other)? {
            // It may be starting: as good as not there, and asked again after a pause.
            Response::NoSuchGroup => Err(io::Error::new(
                io::ErrorKind::NotConnected,
                format!("{} does not run group {}", self.to, self.group),
            )),
            Response::Failed(why) => Err(io::Error::other(why)),
            answer @ (Response::Append(_)
            | Response::Vote(_)
            | Response::Transfer(_)
            | Response::Snapshot(_)
            | Response::Committed(_)) => Ok(answer),
        }
    }

    async fn send_snapshot(
        &self,
        vote: Vote,
        snapshot: SnapshotOf<Types, SnapshotData>,
        timeout: Duration,
    ) -> Result<SnapshotResponse<Types>, io::Error> {
        let SnapshotData::Records(records) = snapshot.snapshot else {
            return Err(io::Error::other("a snapshot mark cannot be sent"));
        };
        let bytes = runtime::aside(move || seal(&records)).await;
        let mut offset = 0;
        loop {
            let end = (offset + PART_BYTES).min(bytes.len());
            let part = SnapshotPart {
                vote,
                meta: snapshot.meta.clone(),
                offset: offset as u64,
                data: bytes[offset..end].to_vec(),
                last: end == bytes.len(),
            };
            match self.call(Request::Snapshot(part), timeout).await? {
                Response::Snapshot(Some(done)) => return Ok(done),
                Response::Snapshot(None) if end < bytes.len() => offset = end,
                _ => return Err(unexpected()),
            }
        }
    }
}

fn unexpected() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the answer does not fit the request",
    )
}

/// An unreachable node is asked again after a pause, one that failed at once.
fn rpc_error(error: io::Error) -> RPCError<Types> {
    match error.kind() {
        io::ErrorKind::NotConnected | io::ErrorKind::TimedOut => {
            RPCError::Unreachable(Unreachable::new(&error))
        }
        _ => RPCError::Network(NetworkError::new(&error)),
    }
}

impl RaftNetworkV2<Types> for Peer {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        match self.call(Request::Append(rpc), option.hard_ttl()).await {
            Ok(Response::Append(answer)) => Ok(answer),
            Ok(_) => Err(rpc_error(unexpected())),
            Err(e) => Err(rpc_error(e)),
        }
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        match self.call(Request::Vote(rpc), option.hard_ttl()).await {
            Ok(Response::Vote(answer)) => Ok(answer),
            Ok(_) => Err(rpc_error(unexpected())),
            Err(e) => Err(rpc_error(e)),
        }
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        match self.call(Request::PreVote(rpc), option.hard_ttl()).await {
            Ok(Response::Vote(answer)) => Ok(answer),
            Ok(_) => Err(rpc_error(unexpected())),
            Err(e) => Err(rpc_error(e)),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: SnapshotOf<Types, SnapshotData>,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        tokio::select! {
            biased;
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = self.send_snapshot(vote, snapshot, option.hard_ttl()) => {
                sent.map_err(|e| StreamingError::Unreachable(Unreachable::new(&e)))
            }
        }
    }

    async fn transfer_leader(
        &mut self,
        req: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        match self.call(Request::Transfer(req), option.hard_ttl()).await {
            Ok(Response::Transfer(answer)) => Ok(answer),
            Ok(_) => Err(rpc_error(unexpected())),
            Err(e) => Err(rpc_error(e)),
        }
    }
}
