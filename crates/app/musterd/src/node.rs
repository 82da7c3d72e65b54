//! One running node: which parts there are, and how they are joined.
//!
//! ```text
//! clients -- connection -- router --\            /-- slot (replica of each) -- raft group
//!                                    >-- shared -<
//! links (other nodes) --------------/            \-- control, membership, ha
//! ```

mod publish;

use crate::alarms::Alarms;
use crate::clients::{Clients, Departure, Doors, decoy_secret};
use crate::config::{Config, InForce, Role};
use crate::control::Control;
use crate::drain::{self, Drain};
use crate::identity::{Pki, ca_key};
use crate::links::{LinkHandler, LinkTransport};
use crate::services::Answer;
use crate::shards::{ClientInboxes, Shards};
use crate::shared::{Parts, Shared};
use crate::supervise::supervise;
use crate::{
    clocks, follows, ha, membership, ousting, raft_thread, replicas, replication, router, services,
    setup, version,
};
use anyhow::Context;
use muster_admin::AlarmInfo;
use muster_cluster::{ControlCommand, ControlEvent, NewNode};
use muster_ha::{HaEvent, Identity as HaIdentity, Input as HaInput, NodeMachine, Timing};
use muster_link::{LinkConfig, LinkLimits, LinkTiming, Links};
use muster_net::TlsDomains;
use muster_owner::{Input as SlotInput, OwnerEvent};
use muster_raft::{Group, Host, RaftGroupId};
use muster_router::{Config as RouterConfig, Input as RouterInput};
use muster_sasl::{Decoy, ITERATIONS_MIN};
use muster_stanza::ns;
use muster_store::{DataFolder, Store};
use muster_types::{Boot, NodeId};
use muster_xep::HostInfo;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{Mutex, broadcast, mpsc, oneshot, watch};

/// How long the owner of everything may take to hand over before the node ends anyway.
const HAND_OVER: Duration = Duration::from_secs(6);
/// How long clients get to read their last words.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// Events a slow watcher may be behind before it misses some.
const EVENTS_KEPT: usize = 4_096;

/// Something that happened on this node, for watchers.
#[derive(Clone, Debug)]
pub(crate) enum NodeEvent {
    /// Of the HA machine.
    Ha(HaEvent),
    /// Of a replica.
    Owner(OwnerEvent),
    /// Decided by the control log.
    Decided(ControlEvent),
    /// Another configuration is in force; what is said of it.
    Configured(String),
    /// Something is wrong, or no more.
    Alarm {
        /// Whether it is from now on.
        raised: bool,
        /// What it is, or that it is over.
        alarm: AlarmInfo,
    },
}

/// A running node.
pub(crate) struct Node {
    pub(crate) shared: Arc<Shared>,
    /// None on a witness.
    pub(crate) clients: Option<Arc<Clients>>,
    pub(crate) events: broadcast::Sender<NodeEvent>,
    pub(crate) control: Group,
    ha: mpsc::Sender<HaInput>,
    handed_over: Mutex<Option<oneshot::Receiver<()>>>,
    doors: watch::Sender<Doors>,
    pub(crate) drain: Drain,
}

/// What a group needs to know of its node.
pub(crate) fn host(shared: &Arc<Shared>) -> Host {
    Host {
        node: shared.node,
        timing: shared.config().timing.timing(),
        yields: shared.config().role == Role::Witness,
        clock: shared.clock,
        store: shared.store.clone(),
        transport: Arc::new(LinkTransport {
            shared: Arc::clone(shared),
        }),
    }
}

