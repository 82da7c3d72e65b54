//! Places for streams, of events and of batches: so many in all, so many for one client.

use super::problem::Problem;
use axum::http::StatusCode;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Streams of this node at a time.
const STREAMS_MAX: usize = 500;
/// Streams of one client at a time.
const STREAMS_OF_CLIENT_MAX: usize = 100;

/// How many streams each client has.
#[derive(Default, Debug)]
pub(super) struct Streams(Mutex<BTreeMap<String, usize>>);

impl Streams {
    fn by_client(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        // Nothing under the lock panics half way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more stream of a client.
    pub(super) fn take(self: &Arc<Self>, client: &str) -> Result<Place, Problem> {
        let mut by_client = self.by_client();
        let all: usize = by_client.values().sum();
        let own = by_client.get(client).copied().unwrap_or_default();
        if own >= STREAMS_OF_CLIENT_MAX {
            let detail = format!(
                "the client has {STREAMS_OF_CLIENT_MAX} streams on this node: end one, or follow several \
                 users in one (/v1/events)"
            );
            let kind = "too-many-streams";
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, kind, detail).for_seconds(10));
        }
        if all >= STREAMS_MAX {
            let detail = "this node has as many streams as it takes: use another node";
            return Err(
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "full", detail).for_seconds(10),
            );
        }
        by_client.insert(client.to_owned(), own + 1);
        Ok(Place {
            streams: Arc::clone(self),
            client: client.to_owned(),
        })
    }
}

/// A place; free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    streams: Arc<Streams>,
    client: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut by_client = self.streams.by_client();
        if let Some(count) = by_client.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                by_client.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_bounded_for_each_client_and_in_all() {
        let streams: Arc<Streams> = Arc::default();
        let take = |client: &str| streams.take(client);
        let mut places: Vec<_> = (0..STREAMS_OF_CLIENT_MAX)
            .map(|_| take("one").unwrap())
            .collect();
        assert!(take("one").unwrap_err().detail.contains("100 streams"));
        places.pop();
        places.push(take("one").unwrap());
        for n in places.len()..STREAMS_MAX {
            places.push(take(&format!("client {n}")).unwrap());
        }
        assert!(take("other").unwrap_err().detail.contains("another node"));
        drop(places);
        assert!(streams.by_client().is_empty());
    }
}
