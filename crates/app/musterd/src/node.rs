//! One running node: which parts there are, and how they are joined.
//!
//! ```text
//! clients -- connection -- router --\            /-- slot (replica of each) -- raft group
//!                                    >-- shared -<
//! links (other nodes) --------------/            \-- control, membership, ha
//! ```

use crate::clients::{Clients, decoy_secret};
use crate::config::{Config, Role};
use crate::control::Control;
use crate::identity::{Pki, ca_key};
use crate::links::{LinkHandler, LinkTransport};
use crate::shared::{Parts, Shared};
use crate::{ha, membership, router, setup, slot, version};
use anyhow::Context;
use muster_cluster::{ClusterState, ControlCommand, ControlEvent, NewNode};
use muster_envelope::{Envelope, ToPeer};
use muster_ha::{HaEvent, Identity as HaIdentity, Input as HaInput, NodeMachine, Timing};
use muster_link::{LinkConfig, LinkLimits, LinkTiming, Links};
use muster_owner::{Accounts, Input as SlotInput, OwnerEvent};
use muster_raft::{Group, Host, RaftGroupId};
use muster_router::Config as RouterConfig;
use muster_sasl::{Decoy, ITERATIONS_MIN};
use muster_store::{DataFolder, Store};
use muster_types::{BareJid, Boot, NodeId, SlotId};
use muster_xep::HostInfo;
use std::collections::BTreeSet;
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
    stop_clients: watch::Sender<bool>,
}

/// What a group needs to know of its node.
pub(crate) fn host(shared: &Arc<Shared>) -> Host {
    Host {
        node: shared.node,
        timing: shared.config.timing.timing(),
        clock: shared.clock,
        store: shared.store.clone(),
        transport: Arc::new(LinkTransport {
            shared: Arc::clone(shared),
        }),
    }
}

/// Raft, heartbeats and leases get a thread that nothing else runs on.
pub(crate) fn raft_runtime() -> anyhow::Result<tokio::runtime::Handle> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the raft thread")?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name("raft".into())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))
        .context("cannot start the raft thread")?;
    Ok(handle)
}

impl Node {
    /// Starts everything from what the data folder holds. `found` is set on the first node of a new
    /// cluster.
    pub(crate) async fn start(
        config: Config,
        folder: &mut DataFolder,
        found: bool,
    ) -> anyhow::Result<Arc<Self>> {
        let identity = setup::next_boot(folder)?;
        let (node, boot) = (NodeId(identity.node), Boot(identity.boot));
        let store_dir = folder.file("store");
        let store = tokio::task::spawn_blocking(move || Store::open(&store_dir)).await??;
        let (router_tx, envelopes) = mpsc::channel(router::ENVELOPES);
        let (link_events, from_links) = mpsc::unbounded_channel();
        let shared = Shared::new(Parts {
            config: config.clone(),
            cluster: identity.cluster,
            node,
            boot,
            store,
            router: router_tx,
            link_events,
            first_peers: setup::first_peers(folder)?,
            main: tokio::runtime::Handle::current(),
            raft: raft_runtime()?,
        });
        let (ha_tx, ha_rx) = mpsc::channel(ha::INBOX);
        let handler = Arc::new(LinkHandler {
            shared: Arc::clone(&shared),
            ha: ha_tx.clone(),
        });
        start_links(&shared, &handler).await?;
        let (decided_tx, decided) = mpsc::unbounded_channel();
        let control = start_control(&shared, decided_tx, found).await?;

        let events = broadcast::Sender::new(EVENTS_KEPT);
        let (stop_clients, stopping) = watch::channel(false);
        let (clients_tx, from_clients) = mpsc::channel(router::FROM_CLIENTS);
        tokio::spawn(router::run(
            Arc::clone(&shared),
            router_config(&config),
            from_clients,
            envelopes,
            from_links,
        ));
        let clients = match config.role {
            Role::Serving => {
                let decoy = Decoy {
                    secret: decoy_secret(&ca_key(&config.data_dir)?),
                    iterations: ITERATIONS_MIN,
                };
                Some(Clients::new(&shared, clients_tx, stopping, decoy)?)
            }
            Role::Witness => None,
        };

        let (slots_tx, slots) = mpsc::channel(16);
        let (owner_tx, owner_events) = mpsc::unbounded_channel();
        let (ha_events_tx, ha_events) = mpsc::unbounded_channel();
        let (handed_over_tx, handed_over) = oneshot::channel();
        let machine = NodeMachine::new(
            HaIdentity {
                node,
                boot,
                version: version::software(),
                addresses: config.addresses(),
            },
            Timing::default(),
            shared.clock.now(),
        );
        tokio::spawn(run_slots(
            Arc::clone(&shared),
            slots,
            owner_tx,
            ha_tx.clone(),
        ));
        tokio::spawn(tell_slots(Arc::clone(&shared)));
        tokio::spawn(publish(
            Arc::clone(&shared),
            events.clone(),
            decided,
            owner_events,
            ha_events,
        ));
        tokio::spawn(ha::watch_control(
            Arc::clone(&shared),
            control.clone(),
            ha_tx.clone(),
        ));
        tokio::spawn(Arc::clone(&handler).watch_beats(shared.config.timing.timing().beat));
        tokio::spawn(membership::keep(Arc::clone(&shared), slots_tx));
        tokio::spawn(ha::run(
            Arc::clone(&shared),
            machine,
            ha_tx.clone(),
            ha_rx,
            handed_over_tx,
            ha_events_tx,
        ));
        Ok(Arc::new(Self {
            shared,
            clients,
            events,
            control,
            ha: ha_tx,
            handed_over: Mutex::new(Some(handed_over)),
            stop_clients,
        }))
    }

