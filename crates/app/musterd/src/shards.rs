//! The shards of the node's session side, as the rest of the node reaches them.
//!
//! ```text
//! links, replicas -- envelope --> split --> inboxes of the shards it is for
//!                                   `-- what all must see in one order --.
//! links -- up, lost ----------------------------------> Order::keep -- one after the other --> every inbox
//! shards -- announcements --> merged into the node's --> owners
//! ```
//!
//! Whoever brings something waits for room in an inbox; a shard waits for nobody, so there is no circle.

use crate::router::{ENVELOPES, FROM_CLIENTS, FromClient};
use muster_envelope::{Envelope, ToOwner};
use muster_router::{Announcing, HeardLinks, Input, Losses, Split, split};
use muster_types::{NodeId, SessionId, ShardId, Shards as Count};
use std::sync::{Mutex, PoisonError, RwLock};
use tokio::sync::{mpsc, oneshot};

/// The share of an inbox that may wait: more is more than a node is ready for, however fast its processors are.
const CROWDED_SHARE: usize = 4;

/// The way to the shards.
pub(crate) struct Shards {
    pub(crate) count: Count,
    /// A full one slows the links and the slots down.
    envelopes: Vec<mpsc::Sender<Input>>,
    in_order: mpsc::UnboundedSender<Ordered>,
    announcing: Mutex<Announcing>,
    losses: RwLock<Losses>,
}

/// Something for all shards.
struct Ordered {
    input: Input,
    /// Who waits until they have it.
    told: Option<oneshot::Sender<()>>,
}

/// What comes to the shards.
pub(crate) struct Inboxes {
    /// For each.
    pub(crate) envelopes: Vec<mpsc::Receiver<Input>>,
    pub(crate) order: Order,
}

/// What comes to all of them.
pub(crate) struct Order {
    inboxes: Vec<mpsc::Sender<Input>>,
    /// Links say a few things a second; whoever else says something waits until it is told.
    in_order: mpsc::UnboundedReceiver<Ordered>,
}

impl Shards {
    pub(crate) fn new(count: Count) -> (Self, Inboxes) {
        // What is for many watchers takes a place in most of them, and is in memory once: each has room for all.
        let inboxes = count.all().map(|_| mpsc::channel(ENVELOPES));
        let (envelopes, receivers): (Vec<_>, _) = inboxes.unzip();
        let (in_order, ordered) = mpsc::unbounded_channel();
        let order = Order {
            inboxes: envelopes.clone(),
            in_order: ordered,
        };
        let shards = Self {
            count,
            envelopes,
            in_order,
            announcing: Mutex::new(Announcing::new(count)),
            losses: RwLock::default(),
        };
        let inboxes = Inboxes {
            envelopes: receivers,
            order,
        };
        (shards, inboxes)
    }

    /// Brings an envelope to whom it concerns; waits while one of them is busy.
    pub(crate) async fn take(&self, envelope: Envelope) {
        match split(self.count, envelope) {
            Split::Parts(parts) => {
                for (shard, input) in parts {
                    if let Some(inbox) = self.envelopes.get(usize::from(shard.0)) {
                        // The shards end only with the process.
                        let _ = inbox.send(input).await;
                    }
                }
            }
            Split::InOrder(input) => {
                let (told, heard) = oneshot::channel();
                let told = Some(told);
                // The same holds for who keeps the order.
                let _ = self.in_order.send(Ordered { input, told });
                let _ = heard.await;
            }
        }
    }

    /// Tells all shards something. Does not wait.
    pub(crate) fn tell(&self, input: Input) {
        // Who keeps the order ends only with the process.
        let _ = self.in_order.send(Ordered { input, told: None });
    }

    /// The link to a node is down. Does not wait: when this is over nothing is said to the node by a shard that has
    /// not heard of the next link.
    pub(crate) fn link_lost(&self, node: NodeId) {
        self.losses
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .lost(node);
        self.tell(Input::NodeLost(node));
    }

    /// Gives a shard's envelope to `send`, unless it is for a node of whose link the shard has yet to hear. An
    /// announcement becomes part of the node's.
    pub(crate) fn say(
        &self,
        shard: ShardId,
        heard: &HeardLinks,
        (to, here): (NodeId, NodeId),
        mut envelope: Envelope,
        send: impl FnOnce(Envelope),
    ) {
        // Until it is sent: whose part is the last has to be after all others. Sending never waits.
        let mut announcing = None;
        if let Envelope::ToOwner {
            slot,
            body: ToOwner::Announce(part),
            ..
        } = &mut envelope
            && Announcing::concerns(part)
        {
            let lock = self.announcing.lock();
            let lock = announcing.insert(lock.unwrap_or_else(PoisonError::into_inner));
            lock.merge(shard, *slot, part);
        }
        if to == here {
            return send(envelope);
        }
        let losses = self.losses.read().unwrap_or_else(PoisonError::into_inner);
        if heard.may_say(&losses, to) {
            send(envelope);
        }
    }

    /// Whether too much waits for one of them.
    pub(crate) fn are_crowded(&self) -> bool {
        self.envelopes.iter().any(is_crowded)
    }
}

impl Order {
    /// Tells all shards, in one order, what they have to know in the same order. Runs until the node ends.
    pub(crate) async fn keep(mut self) {
        while let Some(Ordered { input, told }) = self.in_order.recv().await {
            for inbox in &self.inboxes {
                // The shards end only with the process.
                let _ = inbox.send(input.clone()).await;
            }
            if let Some(told) = told {
                // A link may have ended meanwhile.
                let _ = told.send(());
            }
        }
    }
}

/// The way of clients to the shards of their users.
pub(crate) struct ClientInboxes {
    count: Count,
    inboxes: Vec<mpsc::Sender<FromClient>>,
}

impl ClientInboxes {
    pub(crate) fn new(count: Count) -> (Self, Vec<mpsc::Receiver<FromClient>>) {
        let inboxes = count.all().map(|_| mpsc::channel(FROM_CLIENTS));
        let (inboxes, receivers) = inboxes.unzip();
        (Self { count, inboxes }, receivers)
    }

    /// The inbox of the shard that a session is in.
    pub(crate) fn of(&self, session: SessionId) -> &mpsc::Sender<FromClient> {
        &self.inboxes[usize::from(self.count.of_session(session).0)]
    }

    /// Whether too much waits for one of them.
    pub(crate) fn are_crowded(&self) -> bool {
        self.inboxes.iter().any(is_crowded)
    }
}

fn is_crowded<T>(inbox: &mpsc::Sender<T>) -> bool {
    let waiting = inbox.max_capacity() - inbox.capacity();
    waiting > inbox.max_capacity() / CROWDED_SHARE
}

#[cfg(test)]
#[path = "shards_test.rs"]
mod shards_test;
