//! The API: one node's links to all others.

use crate::accept::{Caller, Servers, accept};
use crate::config::LinkConfig;
use crate::dial::{PING, STREAM_WINDOW_BYTES};
use crate::error::LinkError;
use crate::handler::Handler;
use crate::identity::{Identity, TlsConfigs};
use crate::outbox::PushError;
use crate::peer::{Connection, Peer, PeerStatus};
use crate::pending::OpenError;
use crate::service::{Offer, Service};
use crate::shared::Shared;
use crate::wire::proto::link_server::LinkServer;
use crate::wire::{self, FRAME_OVERHEAD, Lane};
use arc_swap::ArcSwap;
use bytes::Bytes;
use muster_types::NodeId;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;

/// Connections whose TLS stands and that their server has not taken yet; it takes them at once.
const ACCEPTED: usize = 16;
/// Bytes of a request to join.
const JOIN_BYTES: usize = 64 << 10;
/// Connections that the system may complete before they are taken.
const BACKLOG: i32 = 128;
/// How long the servers may take to end.
const ENDING: Duration = Duration::from_secs(1);

/// One node's links to all others. Clones are the same links. They end with
/// [`shutdown`](Self::shutdown) or with their runtimes, not with the last clone.
#[derive(Clone)]
pub struct Links {
    shared: Arc<Shared>,
    address: SocketAddr,
    tasks: Arc<Tasks>,
}

struct Tasks {
    /// Two calls that change the peers do it one after the other. `false` after the end.
    changing: Mutex<bool>,
    stop: watch::Sender<bool>,
    listening: Mutex<Vec<JoinHandle<()>>>,
}

impl Links {
    /// Begins to listen. Nobody is dialled and no node is let in before
    /// [`set_peers`](Self::set_peers); nodes that want to join are. Must be called on the runtime
    /// of the data lane. Errors: the address cannot be had, the identity is not this node's.
    pub async fn start(config: LinkConfig, handler: Arc<dyn Handler>) -> Result<Self, LinkError> {
        let tls = TlsConfigs::new(&config.identity, config.node, &config.cluster)?;
        let listener = listen(config.listen).map_err(|source| LinkError::Listen {
            address: config.listen,
            source,
        })?;
        let address = listener.local_addr().unwrap_or(config.listen);
        let shared = Arc::new(Shared {
            cluster: config.cluster,
            node: config.node,
            boot: config.boot,
            process: getrandom::u64().map_err(|_| LinkError::Random)?,
            versions: config.versions,
            limits: config.limits,
            timing: config.timing,
            handler,
            tls: ArcSwap::from_pointee(tls),
            peers: ArcSwap::default(),
            refused: ArcSwap::default(),
            raft_runtime: config.raft_runtime,
            data_runtime: Handle::current(),
            connections: AtomicU64::new(0),
            relayed: AtomicU64::new(0),
            started: Instant::now(),
        });
        let tasks = Tasks {
            changing: Mutex::new(true),
            stop: watch::Sender::new(false),
            listening: Mutex::default(),
        };
        let links = Self {
            shared,
            address,
            tasks: Arc::new(tasks),
        };
        links.serve(listener)?;
        Ok(links)
    }

    /// Where this node listens (the port that was given, if 0 was asked for).
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Says who the other nodes are and where they are dialled, as host:port. New ones are dialled,
    /// connections with those that are gone end (without [`Handler::lost`]), and this node itself
    /// is left out. A node with a new address is dialled there.
    pub fn set_peers(&self, mut wanted: BTreeMap<NodeId, String>) {
        let changing = &self.tasks.changing;
        let running = changing.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.remove(&self.shared.node);
        if !*running {
            return;
        }
        let before = self.shared.peers.load_full();
        let mut peers = BTreeMap::new();
        for (node, address) in wanted {
            let peer = match before.get(&node) {
                Some(known) => {
                    known.move_to(address);
                    Arc::clone(known)
                }
                None => Peer::start(&self.shared, node, address),
            };
            peers.insert(node, peer);
        }
        for (_, gone) in before.iter().filter(|(node, _)| !peers.contains_key(node)) {
            gone.stop();
        }
        self.shared.peers.store(Arc::new(peers));
    }

