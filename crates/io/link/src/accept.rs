//! Takes connections: reads the lane from the TLS greeting, finishes the handshake on that lane's
//! runtime, and hands the connection to that lane's gRPC server.

use crate::name;
use crate::shared::Shared;
use crate::wire::{JOIN_ALPN, Lane};
use muster_types::NodeId;
use rustls::server::Acceptor;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Sleep;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::{StartHandshake, TlsStream};
use tonic::transport::server::Connected;

/// How long the listener rests when the process is out of sockets.
const REST: Duration = Duration::from_millis(50);

/// What a caller's certificate says of it.
#[derive(Clone, Debug)]
pub(crate) enum CallerName {
    /// A node of this cluster.
    Node(NodeId),
    /// Nobody this node would let more than join, and why.
    Stranger(String),
}

/// A caller's connection. One of a stranger counts against a limit and ends after a while.
pub(crate) struct Caller {
    tls: TlsStream<TcpStream>,
    name: CallerName,
    stay: Option<(Pin<Box<Sleep>>, OwnedSemaphorePermit)>,
}

/// Where connections go once their TLS stands.
#[derive(Clone)]
pub(crate) struct Servers {
    pub(crate) raft: mpsc::Sender<io::Result<Caller>>,
    pub(crate) data: mpsc::Sender<io::Result<Caller>>,
    pub(crate) join: mpsc::Sender<io::Result<Caller>>,
}

#[derive(Clone, Copy)]
enum Purpose {
    Lane(Lane),
    Join,
}

/// Takes connections until it is aborted. Runs on the raft runtime.
pub(crate) async fn accept(shared: Arc<Shared>, listener: TcpListener, servers: Servers) {
    let handshakes = Arc::new(Semaphore::new(shared.limits.handshakes));
    let strangers = Arc::new(Semaphore::new(shared.limits.strangers));
    loop {
        let (tcp, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot take a connection of another node");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&handshakes).try_acquire_owned() else {
            tracing::debug!(%from, "closed: too many handshakes");
            continue;
        };
        let greeting = greet(
            Arc::clone(&shared),
            tcp,
            servers.clone(),
            Arc::clone(&strangers),
        );
        let within = shared.timing.handshake;
        tokio::spawn(async move {
            let greeted = tokio::time::timeout(within, greeting).await;
            if let Ok(Err(error)) = &greeted {
                tracing::debug!(%from, %error, "no TLS with a caller");
            }
            drop(permit);
        });
    }
}

/// Reads which lane the caller wants, then goes on there.
async fn greet(
    shared: Arc<Shared>,
    tcp: TcpStream,
    servers: Servers,
    strangers: Arc<Semaphore>,
) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let start = LazyConfigAcceptor::new(Acceptor::default(), tcp).await?;
    let wanted = start.client_hello().alpn().and_then(|mut alpn| alpn.next());
    let purpose = match wanted {
        Some(wanted) if wanted == Lane::Raft.alpn() => Purpose::Lane(Lane::Raft),
        Some(wanted) if wanted == Lane::Data.alpn() => Purpose::Lane(Lane::Data),
        Some(wanted) if wanted == JOIN_ALPN => Purpose::Join,
        Some(_) | None => return Err(io::Error::other("an unknown protocol was asked for")),
    };
    let server = match purpose {
        Purpose::Lane(Lane::Raft) => servers.raft,
        Purpose::Lane(Lane::Data) => servers.data,
        Purpose::Join => servers.join,
    };
    if let Purpose::Lane(Lane::Raft) = purpose {
        return finish(&shared, start, &server, &strangers).await;
    }
    // The socket moves too: readiness of bulk must not wake the raft runtime.
    let StartHandshake { accepted, io, .. } = start;
    let tcp = io.into_std()?;
    let runtime = shared.data_runtime.clone();
    let moved = runtime.spawn(async move {
        let start = StartHandshake::from_parts(accepted, TcpStream::from_std(tcp)?);
        let within = shared.timing.handshake;
        let finished = finish(&shared, start, &server, &strangers);
        tokio::time::timeout(within, finished).await?
    });
    moved.await?
}

async fn finish(
    shared: &Shared,
    start: StartHandshake<TcpStream>,
    server: &mpsc::Sender<io::Result<Caller>>,
    strangers: &Arc<Semaphore>,
) -> io::Result<()> {
    let tls = start
        .into_stream(Arc::clone(&shared.tls.load().server))
        .await?;
    let chain = tls.get_ref().1.peer_certificates();
    let name = match chain.and_then(<[_]>::first) {
        None => CallerName::Stranger("no certificate was shown".to_owned()),
        Some(leaf) => match name::identify(leaf, &shared.cluster) {
            Ok(node) => CallerName::Node(node),
            Err(error) => CallerName::Stranger(error.to_string()),
        },
    };
    let stay = match &name {
        CallerName::Node(_) => None,
        CallerName::Stranger(_) => {
            let permit = Arc::clone(strangers).try_acquire_owned();
            let permit =
                permit.map_err(|_| io::Error::other("too many callers who are no node"))?;
            let until = tokio::time::sleep(shared.timing.stranger);
            Some((Box::pin(until), permit))
        }
    };
    let caller = Caller { tls, name, stay };
    let handed = server.send(Ok(caller)).await;
    handed.map_err(|_| io::Error::other("the server has stopped"))
}

impl Connected for Caller {
    type ConnectInfo = CallerName;

    fn connect_info(&self) -> CallerName {
        self.name.clone()
    }
}

impl AsyncRead for Caller {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some((until, _)) = &mut self.stay
            && until.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.tls).poll_read(cx, buf)
    }
}

impl AsyncWrite for Caller {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.tls.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}
