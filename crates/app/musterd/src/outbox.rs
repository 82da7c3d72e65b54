//! What waits to be written to one client, bounded.
//!
//! A presence is a register: a newer one of the same sender takes the place of an unsent older one.
//! Everything else is a queue and nothing of it is dropped: a client for which too much waits and
//! that does not read is closed instead.
//!
//! While nobody looks at the client (XEP-0352 §3.2) presence is held until somebody does, and wakes
//! neither the session's task nor the client. Everything else goes out at once and alone: held
//! presence does not go with it, not even that of its sender. A register has no place in the order:
//! a newer presence passes what came before it for active clients too, and no message means anything
//! else for it. Subscription stanzas are no registers and keep their order; presence that follows
//! one and is held says at last what is so then.

use muster_router::BindAnswer;
use muster_stanza::{Encoded, StreamError};
use muster_stream::ClientState;
use muster_types::{FullJid, Jid};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// Bytes that may wait for one client beyond what its socket took: about four of the largest
/// stanzas. With more it has to read on, or is closed. As much presence may be held besides for an
/// inactive one.
const BYTES_MAX: usize = 1 << 20;
/// Bytes that may wait for a client that does read: all that can come at once, above all a full store
/// of offline messages. They are shared with others that are sent the same.
const BURST_MAX: usize = 32 << 20;
/// Stanzas of one client that the router has not seen yet. It pauses a client with 100 that wait and refuses what is above
/// 200: a client that sends faster than it looks must not get there before it has heard.
const UNTAKEN_MAX: usize = 64;
/// Bytes copied for the socket at once.
const PORTION: usize = 1 << 18;

/// What the router tells a session.
#[derive(Debug)]
pub(crate) enum Order {
    Bound(BindAnswer),
    End(StreamError),
}

/// One session's outbox: the router fills it, the session's task empties it.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: Mutex<Waiting>,
    filled: Notify,
    /// Nothing is to be read from the client now. Not among the orders: those wait while the client does not read.
    paused: AtomicBool,
    /// The client's stanzas that the router has not seen yet.
    untaken: AtomicUsize,
    /// The router has seen one when there were as many as there may be.
    room: Notify,
}

/// The place of one of a client's stanzas in the router's inbox, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Outbox>);

impl Drop for Place {
    fn drop(&mut self) {
        if self.0.untaken.fetch_sub(1, Ordering::AcqRel) == UNTAKEN_MAX {
            self.0.room.notify_one();
        }
    }
}

#[derive(Debug, Default)]
struct Waiting {
    orders: VecDeque<Order>,
    /// What goes out with the next write.
    due: Line,
    /// Presence that waits until the client is active; nothing while it is. A sender's presence is
    /// here or in `due`, never in both.
    held: Option<Line>,
    /// Bytes that came into `due` at once when held presence was released. They may wait besides,
    /// until something is taken: the client could not have read them before.
    spared: usize,
    overflow: bool,
}

/// Stanzas in the order they came, but for presence that took the place of an older one.
#[derive(Debug, Default)]
struct Line {
    stanzas: VecDeque<Slot>,
    /// Where in `stanzas` (counted from the first ever) the presence of a sender waits.
    presence: BTreeMap<Arc<FullJid>, u64>,
    taken: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Slot {
    stanza: Encoded,
    to: Option<Arc<Jid>>,
    key: Option<Arc<FullJid>>,
}

/// What was taken out at once.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) orders: VecDeque<Order>,
    /// Whole stanzas, ready for the socket.
    pub(crate) bytes: Vec<u8>,
    pub(crate) stanzas: usize,
    /// More waits than may wait for anybody: the client's stream is to be ended.
    pub(crate) overflow: bool,
}

