//! Groups of several nodes in one process, over a network that can be cut.

mod anew_test;
mod beat_test;

use crate::machine::{Applied, StateMachine};
use crate::stored::Records;
use crate::{Clock, Group, Groups, Host, RaftGroupId, Status, Timing, Transport};
use bad_input::{Harm, Knowledge, harm};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use muster_store::Store;
use muster_types::{LogIndex, NodeId, Write};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[path = "bad_input_test.rs"]
mod bad_input;

const GROUP: RaftGroupId = RaftGroupId(7);
/// A command that no [`Journal`] applies.
const UNREADABLE: &[u8] = b"unreadable";

/// Who reaches whom, shared by all nodes.
#[derive(Default)]
struct Wires {
    nodes: Mutex<BTreeMap<NodeId, Groups>>,
    dead: Mutex<BTreeSet<NodeId>>,
    /// What happens to snapshots on their way.
    harm: Mutex<Option<Harm>>,
}

struct Wire {
    from: NodeId,
    wires: Arc<Wires>,
}

impl Transport for Wire {
    fn request(
        &self,
        to: NodeId,
        body: Bytes,
        _: Duration,
    ) -> BoxFuture<'static, io::Result<Bytes>> {
        let (from, wires) = (self.from, Arc::clone(&self.wires));
        Box::pin(async move {
            let cut = {
                let dead = wires.dead.lock().unwrap();
                dead.contains(&from) || dead.contains(&to)
            };
            let groups = wires.nodes.lock().unwrap().get(&to).cloned();
            let spoilt = *wires.harm.lock().unwrap();
            let body = spoilt.map_or_else(|| body.clone(), |spoilt| harm(spoilt, &body));
            match groups {
                Some(groups) if !cut => Ok(groups.handle(body).await),
                _ => Err(io::ErrorKind::NotConnected.into()),
            }
        })
    }
}

/// Remembers every command, in memory and in the store; knows all of them once it is upgraded.
#[derive(Clone, Default)]
struct Journal(Arc<Mutex<Vec<Vec<u8>>>>, Knowledge);

impl Journal {
    fn upgrade(&self) {
        self.1.store(true);
    }
}

impl StateMachine for Journal {
    fn install(&mut self, records: Records) -> BoxFuture<'_, Result<(), String>> {
        *self.0.lock().unwrap() = records.into_iter().map(|(_, value)| value).collect();
        Box::pin(async { Ok(()) })
    }

    fn apply(
        &mut self,
        commands: Vec<(LogIndex, Vec<u8>)>,
    ) -> BoxFuture<'_, Result<Vec<Applied>, String>> {
        let knows_all = self.1.has_all();
        if !knows_all && commands.iter().any(|(_, command)| command == UNREADABLE) {
            return Box::pin(async { Err("entry 7 is of a newer version".to_owned()) });
        }
        let mut seen = self.0.lock().unwrap();
        let applied = commands
            .into_iter()
            .map(|(index, command)| {
                seen.push(command.clone());
                let key = [&[1][..], &index.0.to_be_bytes()].concat();
                Applied {
                    answer: seen.len().to_string().into_bytes(),
                    writes: vec![Write {
                        key,
                        value: Some(command),
                    }],
                }
            })
            .collect();
        Box::pin(async move { Ok(applied) })
    }
}

struct Node {
    group: Group,
    journal: Journal,
    dir: tempfile::TempDir,
}

struct Cluster {
    wires: Arc<Wires>,
    clock: Clock,
    timing: Timing,
    nodes: BTreeMap<NodeId, Node>,
    /// Nodes that start from now on are upgraded.
    knows_all: Knowledge,
}

impl Cluster {
    fn empty(timing: Timing) -> Self {
        Self {
            wires: Arc::default(),
            clock: Clock::start(),
            timing,
            nodes: BTreeMap::new(),
            knows_all: Knowledge::default(),
        }
    }

    async fn of(nodes: u16, timing: Timing) -> Self {
        let mut cluster = Self::empty(timing);
        for id in 1..=nodes {
            cluster
                .start(NodeId(id), tempfile::tempdir().unwrap())
                .await;
        }
        cluster.unite().await;
        cluster
    }

    /// Makes all nodes voters; the first one leads.
    async fn unite(&self) {
        let first = self.group(1);
        first.initialize().await.unwrap();
        self.wait(1, |s| s.leading && !s.changing).await;
        for id in self.nodes.keys().skip(1) {
            first.add_learner(*id).await.unwrap();
        }
        let all = self.nodes.keys().copied().collect();
        first.change_voters(&all, false).await.unwrap();
    }

    async fn start(&mut self, id: NodeId, dir: tempfile::TempDir) {
        let store = Store::open(dir.path()).unwrap();
        self.start_on(id, store, dir).await;
    }