impl Node {
    /// Starts everything from what the data folder holds.
    pub(crate) async fn start(
        in_force: &Arc<InForce>,
        folder: &mut DataFolder,
    ) -> anyhow::Result<Arc<Self>> {
        let config = in_force.get();
        let (shards, inboxes) = Shards::new(config.shards());
        let events = broadcast::Sender::new(EVENTS_KEPT);
        let alarms = Alarms::new(events.clone());
        let shared = share(in_force, folder, shards, alarms).await?;
        // Links bring envelopes from here on, and wait until all shards have them.
        supervise(&shared.main, "router order", inboxes.order.keep());
        let (ha_tx, ha_rx) = mpsc::channel(ha::INBOX);
        let handler = Arc::new(LinkHandler {
            shared: Arc::clone(&shared),
            ha: ha_tx.clone(),
        });
        start_links(&shared, &handler).await?;
        let (decided_tx, decided) = mpsc::unbounded_channel();
        let founding = setup::founding(folder)?.is_some();
        let control = start_control(&shared, decided_tx, founding).await?;
        ousting::ask_the_peer(&shared).await;
        let beats = Arc::clone(&handler).watch_beats(config.timing.timing().beat);
        supervise(&shared.raft, "beats", beats);
        let noting = replication::keep(Arc::clone(&shared));
        supervise(&shared.main, "replication notes", noting);
        let comparing = clocks::keep(Arc::clone(&shared));
        supervise(&shared.main, "clocks", comparing);
        let following = follows::drive(Arc::clone(&shared));
        supervise(&shared.main, "follows", following);

        let (doors, seen) = watch::channel(Doors::Open);
        let (clients_tx, questions_tx) = start_shards(&shared, inboxes.envelopes);
        let clients = start_clients(&shared, clients_tx, seen)?;
        services::register_all(&shared, clients.as_ref(), questions_tx);
        services::watch(Arc::clone(&shared), ha_tx.clone()).context("cannot start a thread")?;
        let handed_over = start_ha(&shared, &control, &events, decided, ha_tx.clone(), ha_rx);
        Ok(Arc::new(Self {
            shared,
            clients,
            events,
            control,
            ha: ha_tx,
            handed_over: Mutex::new(Some(handed_over)),
            doors,
            drain: Drain::default(),
        }))
    }

    /// Opens the client listeners; returns a line for each.
    pub(crate) fn open_to_clients(&self) -> anyhow::Result<Vec<String>> {
        self.doors.send_replace(Doors::Open);
        self.clients
            .as_ref()
            .map_or_else(|| Ok(Vec::new()), Clients::listen)
    }

    /// Closes the client listeners; who is connected stays.
    pub(crate) fn close_doors(&self) {
        self.doors.send_replace(Doors::Closed);
    }

    /// Ends all streams with `system-shutdown` and closes the client listeners.
    pub(crate) fn send_clients_away(&self) {
        self.doors.send_replace(Doors::Away);
    }

    /// Goes by what needs no restart of another configuration, and by other certificates if there are any.
    pub(crate) fn configure(&self, config: &Config, certificates: Option<TlsDomains>) {
        let shared = &self.shared;
        let limits = Box::new(config.limits.limits());
        shared.shards.tell(RouterInput::Limits(limits.clone()));
        for slot in shared.all_slots() {
            slot.tell(SlotInput::Limits(limits.clone()));
        }
        shared.services.configure(&config.services);
        if let Some(clients) = &self.clients {
            clients.configure(&config.c2s, certificates);
        }
    }

    /// Tells the HA machine something; `false` when it has ended.
    pub(crate) async fn tell_ha(&self, input: HaInput) -> bool {
        self.ha.send(input).await.is_ok()
    }

    /// Whether the node was told to end.
    pub(crate) fn is_stopping(&self) -> bool {
        self.shared.stopping.load(Ordering::Acquire)
    }

