//! The client listeners, and what every connection shares.

mod departure;
mod door;
mod places;
mod refused;

use crate::config::{C2s, Certificate, Misplaced};
use crate::connection::Connection;
use crate::open_files;
use crate::outbox::{Order, Outbox};
use crate::shards::ClientInboxes;
use crate::shared::Shared;
use crate::supervise::supervise;
use anyhow::Context;
pub(crate) use departure::Departure;
use door::Arrival;
use muster_net::{CertificateFiles, Listener, ListenerConfig, TlsDomains};
use muster_sasl::Decoy;
use muster_stanza::{StreamCondition, StreamError};
use muster_stream::{C2sConfig, Security, Throttle, ThrottleConfig};
use muster_telemetry::alarms::OPEN_FILES_LOW;
use muster_types::{BareJid, DomainPart, FullJid, Instant, SessionId};
use places::Places;
use refused::{Reason, Refusals};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};

/// What every connection of the node shares.
pub(crate) struct Clients {
    pub(crate) shared: Arc<Shared>,
    pub(crate) tls: TlsDomains,
    pub(crate) router: ClientInboxes,
    pub(crate) doors: watch::Receiver<Doors>,
    decoy: Decoy,
    throttle: Mutex<Throttle>,
    places: Arc<Places>,
    refusals: Refusals,
    /// Whoever has been accepted comes to the door.
    door: mpsc::Sender<Arrival>,
    /// Where the listeners are.
    addresses: Mutex<Vec<SocketAddr>>,
    /// The listeners were opened; whether they still are says `doors`.
    opened: AtomicBool,
    serial: AtomicU64,
    sessions: Mutex<BTreeMap<SessionId, LiveSession>>,
}

/// Whether clients are taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Doors {
    /// They are.
    Open,
    /// No more; those who are in stay.
    Closed,
    /// No more, and those who are in have to go at once.
    Away,
}

/// One session, for people.
#[derive(Clone, Debug)]
pub(crate) struct LiveSession {
    pub(crate) jid: FullJid,
    pub(crate) address: IpAddr,
    pub(crate) tls: bool,
    pub(crate) since: Instant,
    /// What ends it.
    pub(crate) outbox: Arc<Outbox>,
}