    /// Says which nodes are refused for ever, each with the reason that it is told
    /// ([`PeerStatus::given_up`]). Peers are let in all the same.
    pub fn set_refused(&self, refused: BTreeMap<NodeId, String>) {
        if **self.shared.refused.load() != refused {
            self.shared.refused.store(Arc::new(refused));
        }
    }

    /// Sends one request on the raft lane and waits for its response, at most `timeout`. Many may be
    /// under way at once. Fails at once when the node is not connected.
    pub async fn request(
        &self,
        to: NodeId,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, LinkError> {
        self.check_size(Lane::Raft, &body)?;
        let connection = self.connection(to, Lane::Raft)?;
        let limit = self.shared.limits.requests_in_flight;
        let mut ticket = connection
            .pending
            .open(limit)
            .map_err(|error| match error {
                OpenError::Full => LinkError::Full(to),
                OpenError::Closed => LinkError::NotConnected(to),
            })?;
        let pushed = connection.outbox.push(wire::request(ticket.serial, body));
        pushed.map_err(|error| refusal(to, &error))?;
        match tokio::time::timeout(timeout, &mut ticket.response).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(_dropped)) => Err(LinkError::Lost(to)),
            Err(_elapsed) => Err(LinkError::Timeout(to)),
        }
    }

    /// Sends one message on the data lane. It was taken, not delivered: see the crate's page for what
    /// is promised. [`LinkError::Full`] means it was not taken: the caller waits
    /// ([`send_when_room`](Self::send_when_room)), or gives up the order and calls
    /// [`reset`](Self::reset).
    pub fn send(&self, to: NodeId, body: Bytes) -> Result<(), LinkError> {
        self.check_size(Lane::Data, &body)?;
        let connection = self.connection(to, Lane::Data)?;
        let pushed = connection.send(body);
        pushed.map_err(|error| refusal(to, &error))
    }

    /// As [`send`](Self::send), but waits for room in the outbox.
    pub async fn send_when_room(&self, to: NodeId, body: Bytes) -> Result<(), LinkError> {
        self.check_size(Lane::Data, &body)?;
        let connection = self.connection(to, Lane::Data)?;
        let pushed = connection.send_when_room(body).await;
        pushed.map_err(|error| refusal(to, &error))
    }

    /// Ends the data lane to a node; it is dialled again, so [`Handler::lost`] and
    /// [`Handler::hello`] follow. For a sender that had to drop a message.
    pub fn reset(&self, to: NodeId) {
        if let Some(peer) = self.shared.peer(to) {
            peer.data.reset();
        }
    }

    /// When anything came from the node last, on any connection; `None` if nothing ever did.
    pub fn last_heard(&self, node: NodeId) -> Option<Instant> {
        self.shared.peer(node)?.last_heard(self.shared.started)
    }

    /// How this node stands with each peer.
    pub fn peers(&self) -> Vec<PeerStatus> {
        let peers = self.shared.peers.load();
        let status = |peer: &Arc<Peer>| peer.status(self.shared.started);
        peers.values().map(status).collect()
    }

    /// How many messages this node has passed on between two others that do not reach each other.
    pub fn relayed(&self) -> u64 {
        self.shared.relayed.load(Ordering::Relaxed)
    }

    /// Uses a renewed certificate for every connection made from now on; those that stand stay.
    pub fn set_identity(&self, identity: &Identity) -> Result<(), LinkError> {
        let tls = TlsConfigs::new(identity, self.shared.node, &self.shared.cluster)?;
        self.shared.tls.store(Arc::new(tls));
        Ok(())
    }

    /// Ends every connection and stops listening. The handler is not called any more for calls that
    /// were cut off; requests under way fail.
    pub async fn shutdown(self) {
        {
            let changing = &self.tasks.changing;
            let mut running = changing.lock().unwrap_or_else(PoisonError::into_inner);
            *running = false;
            let peers = self.shared.peers.swap(Arc::default());
            peers.values().for_each(|peer| peer.stop());
        }
        self.tasks.stop.send_replace(true);
        let listening = {
            let listening = self.tasks.listening.lock();
            std::mem::take(&mut *listening.unwrap_or_else(PoisonError::into_inner))
        };
        for mut task in listening {
            if tokio::time::timeout(ENDING, &mut task).await.is_err() {
                task.abort();
            }
        }
    }

    fn connection(&self, to: NodeId, lane: Lane) -> Result<Arc<Connection>, LinkError> {
        let peers = self.shared.peers.load();
        let peer = peers.get(&to).ok_or(LinkError::UnknownPeer(to))?;
        let connection = peer.lane(lane).connection.load_full();
        connection.ok_or(LinkError::NotConnected(to))
    }

    fn check_size(&self, lane: Lane, body: &Bytes) -> Result<(), LinkError> {
        let (bytes, limit) = (body.len(), self.shared.frame_bytes(lane) as usize);
        if bytes > limit {
            return Err(LinkError::TooLarge { bytes, limit });
        }
        Ok(())
    }

    /// Starts the listener and the three servers behind it.
    fn serve(&self, listener: TcpListener) -> Result<(), LinkError> {
        let shared = &self.shared;
        let listener = {
            let _runtime = shared.raft_runtime.enter();
            tokio::net::TcpListener::from_std(listener)
        };
        let listener = listener.map_err(|source| LinkError::Listen {
            address: self.address,
            source,
        })?;
        let servers = Servers {
            raft: self.server(Offer::Lane(Lane::Raft)),
            data: self.server(Offer::Lane(Lane::Data)),
            join: self.server(Offer::Join),
        };
        let mut stop = self.tasks.stop.subscribe();
        let accepting = accept(Arc::clone(shared), listener, servers);
        let task = shared.raft_runtime.spawn(async move {
            tokio::select! {
                () = accepting => {}
                _stopped = stop.wait_for(|stop| *stop) => {}
            }
        });
        self.keep(task);
        Ok(())
    }

    /// Starts one gRPC server and returns where its connections are to be put.
    fn server(&self, offer: Offer) -> mpsc::Sender<io::Result<Caller>> {
        let (callers, incoming) = mpsc::channel(ACCEPTED);
        let shared = Arc::clone(&self.shared);
        let (runtime, largest) = match offer {
            Offer::Lane(lane) => (
                shared.runtime(lane).clone(),
                shared.frame_bytes(lane) as usize + FRAME_OVERHEAD,
            ),
            Offer::Join => (shared.data_runtime.clone(), JOIN_BYTES),
        };
        let service = Service::new(shared, offer);
        let service = LinkServer::new(service).max_decoding_message_size(largest);
        let mut stop = self.tasks.stop.subscribe();
        let stopped = async move {
            // An error is how the end of every clone of the links shows.
            let _stopped = stop.wait_for(|stop| *stop).await;
        };
        let task = runtime.spawn(async move {
            let serving = Server::builder()
                .initial_stream_window_size(STREAM_WINDOW_BYTES)
                .initial_connection_window_size(STREAM_WINDOW_BYTES)
                .max_concurrent_streams(8)
                .http2_keepalive_interval(Some(PING))
                .http2_keepalive_timeout(Some(PING))
                .add_service(service)
                .serve_with_incoming_shutdown(ReceiverStream::new(incoming), stopped);
            if let Err(error) = serving.await {
                tracing::error!(%error, ?offer, "the server for other nodes has ended");
            }
        });
        self.keep(task);
        callers
    }

    fn keep(&self, task: JoinHandle<()>) {
        let listening = self.tasks.listening.lock();
        listening.unwrap_or_else(PoisonError::into_inner).push(task);
    }
}

/// `[::]` is every address, IPv4 and IPv6, and on a machine without IPv6 the same as `0.0.0.0`.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let refused = |error: &io::Error| {
        let kind = error.kind();
        matches!(
            kind,
            io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied
        )
    };
    match open(address) {
        Err(error) if address.ip() == Ipv6Addr::UNSPECIFIED && !refused(&error) => {
            open(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
        }
        opened => opened,
    }
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // A restarted node takes its port back while old connections fade.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn refusal(to: NodeId, error: &PushError) -> LinkError {
    match error {
        PushError::Full => LinkError::Full(to),
        PushError::Closed => LinkError::NotConnected(to),
    }
}

#[cfg(test)]
mod listen_tests {
    use super::*;
    use std::net::TcpStream;

    #[test]
    fn every_address_is_ipv4_and_ipv6() {
        let listener = listen(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        TcpStream::connect((Ipv4Addr::LOCALHOST, address.port())).unwrap();
        if address.is_ipv6() {
            TcpStream::connect((Ipv6Addr::LOCALHOST, address.port())).unwrap();
        }
        let taken = listen(address).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    }
}
