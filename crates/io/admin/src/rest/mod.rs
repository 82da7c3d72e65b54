//! The presence API for programs: REST, server-sent events and gRPC over HTTPS, for whoever has a token.
//!
//! ```text
//! connection (TLS, HTTP/1.1 or HTTP/2, bounded in number and time)
//!   -> client.rs: the token's hash -> ApiClient of the control log -> its rate
//!   -> user.rs: the address in the path -> its domain -> the account
//!   -> say.rs: PUT, DELETE   look.rs: GET   events.rs: what changes   grpc.rs: batches, over HTTP/2
//! ```
//!
//! What a caller did wrong is answered with a [`problem`].

mod client;
mod connection;
mod events;
mod grpc;
mod http2;
mod listen;
mod look;
mod mark;
mod problem;
mod say;
mod standing;
mod streams;
mod user;
mod uses;

pub(crate) use client::Caller as Program;
pub use listen::{ApiListener, Secure, Secured};
pub(crate) use problem::Problem;

use crate::Backend;
use crate::service::Service;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use std::fmt;
use std::sync::Arc;
use streams::Streams;

/// The description of the API, which programs and tests read too.
const OPENAPI: &str = include_str!("openapi.json");

/// The API of one node: what all its listeners share.
#[derive(Clone)]
pub struct Api {
    service: Service,
    streams: Arc<Streams>,
    connections: Arc<tokio::sync::Semaphore>,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Api")
    }
}

impl Api {
    /// An API over a node.
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self {
            service: Service::new(backend),
            streams: Arc::default(),
            connections: Arc::new(tokio::sync::Semaphore::new(listen::CONNECTIONS_MAX)),
        }
    }

    fn routes(self) -> Router {
        let source = || put(say::say).delete(say::say_nothing);
        Router::new()
            .route("/v1/openapi.json", get(openapi))
            .route("/v1/presence/{jid}", get(look::composed))
            .route("/v1/presence/{jid}/sources", get(look::sources))
            .route("/v1/presence/{jid}/sources/{source}", source())
            .route("/v1/presence/{jid}/sources/{kind}/{name}", source())
            .route("/v1/presence/{jid}/events", get(events::of_one))
            .route("/v1/events", get(events::of_several))
            .fallback(nothing_here)
            .method_not_allowed_fallback(no_such_method)
            .with_state(self)
    }
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

async fn nothing_here() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "no-such-path",
        "there is nothing at this path: see /v1/openapi.json",
    )
}

async fn no_such_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "no-such-method",
        "this path has other methods: see the header Allow",
    )
}

#[cfg(test)]
#[path = "rest_test.rs"]
mod rest_test;
