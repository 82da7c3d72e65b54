//! What the admin service sees of this node, before it is in a cluster and after.

mod config;
mod events;
mod live;
mod words;

use crate::audit::Audit;
use crate::control::{self, Failure};
use crate::drain::Drain;
use crate::identity::Pki;
use crate::links;
use crate::membership::wanted_slots;
use crate::node::Node;
use crate::reload::Reload;
use crate::shared::wall;
use crate::{asks, checkup, follows, ousting, replication};
use config::{reading, shown};
use futures_util::future::BoxFuture;
use live::live;
use muster_admin::{
    Act, AdminEvent, AlarmInfo, AskFailure, Backend, CheckInfo, ConfigDifference, DrainInfo,
    DrainOrder, Following, LiveView, OperatorCertificate, ProposeFailure, ReplicaInfo, ServiceInfo,
    SessionInfo, SlotView, Verdict,
};
use muster_cluster::{ClusterState, ControlCommand, ControlOutcome, Role, TokenHash};
use muster_envelope::{Answer, Question};
use muster_link::JoinToken;
use muster_store::DataFolder;
use muster_telemetry::alarms::START_DELAYED;
use muster_telemetry::{counter, gauge, metrics};
use muster_types::{BareJid, DomainPart, NodeId, SlotId, Timestamp};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

/// Events a slow watcher may be behind before it misses some.
const EVENTS_KEPT: usize = 4_096;

/// The answer to a set-up: cluster and node.
pub(crate) type SetupReply = oneshot::Sender<Result<(String, NodeId), String>>;

/// An operator says which cluster this node belongs to.
pub(crate) enum SetupRequest {
    /// A new one.
    Init {
        domains: Vec<DomainPart>,
        reply: SetupReply,
    },
    /// The one that made the token.
    Join { token: String, reply: SetupReply },
}

/// The node, or the place where it will be.
pub(crate) struct NodeBackend {
    reload: Arc<Reload>,
    audit: Arc<Audit>,
    setup: mpsc::Sender<SetupRequest>,
    node: OnceLock<Arc<Node>>,
    events: broadcast::Sender<AdminEvent>,
}

impl NodeBackend {
    pub(crate) fn new(reload: Arc<Reload>, setup: mpsc::Sender<SetupRequest>) -> Self {
        Self {
            audit: Arc::new(Audit::new(&reload.in_force().get().data_dir)),
            reload,
            setup,
            node: OnceLock::new(),
            events: broadcast::Sender::new(EVENTS_KEPT),
        }
    }

    /// What brings changes of the configuration into force.
    pub(crate) fn reload(&self) -> &Reload {
        &self.reload
    }

    /// From here on there is a node to speak of.
    pub(crate) fn started(&self, node: &Arc<Node>) {
        if self.node.set(Arc::clone(node)).is_ok() {
            tokio::spawn(events::translate(
                Arc::clone(&node.shared),
                node.events.subscribe(),
                self.events.clone(),
            ));
        }
    }

    /// One sentence for each group of this node: would its users be served if it failed now.
    pub(crate) fn protection(&self) -> String {
        let sentences = muster_admin::protection(&self.cluster(), &self.live());
        let words: Vec<_> = sentences.into_iter().map(|group| group.words).collect();
        if words.is_empty() {
            "no group yet: no users are served".to_owned()
        } else {
            words.join("; ")
        }
    }

    /// Why the node cannot serve now; empty when it can.
    pub(crate) fn not_ready(&self) -> Vec<String> {
        let Some(node) = self.node.get() else {
            return vec![self.not_started().to_owned()];
        };
        if node.is_stopping() {
            return vec!["the node is stopping".to_owned()];
        }
        let closed = node.clients.as_ref().and_then(|clients| clients.closed());
        let mut reasons: Vec<_> = closed.map(str::to_owned).into_iter().collect();
        reasons.extend(node.shared.alarms.words(&START_DELAYED));
        let services = self.services();
        let failed = services
            .iter()
            .filter(|service| service.critical && service.has_failed());
        reasons.extend(failed.map(words_of));
        if !node.control.is_led() {
            reasons.push("no leader of the control log is heard".to_owned());
        }
        if !node.shared.reaches_quorum() {
            reasons.push("no quorum of the control log is reached".to_owned());
        }
        for slot in wanted_slots(&node.shared.cluster_state(), node.shared.node) {
            reasons.extend(not_led(node, slot));
        }
        reasons
    }

