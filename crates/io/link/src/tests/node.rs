//! A node whose handler writes down what it sees.

use crate::wire::RELAY_SINCE;
use crate::{
    BoxFuture, ClusterCa, Handler, Hello, Identity, JoinRequest, JoinResponse, LinkConfig,
    LinkLimits, LinkTiming, Links, NodeKey, Versions,
};
use bytes::Bytes;
use muster_types::{Boot, NodeId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::{Semaphore, mpsc};

pub(super) const CLUSTER: &str = "0f5e8c1e-1111-4222-8333-444455556666";
pub(super) const LONG: Duration = Duration::from_secs(20);
pub(super) const A: NodeId = NodeId(1);
pub(super) const B: NodeId = NodeId(2);
pub(super) const C: NodeId = NodeId(3);
pub(super) const D: NodeId = NodeId(4);
/// An address where nobody listens.
pub(super) const NOWHERE: &str = "127.0.0.1:1";

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    Hello(NodeId, Boot),
    Lost(NodeId),
    Data(NodeId, Bytes),
    /// A request came that is never answered.
    Never(NodeId),
}

type Join = Box<dyn Fn(JoinRequest) -> Result<JoinResponse, String> + Send + Sync>;

/// Answers requests with their own body behind the caller's name, except `never`, which it never answers.
pub(super) struct Recorder {
    events: mpsc::UnboundedSender<Event>,
    /// One permit for each message that may be taken.
    gate: Semaphore,
    join: Join,
}

impl Handler for Recorder {
    fn raft(&self, from: NodeId, body: Bytes) -> BoxFuture<'static, Bytes> {
        let never = body == "never";
        if never {
            self.events.send(Event::Never(from)).ok();
        }
        Box::pin(async move {
            if never {
                std::future::pending::<()>().await;
            }
            [from.to_string().as_bytes(), b":", &body].concat().into()
        })
    }

    fn data(&self, from: NodeId, body: Bytes) -> BoxFuture<'static, ()> {
        // The permit is taken as soon as there is one; a closed gate holds the next message back.
        self.events.send(Event::Data(from, body)).ok();
        if let Ok(permit) = self.gate.try_acquire() {
            permit.forget();
            return Box::pin(std::future::ready(()));
        }
        Box::pin(std::future::pending())
    }

    fn hello(&self, peer: Hello) {
        self.events.send(Event::Hello(peer.node, peer.boot)).ok();
    }

    fn lost(&self, node: NodeId) {
        self.events.send(Event::Lost(node)).ok();
    }

    fn join(&self, request: JoinRequest) -> BoxFuture<'static, Result<JoinResponse, String>> {
        Box::pin(std::future::ready((self.join)(request)))
    }
}

pub(super) struct Node {
    pub(super) links: Links,
    pub(super) events: mpsc::UnboundedReceiver<Event>,
    /// What a kill takes away.
    runtime: Option<Runtime>,
}

/// What differs from node to node in a test.
pub(super) struct Plan {
    pub(super) config: LinkConfig,
    pub(super) gate: usize,
    pub(super) join: Join,
}

impl Plan {
    pub(super) fn new(ca: &ClusterCa, node: NodeId, boot: u64) -> Self {
        let config = LinkConfig {
            cluster: ca.cluster().to_owned(),
            node,
            boot: Boot(boot),
            versions: Versions {
                wire: 1,
                wire_oldest: 1,
                data: 1,
            },
            listen: "127.0.0.1:0".parse().unwrap(),
            identity: identity(ca, node),
            limits: LinkLimits::default(),
            timing: LinkTiming::default(),
            raft_runtime: Handle::current(),
        };
        Self {
            config,
            gate: Semaphore::MAX_PERMITS,
            join: Box::new(|_| Err("nobody may join".to_owned())),
        }
    }

    /// A node that knows relayed lanes.
    pub(super) fn relaying(ca: &ClusterCa, node: NodeId) -> Self {
        let mut plan = Self::new(ca, node, 1);
        plan.config.versions.wire = RELAY_SINCE;
        plan
    }

    pub(super) async fn start(self) -> Node {
        let (events, receiver) = mpsc::unbounded_channel();
        let recorder = Recorder {
            events,
            gate: Semaphore::new(self.gate),
            join: self.join,
        };
        let links = Links::start(self.config, Arc::new(recorder)).await;
        Node {
            links: links.unwrap(),
            events: receiver,
            runtime: None,
        }
    }

