//! Makes one connection to a peer: TCP, TLS, the call of the lane, and the exchange of hellos.

use crate::handler::Hello;
use crate::name::node_name;
use crate::outbox::{Outbox, outbox};
use crate::peer::Peer;
use crate::shared::Shared;
use crate::wire::proto::link_client::LinkClient;
use crate::wire::{self, FOR_EVER, FRAME_OVERHEAD, Frame, Lane};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use std::future::ready;
use std::io;
use std::sync::Mutex;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::error::Elapsed;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status, Streaming};

/// How much of one stream a peer may send before this node has read it.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 8 << 20;
/// How often, and for how long, HTTP/2 itself asks whether the other end of a connection is there.
/// It ends connections whose unsent bytes TCP would go on resending for many minutes.
pub(crate) const PING: Duration = Duration::from_secs(5);

/// Why a connection could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error("TLS: {0}")]
    Tls(io::Error),
    #[error("gRPC: {}", reason(.0))]
    Transport(tonic::transport::Error),
    #[error("refused: {}", .0.message())]
    Refused(Box<Status>),
    #[error("it ended before its hello")]
    NoHello,
    #[error("{0}")]
    Objection(String),
    #[error("no answer in time")]
    Timeout(#[from] Elapsed),
}

impl DialError {
    /// Whether the peer says that another process has this node's id.
    pub(crate) fn is_of_twin(&self) -> bool {
        match self {
            Self::Refused(status) => status.code() == Code::AlreadyExists,
            Self::Connect(_)
            | Self::Tls(_)
            | Self::Transport(_)
            | Self::NoHello
            | Self::Objection(_)
            | Self::Timeout(_) => false,
        }
    }

    /// Why the peer refuses this node for ever, if it does.
    pub(crate) fn for_ever(&self) -> Option<&str> {
        match self {
            Self::Refused(status) if status.code() == FOR_EVER => Some(status.message()),
            Self::Refused(_)
            | Self::Connect(_)
            | Self::Tls(_)
            | Self::Transport(_)
            | Self::NoHello
            | Self::Objection(_)
            | Self::Timeout(_) => None,
        }
    }
}

/// What a good attempt gives.
pub(crate) struct Dialled {
    pub(crate) hello: Hello,
    pub(crate) outbox: Outbox,
    pub(crate) frames: Streaming<Frame>,
}

/// Connects one lane to `peer`. Must run on the lane's runtime, where the connection then lives.
pub(crate) async fn dial(shared: &Shared, peer: &Peer, lane: Lane) -> Result<Dialled, DialError> {
    let within = shared.timing.handshake;
    let name = node_name(peer.node, &shared.cluster);
    let name = ServerName::try_from(name).map_err(|e| DialError::Tls(io::Error::other(e)))?;
    let tcp = tokio::time::timeout(within, TcpStream::connect(peer.address().as_str())).await?;
    let tcp = tcp.map_err(DialError::Connect)?;
    tcp.set_nodelay(true).map_err(DialError::Connect)?;
    let _greeting = peer.lane(lane).greet();
    let connector = TlsConnector::from(shared.tls.load().client(lane));
    let tls = tokio::time::timeout(within, connector.connect(name, tcp)).await?;
    let channel = channel(tls.map_err(DialError::Tls)?).await?;
    tokio::time::timeout(within, open(shared, peer, lane, channel)).await?
}

/// Speaks HTTP/2 over a connection that stands.
pub(crate) async fn channel(tls: TlsStream<TcpStream>) -> Result<Channel, DialError> {
    // The one connection there is; a channel that lost it is thrown away, not connected again.
    let once = Mutex::new(Some(TokioIo::new(tls)));
    let connector = tower::service_fn(move |_| {
        let io = once.lock().ok().and_then(|mut once| once.take());
        ready(io.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)))
    });
    Endpoint::from_static("http://link")
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(STREAM_WINDOW_BYTES)
        .http2_keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .keep_alive_while_idle(true)
        .connect_with_connector(connector)
        .await
        .map_err(DialError::Transport)
}

async fn open(
    shared: &Shared,
    peer: &Peer,
    lane: Lane,
    channel: Channel,
) -> Result<Dialled, DialError> {
    let largest = shared.frame_bytes(lane) as usize + FRAME_OVERHEAD;
    let mut client = LinkClient::new(channel).max_decoding_message_size(largest);
    let (outbox, outgoing) = outbox(
        shared.outbox_limits(lane),
        shared.beat(lane),
        shared.started,
    );
    let hello = wire::hello(&shared.hello(shared.next_connection()));
    outbox.push(hello).map_err(|_| DialError::NoHello)?;
    let call = match lane {
        Lane::Raft => client.raft(outgoing).await,
        Lane::Data => client.data(outgoing).await,
    };
    let refused = |status| DialError::Refused(Box::new(status));
    let mut frames = call.map_err(refused)?.into_inner();
    let first = frames.message().await.map_err(refused)?;
    let said = first
        .as_ref()
        .and_then(wire::read_hello)
        .ok_or(DialError::NoHello)?;
    if let Some(objection) = shared.objection(&said, peer.node) {
        return Err(DialError::Objection(objection));
    }
    Ok(Dialled {
        hello: said.to_hello(peer.node),
        outbox,
        frames,
    })
}

/// The innermost cause: the outer ones of a transport error say nothing.
fn reason(error: &tonic::transport::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
