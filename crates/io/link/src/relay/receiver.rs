//! The node at the end: takes what others send to it by way of one caller.

use super::frame::{Way, close, relay};
use crate::inbound::{Caller, Seat, SeatError};
use crate::outbox::Outbox;
use crate::peer::Peer;
use crate::shared::Shared;
use crate::wire::{Frame, FrameKind, Lane, proto, read_hello_body};
use bytes::Bytes;
use muster_types::{Boot, NodeId};
use prost::Message;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Messages of one sender that may wait here, beside those in the carrier's outbox. When they are too many
/// the carrier's own messages wait with them, as they would behind a slow one of the carrier's own.
const WAITING: usize = 16;

/// What comes from others over the call of one carrier. Dropped with the call, it ends every lane.
pub(crate) struct Receiver {
    shared: Arc<Shared>,
    carrier: NodeId,
    back: Outbox,
    lanes: BTreeMap<NodeId, (u64, mpsc::Sender<Bytes>)>,
}

impl Receiver {
    /// For the call of `carrier`; `back` leads to it.
    pub(crate) fn new(shared: Arc<Shared>, carrier: NodeId, back: Outbox) -> Self {
        Self {
            shared,
            carrier,
            back,
            lanes: BTreeMap::new(),
        }
    }

    /// Takes a frame that is from `from`, as the carrier says.
    pub(crate) async fn take(&mut self, from: NodeId, frame: Frame) {
        let serial = frame.serial;
        match frame.kind() {
            FrameKind::RelayOpen => {
                if let Err(reason) = self.open(from, serial, &frame.body) {
                    self.back.push_or_end(close(Way::To(from), serial, &reason));
                }
            }
            FrameKind::RelayData => self.pass_on(from, serial, frame.body).await,
            FrameKind::RelayClose if self.current(from, serial).is_some() => {
                self.lanes.remove(&from);
            }
            _ => {}
        }
    }

    async fn pass_on(&mut self, from: NodeId, serial: u64, body: Bytes) {
        let Some(messages) = self.current(from, serial) else {
            return;
        };
        if messages.send(body).await.is_err() {
            self.lanes.remove(&from);
        }
    }

    fn current(&self, from: NodeId, serial: u64) -> Option<&mpsc::Sender<Bytes>> {
        let (current, messages) = self.lanes.get(&from)?;
        (*current == serial).then_some(messages)
    }

    fn open(&mut self, from: NodeId, serial: u64, body: &Bytes) -> Result<(), String> {
        let node = self.shared.node;
        if from == self.carrier {
            return Err(format!("{from} relays its own messages"));
        }
        let peer = self.shared.peer(from);
        let peer = peer.ok_or_else(|| format!("{from} is no member that {node} knows"))?;
        let hello = read_hello_body(body).ok_or_else(|| "there is no hello in it".to_owned())?;
        if let Some(objection) = self.shared.objection(&hello, from) {
            return Err(objection);
        }
        if hello.connection != serial {
            return Err("the hello is of another lane".to_owned());
        }
        if self
            .lanes
            .get(&from)
            .is_some_and(|(newer, _)| *newer >= serial)
        {
            return Err(SeatError::Stale.to_string());
        }
        let (sender, messages) = mpsc::channel(WAITING);
        self.lanes.insert(from, (serial, sender));
        let lane = RelayedCall {
            shared: Arc::clone(&self.shared),
            peer,
            hello,
            back: self.back.clone(),
        };
        tokio::spawn(lane.serve(messages));
        Ok(())
    }
}

/// One relayed lane at its end.
struct RelayedCall {
    shared: Arc<Shared>,
    peer: Arc<Peer>,
    hello: proto::Hello,
    back: Outbox,
}

impl RelayedCall {
    /// Serves the lane until its sender or its carrier ends it, a newer one replaces it, or the peer is
    /// dropped. The seat is given back when nothing of it can reach the handler any more.
    async fn serve(self, mut messages: mpsc::Receiver<Bytes>) {
        let (node, serial) = (self.peer.node, self.hello.connection);
        let reason = match self.sit().await {
            Ok(mut seat) => {
                self.accept();
                self.listen(&mut seat, &mut messages).await
            }
            Err(error) => error.to_string(),
        };
        tracing::debug!(peer = %node, serial, reason, "relayed call ended");
        self.back.push_or_end(close(Way::To(node), serial, &reason));
    }

    async fn sit(&self) -> Result<Seat, SeatError> {
        let caller = Caller {
            lane: Lane::Data,
            boot: Boot(self.hello.boot),
            process: self.hello.process,
            connection: self.hello.connection,
        };
        let alive = self.shared.timing.alive;
        self.peer.inbound.take(caller, alive).await
    }

    fn accept(&self) {
        let (node, serial) = (self.peer.node, self.hello.connection);
        let hello = self.shared.hello(0).encode_to_vec().into();
        let accept = relay(FrameKind::RelayAccept, Way::To(node), serial, hello);
        self.back.push_or_end(accept);
        self.peer.called(self.hello.to_hello(node));
    }

    async fn listen(&self, seat: &mut Seat, messages: &mut mpsc::Receiver<Bytes>) -> String {
        let take = async {
            while let Some(body) = messages.recv().await {
                self.peer.inbound.hear();
                self.shared.handler.data(self.peer.node, body).await;
            }
        };
        tokio::select! {
            biased;
            () = seat.stopped() => "replaced, or the peer was dropped".to_owned(),
            () = take => "closed, or the carrier's call ended".to_owned(),
        }
    }
}