    /// Hands everything over, ends the clients' streams, and makes the log durable.
    pub(crate) async fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Release);
        // The machine ends only with the node.
        let _ = self.ha.send(HaInput::Stopping).await;
        if let Some(handed_over) = self.handed_over.lock().await.take() {
            // Late is answered like never: the peer takes over by itself.
            let _ = tokio::time::timeout(HAND_OVER, handed_over).await;
        }
        drain::give_leadership_away(&self.control).await;
        if let Some(clients) = &self.clients {
            self.close_doors();
            Departure::before_the_end(clients).await;
        }
        self.send_clients_away();
        if let Some(clients) = &self.clients {
            let gone = async {
                while clients.session_count() > 0 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            // Those who do not read in time are cut off.
            let _ = tokio::time::timeout(LAST_WORDS, gone).await;
        }
        for group in self.shared.groups.all() {
            let stopping = self
                .shared
                .raft
                .spawn(async move { group.shutdown().await });
            // A group that does not stop has its log on the disk all the same.
            let _ = tokio::time::timeout(Duration::from_secs(1), stopping).await;
        }
        let store = self.shared.store.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || store.barrier_blocking()).await
        {
            tracing::error!(%error, "the store could not be flushed");
        }
    }
}

/// Counts this process start, opens the store, and makes what every part reaches.
async fn share(
    in_force: &Arc<InForce>,
    folder: &mut DataFolder,
    shards: Shards,
    alarms: Alarms,
) -> anyhow::Result<Arc<Shared>> {
    let identity = setup::next_boot(folder)?;
    let store_dir = folder.file("store");
    let store = tokio::task::spawn_blocking(move || Store::open(&store_dir)).await??;
    let raft = raft_thread::start()?;
    Ok(Shared::new(Parts {
        config: Arc::clone(in_force),
        cluster: identity.cluster,
        node: NodeId(identity.node),
        boot: Boot(identity.boot),
        store,
        shards,
        first_peers: setup::first_peers(folder)?,
        main: tokio::runtime::Handle::current(),
        raft: raft.runtime,
        raft_rank: raft.rank,
        alarms,
    }))
}

/// The session side. Answers the ways of clients to it, and of questions to each shard.
fn start_shards(
    shared: &Arc<Shared>,
    inboxes: Vec<mpsc::Receiver<muster_router::Input>>,
) -> (ClientInboxes, Vec<mpsc::Sender<Answer>>) {
    let count = shared.shards.count;
    let (clients, from_clients) = ClientInboxes::new(count);
    let mut questions = Vec::new();
    let all = count.all().zip(from_clients).zip(inboxes);
    for ((shard, from_clients), envelopes) in all {
        let (asked, to_answer) = mpsc::channel(services::QUESTIONS);
        questions.push(asked);
        let config = router_config(&shared.config());
        let shared = Arc::clone(shared);
        let main = shared.main.clone();
        let routing = router::run(shared, shard, config, from_clients, envelopes, to_answer);
        supervise(&main, "router", routing);
    }
    (clients, questions)
}

/// What serves clients; nothing on a witness.
fn start_clients(
    shared: &Arc<Shared>,
    router: ClientInboxes,
    doors: watch::Receiver<Doors>,
) -> anyhow::Result<Option<Arc<Clients>>> {
    if shared.config().role == Role::Witness {
        return Ok(None);
    }
    let decoy = Decoy {
        secret: decoy_secret(&ca_key(&shared.config().data_dir)?),
        iterations: ITERATIONS_MIN,
    };
    Clients::new(shared, router, doors, decoy).map(Some)
}