    fn not_started(&self) -> &'static str {
        match DataFolder::peek(&self.reload.in_force().get().data_dir) {
            Ok(None) => NO_CLUSTER,
            Ok(Some(_)) | Err(_) => "the node is starting",
        }
    }

    /// Brings the gauges up to date.
    pub(crate) fn gauge(&self) {
        let Some(node) = self.node.get() else { return };
        let sessions = node
            .clients
            .as_ref()
            .map_or(0, |clients| clients.session_count());
        gauge!(metrics::SESSIONS).set(u32::try_from(sessions).unwrap_or(u32::MAX));
        let connections = node.clients.as_ref().map_or(0, |c| c.connection_count());
        gauge!(metrics::CONNECTIONS).set(u32::try_from(connections).unwrap_or(u32::MAX));
        let peers = node.shared.peers();
        let detours = peers.iter().filter(|peer| peer.via.is_some()).count();
        gauge!(metrics::LINK_DETOURS).set(u32::try_from(detours).unwrap_or(u32::MAX));
        if let Some(links) = node.shared.links.get() {
            counter!(metrics::LINK_RELAYED).absolute(links.relayed());
        }
        gauge!(metrics::CONTROL_QUORUM).set(u8::from(live(node).control_quorum));
        node.shared.services.gauge();
        node.shared.alarms.gauge();
        let delayed = node.shared.alarms.words(&START_DELAYED).is_some();
        gauge!(metrics::START_DELAYED).set(u8::from(delayed));
        for slot in node.shared.all_slots() {
            let serving = slot.duty.borrow().serving.is_some();
            gauge!(metrics::SLOT_OWNED, "slot" => slot.slot.to_string()).set(u8::from(serving));
        }
    }

    fn set_up(
        &self,
        request: impl FnOnce(SetupReply) -> SetupRequest,
    ) -> BoxFuture<'static, Result<(String, NodeId), String>> {
        let (reply, answer) = oneshot::channel();
        let (request, setup) = (request(reply), self.setup.clone());
        Box::pin(async move {
            let stopping = || "the node is stopping".to_owned();
            setup.send(request).await.map_err(|_| stopping())?;
            answer.await.map_err(|_| stopping())?
        })
    }

    fn authority(&self) -> anyhow::Result<muster_link::ClusterCa> {
        let dir = &self.reload.in_force().get().data_dir;
        Pki::load(dir)?.authority(dir)
    }
}

/// Why a slot that this node keeps a replica of could not be served.
fn not_led(node: &Node, slot: SlotId) -> Option<String> {
    match node.shared.slot(slot) {
        None => Some(format!("the replica of slot {slot} is missing")),
        Some(replica) if replica.group.is_led() => None,
        Some(_) => Some(format!("no leader of slot {slot} is heard")),
    }
}

fn words_of(service: &ServiceInfo) -> String {
    let kind = if service.critical { "critical " } else { "" };
    format!("the {kind}service {} has failed", service.name)
}

const NO_CLUSTER: &str = "this node is in no cluster: make one with `musterctl cluster init`, or \
                          join one with `musterctl cluster join TOKEN`";

impl Backend for NodeBackend {
    fn cluster(&self) -> Arc<ClusterState> {
        self.node
            .get()
            .map(|node| node.shared.cluster_state())
            .unwrap_or_default()
    }

    fn live(&self) -> LiveView {
        self.node.get().map(|node| live(node)).unwrap_or_default()
    }