impl Outbox {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        // Whoever panicked while holding it left whole entries behind.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn order(&self, order: Order) {
        self.waiting().orders.push_back(order);
        self.filled.notify_one();
    }

    /// The client has to wait, or may go on.
    pub(crate) fn pause(&self, paused: bool) {
        self.paused.store(paused, Ordering::Release);
        self.filled.notify_one();
    }

    /// A place for the next stanza, when there is one. Only the session's task asks.
    pub(crate) async fn place(self: &Arc<Self>) -> Place {
        while self.untaken.load(Ordering::Acquire) >= UNTAKEN_MAX {
            self.room.notified().await;
        }
        self.untaken.fetch_add(1, Ordering::AcqRel);
        Place(Arc::clone(self))
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Acquire)
    }

    pub(crate) fn deliver(&self, stanza: Encoded, to: Option<Arc<Jid>>, key: Option<Arc<FullJid>>) {
        let is_due = self.waiting().put(Slot { stanza, to, key });
        if is_due {
            self.filled.notify_one();
        }
    }

    /// Whether somebody looks at the client. When somebody does again, what was held is due.
    pub(crate) fn client_is(&self, state: ClientState) {
        match state {
            ClientState::Inactive => {
                self.waiting().held.get_or_insert_default();
            }
            ClientState::Active => {
                self.waiting().wake();
                self.filled.notify_one();
            }
        }
    }

    /// Whether nobody looks at the client.
    pub(crate) fn is_held(&self) -> bool {
        self.waiting().held.is_some()
    }

    /// Resolves when there is something to take.
    pub(crate) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Whether more waits than may wait for anybody.
    pub(crate) fn overflows(&self) -> bool {
        self.waiting().overflow
    }

    /// Whether so much waits that the client has to read on.
    pub(crate) fn is_crowded(&self) -> bool {
        let waiting = self.waiting();
        waiting.due.bytes > BYTES_MAX + waiting.spared
    }

    /// Takes the first of what is due, ready to be written; all of it before the end.
    pub(crate) fn take(&self) -> Taken {
        let mut waiting = self.waiting();
        let orders = std::mem::take(&mut waiting.orders);
        let ends = orders.iter().any(|order| matches!(order, Order::End(_)));
        let portion = if ends { usize::MAX } else { PORTION };
        let first = waiting.due.take(portion);
        waiting.spared = 0;
        let overflow = waiting.overflow;
        drop(waiting);
        let size = |slot: &Slot| slot.stanza.len() + 64;
        let mut bytes = Vec::with_capacity(first.iter().map(size).sum());
        for slot in &first {
            slot.stanza.write(&mut bytes, slot.to.as_deref());
        }
        Taken {
            orders,
            bytes,
            stanzas: first.len(),
            overflow,
        }
    }
}

impl Waiting {
    /// Puts a stanza where it waits; returns whether it is due.
    fn put(&mut self, slot: Slot) -> bool {
        if self.overflow {
            return false;
        }
        match (&mut self.held, &slot.key) {
            (Some(held), Some(key)) if !self.due.presence.contains_key(key) => {
                held.put(slot);
                if held.bytes <= BYTES_MAX {
                    return false;
                }
                // An inactive client is not closed for what was held back from it.
                self.release();
            }
            _ => self.due.put(slot),
        }
        self.overflow = self.due.bytes > BURST_MAX;
        true
    }

    fn wake(&mut self) {
        self.release();
        self.held = None;
    }

    /// Makes due what is held.
    fn release(&mut self) {
        let Some(held) = self.held.as_mut().map(std::mem::take) else {
            return;
        };
        self.spared = self.spared.max(held.bytes);
        for slot in held.stanzas {
            self.due.put(slot);
        }
    }
}

impl Line {
    fn put(&mut self, slot: Slot) {
        self.bytes += slot.stanza.len();
        if let Some(key) = &slot.key {
            let end = self.taken + self.stanzas.len() as u64;
            let place = *self.presence.entry(Arc::clone(key)).or_insert(end) - self.taken;
            let place = usize::try_from(place).unwrap_or(usize::MAX);
            if let Some(unsent) = self.stanzas.get_mut(place) {
                self.bytes -= unsent.stanza.len();
                *unsent = slot;
                return;
            }
        }
        self.stanzas.push_back(slot);
    }

    /// Takes stanzas from the front, until they have so many bytes.
    fn take(&mut self, bytes: usize) -> VecDeque<Slot> {
        if self.bytes <= bytes {
            return std::mem::take(self).stanzas;
        }
        let enough = self.bytes - bytes;
        let mut first = VecDeque::new();
        while self.bytes > enough
            && let Some(slot) = self.stanzas.pop_front()
        {
            self.bytes -= slot.stanza.len();
            self.taken += 1;
            if let Some(key) = &slot.key {
                self.presence.remove(key);
            }
            first.push_back(slot);
        }
        first
    }
}

#[cfg(test)]
#[path = "outbox_test.rs"]
mod outbox_test;