    /// Opens the client listeners; returns a line for each.
    pub(crate) fn open_to_clients(&self) -> anyhow::Result<Vec<String>> {
        self.stop_clients.send_replace(false);
        self.clients
            .as_ref()
            .map_or_else(|| Ok(Vec::new()), Clients::listen)
    }

    /// Ends all streams with `system-shutdown` and closes the client listeners.
    pub(crate) fn send_clients_away(&self) {
        self.stop_clients.send_replace(true);
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

fn router_config(config: &Config) -> RouterConfig {
    RouterConfig {
        limits: config.limits.limits(),
        host: HostInfo {
            name: "Muster".to_owned(),
            version: version::RELEASE.to_owned(),
            os: None,
            domain: String::new(),
            features: Vec::new(),
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
            listen: shared.config.link.listen,
            identity: Pki::load(&shared.config.data_dir)?.identity,
            // A user's presence of all clients, or a whole roster, goes in one message.
            limits: LinkLimits {
                data_frame_bytes: 16 << 20,
                ..LinkLimits::default()
            },
            timing: LinkTiming {
                beat: shared.config.timing.timing().beat,
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
    found: bool,
) -> anyhow::Result<Group> {
    let machine = Box::new(Control::new(shared, decided));
    let host = host(shared);
    let group = shared
        .raft
        .spawn(async move { Group::start(&host, RaftGroupId::CONTROL, machine).await })
        .await??;
    shared.groups.insert(group.clone());
    if found {
        group.initialize().await?;
        let mut status = group.status();
        status
            .wait_for(|status| status.leading && !status.changing)
            .await?;
        let command = ControlCommand::Init {
            cluster: shared.cluster.clone(),
            node: NewNode {
                name: shared.config.name.clone(),
                role: shared.config.cluster_role(),
                addresses: shared.config.addresses(),
                version: version::software(),
                boot: shared.boot,
            },
        };
        crate::control::propose(shared, command).await?;
    }
    Ok(group)
}

/// Starts a replica for each slot that comes in.
async fn run_slots(
    shared: Arc<Shared>,
    mut wanted: mpsc::Receiver<SlotId>,
    events: mpsc::UnboundedSender<(SlotId, OwnerEvent)>,
    ha: mpsc::Sender<HaInput>,
) {
    while let Some(slot) = wanted.recv().await {
        if shared.slot(slot).is_some() {
            continue;
        }
        match slot::start(&shared, slot, events.clone()).await {
            Ok(handle) => {
                // From here on it is told of what happens; then of what happened before.
                if let Ok(mut slots) = shared.slots.write() {
                    slots.insert(slot, handle.clone());
                }
                introduce(&shared, &handle).await;
                tokio::spawn(watch_group(Arc::clone(&shared), handle.group.clone()));
                tokio::spawn(ha::watch_slot(Arc::clone(&shared), handle, ha.clone()));
            }
            Err(error) => tracing::error!(%slot, %error, "cannot start the replica"),
        }
    }
}

/// What a new replica has to know at once.
async fn introduce(shared: &Arc<Shared>, handle: &slot::SlotHandle) {
    let state = shared.cluster_state();
    handle.tell(SlotInput::View(Arc::new(View(Arc::clone(&state)))));
    handle.tell(nodes(shared, &state, handle.slot));
    for known in state.slots() {
        if let Some((node, epoch)) = known.owner {
            handle.tell(SlotInput::OwnerKnown {
                slot: known.id,
                node,
                epoch,
            });
        }
    }
    for (slot, node, epoch) in shared.known_owners() {
        handle.tell(SlotInput::OwnerKnown { slot, node, epoch });
    }
    let peers = shared
        .links
        .get()
        .map(|links| links.peers())
        .unwrap_or_default();
    for hello in peers
        .iter()
        .filter(|peer| peer.data)
        .filter_map(|peer| peer.hello)
    {
        let (node, boot) = (hello.node, hello.boot);
        handle.tell(SlotInput::NodeUp { node, boot });
    }
    // What the owner said of its sessions before this replica was there is lost: once more.
    if let Some((owner, epoch)) = shared.owner_of(handle.slot)
        && owner != shared.node
    {
        let (slot, body) = (handle.slot, ToPeer::Resync);
        shared
            .send_from_slot(owner, Envelope::ToPeer { slot, epoch, body })
            .await;
    }
}

/// A group that has stopped for good takes the whole process with it: a node without its log must
/// not look alive to the others.
async fn watch_group(shared: Arc<Shared>, group: Group) {
    let mut status = group.status();
    let stopped = status.wait_for(|status| status.stopped.is_some()).await;
    if let Ok(status) = stopped
        && shared.groups.find(group.id()).is_some()
        && let Some(why) = &status.stopped
        && !shared.stopping.load(Ordering::Acquire)
    {
        tracing::error!(group = %group.id(), %why, "the log has stopped: this node ends");
        std::process::exit(EX_IOERR);
    }
}

/// The exit status of a node whose storage failed (sysexits).
const EX_IOERR: i32 = 74;

/// The accounts of one state of the cluster.
struct View(Arc<ClusterState>);

impl Accounts for View {
    fn slot_of(&self, user: &BareJid) -> Option<SlotId> {
        self.0.account_slot(user)
    }
}

/// Who is in contact, and who else keeps a copy of the slot.
pub(crate) fn nodes(shared: &Shared, state: &ClusterState, slot: SlotId) -> SlotInput {
    let serving = |node: &NodeId| state.node(*node).is_some_and(|node| node.serves());
    let mut alive = shared.in_contact();
    alive.insert(shared.node);
    alive.retain(serving);
    let replicas = muster_ha::desired_voters(state, slot)
        .into_iter()
        .filter(|node| *node != shared.node && serving(node))
        .collect();
    SlotInput::Nodes { alive, replicas }
}

/// Tells every replica of accounts and nodes whenever they have changed.
async fn tell_slots(shared: Arc<Shared>) {
    let mut state = shared.state.subscribe();
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    let mut told = BTreeSet::new();
    loop {
        let changed = tokio::select! {
            changed = state.changed() => match changed {
                Ok(()) => true,
                Err(_) => return,
            },
            _ = tick.tick() => false,
        };
        let newest = Arc::clone(&state.borrow_and_update());
        let alive = shared.in_contact();
        if !changed && alive == told {
            continue;
        }
        told = alive;
        for handle in shared.all_slots() {
            if changed {
                handle.tell(SlotInput::View(Arc::new(View(Arc::clone(&newest)))));
            }
            handle.tell(nodes(&shared, &newest, handle.slot));
        }
    }
}

/// Brings what happens to those who act on it, to the log, and to watchers.
async fn publish(
    shared: Arc<Shared>,
    events: broadcast::Sender<NodeEvent>,
    mut decided: mpsc::UnboundedReceiver<ControlEvent>,
    mut owner: mpsc::UnboundedReceiver<(SlotId, OwnerEvent)>,
    mut ha: mpsc::UnboundedReceiver<HaEvent>,
) {
    loop {
        let event = tokio::select! {
            Some(event) = decided.recv() => NodeEvent::Decided(event),
            Some((_, event)) = owner.recv() => NodeEvent::Owner(event),
            Some(event) = ha.recv() => NodeEvent::Ha(event),
            else => return,
        };
        match &event {
            NodeEvent::Decided(ControlEvent::AccountRemoved { jid, slot }) => {
                if let Some(handle) = shared.slot(*slot) {
                    handle.tell(SlotInput::RemoveUser(jid.clone()));
                }
            }
            NodeEvent::Decided(ControlEvent::HaChanged { node, after, .. }) => {
                tracing::info!(%node, state = %after.state, reason = %after.reason, "HA state");
            }
            NodeEvent::Decided(_) => {}
            NodeEvent::Owner(OwnerEvent::Opened {
                slot,
                epoch,
                warm,
                sessions,
            }) => {
                tracing::info!(%slot, %epoch, warm, sessions, "serving");
            }
            NodeEvent::Owner(OwnerEvent::Settled {
                slot,
                live,
                expected,
                missing,
            }) => {
                tracing::info!(%slot, live, expected, missing, "settled");
            }
            NodeEvent::Owner(OwnerEvent::Closed { slot, epoch }) => {
                tracing::info!(%slot, %epoch, "no longer serving");
            }
            NodeEvent::Owner(
                OwnerEvent::SessionUp { .. }
                | OwnerEvent::SessionExpected { .. }
                | OwnerEvent::SessionDown { .. },
            ) => {}
            NodeEvent::Ha(event) => tracing::info!(?event, "ha"),
        }
        // Nobody may be watching.
        let _ = events.send(event);
    }
}
