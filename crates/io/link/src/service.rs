//! The listening side of the lanes: who may call, and what happens to what callers send.

use crate::accept::CallerName;
use crate::handler::Hello;
use crate::inbound::{Caller, Seat};
use crate::join::{self, JOIN_LIMIT, JOIN_TIME};
use crate::outbox::{Outbox, Outgoing, outbox};
use crate::peer::Peer;
use crate::relay::{Carrier, Receiver, Way, way};
use crate::shared::Shared;
use crate::wire::proto::link_server::Link;
use crate::wire::proto::{JoinRequest, JoinResponse};
use crate::wire::{self, Frame, FrameKind, Lane};
use bytes::Bytes;
use futures_util::stream::FuturesUnordered;
use futures_util::{Stream, StreamExt};
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status, Streaming};

type Frames = Pin<Box<dyn Stream<Item = Result<Frame, Status>> + Send>>;

/// What a server of this crate answers to: one lane, or joins. Each has its own, with its own limits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Offer {
    Lane(Lane),
    Join,
}

/// One of the three servers.
pub(crate) struct Service {
    shared: Arc<Shared>,
    offer: Offer,
    joins: Semaphore,
}

/// A caller that was let in.
struct Call {
    shared: Arc<Shared>,
    peer: Arc<Peer>,
    hello: Hello,
    frames: Streaming<Frame>,
    outbox: Outbox,
}

#[tonic::async_trait]
impl Link for Service {
    type RaftStream = Frames;
    type DataStream = Frames;

    async fn raft(&self, request: Request<Streaming<Frame>>) -> Result<Response<Frames>, Status> {
        let (call, seat, outgoing) = self.admit(Lane::Raft, request).await?;
        tokio::spawn(call.serve(seat, Lane::Raft));
        Ok(Response::new(Box::pin(outgoing.map(Ok))))
    }

    async fn data(&self, request: Request<Streaming<Frame>>) -> Result<Response<Frames>, Status> {
        let (call, seat, outgoing) = self.admit(Lane::Data, request).await?;
        tokio::spawn(call.serve(seat, Lane::Data));
        Ok(Response::new(Box::pin(outgoing.map(Ok))))
    }

    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        if self.offer != Offer::Join {
            return Err(wrong_connection());
        }
        let Ok(_permit) = self.joins.try_acquire() else {
            return Err(Status::resource_exhausted("too many nodes join at once"));
        };
        let request = join::read_request(request.into_inner())
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let answer = self.shared.handler.join(request);
        let answer = tokio::time::timeout(JOIN_TIME, answer).await;
        let answer = answer.map_err(|_| Status::deadline_exceeded("the cluster did not decide"))?;
        let response = answer.map_err(Status::failed_precondition)?;
        Ok(Response::new(join::write_response(response)))
    }
}

impl Service {
    pub(crate) fn new(shared: Arc<Shared>, offer: Offer) -> Self {
        Self {
            shared,
            offer,
            joins: Semaphore::new(JOIN_LIMIT),
        }
    }

    /// Lets a caller in, or says why not.
    async fn admit(
        &self,
        lane: Lane,
        request: Request<Streaming<Frame>>,
    ) -> Result<(Call, Seat, Outgoing), Status> {
        if self.offer != Offer::Lane(lane) {
            return Err(wrong_connection());
        }
        let node = match request.extensions().get() {
            Some(CallerName::Node(node)) => *node,
            Some(CallerName::Stranger(why)) => return Err(Status::unauthenticated(why)),
            None => return Err(Status::unauthenticated("no certificate was shown")),
        };
        let shared = Arc::clone(&self.shared);
        let peer = shared.peer(node).ok_or_else(|| shared.no_peer(node))?;
        let mut frames = request.into_inner();
        let first = tokio::time::timeout(shared.timing.handshake, frames.message()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("no hello in time"))??;
        let said = first
            .as_ref()
            .and_then(wire::read_hello)
            .ok_or_else(|| Status::invalid_argument("the first frame is no hello"))?;
        if let Some(objection) = shared.objection(&said, node) {
            return Err(Status::failed_precondition(objection));
        }
        let hello = said.to_hello(node);
        let caller = Caller {
            lane,
            boot: hello.boot,
            process: said.process,
            connection: said.connection,
        };
        let seat = peer.inbound.take(caller, shared.timing.alive).await;
        let seat = seat.map_err(|error| Status::new(error.code(), error.to_string()))?;
        let (outbox, outgoing) = outbox(
            shared.outbox_limits(lane),
            shared.beat(lane),
            shared.started,
        );
        let answer = outbox.push(wire::hello(&shared.hello(0)));
        answer.map_err(|_| Status::internal("no room for a hello"))?;
        peer.called(hello);
        let call = Call {
            shared,
            peer,
            hello,
            frames,
            outbox,
        };
        Ok((call, seat, outgoing))
    }
}

