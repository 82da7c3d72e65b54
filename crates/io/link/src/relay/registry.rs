//! The relayed lanes over one connection that this node has dialled: those it opened itself, by way of the
//! peer, and those it carries for others, to the peer.

use super::frame::{Way, close, relay, way};
use crate::outbox::Outbox;
use crate::wire::{Frame, FrameKind, proto, read_hello_body};
use muster_types::NodeId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// Accept and close: more is never said of one lane.
const ANSWERS: usize = 2;

/// The lanes over one connection.
pub(crate) struct Relays {
    peer: NodeId,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    closed: bool,
    own: BTreeMap<u64, (NodeId, mpsc::Sender<Answer>)>,
    /// By sender and serial; the way back to the sender.
    carried: BTreeMap<(NodeId, u64), Outbox>,
}

/// What becomes of a lane that this node opened.
#[derive(Debug)]
pub(crate) enum Answer {
    Accepted(proto::Hello),
    Closed(String),
}

/// A lane that this node opened. Dropped, it is over, and the carrier is told.
pub(crate) struct Ticket {
    pub(crate) serial: u64,
    /// Ends with the lane, or with the connection to the carrier.
    pub(crate) answers: mpsc::Receiver<Answer>,
    to: NodeId,
    outbox: Outbox,
    relays: Arc<Relays>,
}

impl Relays {
    pub(crate) fn new(peer: NodeId) -> Arc<Self> {
        Arc::new(Self {
            peer,
            state: Mutex::default(),
        })
    }

    /// Enters a lane of this node to `to`; `None` when the connection, of which `outbox` is, has ended.
    pub(crate) fn open(
        self: &Arc<Self>,
        to: NodeId,
        serial: u64,
        outbox: Outbox,
    ) -> Option<Ticket> {
        let (sender, answers) = mpsc::channel(ANSWERS);
        let mut state = self.lock();
        if state.closed {
            return None;
        }
        state.own.insert(serial, (to, sender));
        Some(Ticket {
            serial,
            answers,
            to,
            outbox,
            relays: Arc::clone(self),
        })
    }

    /// Enters a lane of `from` to the peer; `back` leads to `from`. `false` when the connection has ended.
    pub(crate) fn carry(&self, from: NodeId, serial: u64, back: Outbox) -> bool {
        let mut state = self.lock();
        if !state.closed {
            state.carried.insert((from, serial), back);
        }
        !state.closed
    }

    /// A lane that was carried is over.
    pub(crate) fn forget(&self, from: NodeId, serial: u64) {
        self.lock().carried.remove(&(from, serial));
    }

    /// Takes what the peer says of a lane.
    pub(crate) fn take(&self, frame: Frame) {
        match way(&frame) {
            Some(Way::From(node)) => self.answer(node, &frame),
            Some(Way::To(node)) => self.hand_back(node, frame),
            None => {}
        }
    }

    /// The connection has ended, and with it every lane over it.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.own.clear();
        let reason = format!("the carrier lost its link to {}", self.peer);
        for ((_, serial), back) in std::mem::take(&mut state.carried) {
            back.push_or_end(close(Way::From(self.peer), serial, &reason));
        }
    }

    fn answer(&self, node: NodeId, frame: &Frame) {
        let mut state = self.lock();
        let serial = frame.serial;
        let Some((_, answers)) = state.own.get(&serial).filter(|(to, _)| *to == node) else {
            return;
        };
        let answer = match frame.kind() {
            FrameKind::RelayAccept => read_hello_body(&frame.body).map(Answer::Accepted),
            FrameKind::RelayClose => {
                let reason = String::from_utf8_lossy(&frame.body).into_owned();
                Some(Answer::Closed(reason))
            }
            _ => None,
        };
        let is_over = matches!(answer, Some(Answer::Closed(_)));
        // One that does not fit was said twice.
        let told = answer.is_some_and(|answer| answers.try_send(answer).is_ok());
        if is_over || !told {
            state.own.remove(&serial);
        }
    }

    fn hand_back(&self, node: NodeId, frame: Frame) {
        let kind = frame.kind();
        if !matches!(kind, FrameKind::RelayAccept | FrameKind::RelayClose) {
            return;
        }
        let mut state = self.lock();
        let Some(back) = state.carried.get(&(node, frame.serial)) else {
            return;
        };
        back.push_or_end(relay(kind, Way::From(self.peer), frame.serial, frame.body));
        if kind == FrameKind::RelayClose {
            state.carried.remove(&(node, frame.serial));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock panics half way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.relays.lock().own.remove(&self.serial).is_some() {
            let close = close(Way::To(self.to), self.serial, "given up by the sender");
            // Not told, the carrier and the receiver keep a lane on which nothing comes until the next one.
            let _told = self.outbox.push(close);
        }
    }
}

#[cfg(test)]
#[path = "registry_test.rs"]
mod tests;
