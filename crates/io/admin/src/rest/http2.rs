//! Connections that speak HTTP/2, as gRPC does: several requests at a time, bounded in number and time.

use super::listen::LAST_ANSWERS;
use super::uses::{Patience, Uses};
use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tower::ServiceExt;

/// Requests at a time on one connection: as many as a client may have streams, and some more.
const REQUESTS_MAX: u32 = 128;
/// Bytes that may have come of one request and wait to be read, and of all of a connection.
const WINDOWS: (u32, u32) = (65_536, 262_144);
/// Bytes that may wait to be sent of one answer.
const SEND_BYTES_MAX: usize = 65_536;
/// How often a silent program is asked whether it is still there, and how long it may take to answer.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));

/// Serves a connection until its other end closes it, `ended` becomes true, or it was of no use for too long.
pub(super) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    routes: Router,
    mut ended: watch::Receiver<bool>,
    patience: Patience,
) -> hyper::Result<()> {
    let uses = Uses::new();
    let over = uses.over(patience);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let (routes, call) = (routes.clone(), uses.call());
        // Who lets a program in tells the call, before anything but the head was read.
        request.extensions_mut().insert(call.clone());
        async move {
            let response = routes.oneshot(request).await;
            response.map(|response| call.answer(response))
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
        () = over => {}
    }
    serving.as_mut().graceful_shutdown();
    let last = tokio::time::timeout(LAST_ANSWERS, serving).await;
    last.unwrap_or(Ok(()))
}

#[cfg(test)]
#[path = "http2_test.rs"]
mod http2_test;
