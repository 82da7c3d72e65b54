//! Sockets that wait for clients.

use muster_stream::Security;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};

/// Connections that the system may complete before we take them; the system may allow fewer
/// (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;

/// How long to wait when the system has no room for another connection.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// A connection that says nothing is asked after this time whether it is still there …
const KEEPALIVE_IDLE: Duration = Duration::from_secs(120);

/// … and again after each of these …
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// … and is dead when what we sent stays unacknowledged for this long (TCP_USER_TIMEOUT, which
/// bounds the questions too).
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(60);

/// One listener of the configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListenerConfig {
    /// Where to listen. An IPv6 address is for IPv6 only: `0.0.0.0` and `[::]` stand side by side.
    pub address: SocketAddr,
    /// How its connections become confidential.
    pub security: Security,
    /// The configuration key that sets the address, for messages to the operator.
    pub option: String,
}

/// Why a listener could not be opened, in one line with the remedy.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {}; change it with {option}", say(.cause, *.address))]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// The configuration key that sets it.
    pub option: String,
    /// What stands against it.
    pub cause: BindCause,
}

/// What stands against an address.
#[derive(Debug, thiserror::Error)]
pub enum BindCause {
    /// The system refused.
    #[error(transparent)]
    System(#[from] io::Error),
    /// Passwords would be readable on the way.
    #[error("plaintext logins are for loopback addresses only")]
    NotLoopback,
}

fn say(cause: &BindCause, address: SocketAddr) -> String {
    let BindCause::System(error) = cause else {
        return cause.to_string();
    };
    match error.kind() {
        io::ErrorKind::AddrInUse => "another process has this port".into(),
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".into(),
        io::ErrorKind::PermissionDenied if address.port() < 1024 => {
            "ports below 1024 need a right that this user has not (CAP_NET_BIND_SERVICE)".into()
        }
        _ => error.to_string(),
    }
}

/// An open listener.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    security: Security,
}

impl Listener {
    /// Opens the listener. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`BindError`] with the cause and the option that changes the address.
    pub fn bind(config: &ListenerConfig) -> Result<Self, BindError> {
        let ListenerConfig {
            address,
            security,
            ref option,
        } = *config;
        let opened = if security == Security::Plaintext && !address.ip().is_loopback() {
            Err(BindCause::NotLoopback)
        } else {
            open(address).map_err(BindCause::System)
        };
        let (socket, address) = opened.map_err(|cause| BindError {
            address,
            option: option.clone(),
            cause,
        })?;
        Ok(Self {
            socket,
            address,
            security,
        })
    }

    /// Where it listens, with the real port if port 0 was asked for.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How its connections become confidential.
    pub const fn security(&self) -> Security {
        self.security
    }

    /// The next connection and where it comes from. When the system has no room for one (too many
    /// open files), it waits and tries again. Cancelling loses no connection.
    pub async fn accept(&self) -> (TcpStream, IpAddr) {
        loop {
            match self.socket.accept().await {
                Ok((stream, from)) => match tune(&stream) {
                    Ok(()) => return (stream, from.ip().to_canonical()),
                    Err(error) => tracing::debug!(%error, "connection gone before it was taken"),
                },
                Err(error) if concerns_one_connection(&error) => {
                    tracing::debug!(%error, "connection gone before it was taken");
                }
                Err(error) => {
                    tracing::warn!(address = %self.address, %error, "cannot take connections");
                    tokio::time::sleep(EXHAUSTED_PAUSE).await;
                }
            }
        }
    }
}

fn open(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A restarted node takes its port back while old connections fade.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let socket = TcpListener::from_std(socket.into())?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}

/// Writes go out at once (they are gathered above), and half-open connections are found out.
fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX))
}

fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// Whether the client has ended the connection, whatever it said before. Asks the runtime what the system has told it,
/// without waiting.
pub fn is_gone(stream: &TcpStream) -> bool {
    let ready = pin!(stream.ready(Interest::READABLE));
    match ready.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(ready)) => ready.is_read_closed(),
        Poll::Ready(Err(_)) => true,
        Poll::Pending => false,
    }
}
