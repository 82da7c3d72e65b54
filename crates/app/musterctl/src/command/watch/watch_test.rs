use super::*;
use crate::cli::Target;
use muster_admin::fake::Fake;
use muster_admin::{AdminEvent, AdminListener, EventKind};
use muster_types::{NodeId, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::oneshot;

/// A node that can end.
struct Node {
    folder: TempDir,
    fake: Arc<Fake>,
    stop: oneshot::Sender<()>,
}

impl Node {
    fn start(number: u16) -> Self {
        let (folder, fake) = (TempDir::new().unwrap(), Fake::pair());
        fake.change_live(|live| live.node = NodeId(number));
        let listener = AdminListener::unix(&folder.path().join("admin.sock")).unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            let _ = stopped.await;
        };
        tokio::spawn(listener.serve(Arc::<Fake>::clone(&fake), shutdown));
        Self { folder, fake, stop }
    }

    /// Tells those who watch, once there is somebody.
    async fn tell(&self, kind: EventKind, text: &str, local: bool) {
        let event = AdminEvent {
            at: Timestamp(0),
            kind,
            text: text.to_owned(),
            fields: BTreeMap::new(),
            local,
        };
        while self.fake.tell(event.clone()) == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn connector(nodes: &[&Node]) -> Connector {
    let address = |node: &&Node| {
        let path = node.folder.path().join("admin.sock");
        format!("unix:{}", path.display()).parse().unwrap()
    };
    let target = Target {
        addresses: nodes.iter().map(address).collect(),
        cert: None,
        key: None,
        ca: None,
    };
    Connector::new(&target).unwrap()
}

/// What is shown, as it comes.
fn begin(nodes: &[&Node]) -> mpsc::UnboundedReceiver<String> {
    let (shown_to, shown) = mpsc::unbounded_channel();
    let connector = connector(nodes);
    tokio::spawn(async move {
        let show = |told| {
            if let Told::Event(event) = told {
                shown_to.send(event.text).unwrap();
            }
            future::ready(Ok(()))
        };
        watch(&connector, show).await
    });
    shown
}

async fn next(shown: &mut mpsc::UnboundedReceiver<String>) -> String {
    let next = tokio::time::timeout(Duration::from_secs(10), shown.recv()).await;
    next.unwrap().unwrap()
}

/// Waits until a node is listened to for what the log decides.
async fn hear(node: &Node, shown: &mut mpsc::UnboundedReceiver<String>) {
    loop {
        node.tell(EventKind::Setting, "heard", false).await;
        let soon = tokio::time::timeout(Duration::from_millis(50), shown.recv()).await;
        if soon.is_ok_and(|text| text.as_deref() == Some("heard")) {
            break;
        }
    }
    // What was told in vain meanwhile.
    while let Ok(text) = shown.try_recv() {
        assert_eq!(text, "heard");
    }
}

#[tokio::test]
async fn sessions_are_shown_from_every_node_and_decisions_once() {
    let (a, b) = (Node::start(1), Node::start(2));
    let mut shown = begin(&[&a, &b]);
    // Whoever answered first has the part; both are followed.
    b.tell(EventKind::Session, "on b", true).await;
    assert_eq!(next(&mut shown).await, "on b");
    a.tell(EventKind::Session, "on a", true).await;
    assert_eq!(next(&mut shown).await, "on a");
    for node in [&a, &b] {
        node.tell(EventKind::Node, "a is Normal", false).await;
    }
    assert_eq!(next(&mut shown).await, "a is Normal");
    a.tell(EventKind::Session, "afterwards on a", true).await;
    b.tell(EventKind::Session, "afterwards on b", true).await;
    let mut rest = [next(&mut shown).await, next(&mut shown).await];
    rest.sort();
    assert_eq!(rest, ["afterwards on a", "afterwards on b"]);
}

#[tokio::test]
async fn another_node_takes_the_part_of_one_that_ends() {
    let (a, b) = (Node::start(1), Node::start(2));
    let mut shown = begin(&[&a, &b]);
    b.tell(EventKind::Session, "on b", true).await;
    assert_eq!(next(&mut shown).await, "on b");
    a.stop.send(()).unwrap();
    hear(&b, &mut shown).await;
    b.tell(EventKind::Node, "b serves on", false).await;
    assert_eq!(next(&mut shown).await, "b serves on");
}

#[tokio::test]
async fn when_nobody_answers_the_addresses_are_named() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("admin.sock").display().to_string();
    let target = Target {
        addresses: vec![path.parse().unwrap()],
        cert: None,
        key: None,
        ca: None,
    };
    let connector = Connector::new(&target).unwrap();
    let failure = watch(&connector, |_| future::ready(Ok(())))
        .await
        .unwrap_err();
    assert_eq!(failure.code(), 3);
    assert!(failure.to_string().contains(&path), "{failure}");
}
