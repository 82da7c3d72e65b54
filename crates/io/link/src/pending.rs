//! Requests of one connection that have no response yet.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// The open requests by serial.
#[derive(Default)]
pub(crate) struct Pending {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    closed: bool,
    next: u64,
    waiting: BTreeMap<u64, oneshot::Sender<Bytes>>,
}

/// One open request. Dropping it forgets the request; a response that comes later is ignored.
pub(crate) struct Ticket {
    pub(crate) serial: u64,
    pub(crate) response: oneshot::Receiver<Bytes>,
    pending: Arc<Pending>,
}

/// Why a request could not be opened.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum OpenError {
    Full,
    Closed,
}

impl Pending {
    /// Opens a request unless `limit` are open already.
    pub(crate) fn open(self: &Arc<Self>, limit: usize) -> Result<Ticket, OpenError> {
        let mut state = self.lock();
        if state.closed {
            return Err(OpenError::Closed);
        }
        if state.waiting.len() >= limit {
            return Err(OpenError::Full);
        }
        state.next += 1;
        let serial = state.next;
        let (sender, response) = oneshot::channel();
        state.waiting.insert(serial, sender);
        Ok(Ticket {
            serial,
            response,
            pending: Arc::clone(self),
        })
    }

    /// Hands a response to whoever waits for it, if anybody still does.
    pub(crate) fn answer(&self, serial: u64, body: Bytes) {
        let waiting = self.lock().waiting.remove(&serial);
        if let Some(Err(_unheard)) = waiting.map(|sender| sender.send(body)) {
            tracing::trace!(serial, "a response came for a request that was given up");
        }
    }

    /// The connection has ended: every open request fails, and no more are taken.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.waiting.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock panics half way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.pending.lock().waiting.remove(&self.serial);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn responses_find_their_request() {
        let pending = Arc::new(Pending::default());
        let mut first = pending.open(2).unwrap();
        let mut second = pending.open(2).unwrap();
        assert_eq!(pending.open(2).err(), Some(OpenError::Full));
        pending.answer(second.serial, Bytes::from_static(b"2"));
        pending.answer(first.serial, Bytes::from_static(b"1"));
        pending.answer(99, Bytes::new());
        assert_eq!((&mut first.response).await.unwrap(), "1");
        assert_eq!((&mut second.response).await.unwrap(), "2");
    }

    #[tokio::test]
    async fn dropped_and_closed_requests_are_forgotten() {
        let pending = Arc::new(Pending::default());
        drop(pending.open(1).unwrap());
        let mut ticket = pending.open(1).unwrap();
        pending.close();
        assert!((&mut ticket.response).await.is_err());
        assert_eq!(pending.open(1).err(), Some(OpenError::Closed));
    }
}