fn wrong_connection() -> Status {
    Status::failed_precondition("this connection was opened for something else")
}

impl Call {
    /// Serves the call until it ends, is replaced by a newer one, or the peer is dropped. The seat
    /// is given back when nothing of this call can reach the handler any more.
    async fn serve(mut self, mut seat: Seat, lane: Lane) {
        let closed = self.outbox.clone();
        let node = self.hello.node;
        let reason = tokio::select! {
            biased;
            () = seat.stopped() => "replaced, or the peer was dropped".to_owned(),
            () = closed.closed() => "the connection ended".to_owned(),
            reason = self.listen(lane) => reason,
        };
        tracing::debug!(peer = %node, ?lane, reason, "call ended");
        drop(self);
        drop(seat);
    }

    async fn listen(&mut self, lane: Lane) -> String {
        match lane {
            Lane::Raft => self.answer().await,
            Lane::Data => self.take().await,
        }
    }

    /// The raft lane: many requests side by side, each answered when its answer is ready.
    async fn answer(&mut self) -> String {
        let limit = self.shared.limits.requests_in_flight;
        let mut in_flight = FuturesUnordered::new();
        loop {
            tokio::select! {
                frame = next(&mut self.frames, &self.shared), if in_flight.len() < limit => {
                    let frame = match frame {
                        Ok(frame) => frame,
                        Err(reason) => return reason,
                    };
                    self.hear();
                    self.peer.hear_beat(&frame);
                    if frame.kind() == FrameKind::Request {
                        let answer = self.shared.handler.raft(self.hello.node, frame.body);
                        let serial = frame.serial;
                        in_flight.push(async move { (serial, answer.await) });
                    }
                }
                Some((serial, body)) = in_flight.next() => {
                    self.respond(serial, body).await;
                }
            }
        }
    }

    async fn respond(&self, serial: u64, body: Bytes) {
        let limit = self.shared.frame_bytes(Lane::Raft) as usize;
        if body.len() > limit {
            let (peer, bytes) = (self.hello.node, body.len());
            tracing::error!(%peer, bytes, limit, "a response over the limit is not sent");
            return;
        }
        let pushed = self
            .outbox
            .push_when_room(wire::response(serial, body))
            .await;
        if pushed.is_err() {
            tracing::trace!(serial, "the connection ended before a response");
        }
    }

    /// The data lane: one message after the other, and what belongs to relayed lanes.
    async fn take(&mut self) -> String {
        let node = self.hello.node;
        let mut carrier = Carrier::new(Arc::clone(&self.shared), node, self.outbox.clone());
        let mut receiver = Receiver::new(Arc::clone(&self.shared), node, self.outbox.clone());
        loop {
            let frame = match next(&mut self.frames, &self.shared).await {
                Ok(frame) => frame,
                Err(reason) => return reason,
            };
            self.hear();
            match way(&frame) {
                Some(Way::To(to)) => carrier.take(to, frame),
                Some(Way::From(from)) => receiver.take(from, frame).await,
                None if frame.kind() == FrameKind::Data => {
                    self.shared.handler.data(node, frame.body).await;
                }
                None => {}
            }
        }
    }

    fn hear(&self) {
        self.peer.hear(self.shared.started);
        self.peer.inbound.hear();
    }
}

/// The next frame; an error is why there is none.
async fn next(frames: &mut Streaming<Frame>, shared: &Shared) -> Result<Frame, String> {
    match tokio::time::timeout(shared.timing.silence, frames.message()).await {
        Ok(Ok(Some(frame))) => Ok(frame),
        Ok(Ok(None)) => Err("ended by the peer".to_owned()),
        Ok(Err(status)) => Err(status.message().to_owned()),
        Err(_elapsed) => Err("silence".to_owned()),
    }
}
