//! Where admin clients connect: a unix socket, or TCP with mutual TLS.

use crate::Backend;
use crate::audit::Trail;
use crate::caller::{self, Caller};
use crate::connection::{Connection, Io};
use crate::proto::admin_server::AdminServer;
use crate::proto::presence::presence_server::PresenceServer;
use crate::service::Service;
use crate::tls::{TlsError, TlsIdentity};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, fs};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tower::util::MapRequestLayer;

/// Admin clients at a time, on each listener. A further one waits in the system's queue.
const CLIENTS_MAX: usize = 64;
/// Calls at a time on one connection.
const CALLS_MAX: usize = 32;
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long the listener rests when the process is out of sockets.
const REST: Duration = Duration::from_millis(50);
/// How often a silent client is asked whether it is still there, and how long it may take to answer.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));
/// How long calls may go on once the node ends.
const LAST_CALLS: Duration = Duration::from_secs(2);

/// Why admin clients cannot connect.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The system refuses the address.
    #[error("cannot listen on {address}: {cause}")]
    Address {
        /// The address or path.
        address: String,
        /// What the system said.
        cause: io::Error,
    },
    /// Another process has the socket.
    #[error("cannot listen on {path}: another process answers on it")]
    Taken {
        /// The socket.
        path: PathBuf,
    },
    /// Something else is where the socket should be.
    #[error("cannot listen on {path}: there is something that is no socket; move it away")]
    NoSocket {
        /// What is there.
        path: PathBuf,
    },
    /// The node's certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A bound listener.
pub struct AdminListener(Socket);

enum Socket {
    Unix {
        listener: UnixListener,
        path: PathBuf,
        owner: u32,
    },
    Tls {
        listener: TcpListener,
        acceptor: TlsAcceptor,
    },
}

impl AdminListener {
    /// Binds a unix socket that only its owner (and root) may use. A socket on which nobody answers
    /// is left over and replaced. Needs a runtime.
    ///
    /// # Errors
    /// [`ListenError`], naming the path.
    pub fn unix(path: &Path) -> Result<Self, ListenError> {
        remove_stale(path)?;
        let bind = || -> io::Result<_> {
            let listener = UnixListener::bind(path)?;
            fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
            Ok((listener, fs::metadata(path)?.uid()))
        };
        let (listener, owner) =
            bind().map_err(|cause| refused(path.display().to_string(), cause))?;
        Ok(Self(Socket::Unix {
            listener,
            path: path.to_owned(),
            owner,
        }))
    }

    /// Binds a TCP socket on which the node shows its certificate and asks for an operator's of the
    /// same CA.
    ///
    /// # Errors
    /// [`ListenError`], naming the address.
    pub async fn tls(address: SocketAddr, identity: &TlsIdentity) -> Result<Self, ListenError> {
        let acceptor = TlsAcceptor::from(Arc::new(identity.server()?));
        let listener = TcpListener::bind(address)
            .await
            .map_err(|cause| refused(address.to_string(), cause))?;
        Ok(Self(Socket::Tls { listener, acceptor }))
    }

    /// Where it listens, for people.
    pub fn address(&self) -> String {
        match &self.0 {
            Socket::Unix { path, .. } => format!("unix:{}", path.display()),
            Socket::Tls { listener, .. } => listener
                .local_addr()
                .map(|address| address.to_string())
                .unwrap_or_default(),
        }
    }