    /// Starts the node on a runtime of its own, so that it can be killed.
    pub(super) async fn start_mortal(mut self) -> Node {
        let runtime = one_thread();
        self.config.raft_runtime = runtime.handle().clone();
        self.start_on(runtime).await
    }

    /// Starts the node's data lane on a runtime of its own, and the raft lane on the caller's.
    pub(super) async fn start_apart(self) -> Node {
        self.start_on(one_thread()).await
    }

    async fn start_on(self, runtime: Runtime) -> Node {
        let mut node = runtime.spawn(self.start()).await.unwrap();
        node.runtime = Some(runtime);
        node
    }
}

fn one_thread() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().unwrap()
}

impl Node {
    pub(super) async fn start(ca: &ClusterCa, node: NodeId, boot: u64) -> Self {
        Plan::new(ca, node, boot).start().await
    }

    pub(super) fn address(&self) -> String {
        self.links.local_addr().to_string()
    }

    pub(super) fn peers<const N: usize>(&self, peers: [(NodeId, String); N]) {
        self.links.set_peers(BTreeMap::from(peers));
    }

    /// Ends the node as `kill -9` would: nobody is told.
    pub(super) fn kill(mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }

    /// Runs something on the node's own runtime.
    pub(super) fn spawn(&self, task: impl Future<Output = bool> + Send + 'static) {
        self.runtime.as_ref().unwrap().spawn(task);
    }

    pub(super) async fn next(&mut self) -> Event {
        let event = tokio::time::timeout(LONG, self.events.recv()).await;
        event.expect("something happens").unwrap()
    }

    /// The next message, whatever else happens before.
    pub(super) async fn next_data(&mut self) -> Bytes {
        loop {
            if let Event::Data(_, body) = self.next().await {
                return body;
            }
        }
    }

    /// Waits until both lanes to the node stand.
    pub(super) async fn connected(&self, to: NodeId) {
        self.until(to, |status| status.raft && status.data).await;
    }

    /// Waits until the last attempt to connect failed for a reason with `text` in it.
    pub(super) async fn problem(&self, to: NodeId, text: &str) {
        let has = |status: &crate::PeerStatus| {
            let problem = status.problem.as_ref();
            problem.is_some_and(|problem| problem.contains(text))
        };
        self.until(to, has).await;
    }

    pub(super) async fn until(&self, to: NodeId, holds: impl Fn(&crate::PeerStatus) -> bool) {
        let waiting = async {
            loop {
                let peers = self.links.peers();
                if peers.iter().any(|peer| peer.node == to && holds(peer)) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let in_time = tokio::time::timeout(LONG, waiting).await;
        assert!(in_time.is_ok(), "{:?}", self.links.peers());
    }

    pub(super) async fn ask(
        &self,
        to: NodeId,
        body: &'static str,
    ) -> Result<Bytes, crate::LinkError> {
        self.links.request(to, Bytes::from(body), LONG).await
    }
}

pub(super) fn ca() -> ClusterCa {
    ClusterCa::generate(CLUSTER).unwrap()
}

pub(super) fn identity(ca: &ClusterCa, node: NodeId) -> Identity {
    let key = NodeKey::generate().unwrap();
    Identity {
        certificate: ca.issue_node(node, &key.csr().unwrap()).unwrap(),
        key: key.pem(),
        ca: ca.certificate_pem().to_owned(),
    }
}

/// Two nodes that know each other and are connected, their first hellos taken.
pub(super) async fn pair(a: Plan, b: Plan) -> (Node, Node) {
    let (mut a, mut b) = (a.start().await, b.start().await);
    a.peers([(B, b.address())]);
    b.peers([(A, a.address())]);
    a.connected(B).await;
    b.connected(A).await;
    assert!(matches!(a.next().await, Event::Hello(B, _)));
    assert!(matches!(b.next().await, Event::Hello(A, _)));
    (a, b)
}

pub(super) async fn plain_pair() -> (Node, Node) {
    let ca = ca();
    pair(Plan::new(&ca, A, 1), Plan::new(&ca, B, 1)).await
}
