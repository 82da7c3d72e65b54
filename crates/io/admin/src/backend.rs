//! What the admin service needs of the node it runs on. `musterd` implements it; a test does with a
//! few lines.

use crate::audit::Act;
use crate::configuration::ConfigDifference;
use crate::drain::{DrainInfo, DrainOrder};
use futures_util::future::BoxFuture;
use muster_cluster::{ClusterState, ControlCommand, ControlOutcome, Role};
use muster_envelope::{Answer, Composed, Question};
use muster_types::{BareJid, Epoch, NodeId, SlotId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, watch};

/// A node, as the admin service sees it. Failures given as text are one sentence for the operator.
pub trait Backend: Send + Sync + 'static {
    /// The newest applied state of the control log; the empty default while the node is in no
    /// cluster.
    fn cluster(&self) -> Arc<ClusterState>;

    /// What no log knows: what this node hears and leads now.
    fn live(&self) -> LiveView;

    /// Gets a command into the control log, wherever its leader is, and waits for the outcome.
    fn propose(
        &self,
        command: ControlCommand,
    ) -> BoxFuture<'static, Result<ControlOutcome, ProposeFailure>>;

    /// Makes a cluster of which this node is the first, hosting `domains`.
    fn init(&self, domains: Vec<String>) -> BoxFuture<'static, Result<(String, NodeId), String>>;

    /// Brings this node into the cluster that made `token`.
    fn join(&self, token: String) -> BoxFuture<'static, Result<(String, NodeId), String>>;

    /// Makes a join token; returns its text and when it ends.
    fn token(
        &self,
        role: Role,
        lifetime: Duration,
    ) -> BoxFuture<'static, Result<(String, Timestamp), String>>;

    /// Issues a certificate for an operator.
    ///
    /// # Errors
    /// A node without the CA's key, as a witness is, says so.
    fn operator_certificate(&self, name: String) -> Result<OperatorCertificate, String>;

    /// The sessions on this node.
    fn sessions(&self) -> Vec<SessionInfo>;

    /// The services of this node. The default knows of none.
    fn services(&self) -> Vec<ServiceInfo> {
        Vec::new()
    }

    /// Examines what this node stands on. The default looks at nothing.
    fn checkup(&self) -> BoxFuture<'static, Vec<CheckInfo>> {
        Box::pin(std::future::ready(Vec::new()))
    }

    /// What the configuration file of this node says otherwise than what is in force, or why it cannot be used.
    /// The default has none.
    fn config_check(&self) -> BoxFuture<'static, Result<ConfigDifference, String>> {
        let none = "this node has no configuration file".to_owned();
        Box::pin(std::future::ready(Err(none)))
    }

    /// Brings into force what [`config_check`](Self::config_check) has shown last under this digest; `by` asked for it.
    /// The default cannot.
    fn config_apply(
        &self,
        digest: String,
        by: String,
    ) -> BoxFuture<'static, Result<ConfigDifference, String>> {
        drop((digest, by));
        self.config_check()
    }

    /// Begins to empty this node of its clients once it serves no user, so many a second; tells how far that is.
    /// `None` while there is no node yet, as by default.
    fn drain(&self, per_second: u32) -> Option<watch::Receiver<DrainInfo>> {
        let _ = per_second;
        None
    }

    /// Changes a drain that goes on and says how far it is; `None` where none does. The default has none.
    fn drain_order(&self, order: DrainOrder) -> Option<DrainInfo> {
        let _ = order;
        None
    }

    /// Keeps an administrative act, and returns when it is kept. The default keeps none.
    fn audit(&self, act: Act) -> BoxFuture<'static, ()> {
        drop(act);
        Box::pin(std::future::ready(()))
    }

    /// The newest acts that were asked of this node, at most so many, the oldest first. The default has none.
    fn acts(&self, most: usize) -> BoxFuture<'static, Result<Vec<Act>, String>> {
        let _ = most;
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// What is wrong on this node now. The default knows of nothing.
    fn alarms(&self) -> Vec<AlarmInfo> {
        Vec::new()
    }

    /// How far each replica of each log is behind, as the leaders say. The default knows of none.
    fn replication(&self) -> BoxFuture<'static, Vec<ReplicaInfo>> {
        Box::pin(std::future::ready(Vec::new()))
    }

    /// Takes the users of `lost`, the other node of a pair without a third voter, over without a quorum,
    /// and returns when this node serves them. Checked before. The default cannot.
    fn take_over(&self, lost: NodeId) -> BoxFuture<'static, Result<(), String>> {
        let refusal = format!("this node cannot take over from {lost}");
        Box::pin(std::future::ready(Err(refusal)))
    }

    /// Asks the owner of a slot, wherever it is, and waits for the answer for some seconds: a takeover
    /// may be under way. The default reaches nobody.
    fn ask(
        &self,
        slot: SlotId,
        question: Question,
    ) -> BoxFuture<'static, Result<Answer, AskFailure>> {
        drop((slot, question));
        Box::pin(std::future::ready(Err(AskFailure::NoOwner)))
    }

    /// The state of the control log as it changes. The default never does.
    fn cluster_changes(&self) -> watch::Receiver<Arc<ClusterState>> {
        watch::Sender::new(self.cluster()).subscribe()
    }

    /// Follows a user's composed presence, whoever owns the user; `None` when this node follows as many as
    /// it takes. The default follows nobody.
    fn follow(&self, user: &BareJid) -> Option<Following> {
        let _ = user;
        None
    }

    /// Events from now on.
    fn events(&self) -> broadcast::Receiver<AdminEvent>;

    /// How far the replicas of a slot are, as its leader knows it: a node that does not lead the
    /// slot, or has no replica of it, asks the one that does. `None` when nobody answers in time.
    ///
    /// The default knows only what this node leads.
    fn progress(&self, slot: SlotId) -> BoxFuture<'static, Option<SlotView>> {
        let view = self.live().slots.remove(&slot).filter(|view| view.leading);
        Box::pin(async move { view })
    }
}