impl Clients {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        router: ClientInboxes,
        doors: watch::Receiver<Doors>,
        decoy: Decoy,
    ) -> anyhow::Result<Arc<Self>> {
        let c2s = &shared.config().c2s;
        let files = open_files::raise();
        let most = room(shared, c2s.clients_max);
        tracing::info!(open_files = files, clients = most, "room for clients");
        let (door, arrivals) = mpsc::channel(door::LINE);
        let clients = Arc::new(Self {
            shared: Arc::clone(shared),
            tls: certificates(c2s)?,
            router,
            doors,
            decoy,
            throttle: Mutex::new(Throttle::new(&ThrottleConfig::default())),
            places: Places::new(most),
            refusals: Refusals::default(),
            door,
            addresses: Mutex::default(),
            opened: AtomicBool::new(false),
            serial: AtomicU64::new(0),
            sessions: Mutex::default(),
        });
        let lag = door::Lag::begin().context("cannot measure how long clients wait")?;
        let keeping = door::keep(Arc::clone(&clients), arrivals, lag);
        supervise(&shared.main, "door", keeping);
        Ok(clients)
    }

    /// Opens every listener of the configuration and returns their lines for the operator.
    pub(crate) fn listen(self: &Arc<Self>) -> anyhow::Result<Vec<String>> {
        let c2s = &self.shared.config().c2s;
        let kinds = [
            (
                &c2s.listen,
                Security::StartTls,
                "c2s.listen",
                "clients, STARTTLS",
            ),
            (
                &c2s.listen_tls,
                Security::Direct,
                "c2s.listen_tls",
                "clients, direct TLS",
            ),
            (
                &c2s.listen_plaintext,
                Security::Plaintext,
                "c2s.listen_plaintext",
                "clients, NO TLS",
            ),
        ];
        let (mut lines, mut open) = (Vec::new(), Vec::new());
        for (addresses, security, option, words) in kinds {
            for address in addresses {
                let config = ListenerConfig {
                    address: *address,
                    security,
                    option: option.to_owned(),
                };
                let listener = Listener::bind(&config)?;
                lines.push(format!("{} for {words}", listener.address()));
                open.push(listener.address());
                tokio::spawn(Arc::clone(self).accept(listener));
            }
        }
        *self.addresses() = open;
        self.opened.store(true, Ordering::Release);
        Ok(lines)
    }

    fn addresses(&self) -> std::sync::MutexGuard<'_, Vec<SocketAddr>> {
        self.addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Where clients are taken now.
    pub(crate) fn open_listeners(&self) -> Vec<SocketAddr> {
        if self.closed().is_some() {
            return Vec::new();
        }
        self.addresses().clone()
    }

    /// Whether clients were taken before.
    pub(crate) fn have_been_open(&self) -> bool {
        self.opened.load(Ordering::Acquire)
    }

    /// Why no clients are taken now; nothing while they are.
    pub(crate) fn closed(&self) -> Option<&'static str> {
        if !self.opened.load(Ordering::Acquire) {
            Some("clients are not taken yet: this node catches up with the control log")
        } else {
            match *self.doors.borrow() {
                Doors::Open => None,
                Doors::Closed => Some("no clients are taken: this node is drained"),
                Doors::Away => Some("clients were sent away: this node is cut off from the others"),
            }
        }
    }

    async fn accept(self: Arc<Self>, listener: Listener) {
        let mut doors = self.doors.clone();
        loop {
            let (stream, address) = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = doors.wait_for(|doors| *doors != Doors::Open) => return,
            };
            self.arrived(stream, address, listener.security()).await;
        }
    }

    /// A full node turns clients away at once: they try the next SRV record.
    async fn arrived(&self, stream: TcpStream, address: IpAddr, security: Security) {
        let Some(place) = self.places.take() else {
            let now = self.shared.clock.now();
            return (self.refusals).refuse(stream, security, now, Reason::Full);
        };
        let arrival = Arrival {
            stream,
            address,
            security,
            place,
        };
        // The door is kept as long as the node runs.
        let _ = self.door.send(arrival).await;
    }

    /// Lets a client in.
    fn admit(self: &Arc<Self>, arrival: Arrival) {
        let clients = Arc::clone(self);
        tokio::spawn(async move {
            let Arrival {
                stream,
                address,
                security,
                place,
            } = arrival;
            let connection = Box::new(Connection::new(clients, address, security));
            connection.run(stream).await;
            drop(place);
        });
    }

    /// What a new stream is told; the hosted domains are those of this moment.
    pub(crate) fn stream_config(&self, security: Security) -> C2sConfig {
        let state = self.shared.cluster_state();
        let config = self.shared.config();
        let configured = config.c2s.certificate.iter().map(|c| c.domain.as_str());
        // Domains with a certificate first, in the order of the configuration: the first one
        // speaks where a client names none.
        let mut domains: Vec<DomainPart> = configured
            .filter(|name| state.hosts(name))
            .filter_map(|name| DomainPart::new(name).ok().map(|d| d.into_owned()))
            .collect();
        if security == Security::Plaintext {
            domains.extend(state.domains().filter_map(|(name, _)| {
                DomainPart::new(name).ok().map(|domain| domain.into_owned())
            }));
        }
        C2sConfig::new(domains.into(), security, self.decoy.clone())
    }

    pub(crate) fn next_session(&self) -> SessionId {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed) + 1;
        SessionId {
            node: self.shared.node,
            boot: self.shared.boot,
            serial,
        }
    }

    /// The same session once its user is known.
    pub(crate) fn session_of(&self, session: SessionId, user: &BareJid) -> SessionId {
        self.shared.shards.count.session_of(session, user)
    }

    /// Goes by other certificates, if there are any, and by another number of clients.
    pub(crate) fn configure(&self, c2s: &C2s, certificates: Option<TlsDomains>) {
        if let Some(certificates) = certificates {
            self.tls.replace(certificates);
        }
        self.places.set_most(room(&self.shared, c2s.clients_max));
    }

    fn throttle(&self) -> std::sync::MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn allows(&self, address: IpAddr, account: &BareJid) -> bool {
        self.throttle()
            .allows(self.shared.clock.now(), address, account)
    }

    pub(crate) fn failed(&self, address: IpAddr, account: Option<&BareJid>) {
        self.throttle()
            .failed(self.shared.clock.now(), address, account);
    }

    pub(crate) fn succeeded(&self, address: IpAddr, account: &BareJid) {
        self.throttle()
            .succeeded(self.shared.clock.now(), address, account);
    }

    /// Where a user's client belongs, if that is another node that is in reach and the operator
    /// wants clients to be sent on. Between two owners a client belongs where it is.
    pub(crate) fn other_host(&self, user: &BareJid, security: Security) -> Option<String> {
        if self.shared.config().c2s.misplaced == Misplaced::Serve {
            return None;
        }
        let state = self.shared.cluster_state();
        let (owner, _) = self.shared.owner_of(state.account_slot(user)?)?;
        if owner == self.shared.node || !self.shared.in_reach().contains(&owner) {
            return None;
        }
        let of = |node| {
            let addresses = &state.node(node)?.addresses;
            match security {
                Security::StartTls => addresses.c2s.first(),
                Security::Direct => addresses.c2s_tls.first(),
                Security::Plaintext => None,
            }
        };
        let there = of(owner).filter(|address| is_reachable(address))?;
        // One address for all nodes would send the client round and round.
        (of(self.shared.node) != Some(there)).then(|| there.clone())
    }

    fn table(&self) -> std::sync::MutexGuard<'_, BTreeMap<SessionId, LiveSession>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn session_up(&self, id: SessionId, session: LiveSession) {
        self.table().insert(id, session);
    }

    pub(crate) fn session_down(&self, id: SessionId) {
        self.table().remove(&id);
    }

    /// All bound sessions of this node.
    pub(crate) fn sessions(&self) -> Vec<LiveSession> {
        self.table().values().cloned().collect()
    }

    /// The sessions that are there now; those at which nobody looks first.
    fn sessions_to_send_away(&self) -> Vec<SessionId> {
        let mut all: Vec<_> = self
            .table()
            .iter()
            .map(|(id, session)| (session.outbox.is_held(), *id))
            .collect();
        // The last one goes first.
        all.sort_unstable();
        all.into_iter().map(|(_, id)| id).collect()
    }

    /// Ends a session's stream, once what waits for it is written; `false` if it has ended already.
    fn send_away(&self, session: SessionId) -> bool {
        let outbox = self
            .table()
            .get(&session)
            .map(|session| Arc::clone(&session.outbox));
        let there = outbox.is_some();
        if let Some(outbox) = outbox {
            let error = StreamError::new(StreamCondition::SystemShutdown);
            outbox.order(Order::End(error));
        }
        there
    }

    /// How many connections there are, bound or not.
    pub(crate) fn connection_count(&self) -> usize {
        self.places.taken()
    }

    /// How many sessions are bound.
    pub(crate) fn session_count(&self) -> usize {
        self.table().len()
    }
}

