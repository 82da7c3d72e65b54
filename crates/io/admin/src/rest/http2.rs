//! Connections that speak HTTP/2, as gRPC does: several requests at a time, bounded in number and time.

use super::listen::LAST_ANSWERS;
use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, Request, Response, StatusCode};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tonic::Code;
use tower::ServiceExt;

/// Requests at a time on one connection: as many as a client may have streams, and some more.
const REQUESTS_MAX: u32 = 128;
/// Bytes that may have come of one request and wait to be read, and of all of a connection.
const WINDOWS: (u32, u32) = (65_536, 262_144);
/// Bytes that may wait to be sent of one answer.
const SEND_BYTES_MAX: usize = 65_536;
/// How often a silent program is asked whether it is still there, and how long it may take to answer.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));

/// Serves a connection until its other end closes it, `ended` becomes true, or it was of no use for `patience`.
pub(super) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    routes: Router,
    mut ended: watch::Receiver<bool>,
    patience: Duration,
) -> hyper::Result<()> {
    let requests = Arc::new(watch::Sender::new(Requests::default()));
    let known = requests.subscribe();
    let service = service_fn(move |request: Request<Incoming>| {
        let (routes, requests) = (routes.clone(), Arc::clone(&requests));
        async move {
            let response = routes.oneshot(request).await;
            response.map(|response| count(response, requests))
        }
    });
    let mut http = Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new())
        .keep_alive_interval(KEEPALIVE.0)
        .keep_alive_timeout(KEEPALIVE.1)
        .max_concurrent_streams(REQUESTS_MAX)
        .initial_stream_window_size(WINDOWS.0)
        .initial_connection_window_size(WINDOWS.1)
        .max_send_buf_size(SEND_BYTES_MAX);
    let serving = http.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    tokio::select! {
        served = &mut serving => return served,
        // The sender lives as long as the node.
        _ = ended.wait_for(|ended| *ended) => {}
        () = useless(known, patience) => {}
    }
    serving.as_mut().graceful_shutdown();
    let last = tokio::time::timeout(LAST_ANSWERS, serving).await;
    last.unwrap_or(Ok(()))
}

/// What a connection is used for.
#[derive(Clone, Copy, Default)]
struct Requests {
    /// Those of programs with a token whose answers have begun and not ended.
    answering: usize,
    /// Whether somebody came without a good token.
    stranger: bool,
}

/// Ends when no program was answered for `patience`; at once, if the last that came was a stranger.
async fn useless(mut requests: watch::Receiver<Requests>, patience: Duration) {
    loop {
        let now = *requests.borrow_and_update();
        if now.stranger && now.answering == 0 {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(patience), if now.answering == 0 => return,
            changed = requests.changed() => if changed.is_err() {
                return;
            },
        }
    }
}

/// Counts an answer until its last byte is on its way, or nobody wants it any more.
fn count(response: Response<Body>, requests: Arc<watch::Sender<Requests>>) -> Response<Counted> {
    let stranger =
        response.status() == StatusCode::UNAUTHORIZED || is_unauthenticated(response.headers());
    requests.send_modify(|requests| match stranger {
        true => requests.stranger = true,
        false => requests.answering += 1,
    });
    response.map(|body| Counted {
        body,
        _place: (!stranger).then(|| Answering(requests)),
    })
}

fn is_unauthenticated(headers: &HeaderMap) -> bool {
    let code = headers.get("grpc-status");
    code.is_some_and(|code| Code::from_bytes(code.as_bytes()) == Code::Unauthenticated)
}

/// One answer that counts; no more when this is dropped.
struct Answering(Arc<watch::Sender<Requests>>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.send_modify(|requests| requests.answering -= 1);
    }
}

/// The body of such an answer.
struct Counted {
    body: Body,
    _place: Option<Answering>,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn who_says_nothing_keeps_no_connection() {
        let (near, _far) = tokio::io::duplex(1_000);
        let (_ending, ended) = watch::channel(false);
        let serving = serve(near, Router::new(), ended, PATIENCE);
        let served = tokio::time::timeout(LONG, serving).await;
        assert!(served.is_ok(), "it is served on and on");
    }

    #[tokio::test]
    async fn a_connection_is_of_use_while_a_program_is_answered() {
        let requests = Arc::new(watch::Sender::new(Requests::default()));
        let answer = |status: StatusCode| {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = status;
            count(response, Arc::clone(&requests))
        };
        let stands = async || {
            let waiting = useless(requests.subscribe(), PATIENCE);
            tokio::time::timeout(2 * PATIENCE, waiting).await.is_err()
        };
        let (one, other) = (answer(StatusCode::OK), answer(StatusCode::OK));
        drop(one);
        assert!(stands().await);
        drop(answer(StatusCode::UNAUTHORIZED));
        assert!(stands().await, "others have a stream on it");
        drop(other);
        useless(requests.subscribe(), LONG * 1_000).await;
    }
}