/// What a node hears and leads now.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LiveView {
    /// This node; `NodeId(0)` while it is in no cluster.
    pub node: NodeId,
    /// Milliseconds since each other node was last heard. Nodes never heard are missing.
    pub heard_ms: BTreeMap<NodeId, u64>,
    /// The nodes that are reached by way of another one only, and by way of which.
    pub via: BTreeMap<NodeId, NodeId>,
    /// How long it is until the users of each failed-over node go home by themselves; `None` while it is not counted as
    /// healthy.
    pub home_in: BTreeMap<NodeId, Option<Duration>>,
    /// The leader of the control log, if known.
    pub control_leader: Option<NodeId>,
    /// Whether the control log has a leader and a quorum, as far as this node knows.
    pub control_quorum: bool,
    /// Index of the last entry in this node's copy of the control log.
    pub control_last: u64,
    /// The voters of the control log, as this node's copy has them.
    pub control_voters: BTreeSet<NodeId>,
    /// For how long this node has been running.
    pub up: Duration,
    /// The slots of which this node knows anything.
    pub slots: BTreeMap<SlotId, SlotView>,
}

impl LiveView {
    /// How old a sign of life may be, in milliseconds.
    const FRESH_MS: u64 = 1_000;

    /// Whether a node is this one, or was heard within the last second.
    pub fn hears(&self, node: NodeId) -> bool {
        let fresh = |ms: &u64| *ms <= Self::FRESH_MS;
        node == self.node || self.heard_ms.get(&node).is_some_and(fresh)
    }
}

/// A slot, as one node sees it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SlotView {
    /// Who serves it, by the highest epoch this node has heard of; `None` between two owners.
    pub owner: Option<(NodeId, Epoch)>,
    /// Index of the last entry this node's replica has applied; 0 without a replica.
    pub applied: u64,
    /// Index of the last entry in this node's log; 0 without a replica.
    pub last_log: u64,
    /// Whether this node leads the slot's Raft group.
    pub leading: bool,
    /// The last entry each replica is known to have. Filled on the leader only.
    pub matched: BTreeMap<NodeId, u64>,
}

impl SlotView {
    /// How many entries a replica may lack and still be called caught up: under load it always
    /// lacks some, which the hand-over brings.
    const NEARLY: u64 = 100;

    /// Whether `node` has (nearly) all that the leader has.
    pub fn is_caught_up(&self, node: NodeId) -> bool {
        self.matched
            .get(&node)
            .is_some_and(|at| at.saturating_add(Self::NEARLY) >= self.last_log)
    }
}

/// Why a command came to no outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProposeFailure {
    /// Nothing was written.
    #[error(
        "the cluster has no control quorum now, so nothing can be changed: see `musterctl status` for the nodes that are down"
    )]
    NoQuorum,
    /// It may have been carried out.
    #[error("the outcome is unknown: look with `musterctl status` before you try again")]
    Unknown,
}

/// Why an owner did not answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AskFailure {
    /// Nobody serves the slot, or its owner is not reached.
    #[error("nobody serves the user now: see `musterctl status`, and try again")]
    NoOwner,
    /// Too many are waiting.
    #[error("too much is being asked of this node: try again more slowly")]
    Busy,
}

/// A user that is followed, until this is dropped.
pub struct Following {
    /// The newest that is known: a register, so who looks seldom misses nothing but what is over. An error
    /// where the user's owner has too many followers.
    pub newest: watch::Receiver<Option<Result<Composed, FollowRefused>>>,
    /// What ends it when it is dropped.
    pub until_dropped: Box<dyn Send + Sync>,
}

impl fmt::Debug for Following {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Following")
    }
}