    fn propose(
        &self,
        command: ControlCommand,
    ) -> BoxFuture<'static, Result<ControlOutcome, ProposeFailure>> {
        let node = self.node.get().cloned();
        Box::pin(async move {
            let node = node.ok_or(ProposeFailure::NoQuorum)?;
            control::propose(&node.shared, command)
                .await
                .map_err(|failure| match failure {
                    Failure::NoQuorum => ProposeFailure::NoQuorum,
                    Failure::Unknown => ProposeFailure::Unknown,
                })
        })
    }

    fn init(&self, domains: Vec<String>) -> BoxFuture<'static, Result<(String, NodeId), String>> {
        let parsed: Result<Vec<_>, _> = domains
            .iter()
            .map(|name| match DomainPart::new(name) {
                Ok(domain) => Ok(domain.into_owned()),
                Err(error) => Err(format!("domain {name}: {error}")),
            })
            .collect();
        match parsed {
            Ok(domains) => self.set_up(|reply| SetupRequest::Init { domains, reply }),
            Err(why) => Box::pin(async move { Err(why) }),
        }
    }

    fn join(&self, token: String) -> BoxFuture<'static, Result<(String, NodeId), String>> {
        self.set_up(|reply| SetupRequest::Join { token, reply })
    }

    fn token(
        &self,
        role: Role,
        lifetime: Duration,
    ) -> BoxFuture<'static, Result<(String, Timestamp), String>> {
        let node = self.node.get().cloned();
        let ca = self.authority().map(|ca| ca.fingerprint());
        Box::pin(async move {
            let node = node.ok_or(NO_CLUSTER)?;
            let ca = ca.map_err(|e| format!("{e:#}"))?;
            let now = wall();
            let lifetime = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
            let state = node.shared.cluster_state();
            let token = JoinToken {
                cluster: node.shared.cluster.clone(),
                ca,
                secret: JoinToken::new_secret().map_err(|e| e.to_string())?,
                expires: Timestamp(now.0.saturating_add(lifetime)),
                // A witness has no CA key and lets nobody in.
                addresses: state
                    .members()
                    .filter(|member| member.serves())
                    .map(|member| member.addresses.link.clone())
                    .collect(),
            };
            let command = ControlCommand::TokenCreate {
                hash: TokenHash(token.secret_hash()),
                role,
                expires: token.expires,
            };
            match control::propose(&node.shared, command)
                .await
                .map_err(|e| e.to_string())?
            {
                ControlOutcome::Refused(why) => Err(why.to_string()),
                _ => Ok((token.to_text(), token.expires)),
            }
        })
    }

    fn operator_certificate(&self, name: String) -> Result<OperatorCertificate, String> {
        let ca = self.authority().map_err(|e| format!("{e:#}"))?;
        let issued = ca.issue_operator(&name).map_err(|e| e.to_string())?;
        Ok(OperatorCertificate {
            certificate: issued.certificate,
            key: issued.key,
            ca: ca.certificate_pem().to_owned(),
        })
    }

    fn sessions(&self) -> Vec<SessionInfo> {
        let Some(node) = self.node.get() else {
            return Vec::new();
        };
        let now = node.shared.clock.now();
        let sessions = node
            .clients
            .as_ref()
            .map(|clients| clients.sessions())
            .unwrap_or_default();
        let show = |session: crate::clients::LiveSession| SessionInfo {
            jid: session.jid.to_string(),
            address: session.address.to_string(),
            tls: session.tls,
            since: earlier(now.since(session.since)),
        };
        sessions.into_iter().map(show).collect()
    }

    fn ask(
        &self,
        slot: SlotId,
        question: Question,
    ) -> BoxFuture<'static, Result<Answer, AskFailure>> {
        let node = self.node.get().map(|node| Arc::clone(&node.shared));
        Box::pin(async move {
            match node {
                Some(shared) => asks::ask(shared, slot, question).await,
                None => Err(AskFailure::NoOwner),
            }
        })
    }

    fn cluster_changes(&self) -> watch::Receiver<Arc<ClusterState>> {
        match self.node.get() {
            Some(node) => node.shared.state.subscribe(),
            None => watch::Sender::new(Arc::default()).subscribe(),
        }
    }

    fn follow(&self, user: &BareJid) -> Option<Following> {
        follows::follow(&self.node.get()?.shared, user)
    }

    fn events(&self) -> broadcast::Receiver<AdminEvent> {
        self.events.subscribe()
    }

    fn services(&self) -> Vec<ServiceInfo> {
        let node = self.node.get();
        node.map(|node| node.shared.services.states())
            .unwrap_or_default()
    }

    fn checkup(&self) -> BoxFuture<'static, Vec<CheckInfo>> {
        let (node, not_started) = (self.node.get().cloned(), self.not_started());
        Box::pin(async move {
            match node {
                Some(node) => checkup::run(Arc::clone(&node.shared)).await,
                None => vec![CheckInfo::bad("node", Verdict::Fail, not_started, "")],
            }
        })
    }

    fn audit(&self, act: Act) -> BoxFuture<'static, ()> {
        let audit = Arc::clone(&self.audit);
        Box::pin(async move {
            let kept = tokio::task::spawn_blocking(move || audit.keep(act)).await;
            if let Ok(Err(error)) = kept {
                tracing::error!(%error, "an administrative act could not be written down");
            }
        })
    }

    fn acts(&self, most: usize) -> BoxFuture<'static, Result<Vec<Act>, String>> {
        let audit = Arc::clone(&self.audit);
        Box::pin(async move {
            let read = tokio::task::spawn_blocking(move || audit.newest(most)).await;
            let read = read.map_err(|_| "the node is stopping".to_owned())?;
            read.map_err(|error| error.to_string())
        })
    }

    fn drain(&self, per_second: u32) -> Option<watch::Receiver<DrainInfo>> {
        let node = self.node.get()?;
        // Before its start is over a node has no clients, and its doors are not open yet.
        let started = (node.clients.as_ref()).is_none_or(|clients| clients.have_been_open());
        started.then(|| Drain::begin(node, per_second))
    }

    fn drain_order(&self, order: DrainOrder) -> Option<DrainInfo> {
        let drain = &self.node.get()?.drain;
        drain.order(order).then(|| *drain.info().borrow())
    }

    fn config_check(&self) -> BoxFuture<'static, Result<ConfigDifference, String>> {
        let reload = Arc::clone(&self.reload);
        reading(move || reload.check().map(|found| shown(&reload, found)))
    }

    fn config_apply(
        &self,
        digest: String,
        by: String,
    ) -> BoxFuture<'static, Result<ConfigDifference, String>> {
        let reload = Arc::clone(&self.reload);
        reading(move || {
            let applied = reload.apply_shown(&digest, &by)?;
            Ok(shown(&reload, applied))
        })
    }

    fn alarms(&self) -> Vec<AlarmInfo> {
        let Some(node) = self.node.get() else {
            return Vec::new();
        };
        node.shared.alarms.all()
    }

    fn replication(&self) -> BoxFuture<'static, Vec<ReplicaInfo>> {
        let node = self.node.get().cloned();
        Box::pin(async move {
            match node {
                Some(node) => replication::all(&node.shared).await,
                None => Vec::new(),
            }
        })
    }

    fn take_over(&self, lost: NodeId) -> BoxFuture<'static, Result<(), String>> {
        let node = self.node.get().cloned();
        Box::pin(async move {
            let node = node.ok_or(NO_CLUSTER)?;
            ousting::take_over(&node.shared, lost).await
        })
    }

    fn progress(&self, slot: SlotId) -> BoxFuture<'static, Option<SlotView>> {
        let node = self.node.get().cloned();
        Box::pin(async move {
            let node = node?;
            let own = live(&node).slots.remove(&slot)?;
            if own.leading {
                return Some(own);
            }
            let replica = node.shared.slot(slot);
            let led = replica.and_then(|replica| replica.group.status().borrow().leader);
            // A node without a replica knows only who serves, and that one leads too.
            let leader = led.or_else(|| own.owner.map(|(node, _)| node))?;
            let (applied, last_log, matched) =
                links::ask_progress(&node.shared, leader, slot).await?;
            Some(SlotView {
                applied,
                last_log,
                matched,
                leading: true,
                ..own
            })
        })
    }
}

/// The time of day this long ago.
fn earlier(age: Duration) -> Timestamp {
    let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
    Timestamp(wall().0.saturating_sub(age))
}