/// How many clients are taken of those configured; what is missing is an alarm.
fn room(shared: &Shared, configured: usize) -> usize {
    let (most, fewer) = open_files::places(configured, open_files::limit());
    match fewer {
        Some(words) => shared.alarms.raise(&OPEN_FILES_LOW, words),
        None => (shared.alarms).clear(&OPEN_FILES_LOW, "there is room for all clients"),
    }
    most
}

/// The certificates of all domains. An error names the option and the domain.
pub(crate) fn certificates(c2s: &C2s) -> anyhow::Result<TlsDomains> {
    let files: Vec<_> = c2s.certificate.iter().map(CertificateFiles::from).collect();
    for one in &files {
        TlsDomains::load(std::slice::from_ref(one))
            .with_context(|| format!("c2s.certificate ({})", one.domain))?;
    }
    TlsDomains::load(&files).context("c2s.certificate")
}

/// Whether an address names a host, and not just every interface of one.
fn is_reachable(address: &str) -> bool {
    let listens: Result<SocketAddr, _> = address.parse();
    listens.map_or(true, |address| !address.ip().is_unspecified())
}

/// The secret behind verifiers of accounts that do not exist: from the cluster's CA key, which all
/// serving nodes have and nobody else.
pub(crate) fn decoy_secret(ca_key: &str) -> [u8; 32] {
    Sha256::new()
        .chain_update("muster decoy\0")
        .chain_update(ca_key)
        .finalize()
        .into()
}

impl From<&Certificate> for CertificateFiles {
    fn from(from: &Certificate) -> Self {
        Self {
            domain: from.domain.clone(),
            chain: from.chain.clone(),
            key: from.key.clone(),
        }
    }
}
