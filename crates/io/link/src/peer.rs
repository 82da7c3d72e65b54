//! One other node: the two lanes to it, the calls it made to us, and when it was last heard.

use crate::handler::Hello;
use crate::inbound::Inbound;
use crate::outbox::{Outbox, PushError};
use crate::pending::Pending;
use crate::relay::{Relays, Way, relay};
use crate::shared::Shared;
use crate::wire::{self, Frame, FrameKind, Lane};
use crate::{dial, lane};
use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use muster_types::NodeId;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

/// How this node stands with a peer, for people.
#[derive(Clone, Debug)]
pub struct PeerStatus {
    /// The peer.
    pub node: NodeId,
    /// Where it is dialled.
    pub address: String,
    /// Whether the raft lane to it stands.
    pub raft: bool,
    /// Whether the data lane to it stands, without another node in between.
    pub data: bool,
    /// The node by way of which messages go to it while the direct lane does not stand.
    pub via: Option<NodeId>,
    /// What it said of itself last.
    pub hello: Option<Hello>,
    /// When anything came from it last.
    pub last_heard: Option<Instant>,
    /// The last beat that came on the raft lane.
    pub beat: Option<Beat>,
    /// Why the last attempt to connect failed, until a later one succeeds.
    pub problem: Option<String>,
    /// For how long the peer has said again and again that another process has this node's id. After a
    /// restart it may say so for a moment.
    pub twin_for: Duration,
    /// Why the peer refuses this node for ever, if it does: what this node holds was given up.
    pub given_up: Option<String>,
}

/// What a beat said, and when it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// How old the peer's process was by its own clock.
    pub sent: Duration,
    /// When it came.
    pub received: Instant,
}

impl PeerStatus {
    /// Whether messages get to it, by way of another node if need be.
    pub const fn is_reached(&self) -> bool {
        self.data || self.via.is_some()
    }
}

/// How a lane gets to its peer.
#[derive(Clone, Copy)]
pub(crate) enum Route {
    /// Over a connection of its own.
    Direct,
    /// Over the connection to another node.
    Relayed {
        via: NodeId,
        to: NodeId,
        serial: u64,
    },
}

/// A lane that stands.
pub(crate) struct Connection {
    /// What the peer said of itself.
    pub(crate) hello: Hello,
    /// The way out; of a relayed lane that of the carrier.
    pub(crate) outbox: Outbox,
    pub(crate) pending: Arc<Pending>,
    /// The relayed lanes over it; none over one that is relayed itself.
    pub(crate) relays: Arc<Relays>,
    /// Ends it; the peer is dialled again.
    pub(crate) end: Notify,
    route: Route,
}

impl Connection {
    pub(crate) fn new(hello: Hello, outbox: Outbox, route: Route) -> Self {
        Self {
            hello,
            outbox,
            pending: Arc::default(),
            relays: Relays::new(hello.node),
            end: Notify::new(),
            route,
        }
    }

    /// Sends a message of the data lane.
    pub(crate) fn send(&self, body: Bytes) -> Result<(), PushError> {
        match self.route {
            Route::Direct => self.outbox.push(wire::data(body)),
            Route::Relayed { .. } => self.outbox.push_relayed(self.message(body)),
        }
    }

    /// As [`send`](Self::send), but waits for room.
    pub(crate) async fn send_when_room(&self, body: Bytes) -> Result<(), PushError> {
        self.outbox.push_when_room(self.message(body)).await
    }

    fn message(&self, body: Bytes) -> Frame {
        match self.route {
            Route::Direct => wire::data(body),
            Route::Relayed { to, serial, .. } => {
                relay(FrameKind::RelayData, Way::To(to), serial, body)
            }
        }
    }

    fn via(&self) -> Option<NodeId> {
        match self.route {
            Route::Direct => None,
            Route::Relayed { via, .. } => Some(via),
        }
    }
}

/// One lane to the peer.
#[derive(Default)]
pub(crate) struct Outbound {
    pub(crate) connection: ArcSwapOption<Connection>,
    /// Ends a wait between two attempts.
    pub(crate) dial_now: Notify,
    /// Whether the peer was reached and a new connection is being agreed on.
    greeting: watch::Sender<bool>,
    problem: Mutex<Option<String>>,
    /// The first and the last refusal in a row because of another process with this node's id.
    twin: Mutex<Option<(Instant, Instant)>>,
}

impl Outbound {
    /// Ends the connection, if one stands; it is dialled again. From here on nobody takes it for one that
    /// stands, however late its task gets to run.
    pub(crate) fn reset(&self) {
        if let Some(connection) = self.connection.swap(None) {
            connection.end.notify_one();
        }
    }

    /// What stands without another node in between.
    pub(crate) fn direct(&self) -> Option<Arc<Connection>> {
        let connection = self.connection.load_full();
        connection.filter(|connection| connection.via().is_none())
    }

    /// A new connection is being agreed on until the guard is dropped.
    pub(crate) fn greet(&self) -> Greeting<'_> {
        self.greeting.send_replace(true);
        Greeting(self)
    }

    /// Waits until no new connection is being agreed on.
    pub(crate) async fn not_greeting(&self) {
        let mut greeting = self.greeting.subscribe();
        // An error would be the end of the sender, which is borrowed here.
        let _over = greeting.wait_for(|greeting| !greeting).await;
    }
}

/// A new connection is being agreed on.
pub(crate) struct Greeting<'a>(&'a Outbound);

impl Drop for Greeting<'_> {
    fn drop(&mut self) {
        self.0.greeting.send_replace(false);
    }
}