    /// Serves until `shutdown`, and a moment longer for calls under way.
    pub async fn serve(
        self,
        backend: Arc<dyn Backend>,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) {
        let (sender, incoming) = mpsc::channel(1);
        let address = self.address();
        let socket = match &self.0 {
            Socket::Unix { path, .. } => Some(path.clone()),
            Socket::Tls { .. } => None,
        };
        let accepting = tokio::spawn(self.accept(sender));
        let trail = Trail(Arc::clone(&backend));
        let service = Service::new(backend);
        let (ending, ended) = tokio::sync::oneshot::channel();
        let last_words = service.clone();
        let shutdown = async move {
            shutdown.await;
            last_words.end();
            // Nobody waits for it any more when serving has failed.
            let _ = ending.send(());
        };
        let presence = PresenceServer::new(service.clone());
        let service = AdminServer::new(service);
        let serving = Server::builder()
            .concurrency_limit_per_connection(CALLS_MAX)
            .http2_keepalive_interval(Some(KEEPALIVE.0))
            .http2_keepalive_timeout(Some(KEEPALIVE.1))
            .layer(MapRequestLayer::new(caller::log))
            .layer(trail)
            .add_service(InterceptedService::new(service, caller::gate))
            .add_service(InterceptedService::new(presence, caller::gate))
            .serve_with_incoming_shutdown(ReceiverStream::new(incoming), shutdown);
        let too_long = async {
            if ended.await.is_ok() {
                tokio::time::sleep(LAST_CALLS).await;
            } else {
                std::future::pending().await
            }
        };
        tokio::select! {
            served = serving => if let Err(error) = served {
                tracing::error!(address, %error, "the admin service ended");
            },
            () = too_long => {}
        }
        accepting.abort();
        if let Some(path) = socket {
            // Another start may have removed it already.
            let _ = fs::remove_file(path);
        }
    }

    /// Takes connections until it is aborted.
    async fn accept(self, to: mpsc::Sender<io::Result<Connection>>) {
        let places = Arc::new(Semaphore::new(CLIENTS_MAX));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            let accepted = match &self.0 {
                Socket::Unix {
                    listener, owner, ..
                } => {
                    let owner = *owner;
                    listener
                        .accept()
                        .await
                        .map(|(stream, _)| Accepted::Unix(stream, owner))
                }
                Socket::Tls { listener, acceptor } => {
                    let acceptor = acceptor.clone();
                    listener
                        .accept()
                        .await
                        .map(|(stream, _)| Accepted::Tcp(stream, acceptor))
                }
            };
            match accepted {
                Ok(accepted) => drop(tokio::spawn(accepted.greet(place, to.clone()))),
                Err(error) => {
                    tracing::warn!(%error, "cannot take an admin connection");
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }
}

impl fmt::Debug for AdminListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AdminListener({})", self.address())
    }
}

enum Accepted {
    Unix(UnixStream, u32),
    Tcp(TcpStream, TlsAcceptor),
}

impl Accepted {
    /// Finds out who it is and hands the connection on.
    async fn greet(self, place: OwnedSemaphorePermit, to: mpsc::Sender<io::Result<Connection>>) {
        let greeted = match self {
            Self::Unix(stream, owner) => local(stream, owner),
            Self::Tcp(stream, acceptor) => remote(stream, &acceptor).await,
        };
        match greeted {
            Ok((io, caller)) => {
                // The server ends only with the node.
                let _ = to
                    .send(Ok(Connection {
                        io,
                        caller,
                        _place: place,
                    }))
                    .await;
            }
            Err(error) => tracing::debug!(%error, "no admin connection"),
        }
    }
}

fn local(stream: UnixStream, owner: u32) -> io::Result<(Io, Caller)> {
    let uid = stream.peer_cred()?.uid();
    let allowed = uid == 0 || uid == owner;
    Ok((Io::Unix(stream), Caller::Local { uid, allowed }))
}

async fn remote(stream: TcpStream, acceptor: &TlsAcceptor) -> io::Result<(Io, Caller)> {
    stream.set_nodelay(true)?;
    let stream = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await??;
    let chain = stream.get_ref().1.peer_certificates();
    let leaf = chain.and_then(<[_]>::first);
    let caller = leaf.map_or(Caller::Stranger, |leaf| Caller::of_certificate(leaf));
    Ok((Io::Tls(Box::new(stream)), caller))
}

fn remove_stale(path: &Path) -> Result<(), ListenError> {
    let cannot = |cause| refused(path.display().to_string(), cause);
    let there = match fs::symlink_metadata(path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(cannot(error)),
    };
    if !there.file_type().is_socket() {
        return Err(ListenError::NoSocket {
            path: path.to_owned(),
        });
    }
    match StdUnixStream::connect(path) {
        Ok(_) => Err(ListenError::Taken {
            path: path.to_owned(),
        }),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(cannot)
        }
        Err(error) => Err(cannot(error)),
    }
}

fn refused(address: String, cause: io::Error) -> ListenError {
    ListenError::Address { address, cause }
}

#[cfg(test)]
#[path = "listen_test.rs"]
mod listen_test;