/// The owner of a user does not tell of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "too many users are followed on the node that serves this one: follow fewer, or try again later"
)]
pub struct FollowRefused;

/// A certificate with which an operator administers the cluster from elsewhere, all in PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct OperatorCertificate {
    /// The certificate, then the CA's.
    pub certificate: String,
    /// The private key.
    pub key: String,
    /// The cluster's CA.
    pub ca: String,
}

impl fmt::Debug for OperatorCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OperatorCertificate(***)")
    }
}

/// One session on this node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionInfo {
    /// The full JID.
    pub jid: String,
    /// The client's address.
    pub address: String,
    /// Whether the stream is encrypted.
    pub tls: bool,
    /// When it was bound.
    pub since: Timestamp,
}

/// One service of this node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServiceInfo {
    /// Its name, as in the configuration.
    pub name: &'static str,
    /// Whether the node cannot serve its users without it.
    pub critical: bool,
    /// How long it may be down before that counts.
    pub delay: Duration,
    /// For how long it is down.
    pub down: Option<Duration>,
}

impl ServiceInfo {
    /// Whether it is down for longer than it may.
    pub fn has_failed(&self) -> bool {
        self.down.is_some_and(|down| down >= self.delay)
    }
}

/// What came of looking at one thing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckInfo {
    /// What was looked at, as `open-files`.
    pub name: &'static str,
    /// Whether it is as it should be.
    pub verdict: Verdict,
    /// What was found.
    pub words: String,
    /// What to do about it; empty where nothing has to be done.
    pub remedy: String,
}

impl CheckInfo {
    /// It is as it should be.
    pub fn pass(name: &'static str, words: impl Into<String>) -> Self {
        Self {
            name,
            verdict: Verdict::Pass,
            words: words.into(),
            remedy: String::new(),
        }
    }

    /// It is not, and this is to be done.
    pub fn bad(
        name: &'static str,
        verdict: Verdict,
        words: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            name,
            verdict,
            words: words.into(),
            remedy: remedy.into(),
        }
    }
}

/// Whether something is as it should be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Verdict {
    /// It is.
    Pass,
    /// It works, and will not under every circumstance.
    Warn,
    /// It is not.
    Fail,
}

/// Something that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AlarmInfo {
    /// Its name, as in docs/alarms.md.
    pub name: &'static str,
    /// `warning`, `error` or `critical`.
    pub severity: &'static str,
    /// Since when.
    pub since: Timestamp,
    /// What is wrong, in one sentence.
    pub words: String,
    /// What to do about it.
    pub remedy: &'static str,
}

/// How a replica is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReplicaState {
    /// The others follow it.
    Leads,
    /// It has all that the leader has.
    InStep,
    /// It lacks something.
    CatchingUp,
    /// Its leader does not reach it.
    Unreachable,
    /// Nobody says.
    Unknown,
}

impl ReplicaState {
    /// The words in the API.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Leads => "leads",
            Self::InStep => "in step",
            Self::CatchingUp => "catching up",
            Self::Unreachable => "unreachable",
            Self::Unknown => "unknown",
        }
    }
}

/// One replica of a log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReplicaInfo {
    /// Whose log; `None` is the control log.
    pub slot: Option<SlotId>,
    /// Where the replica is.
    pub node: NodeId,
    /// Whether it votes.
    pub votes: bool,
    /// How it is.
    pub state: ReplicaState,
    /// What it lacks.
    pub lag: Lag,
}

/// What a replica lacks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Lag {
    /// Entries.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
    /// For how long it has lacked the oldest of them.
    pub time: Duration,
}

/// What an event is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventKind {
    /// A node came, went, started, or changed its state.
    Node,
    /// A slot got another owner or other voters.
    Slot,
    /// A session began or ended.
    Session,
    /// A group was made, removed, or its HA switched.
    Group,
    /// An account was added, changed or removed.
    User,
    /// A domain is hosted, or no more.
    Domain,
    /// Settings have changed.
    Setting,
    /// Another configuration of a node is in force.
    Config,
    /// Something is wrong with a node, or no more.
    Alarm,
    /// A program with a token was added, changed or removed.
    ApiClient,
}

impl EventKind {
    /// The word in the API.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Slot => "slot",
            Self::Session => "session",
            Self::Group => "group",
            Self::User => "user",
            Self::Domain => "domain",
            Self::Setting => "setting",
            Self::Config => "config",
            Self::Alarm => "alarm",
            Self::ApiClient => "api-client",
        }
    }
}

/// One event, for those who watch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdminEvent {
    /// When.
    pub at: Timestamp,
    /// About what.
    pub kind: EventKind,
    /// One line for people.
    pub text: String,
    /// The same for machines.
    pub fields: BTreeMap<String, String>,
    /// Whether only this node knows of it. What the log has decided every node tells.
    pub local: bool,
}
