//! The node at the beginning: finds another way while the direct one is down.

use super::frame::{Way, relay};
use super::registry::{Answer, Ticket};
use crate::backoff::Backoff;
use crate::handler::Hello;
use crate::peer::{Connection, Peer, Route};
use crate::shared::Shared;
use crate::wire::{FrameKind, RELAY_SINCE};
use muster_types::NodeId;
use prost::Message;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

/// How long the direct lane is down before another way is looked for. A connection that was only reset, or
/// whose node was only restarted, is dialled again at once; the first attempts take about so long together.
const PATIENCE: Duration = Duration::from_millis(300);
/// The longest wait between two rounds of asking. A round costs one frame to each neighbour.
const ROUND_LAST: Duration = Duration::from_secs(1);

/// The way around, while the direct lane to one peer is down.
#[derive(Default)]
pub(crate) struct Detour {
    standing: Option<Standing>,
}

/// A relayed lane that stands. While it lives it is the peer's data lane; it also goes away when the task is
/// aborted.
struct Standing {
    peer: Arc<Peer>,
    connection: Arc<Connection>,
    ticket: Ticket,
}

/// A lane that was accepted.
struct Accepted {
    via: Arc<Connection>,
    carrier: NodeId,
    hello: Hello,
    ticket: Ticket,
}

impl Detour {
    /// Looks for a way and keeps it, again and again, until it is dropped. What stands then is ended by
    /// [`leave`](Self::leave).
    pub(crate) async fn keep(&mut self, shared: &Shared, peer: &Arc<Peer>) -> Infallible {
        tokio::time::sleep(PATIENCE).await;
        let mut backoff = Backoff::new(PATIENCE, ROUND_LAST);
        loop {
            if let Some(accepted) = ask_neighbours(shared, peer).await {
                backoff.reset();
                let reason = self.stay(shared, accepted, peer).await;
                self.leave(shared, &reason);
            }
            tokio::time::sleep(backoff.wait()).await;
        }
    }

    /// Ends the relayed lane, if one stands: what was sent on it may be lost.
    pub(crate) fn leave(&mut self, shared: &Shared, reason: &str) {
        let Some(standing) = self.standing.take() else {
            return;
        };
        let node = standing.peer.node;
        drop(standing);
        tracing::info!(peer = %node, reason, "relayed link ended");
        shared.handler.lost(node);
    }

    /// Serves a relayed lane; returns why it ended.
    async fn stay(&mut self, shared: &Shared, accepted: Accepted, peer: &Arc<Peer>) -> String {
        let (carrier, hello) = (accepted.carrier, accepted.hello);
        let route = Route::Relayed {
            via: carrier,
            to: peer.node,
            serial: accepted.ticket.serial,
        };
        let connection = Connection::new(hello, accepted.via.outbox.clone(), route);
        drop(accepted.via);
        let connection = Arc::new(connection);
        peer.data.connection.store(Some(Arc::clone(&connection)));
        let standing = self.standing.insert(Standing {
            peer: Arc::clone(peer),
            connection,
            ticket: accepted.ticket,
        });
        peer.reached(hello);
        tracing::warn!(peer = %peer.node, via = %carrier, "relayed link stands");
        shared.handler.hello(hello);
        tokio::select! {
            answer = standing.ticket.answers.recv() => match answer {
                Some(Answer::Closed(reason)) => reason,
                Some(Answer::Accepted(_)) => "accepted twice".to_owned(),
                None => format!("the link to {carrier} ended"),
            },
            () = standing.connection.end.notified() => "given up by this node".to_owned(),
        }
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        self.peer.data.connection.store(None);
    }
}

/// Asks each neighbour in turn for a lane to the peer.
async fn ask_neighbours(shared: &Shared, peer: &Arc<Peer>) -> Option<Accepted> {
    let neighbours = shared.peers.load_full();
    for (carrier, neighbour) in neighbours.iter().filter(|(node, _)| **node != peer.node) {
        let via = neighbour.data.direct();
        let Some(via) = via.filter(|via| via.hello.wire_version >= RELAY_SINCE) else {
            continue;
        };
        match ask(shared, peer, &via).await {
            Ok((ticket, hello)) => {
                return Some(Accepted {
                    via,
                    carrier: *carrier,
                    hello,
                    ticket,
                });
            }
            Err(reason) => tracing::debug!(peer = %peer.node, %carrier, reason, "no relayed link"),
        }
    }
    None
}

/// Opens a lane by way of one neighbour; an error is why there is none.
async fn ask(shared: &Shared, peer: &Peer, via: &Connection) -> Result<(Ticket, Hello), String> {
    // The receiver keeps the newest lane: this one must not replace a direct connection that was begun before.
    peer.data.not_greeting().await;
    let serial = shared.next_connection();
    let ticket = via.relays.open(peer.node, serial, via.outbox.clone());
    let mut ticket = ticket.ok_or("the link to the carrier ended")?;
    let hello = shared.hello(serial).encode_to_vec().into();
    let open = relay(FrameKind::RelayOpen, Way::To(peer.node), serial, hello);
    let pushed = via.outbox.push_relayed(open);
    pushed.map_err(|_| "too much waits for the carrier")?;
    let answer = tokio::time::timeout(shared.timing.handshake, ticket.answers.recv()).await;
    let said = match answer.map_err(|_| "no answer in time")? {
        Some(Answer::Accepted(said)) => said,
        Some(Answer::Closed(reason)) => return Err(reason),
        None => return Err("the link to the carrier ended".to_owned()),
    };
    match shared.objection(&said, peer.node) {
        Some(objection) => Err(objection),
        None => Ok((ticket, said.to_hello(peer.node))),
    }
}
