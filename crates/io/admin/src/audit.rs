//! The trail of administrative acts: who asked for what, about whom, and what came of it. Around all calls, so that no
//! act is left out; what an act is about its handler says, since a request may hold secrets.

use crate::Backend;
use crate::caller::{Caller, is_read};
use muster_types::Timestamp;
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tonic::Status;
use tonic::codegen::http;
use tower::{Layer, Service};

/// Bytes of what an act is about; more is cut off.
const ABOUT_BYTES_MAX: usize = 1_000;

tokio::task_local! {
    /// What the call that this task serves is about.
    static ABOUT: RefCell<String>;
}

/// One administrative act.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Act {
    /// When it was over.
    pub at: Timestamp,
    /// Who asked, as `operator "ops"` or `local user 0`.
    pub by: String,
    /// The call, as `UserRemove`.
    pub call: String,
    /// About whom or what; may be empty.
    pub about: String,
    /// `ok`, or why it was refused.
    pub outcome: String,
}

/// Notes what the call is about; several notes stand one behind the other.
pub(crate) fn about(words: impl AsRef<str>) {
    // Outside of a call nobody asks.
    let _ = ABOUT.try_with(|about| {
        let mut about = about.borrow_mut();
        if !about.is_empty() {
            about.push_str("; ");
        }
        about.push_str(words.as_ref());
        if let Some((end, _)) = about.char_indices().find(|(at, _)| *at >= ABOUT_BYTES_MAX) {
            about.truncate(end);
        }
    });
}

/// Calls of which each message is an act of its own, put into the trail by [`each`].
const STREAMS: [&str; 2] = ["UsersPut", "Publish"];

/// Puts one message of a stream into the trail.
pub(crate) async fn each<T>(
    backend: Arc<dyn Backend>,
    (by, call): (String, &str),
    work: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    let mut pending = Pending {
        act: Some((by, call.to_owned())),
        backend,
    };
    let scoped = async move {
        let answer = work.await;
        let outcome = answer
            .as_ref()
            .err()
            .map(|status| status.message().to_owned());
        if let Some(act) = pending.end(outcome.unwrap_or_else(|| "ok".to_owned())) {
            pending.backend.audit(act).await;
        }
        answer
    };
    ABOUT.scope(RefCell::default(), scoped).await
}

/// Who asks.
pub(crate) fn by<T>(request: &tonic::Request<T>) -> String {
    let caller = request.extensions().get::<Caller>();
    caller.map_or_else(String::new, Caller::to_string)
}

/// Puts acts into the trail.
#[derive(Clone)]
pub(crate) struct Trail(pub(crate) Arc<dyn Backend>);

impl<S> Layer<S> for Trail {
    type Service = Audited<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Audited {
            inner,
            backend: Arc::clone(&self.0),
        }
    }
}

/// A service whose acts are put into the trail.
#[derive(Clone)]
pub(crate) struct Audited<S> {
    inner: S,
    backend: Arc<dyn Backend>,
}

/// An act that is under way. A caller who does not wait for its end is no reason to leave it out.
struct Pending {
    act: Option<(String, String)>,
    backend: Arc<dyn Backend>,
}

impl Pending {
    fn end(&mut self, outcome: String) -> Option<Act> {
        let (by, call) = self.act.take()?;
        Some(Act {
            at: Timestamp(crate::publish::now_ms()),
            by,
            call,
            about: ABOUT.try_with(RefCell::take).unwrap_or_default(),
            outcome,
        })
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let outcome = "unknown: the caller went away before it was over".to_owned();
        if let Some(act) = self.end(outcome)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(self.backend.audit(act));
        }
    }
}

type Answering<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

impl<S, B, R> Service<http::Request<B>> for Audited<S>
where
    S: Service<http::Request<B>, Response = http::Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Send + 'static,
    R: Send,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Answering<S::Response, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let call = request.uri().path().rsplit('/').next().unwrap_or_default();
        let caller = request.extensions().get::<Caller>();
        let act = caller
            .filter(|_| !is_read(call) && !STREAMS.contains(&call))
            .map(|caller| (caller.to_string(), call.to_owned()));
        let answer = self.inner.call(request);
        let Some((by, call)) = act else {
            return Box::pin(answer);
        };
        let mut pending = Pending {
            act: Some((by, call)),
            backend: Arc::clone(&self.backend),
        };
        Box::pin(ABOUT.scope(RefCell::default(), async move {
            let answer = answer.await?;
            // Only a refusal is in the headers.
            let refused = Status::from_header_map(answer.headers());
            let outcome = match refused {
                Some(status) if status.code() != tonic::Code::Ok => status.message().to_owned(),
                Some(_) | None => "ok".to_owned(),
            };
            if let Some(act) = pending.end(outcome) {
                pending.backend.audit(act).await;
            }
            Ok(answer)
        }))
    }
}

#[cfg(test)]
#[path = "audit_test.rs"]
mod audit_test;