/// The replicas, the HA machine, and everything that feeds them. The machine is on the raft thread: it
/// must be able to act when nothing else of the node can. The receiver hears when all that could be
/// handed over is.
fn start_ha(
    shared: &Arc<Shared>,
    control: &Group,
    events: &broadcast::Sender<NodeEvent>,
    decided: mpsc::UnboundedReceiver<ControlEvent>,
    inbox_tx: mpsc::Sender<HaInput>,
    inbox: mpsc::Receiver<HaInput>,
) -> oneshot::Receiver<()> {
    let (slots_tx, slots) = mpsc::channel(16);
    let (owner_tx, owner_events) = mpsc::unbounded_channel();
    let (ha_events_tx, ha_events) = mpsc::unbounded_channel();
    let (handed_over_tx, handed_over) = oneshot::channel();
    let identity = HaIdentity {
        node: shared.node,
        boot: shared.boot,
        version: version::software(),
        addresses: shared.config().addresses(),
    };
    let timing = Timing {
        least_silence: shared.config().timing.timing().election_max,
        ..Timing::default()
    };
    let machine = NodeMachine::new(identity, timing, shared.clock.now());
    let started = replicas::run(Arc::clone(shared), slots, owner_tx, inbox_tx.clone());
    supervise(&shared.main, "replicas", started);
    supervise(
        &shared.main,
        "contacts",
        replicas::keep_told(Arc::clone(shared)),
    );
    let events = events.clone();
    let publishing = publish::publish(Arc::clone(shared), events, decided, owner_events, ha_events);
    supervise(&shared.main, "events", publishing);
    let watching = ha::watch_control(Arc::clone(shared), control.clone(), inbox_tx.clone());
    supervise(&shared.raft, "control watch", watching);
    supervise(
        &shared.main,
        "membership",
        membership::keep(Arc::clone(shared), slots_tx),
    );
    let deciding = ha::run(
        Arc::clone(shared),
        machine,
        inbox_tx,
        inbox,
        handed_over_tx,
        ha_events_tx,
    );
    supervise(&shared.raft, "high availability", deciding);
    handed_over
}

/// What the owners of slots serve for a domain's users, for service discovery.
const SERVED: [&str; 5] = [
    ns::BLOCKING,
    ns::OFFLINE,
    ns::PRIVATE,
    ns::ROSTER,
    ns::VCARD,
];

fn router_config(config: &Config) -> RouterConfig {
    RouterConfig {
        limits: config.limits.limits(),
        host: HostInfo {
            name: "Muster".to_owned(),
            version: version::RELEASE.to_owned(),
            os: None,
            domain: String::new(),
            features: SERVED.map(str::to_owned).to_vec(),
        },
    }
}

async fn start_links(shared: &Arc<Shared>, handler: &Arc<LinkHandler>) -> anyhow::Result<()> {
    let links = Links::start(
        LinkConfig {
            cluster: shared.cluster.clone(),
            node: shared.node,
            boot: shared.boot,
            versions: version::link(),
            listen: shared.config().link.listen,
            identity: Pki::load(&shared.config().data_dir)?.identity,
            // A user's presence of all clients, or a whole roster, goes in one message.
            limits: LinkLimits {
                data_frame_bytes: 16 << 20,
                ..LinkLimits::default()
            },
            timing: LinkTiming {
                beat: shared.config().timing.timing().beat,
                ..LinkTiming::default()
            },
            raft_runtime: shared.raft.clone(),
        },
        Arc::clone(handler) as Arc<dyn muster_link::Handler>,
    )
    .await
    .context("link.listen")?;
    links.set_peers(shared.first_peers.clone());
    shared
        .links
        .set(links)
        .ok()
        .context("links are started once")
}

async fn start_control(
    shared: &Arc<Shared>,
    decided: mpsc::UnboundedSender<ControlEvent>,
    founding: bool,
) -> anyhow::Result<Group> {
    let machine = Box::new(Control::new(shared, decided));
    let host = host(shared);
    let group = shared
        .raft
        .spawn(async move { Group::start(&host, RaftGroupId::CONTROL, machine).await })
        .await??;
    shared.groups.insert(group.clone());
    tokio::spawn(replicas::watch_group(Arc::clone(shared), group.clone()));
    if founding {
        if !group.is_initialized().await {
            group.initialize().await?;
        }
        let mut status = group.status();
        status
            .wait_for(|status| status.leading && !status.changing)
            .await?;
        let command = ControlCommand::Init {
            cluster: shared.cluster.clone(),
            node: NewNode {
                name: shared.config().name.clone(),
                role: shared.config().cluster_role(),
                addresses: shared.config().addresses(),
                version: version::software(),
                boot: shared.boot,
            },
        };
        crate::control::propose(shared, command).await?;
    }
    Ok(group)
}