    async fn start_on(&mut self, id: NodeId, store: Store, dir: tempfile::TempDir) {
        let host = Host {
            node: id,
            timing: self.timing,
            yields: false,
            clock: self.clock,
            store,
            transport: Arc::new(Wire {
                from: id,
                wires: Arc::clone(&self.wires),
            }),
        };
        let journal = Journal::default();
        journal.1.store(self.knows_all.has_all());
        let group = Group::start(&host, GROUP, Box::new(journal.clone()))
            .await
            .unwrap();
        let groups = Groups::default();
        groups.insert(group.clone());
        self.wires.nodes.lock().unwrap().insert(id, groups);
        self.nodes.insert(
            id,
            Node {
                group,
                journal,
                dir,
            },
        );
    }

    async fn restart(&mut self, id: u16) {
        let Node {
            group,
            journal,
            dir,
        } = self.nodes.remove(&NodeId(id)).unwrap();
        group.shutdown().await;
        self.wires.nodes.lock().unwrap().remove(&NodeId(id));
        drop((group, journal));
        // openraft's last tasks let go of the store a moment after the shutdown.
        let freed = async {
            while Store::open(dir.path()).is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), freed)
            .await
            .unwrap();
        self.start(NodeId(id), dir).await;
    }

    fn group(&self, id: u16) -> Group {
        self.nodes[&NodeId(id)].group.clone()
    }

    fn seen(&self, id: u16) -> Vec<Vec<u8>> {
        self.nodes[&NodeId(id)].journal.0.lock().unwrap().clone()
    }

    async fn wait(&self, id: u16, holds: impl FnMut(&Status) -> bool) {
        let mut status = self.group(id).status();
        let waited = tokio::time::timeout(Duration::from_secs(20), status.wait_for(holds)).await;
        waited.expect("the condition holds in time").unwrap();
    }

    /// Waits until a node leads. A transfer that came to nothing lets anybody be elected: whoever is hands it on.
    async fn lead(&self, id: u16) {
        let led = async {
            while !self.group(id).status().borrow().leading {
                for node in self.nodes.values() {
                    // Refused while the node does not lead, or the other one lags.
                    drop(node.group.transfer(NodeId(id)).await);
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), led).await;
        waited.expect("the node leads in time");
    }

    fn cut(&self, id: u16) {
        self.wires.dead.lock().unwrap().insert(NodeId(id));
    }

    fn heal(&self) {
        self.wires.dead.lock().unwrap().clear();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_off_leader_loses_its_lease_before_another_leads() {
    let cluster = Cluster::of(3, Timing::default()).await;
    let (old, clock) = (cluster.group(1), cluster.clock);
    assert!(old.lease().holds(clock.now()));
    cluster.cut(1);
    let new = tokio::select! {
        () = cluster.wait(2, |s| s.leading) => 2,
        () = cluster.wait(3, |s| s.leading) => 3,
    };
    assert!(!old.lease().holds(clock.now()), "two owners at once");
    cluster.group(new).propose(b"after".to_vec()).await.unwrap();
    cluster.heal();
    cluster
        .wait(1, |s| !s.leading && s.leader == Some(NodeId(new)))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_loses_its_vote_has_no_lease_any_more_and_hands_over() {
    for (others, keep) in [(&[2][..], true), (&[2, 3], true), (&[2, 3], false)] {
        let cluster = Cluster::of(3, Timing::default()).await;
        let (old, clock) = (cluster.group(1), cluster.clock);
        assert!(old.lease().holds(clock.now()));
        let others: BTreeSet<_> = others.iter().copied().map(NodeId).collect();
        old.change_voters(&others, keep).await.unwrap();
        cluster.wait(1, |s| s.voters == others && !s.joint).await;
        assert!(!old.lease().holds(clock.now()), "{others:?}, {keep}");
        tokio::select! {
            () = cluster.wait(2, |s| s.leading) => {}
            () = cluster.wait(3, |s| s.leading) => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_is_handed_to_a_chosen_node() {
    let cluster = Cluster::of(3, Timing::default()).await;
    let (_, answer) = cluster.group(1).propose(b"x".to_vec()).await.unwrap();
    assert_eq!(answer, b"1");
    cluster
        .group(1)
        .status()
        .wait_for(|s| s.matched.get(&NodeId(3)) == Some(&s.last_log))
        .await
        .unwrap();
    cluster.group(1).transfer(NodeId(3)).await.unwrap();
    cluster.lead(3).await;
    cluster.group(3).propose(b"y".to_vec()).await.unwrap();
    cluster
        .group(1)
        .status()
        .wait_for(|s| s.applied >= 1 && !s.leading)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_is_handed_to_nobody_who_could_not_keep_the_group_going() {
    let cluster = Cluster::of(3, Timing::default()).await;
    let leader = cluster.group(1);
    let pair = BTreeSet::from([NodeId(1), NodeId(2)]);
    leader.change_voters(&pair, true).await.unwrap();
    let said = leader.transfer(NodeId(3)).await.unwrap_err();
    assert_eq!(said.to_string(), "n3 does not vote");
    // A change that has no quorum stays under way.
    cluster.cut(2);
    let alone = BTreeSet::from([NodeId(1)]);
    let change = leader.change_voters(&alone, true);
    let early = tokio::time::timeout(Duration::from_millis(100), change).await;
    assert!(early.is_err());
    let said = leader.transfer(NodeId(2)).await.unwrap_err();
    assert_eq!(said.to_string(), "voters are being changed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_group_has_everything_and_a_lagging_one_gets_a_snapshot() {
    let timing = Timing {
        entries_per_snapshot: 3_000,
        ..Timing::default()
    };
    let mut cluster = Cluster::of(3, timing).await;
    cluster.cut(3);
    let big = vec![b'x'; 200_000];
    cluster.group(1).propose(big.clone()).await.unwrap();
    for n in 0..7_000u32 {
        cluster
            .group(1)
            .submit(n.to_be_bytes().to_vec())
            .await
            .unwrap();
    }
    let (last, _) = cluster.group(1).propose(b"last".to_vec()).await.unwrap();
    let before = cluster.seen(1);
    assert_eq!((before.len(), &before[0]), (7_002, &big));
    cluster.heal();
    // The status may be a moment behind.
    let applied = last.0;
    cluster.wait(3, |s| s.applied >= applied).await;
    assert_eq!(cluster.seen(3).len(), before.len());

    for id in [1, 2, 3] {
        cluster.restart(id).await;
    }
    for id in [1, 2, 3] {
        cluster.wait(id, |s| s.applied > applied).await;
        assert_eq!(cluster.seen(id), before, "n{id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_cannot_be_applied_stops_the_group_and_says_why() {
    let cluster = Cluster::of(1, Timing::default()).await;
    let group = cluster.group(1);
    group.propose(b"good".to_vec()).await.unwrap();
    group.propose(UNREADABLE.to_vec()).await.unwrap_err();
    cluster.wait(1, |s| s.stopped.is_some()).await;
    let status = group.status().borrow().clone();
    let why = status.stopped.unwrap();
    assert!(why.ends_with(": entry 7 is of a newer version"), "{why}");
    assert!(!why.contains("std::"), "{why}");
    assert_eq!(cluster.seen(1), [b"good"]);
    assert!(!group.lease().holds(cluster.clock.now()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_that_is_stored_keeps_a_group_from_starting_and_names_the_table() {
    for (table, key) in [
        ("raft.7.log", &9u64.to_be_bytes()[..]),
        ("raft.7.marks", b"vote"),
        ("state.7", &[]),
        ("state.7", &[1]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let host = Host {
            node: NodeId(1),
            timing: Timing::default(),
            yields: false,
            clock: Clock::start(),
            store: Store::open(dir.path()).unwrap(),
            transport: Arc::new(Wire {
                from: NodeId(1),
                wires: Arc::default(),
            }),
        };
        host.store.table(table).unwrap().damage(key).unwrap();
        let state = Box::new(Journal::default());
        let said = Group::start(&host, GROUP, state).await.unwrap_err();
        let said = said.to_string();
        let (what, remedy) = (
            format!("table {table} of the store is damaged"),
            "node replace",
        );
        assert!(said.contains(&what) && said.contains(remedy), "{said}");
        assert!(!said.contains('\n'), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn catching_up_ends_with_what_a_leader_had_and_waits_for_one() {
    let cluster = Cluster::of(3, Timing::default()).await;
    let leader = cluster.group(1);
    assert!(leader.catch_up().await);
    cluster.cut(3);
    for n in 0..100u32 {
        leader.propose(n.to_be_bytes().to_vec()).await.unwrap();
    }
    let behind = cluster.group(3);
    let early = tokio::time::timeout(Duration::from_secs(1), behind.catch_up()).await;
    assert!(early.is_err(), "nobody can have told it");
    assert!(leader.is_led() && !behind.is_led());
    cluster.heal();
    let within = tokio::time::timeout(Duration::from_secs(20), behind.catch_up());
    assert!(within.await.unwrap());
    assert_eq!(cluster.seen(3).len(), 100);
    assert!(behind.is_led());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lone_voter_that_restarts_waits_for_nobody() {
    let mut cluster = Cluster::of(1, Timing::default()).await;
    cluster.group(1).propose(b"x".to_vec()).await.unwrap();
    cluster.restart(1).await;
    let at_once = cluster.timing.election_max / 2;
    let caught_up = tokio::time::timeout(at_once, async { cluster.group(1).catch_up().await });
    assert!(caught_up.await.unwrap());
}
