//! Health and metrics over HTTP, for probes and Prometheus. Without authentication, so it tells no
//! more than they need.

use crate::ListenError;
use crate::visit::Visits;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

/// What the pages show. Both are asked at every request, and must not block.
#[derive(Clone)]
pub struct Health {
    /// Why the node cannot serve now, each as half a sentence; empty when it can.
    pub not_ready: Arc<dyn Fn() -> Vec<String> + Send + Sync>,
    /// The metrics in Prometheus' text format.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Health")
    }
}

/// A bound listener for `/livez`, `/readyz` and `/metrics`.
#[derive(Debug)]
pub struct HttpListener(TcpListener);

impl HttpListener {
    /// Binds the address.
    ///
    /// # Errors
    /// [`ListenError::Address`].
    pub async fn bind(address: SocketAddr) -> Result<Self, ListenError> {
        let cannot = |cause| ListenError::Address {
            address: address.to_string(),
            cause,
        };
        TcpListener::bind(address).await.map(Self).map_err(cannot)
    }

    /// Where it listens.
    pub fn address(&self) -> Option<SocketAddr> {
        self.0.local_addr().ok()
    }

    /// Serves until `shutdown`.
    pub async fn serve(self, health: Health, shutdown: impl Future<Output = ()> + Send + 'static) {
        let pages = Router::new()
            .route("/livez", get(|| async { "ok\n" }))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .with_state(health);
        let serving = axum::serve(Visits::new(self.0), pages);
        tokio::select! {
            served = serving => if let Err(error) = served {
                tracing::error!(%error, "the health service ended");
            },
            () = shutdown => {}
        }
    }
}

async fn readyz(State(health): State<Health>, headers: HeaderMap) -> Response {
    let reasons = (health.not_ready)();
    let status = if reasons.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let accepts = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok());
    if accepts.is_some_and(|accept| accept.contains("application/json")) {
        let body = json(&reasons);
        return (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
    }
    let body = if reasons.is_empty() {
        "ready\n".to_owned()
    } else {
        reasons
            .iter()
            .map(|reason| format!("not ready: {reason}\n"))
            .collect()
    };
    (status, body).into_response()
}

async fn metrics(State(health): State<Health>) -> Response {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], (health.metrics)()).into_response()
}

/// `{"ready": false, "reasons": ["..."]}`.
fn json(reasons: &[String]) -> String {
    serde_json::json!({ "ready": reasons.is_empty(), "reasons": reasons }).to_string()
}

#[cfg(test)]
#[path = "http_test.rs"]
mod http_test;
