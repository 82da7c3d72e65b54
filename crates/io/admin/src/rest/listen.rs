//! Where programs connect: TLS, HTTP/1.1 or HTTP/2, so many connections at a time.

use super::connection::{STALL, Watched};
use super::uses::Patience;
use super::{Api, http2};
use crate::ListenError;
use axum::Router;
use futures_util::future::BoxFuture;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, watch};

/// Connections at a time, on all listeners of the node. A further one waits in the system's queue.
pub(super) const CONNECTIONS_MAX: usize = 1_024;
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a connection may say nothing between two requests, and take for the head of one.
const HEAD: Duration = Duration::from_secs(30);
/// How long one that speaks HTTP/2 may be of no use.
const PATIENCE: Patience = Patience {
    idle: HEAD,
    stall: STALL,
};
/// Bytes of the head of a request.
const HEAD_BYTES_MAX: usize = 65_536;
/// How long the listener rests when the process is out of sockets.
const REST: Duration = Duration::from_millis(50);
/// How long answers may go on once the node ends.
pub(super) const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// A connection that is TLS, whoever made it so.
pub trait Bytes: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Bytes for T {}

/// Such a connection.
pub struct Secured {
    /// What goes over it.
    pub stream: Box<dyn Bytes>,
    /// Whether both ends agreed on HTTP/2 (ALPN `h2`); it is HTTP/1.1 otherwise.
    pub http2: bool,
}

impl fmt::Debug for Secured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secured(http2: {})", self.http2)
    }
}

/// Makes a connection TLS, with the certificate of the domain that the caller names.
pub type Secure = Arc<dyn Fn(TcpStream) -> BoxFuture<'static, io::Result<Secured>> + Send + Sync>;

/// A bound listener.
pub struct ApiListener(TcpListener);

impl fmt::Debug for ApiListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ApiListener {
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

    /// Serves until `shutdown`, and a moment longer for requests under way. Event streams end at once: their
    /// programs go on at another node.
    pub async fn serve(
        self,
        api: Api,
        secure: Secure,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) {
        let ending = api.service.clone();
        let routes = Routes {
            http1: api.clone().routes(),
            http2: api.clone().routes_with_grpc(),
        };
        let connections = api.connections;
        let accepting = async {
            loop {
                let Ok(place) = Arc::clone(&connections).acquire_owned().await else {
                    return;
                };
                match self.0.accept().await {
                    Ok((stream, _)) => {
                        let greeted = (secure)(stream);
                        let ended = ending.ending();
                        tokio::spawn(serve_one(greeted, routes.clone(), place, ended));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot take an API connection");
                        tokio::time::sleep(REST).await;
                    }
                }
            }
        };
        tokio::select! {
            () = accepting => {}
            () = shutdown => {}
        }
        ending.end();
    }
}

/// What there is for each version of HTTP.
#[derive(Clone)]
struct Routes {
    http1: Router,
    http2: Router,
}

async fn serve_one(
    greeted: BoxFuture<'static, io::Result<Secured>>,
    routes: Routes,
    _place: OwnedSemaphorePermit,
    ended: watch::Receiver<bool>,
) {
    let secured = match tokio::time::timeout(HANDSHAKE, greeted).await {
        Ok(Ok(secured)) => secured,
        Ok(Err(error)) => return tracing::debug!(%error, "no API connection"),
        Err(_) => return tracing::debug!("no API connection: the handshake took too long"),
    };
    let stream = Watched::new(secured.stream);
    let served = match secured.http2 {
        true => http2::serve(stream, routes.http2, ended, PATIENCE).await,
        false => serve_http1(stream, routes.http1, ended).await,
    };
    if let Err(error) = served {
        tracing::debug!(%error, "an API connection ended");
    }
}

async fn serve_http1(
    stream: Watched<Box<dyn Bytes>>,
    routes: Router,
    mut ended: watch::Receiver<bool>,
) -> hyper::Result<()> {
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES_MAX);
    let serving = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    tokio::pin!(serving);
    tokio::select! {
        served = &mut serving => return served,
        // The sender lives as long as the node.
        _ = ended.wait_for(|ended| *ended) => {}
    }
    serving.as_mut().graceful_shutdown();
    let last = tokio::time::timeout(LAST_ANSWERS, serving).await;
    last.unwrap_or(Ok(()))
}
