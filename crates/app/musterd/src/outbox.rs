//! What waits to be written to one client, bounded.
//!
//! A presence is a register: a newer one of the same sender takes the place of an unsent older one.
//! Everything else is a queue and nothing of it is dropped: a client that does not read until the
//! bound is reached is closed instead.

use muster_router::BindAnswer;
use muster_stanza::{Encoded, StreamError};
use muster_types::{FullJid, Jid};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// Bytes that may wait for one client beyond what its socket took: about four of the largest
/// stanzas.
const BYTES_MAX: usize = 1 << 20;

/// What the router tells a session.
#[derive(Debug)]
pub(crate) enum Order {
    Bound(BindAnswer),
    End(StreamError),
    Pause,
    Resume,
}

/// One session's outbox: the router fills it, the session's task empties it.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: Mutex<Waiting>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    orders: VecDeque<Order>,
    stanzas: VecDeque<Slot>,
    /// Where in `stanzas` (counted from the first ever) the presence of a sender waits.
    presence: BTreeMap<Arc<FullJid>, u64>,
    taken: u64,
    bytes: usize,
    overflow: bool,
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
    /// The client did not read for too long: its stream is to be ended.
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

    pub(crate) fn deliver(&self, stanza: Encoded, to: Option<Arc<Jid>>, key: Option<Arc<FullJid>>) {
        self.waiting().put(Slot { stanza, to, key });
        self.filled.notify_one();
    }

    /// Resolves when there is something to take.
    pub(crate) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Whether the client did not read for too long.
    pub(crate) fn overflows(&self) -> bool {
        self.waiting().overflow
    }

    /// Takes everything that waits, ready to be written.
    pub(crate) fn take(&self) -> Taken {
        let mut waiting = self.waiting();
        let mut taken = Taken {
            orders: std::mem::take(&mut waiting.orders),
            bytes: Vec::with_capacity(waiting.bytes + 64 * waiting.stanzas.len()),
            stanzas: waiting.stanzas.len(),
            overflow: waiting.overflow,
        };
        waiting.taken += taken.stanzas as u64;
        waiting.bytes = 0;
        waiting.presence.clear();
        for slot in std::mem::take(&mut waiting.stanzas) {
            slot.stanza.write(&mut taken.bytes, slot.to.as_deref());
        }
        taken
    }
}

impl Waiting {
    fn put(&mut self, slot: Slot) {
        if self.overflow {
            return;
        }
        let bytes = slot.stanza.len();
        if let Some(key) = &slot.key {
            let next = self.taken + self.stanzas.len() as u64;
            if let Some(older) = self.presence.get(key) {
                let place = usize::try_from(older - self.taken).unwrap_or(usize::MAX);
                if let Some(unsent) = self.stanzas.get_mut(place) {
                    self.bytes = self.bytes + bytes - unsent.stanza.len();
                    *unsent = slot;
                    return;
                }
            }
            self.presence.insert(Arc::clone(key), next);
        }
        self.bytes += bytes;
        self.overflow = self.bytes > BYTES_MAX;
        self.stanzas.push_back(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_stanza::{PresenceType, Stanza};

    fn presence(id: &str) -> Encoded {
        Stanza::presence(PresenceType::Available)
            .with_id(id)
            .encode()
    }

    fn key(jid: &str) -> Option<Arc<FullJid>> {
        Some(Arc::new(FullJid::new(jid).unwrap()))
    }

    #[test]
    fn a_newer_presence_replaces_an_unsent_one_and_nothing_else() {
        let outbox = Outbox::default();
        outbox.deliver(presence("old"), None, key("a@x/1"));
        outbox.deliver(presence("other"), None, key("b@x/1"));
        outbox.deliver(presence("queued"), None, None);
        outbox.deliver(presence("new"), None, key("a@x/1"));
        let taken = outbox.take();
        let text = String::from_utf8(taken.bytes).unwrap();
        assert_eq!(taken.stanzas, 3);
        assert!(!text.contains("old") && text.contains("queued"));
        assert!(text.find("new").unwrap() < text.find("other").unwrap());
        outbox.deliver(presence("later"), None, key("a@x/1"));
        assert_eq!(outbox.take().stanzas, 1);
    }

    #[test]
    fn a_client_that_does_not_read_overflows() {
        let outbox = Outbox::default();
        let stanza = presence(&"x".repeat(1000));
        while !outbox.take().overflow {
            for _ in 0..2000 {
                outbox.deliver(stanza.clone(), None, None);
            }
        }
    }
}
