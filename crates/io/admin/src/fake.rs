//! A whole cluster in one process, for tests: the log is a function call.

use crate::{
    Act, AdminEvent, AlarmInfo, AskFailure, Backend, FollowRefused, Following, LiveView,
    OperatorCertificate, ProposeFailure, ReplicaInfo, ServiceInfo, SessionInfo, SlotView,
};
use futures_util::future::{self, BoxFuture};
use muster_cluster::{
    Addresses, ClusterState, ControlCommand, ControlEvent, ControlOutcome, HaReason, HaState,
    NewNode, Proposal, Role, SoftwareVersion, TokenHash,
};
use muster_envelope::{Answer, Composed, Question};
use muster_types::{
    BareJid, Boot, DomainPart, Epoch, GroupId, LogIndex, NodeId, Origin, Replicated, SlotId,
    Timestamp, Writes,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{broadcast, watch};

/// When everything happens: a moment after the start of 2025.
const NOW: Timestamp = Timestamp(1_735_689_600_000);

type Newest = Option<Result<Composed, FollowRefused>>;

/// A cluster whose only process is the answering node.
pub struct Fake {
    inner: Mutex<Inner>,
    events: broadcast::Sender<AdminEvent>,
    changes: watch::Sender<Arc<ClusterState>>,
}

struct Inner {
    answer: Option<Answer>,
    followed: BTreeMap<BareJid, watch::Sender<Newest>>,
    state: ClusterState,
    live: LiveView,
    sessions: Vec<SessionInfo>,
    services: Vec<ServiceInfo>,
    alarms: Vec<AlarmInfo>,
    replicas: Vec<ReplicaInfo>,
    failure: Option<ProposeFailure>,
    acts: Vec<Act>,
    index: u64,
}

impl Fake {
    /// A node in no cluster.
    pub fn fresh() -> Arc<Self> {
        let inner = Inner {
            answer: None,
            followed: BTreeMap::new(),
            state: ClusterState::default(),
            live: LiveView::default(),
            sessions: Vec::new(),
            services: Vec::new(),
            alarms: Vec::new(),
            replicas: Vec::new(),
            failure: None,
            acts: Vec::new(),
            index: 0,
        };
        Arc::new(Self {
            inner: Mutex::new(inner),
            events: broadcast::Sender::new(64),
            changes: watch::Sender::new(Arc::default()),
        })
    }

    /// Nodes `a` and `b` in the group `east` with HA, the witness `w`, the domain `example.com`;
    /// all is well, and `a` answers.
    pub fn pair() -> Arc<Self> {
        let fake = Self::fresh();
        fake.must(ControlCommand::Init {
            cluster: "c-1".to_owned(),
            node: node("a", Role::Serving),
        });
        for (number, name, role) in [(1, "b", Role::Serving), (2, "w", Role::Witness)] {
            let hash = TokenHash([number; 32]);
            fake.must(ControlCommand::TokenCreate {
                hash,
                role,
                expires: Timestamp(u64::MAX),
            });
            fake.must(ControlCommand::NodeJoin {
                token: hash,
                node: node(name, role),
            });
        }
        let domain = DomainPart::new("example.com")
            .expect("a domain")
            .into_owned();
        fake.must(ControlCommand::DomainAdd { domain });
        fake.must(ControlCommand::GroupCreate {
            name: "east".to_owned(),
        });
        let group = GroupId(1);
        for node in [NodeId(1), NodeId(2)] {
            fake.must(ControlCommand::GroupAddNode { group, node });
        }
        fake.must(ControlCommand::GroupEnableHa { group });
        let all = vec![NodeId(1), NodeId(2), NodeId(3)];
        for (slot, owner) in [(SlotId(1), NodeId(1)), (SlotId(2), NodeId(2))] {
            fake.must(ControlCommand::SlotVotersChanged {
                slot,
                voters: all.clone(),
            });
            let (state, reason) = (HaState::Normal, HaReason::None);
            fake.must(ControlCommand::HaTransition {
                node: owner,
                state,
                reason,
            });
        }
        fake.change_live(|live| {
            live.node = NodeId(1);
            live.heard_ms = [(NodeId(2), 20), (NodeId(3), 30)].into();
            live.control_leader = Some(NodeId(1));
            live.control_quorum = true;
            for (slot, owner) in [(SlotId(1), NodeId(1)), (SlotId(2), NodeId(2))] {
                live.slots.insert(slot, served_by(owner));
            }
        });
        fake
    }

    /// Nodes `a` and `b` in the group `east` without HA and without a witness; `a` was last heard a minute
    /// ago and decided alone, `b` answers and follows both logs of `a`.
    pub fn lone_pair() -> Arc<Self> {
        let fake = Self::fresh();
        fake.must(ControlCommand::Init {
            cluster: "c-1".to_owned(),
            node: node("a", Role::Serving),
        });
        let hash = TokenHash([1; 32]);
        fake.must(ControlCommand::TokenCreate {
            hash,
            role: Role::Serving,
            expires: Timestamp(u64::MAX),
        });
        fake.must(ControlCommand::NodeJoin {
            token: hash,
            node: node("b", Role::Serving),
        });
        fake.must(ControlCommand::GroupCreate {
            name: "east".to_owned(),
        });
        let group = GroupId(1);
        for node in [NodeId(1), NodeId(2)] {
            fake.must(ControlCommand::GroupAddNode { group, node });
        }
        fake.change_live(|live| {
            live.node = NodeId(2);
            live.heard_ms = [(NodeId(1), 60_000)].into();
            live.control_last = 20;
            live.control_voters = [NodeId(1)].into();
            live.up = Duration::from_secs(3_600);
            for (slot, owner) in [(SlotId(1), NodeId(1)), (SlotId(2), NodeId(2))] {
                let leading = owner == NodeId(2);
                let view = SlotView {
                    leading,
                    ..served_by(owner)
                };
                live.slots.insert(slot, view);
            }
        });
        fake
    }

    /// Applies a command.
    pub fn decide(&self, command: ControlCommand) -> ControlOutcome {
        let mut inner = self.inner();
        inner.index += 1;
        let (at, serial) = (LogIndex(inner.index), inner.index);
        let origin = Origin {
            node: NodeId(1),
            boot: Boot(1),
            serial,
        };
        let proposal = Proposal {
            origin,
            at: NOW,
            command,
        };
        let outcome = inner
            .state
            .apply(at, proposal, &mut Writes::new())
            .into_iter()
            .next();
        self.changes.send_replace(Arc::new(inner.state.clone()));
        match outcome {
            Some(ControlEvent::Outcome { outcome, .. }) => outcome,
            _ => ControlOutcome::Done,
        }
    }

    /// Applies a command that must not be refused.
    ///
    /// # Panics
    /// When it is refused.
    pub fn must(&self, command: ControlCommand) {
        let outcome = self.decide(command);
        assert!(
            !matches!(outcome, ControlOutcome::Refused(_)),
            "{outcome:?}"
        );
    }

    /// Changes what the node hears and leads.
    pub fn change_live(&self, change: impl FnOnce(&mut LiveView)) {
        change(&mut self.inner().live);
    }

    /// When the node last heard another, in milliseconds ago; `None` for never.
    pub fn heard(&self, node: NodeId, ms_ago: Option<u64>) {
        self.change_live(|live| {
            live.heard_ms.remove(&node);
            live.heard_ms.extend(ms_ago.map(|ms| (node, ms)));
        });
    }

    /// The sessions of the node from now on.
    pub fn set_sessions(&self, sessions: Vec<SessionInfo>) {
        self.inner().sessions = sessions;
    }

    /// The services of the node from now on.
    pub fn set_services(&self, services: Vec<ServiceInfo>) {
        self.inner().services = services;
    }

    /// What is wrong from now on.
    pub fn set_alarms(&self, alarms: Vec<AlarmInfo>) {
        self.inner().alarms = alarms;
    }

    /// What the leaders say of their replicas from now on.
    pub fn set_replicas(&self, replicas: Vec<ReplicaInfo>) {
        self.inner().replicas = replicas;
    }

    /// What every owner answers from now on.
    pub fn set_answer(&self, answer: Answer) {
        self.inner().answer = Some(answer);
    }

    /// Tells those who follow a user.
    pub fn tell_followers(&self, user: &str, newest: Result<Composed, FollowRefused>) {
        let user = BareJid::new(user).expect("an address");
        self.register(&user).send_replace(Some(newest));
    }

    fn register(&self, user: &BareJid) -> watch::Sender<Newest> {
        let mut inner = self.inner();
        let register = || watch::Sender::new(None);
        inner
            .followed
            .entry(user.clone())
            .or_insert_with(register)
            .clone()
    }

    /// How every proposal fails from now on, if at all.
    pub fn fail_with(&self, failure: Option<ProposeFailure>) {
        self.inner().failure = failure;
    }

    /// Tells watchers; returns how many there are.
    pub fn tell(&self, event: AdminEvent) -> usize {
        self.events.send(event).unwrap_or_default()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A test that panicked has failed already.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend for Fake {
    fn cluster(&self) -> Arc<ClusterState> {
        Arc::new(self.inner().state.clone())
    }

    fn live(&self) -> LiveView {
        self.inner().live.clone()
    }

    fn propose(
        &self,
        command: ControlCommand,
    ) -> BoxFuture<'static, Result<ControlOutcome, ProposeFailure>> {
        let failure = self.inner().failure;
        let outcome = failure.map_or_else(|| Ok(self.decide(command)), Err);
        Box::pin(future::ready(outcome))
    }

    fn init(&self, domains: Vec<String>) -> BoxFuture<'static, Result<(String, NodeId), String>> {
        if self.cluster().cluster().is_some() {
            let refused = Err("this node belongs to a cluster already".to_owned());
            return Box::pin(future::ready(refused));
        }
        self.must(ControlCommand::Init {
            cluster: "c-1".to_owned(),
            node: node("a", Role::Serving),
        });
        for domain in &domains {
            let domain = DomainPart::new(domain)
                .expect("checked before")
                .into_owned();
            self.must(ControlCommand::DomainAdd { domain });
        }
        self.change_live(|live| {
            live.node = NodeId(1);
            live.control_quorum = true;
        });
        Box::pin(future::ready(Ok(("c-1".to_owned(), NodeId(1)))))
    }

    fn join(&self, token: String) -> BoxFuture<'static, Result<(String, NodeId), String>> {
        let answer = match token.as_str() {
            "good" => Ok(("c-1".to_owned(), NodeId(4))),
            _ => Err("the join token has expired: make a new one".to_owned()),
        };
        Box::pin(future::ready(answer))
    }

    fn token(
        &self,
        role: Role,
        lifetime: Duration,
    ) -> BoxFuture<'static, Result<(String, Timestamp), String>> {
        let ends = Timestamp(NOW.0 + u64::try_from(lifetime.as_millis()).unwrap_or_default());
        Box::pin(future::ready(Ok((format!("token-{role}"), ends))))
    }

    fn operator_certificate(&self, name: String) -> Result<OperatorCertificate, String> {
        Ok(OperatorCertificate {
            certificate: format!("certificate of {name}\n"),
            key: "key\n".to_owned(),
            ca: "ca\n".to_owned(),
        })
    }

    fn sessions(&self) -> Vec<SessionInfo> {
        self.inner().sessions.clone()
    }

    fn services(&self) -> Vec<ServiceInfo> {
        self.inner().services.clone()
    }

    fn audit(&self, act: Act) -> BoxFuture<'static, ()> {
        self.inner().acts.push(act);
        Box::pin(future::ready(()))
    }

    fn acts(&self, most: usize) -> BoxFuture<'static, Result<Vec<Act>, String>> {
        let acts = self.inner().acts.clone();
        let older = acts.len().saturating_sub(most);
        Box::pin(future::ready(Ok(acts.into_iter().skip(older).collect())))
    }

    fn alarms(&self) -> Vec<AlarmInfo> {
        self.inner().alarms.clone()
    }

    fn take_over(&self, lost: NodeId) -> BoxFuture<'static, Result<(), String>> {
        let (node, by) = (lost, self.live().node);
        let outcome = match self.decide(ControlCommand::NodeOust { node, by }) {
            ControlOutcome::Refused(why) => Err(why.to_string()),
            _ => Ok(()),
        };
        Box::pin(future::ready(outcome))
    }

    fn replication(&self) -> BoxFuture<'static, Vec<ReplicaInfo>> {
        Box::pin(future::ready(self.inner().replicas.clone()))
    }

    fn ask(&self, _: SlotId, _: Question) -> BoxFuture<'static, Result<Answer, AskFailure>> {
        let answer = self.inner().answer.clone().ok_or(AskFailure::NoOwner);
        Box::pin(future::ready(answer))
    }

    fn cluster_changes(&self) -> watch::Receiver<Arc<ClusterState>> {
        self.changes.subscribe()
    }

    fn follow(&self, user: &BareJid) -> Option<Following> {
        Some(Following {
            newest: self.register(user).subscribe(),
            until_dropped: Box::new(()),
        })
    }

    fn events(&self) -> broadcast::Receiver<AdminEvent> {
        self.events.subscribe()
    }
}

/// A slot that its owner leads and everybody has a copy of; the answering node knows how far each is.
fn served_by(owner: NodeId) -> SlotView {
    let matched: BTreeMap<_, _> = [1, 2, 3].map(|node| (NodeId(node), 10)).into();
    SlotView {
        owner: Some((owner, Epoch::opened_at(LogIndex(4)))),
        applied: 10,
        last_log: 10,
        leading: true,
        matched,
    }
}

fn node(name: &str, role: Role) -> NewNode {
    let clients = |port: u16| match role {
        Role::Serving => vec![format!("{name}.example.com:{port}")],
        Role::Witness => Vec::new(),
    };
    NewNode {
        name: name.to_owned(),
        role,
        addresses: Addresses {
            link: format!("{name}.example.com:7400"),
            admin: format!("{name}.example.com:7401"),
            c2s: clients(5222),
            c2s_tls: clients(5223),
        },
        version: SoftwareVersion { wire: 1, data: 1 },
        boot: Boot(1),
    }
}