/// One other node.
pub(crate) struct Peer {
    pub(crate) node: NodeId,
    address: ArcSwap<String>,
    pub(crate) raft: Outbound,
    pub(crate) data: Outbound,
    pub(crate) inbound: Inbound,
    heard: AtomicU64,
    beat: Mutex<Option<Beat>>,
    given_up: Mutex<Option<String>>,
    hello: Mutex<Option<Hello>>,
    tasks: Mutex<Vec<AbortHandle>>,
}

impl Peer {
    /// Begins to dial a node.
    pub(crate) fn start(shared: &Arc<Shared>, node: NodeId, address: String) -> Arc<Self> {
        let peer = Arc::new(Self {
            node,
            address: ArcSwap::from_pointee(address),
            raft: Outbound::default(),
            data: Outbound::default(),
            inbound: Inbound::default(),
            heard: AtomicU64::new(0),
            beat: Mutex::default(),
            given_up: Mutex::default(),
            hello: Mutex::default(),
            tasks: Mutex::default(),
        });
        for lane in [Lane::Raft, Lane::Data] {
            let dialler = lane::keep(Arc::clone(shared), Arc::clone(&peer), lane);
            let task = shared.runtime(lane).spawn(dialler);
            lock(&peer.tasks).push(task.abort_handle());
        }
        peer
    }

    /// Stops dialling the node and ends every connection with it.
    pub(crate) fn stop(&self) {
        for task in lock(&self.tasks).drain(..) {
            task.abort();
        }
        self.inbound.close();
    }

    pub(crate) fn address(&self) -> Arc<String> {
        self.address.load_full()
    }

    /// The peer is dialled somewhere else from now on. Calls it made to us stay.
    pub(crate) fn move_to(&self, address: String) {
        if *self.address() == address {
            return;
        }
        self.address.store(Arc::new(address));
        for lane in [&self.raft, &self.data] {
            lane.dial_now.notify_one();
            lane.reset();
        }
    }

    pub(crate) fn lane(&self, lane: Lane) -> &Outbound {
        match lane {
            Lane::Raft => &self.raft,
            Lane::Data => &self.data,
        }
    }

    /// Something came from the peer.
    pub(crate) fn hear(&self, started: Instant) {
        let nanos = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.heard.fetch_max(nanos.max(1), Ordering::Relaxed);
    }

    /// A frame came on the raft lane; two connections have one, so a beat may come after a newer one.
    pub(crate) fn hear_beat(&self, frame: &Frame) {
        if frame.kind() != FrameKind::Beat || frame.clock == 0 {
            return;
        }
        let sent = Duration::from_nanos(frame.clock);
        let mut beat = lock(&self.beat);
        if beat.is_none_or(|beat| beat.sent < sent) {
            let received = Instant::now();
            *beat = Some(Beat { sent, received });
        }
    }

    pub(crate) fn last_heard(&self, started: Instant) -> Option<Instant> {
        let nanos = self.heard.load(Ordering::Relaxed);
        (nanos != 0).then(|| started + Duration::from_nanos(nanos))
    }

    /// The peer called us: it is up, so dial it now; and what stands to an older process of it is
    /// dead whatever TCP believes.
    pub(crate) fn called(&self, hello: Hello) {
        for lane in [&self.raft, &self.data] {
            lane.dial_now.notify_one();
            if let Some(connection) = lane.connection.load_full()
                && connection.hello.boot != hello.boot
            {
                connection.end.notify_one();
            }
        }
        self.meet(hello);
    }

    /// What the clock of an earlier process showed says nothing about this one's.
    fn meet(&self, hello: Hello) {
        *lock(&self.hello) = Some(hello);
        *lock(&self.beat) = None;
    }

    /// A relayed lane to the peer stands.
    pub(crate) fn reached(&self, hello: Hello) {
        *lock(&self.hello) = Some(hello);
    }

    /// A lane to the peer stands.
    pub(crate) fn connected(&self, lane: Lane, hello: Hello) {
        self.meet(hello);
        *lock(&self.lane(lane).problem) = None;
        *lock(&self.lane(lane).twin) = None;
    }

    /// An attempt to connect failed. Logged when it is something new, not at every attempt.
    pub(crate) fn failed(&self, lane: Lane, error: &dial::DialError) {
        let problem = error.to_string();
        self.note_twin(lane, error.is_of_twin());
        if let Some(why) = error.for_ever() {
            *lock(&self.given_up) = Some(why.to_owned());
        }
        let mut last = lock(&self.lane(lane).problem);
        if last.as_ref() == Some(&problem) {
            return;
        }
        let address = self.address();
        tracing::warn!(peer = %self.node, %address, ?lane, problem, "no link");
        *last = Some(problem);
    }

    fn note_twin(&self, lane: Lane, refused: bool) {
        let now = Instant::now();
        let mut twin = lock(&self.lane(lane).twin);
        *twin = refused.then(|| (twin.map_or(now, |(first, _)| first), now));
    }

    pub(crate) fn status(&self, started: Instant) -> PeerStatus {
        let problem = lock(&self.raft.problem).clone();
        let data = self.data.connection.load_full();
        let via = data.as_ref().and_then(|data| data.via());
        PeerStatus {
            node: self.node,
            address: self.address().as_ref().clone(),
            raft: self.raft.connection.load().is_some(),
            data: data.is_some() && via.is_none(),
            via,
            hello: *lock(&self.hello),
            last_heard: self.last_heard(started),
            beat: *lock(&self.beat),
            problem: problem.or_else(|| lock(&self.data.problem).clone()),
            twin_for: lock(&self.raft.twin).map_or(Duration::ZERO, |(first, last)| last - first),
            given_up: lock(&self.given_up).clone(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks panics half way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
