//! What an HTTP/2 connection is used for: calls of programs with a token, and answers that somebody takes.

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, Response, StatusCode};
use hyper::body::{Frame, SizeHint};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::Code;

/// How long a connection may be of no use.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// Without a call of a program.
    pub(super) idle: Duration,
    /// With an answer of which nothing is taken.
    pub(super) stall: Duration,
}

/// The uses of one connection.
#[derive(Clone)]
pub(super) struct Uses(Arc<watch::Sender<Now>>);

/// What it is used for now.
struct Now {
    /// Calls with a good token that are not answered to their end.
    calls: usize,
    /// When the last of them ended; at first when the connection began.
    idle_since: Instant,
    /// Whether the last that came was refused for want of a good token.
    stranger: bool,
    /// Answers of which something waits to be taken, by their numbers, and since when.
    waiting: BTreeMap<u64, Instant>,
    /// The number of the next call.
    next: u64,
}

impl Now {
    /// Until when the connection may stay, if nothing happens.
    fn until(&self, now: Instant, patience: Patience) -> Instant {
        if self.calls == 0 && self.stranger {
            return now;
        }
        // What begins to wait from now on is looked at then.
        let stalled = self.waiting.values().min().unwrap_or(&now);
        let stalled = *stalled + patience.stall;
        match self.calls {
            0 => stalled.min(self.idle_since + patience.idle),
            _ => stalled,
        }
    }
}

impl Uses {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Now {
            calls: 0,
            idle_since: Instant::now(),
            stranger: false,
            waiting: BTreeMap::new(),
            next: 0,
        })))
    }

    /// A call has come. It counts once it is known to be a program's, which its head shows.
    pub(super) fn call(&self) -> Call {
        let mut number = 0;
        self.quietly(|now| {
            number = now.next;
            now.next += 1;
        });
        Call(Arc::new(Counting {
            uses: self.clone(),
            number,
            counts: AtomicBool::new(false),
        }))
    }

    /// Ends when the connection is of no use: no program called for a while, nothing was taken of an answer, or
    /// the last who came was a stranger and there is nobody else.
    pub(super) fn over(&self, patience: Patience) -> impl Future<Output = ()> + use<> {
        let mut changes = self.0.subscribe();
        async move {
            loop {
                let now = Instant::now();
                let until = changes.borrow_and_update().until(now, patience);
                if until <= now {
                    return;
                }
                tokio::select! {
                    () = tokio::time::sleep_until(until) => {}
                    changed = changes.changed() => if changed.is_err() {
                        return;
                    },
                }
            }
        }
    }

    /// A change that lets the connection stay no shorter than was thought.
    fn quietly(&self, change: impl FnOnce(&mut Now)) {
        self.0.send_if_modified(|now| {
            change(now);
            false
        });
    }
}

/// A call, from its head until the last of its answer is on its way or nobody wants it any more.
#[derive(Clone)]
pub(super) struct Call(Arc<Counting>);

struct Counting {
    uses: Uses,
    number: u64,
    counts: AtomicBool,
}

impl Call {
    /// It has a good token.
    pub(super) fn is_a_programs(&self) {
        if !self.0.counts.swap(true, Ordering::Relaxed) {
            self.0.uses.0.send_modify(|now| {
                now.calls += 1;
                now.stranger = false;
            });
        }
    }

    /// Its answer begins.
    pub(super) fn answer(self, response: Response<Body>) -> Response<Counted> {
        let refused =
            response.status() == StatusCode::UNAUTHORIZED || is_unauthenticated(response.headers());
        if refused {
            self.0.uses.0.send_modify(|now| now.stranger = true);
        }
        let waits = false;
        response.map(|body| Counted {
            body,
            waits,
            call: self,
        })
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.uses.0.send_modify(|now| {
            now.waiting.remove(&self.number);
            if *self.counts.get_mut() {
                now.calls -= 1;
                now.idle_since = Instant::now();
            }
        });
    }
}

fn is_unauthenticated(headers: &HeaderMap) -> bool {
    let code = headers.get("grpc-status");
    code.is_some_and(|code| Code::from_bytes(code.as_bytes()) == Code::Unauthenticated)
}

/// The body of an answer. It is asked for more only when what it gave was taken.
pub(super) struct Counted {
    body: Body,
    /// Whether something it gave waits.
    waits: bool,
    call: Call,
}

impl Counted {
    fn set_waits(&mut self, waits: bool) {
        if self.waits == waits {
            return;
        }
        self.waits = waits;
        let number = self.call.0.number;
        self.call.0.uses.quietly(|now| match waits {
            true => drop(now.waiting.insert(number, Instant::now())),
            false => drop(now.waiting.remove(&number)),
        });
    }
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.set_waits(false);
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(&polled, Poll::Ready(Some(Ok(frame))) if frame.is_data()) {
            self.set_waits(true);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
