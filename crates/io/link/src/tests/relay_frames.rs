//! What a node does with frames of relayed lanes that it should not get.

use super::node::{A, B, C, CLUSTER, D, Event, NOWHERE, Node, Plan, ca, identity};
use super::trust::connect;
use crate::dial::channel;
use crate::relay::{Way, relay};
use crate::wire::proto::link_client::LinkClient;
use crate::wire::{self, Frame, FrameKind, Lane, RELAY_SINCE, proto};
use crate::{ClusterCa, Issued};
use bytes::Bytes;
use muster_types::NodeId;
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

/// A node of the cluster that says on its data lane whatever the test wants.
struct Raw {
    out: mpsc::Sender<Frame>,
    frames: Streaming<Frame>,
}

impl Raw {
    async fn call(ca: &ClusterCa, node: NodeId, to: (&Node, NodeId)) -> Self {
        let shown = identity(ca, node);
        let shown = Issued {
            certificate: shown.certificate,
            key: shown.key,
        };
        let tls = connect(ca, to, Some(&shown), Lane::Data.alpn()).await;
        let mut client = LinkClient::new(channel(tls.unwrap()).await.unwrap());
        let (out, frames) = mpsc::channel(64);
        out.send(wire::hello(&hello(node, 1))).await.unwrap();
        let frames = client.data(ReceiverStream::new(frames)).await.unwrap();
        let mut frames = frames.into_inner();
        let first = frames.message().await.unwrap().unwrap();
        assert_eq!(first.kind(), FrameKind::Hello);
        Self { out, frames }
    }

    async fn say(&self, kind: FrameKind, way: Way, serial: u64, body: impl Into<Bytes>) {
        let frame = relay(kind, way, serial, body.into());
        self.out.send(frame).await.unwrap();
    }

    async fn open(&self, way: Way, serial: u64, hello: &proto::Hello) {
        let body = hello.encode_to_vec();
        self.say(FrameKind::RelayOpen, way, serial, body).await;
    }

    /// The next frame that is no beat: kind, serial and, of a close, the reason.
    async fn heard(&mut self) -> (FrameKind, u64, String) {
        loop {
            let frame = self.frames.message().await.unwrap().unwrap();
            match frame.kind() {
                FrameKind::Beat => {}
                FrameKind::RelayClose => {
                    let reason = String::from_utf8(frame.body.to_vec()).unwrap();
                    return (FrameKind::RelayClose, frame.serial, reason);
                }
                kind => return (kind, frame.serial, String::new()),
            }
        }
    }

    /// Whether the other side ends the call.
    async fn ends(&mut self) -> bool {
        while let Ok(Some(frame)) = self.frames.message().await {
            assert_eq!(frame.kind(), FrameKind::Beat);
        }
        true
    }

    async fn refused(&mut self, serial: u64, why: &str) {
        let (kind, of, reason) = self.heard().await;
        assert_eq!((kind, of), (FrameKind::RelayClose, serial), "{reason}");
        assert!(reason.contains(why), "{reason}");
    }
}

fn hello(node: NodeId, connection: u64) -> proto::Hello {
    proto::Hello {
        cluster: CLUSTER.to_owned(),
        node: node.0.into(),
        boot: 1,
        wire_version: RELAY_SINCE,
        wire_version_oldest: 1,
        data_version: 1,
        connection,
        process: 40 + u64::from(node.0),
    }
}

/// B and C, connected; A and D are members that they do not reach.
async fn far_and_carrier(ca: &ClusterCa) -> (Node, Node) {
    let plan = |node| Plan::relaying(ca, node);
    let (b, c) = (plan(B).start().await, plan(C).start().await);
    let nowhere = || NOWHERE.to_owned();
    b.peers([(A, nowhere()), (C, c.address()), (D, nowhere())]);
    c.peers([(A, nowhere()), (B, b.address()), (D, nowhere())]);
    b.connected(C).await;
    c.connected(B).await;
    (b, c)
}

async fn next_from(node: &mut Node, from: NodeId) -> Bytes {
    loop {
        if let Event::Data(of, body) = node.next().await {
            assert_eq!(of, from);
            return body;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_of_another_serial_are_dropped_by_the_carrier() {
    let ca = ca();
    let (mut b, c) = far_and_carrier(&ca).await;
    let mut a = Raw::call(&ca, A, (&c, C)).await;
    for serial in [7, 9] {
        a.open(Way::To(B), serial, &hello(A, serial)).await;
        assert_eq!(a.heard().await.0, FrameKind::RelayAccept);
    }
    a.open(Way::To(B), 8, &hello(A, 8)).await;
    a.refused(8, "a newer lane of the sender stands").await;
    for (serial, body) in [(7, "old"), (10, "of none"), (9, "new")] {
        a.say(FrameKind::RelayData, Way::To(B), serial, body).await;
    }
    assert_eq!(next_from(&mut b, A).await, "new");
    // Closed, it takes nothing more.
    a.say(FrameKind::RelayClose, Way::To(B), 9, "").await;
    a.say(FrameKind::RelayData, Way::To(B), 9, "late").await;
    a.open(Way::To(B), 11, &hello(A, 11)).await;
    while a.heard().await.0 != FrameKind::RelayAccept {}
    a.say(FrameKind::RelayData, Way::To(B), 11, "newest").await;
    assert_eq!(next_from(&mut b, A).await, "newest");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_of_another_serial_are_dropped_by_the_receiver() {
    let ca = ca();
    let (mut b, _c) = far_and_carrier(&ca).await;
    let mut d = Raw::call(&ca, D, (&b, B)).await;
    d.open(Way::From(A), 7, &hello(A, 7)).await;
    assert_eq!(d.heard().await, (FrameKind::RelayAccept, 7, String::new()));
    for (serial, body) in [(6, "old"), (8, "of none"), (7, "new")] {
        d.say(FrameKind::RelayData, Way::From(A), serial, body)
            .await;
    }
    assert_eq!(next_from(&mut b, A).await, "new");
    // An older lane than the one that stands, by way of the same carrier.
    d.open(Way::From(A), 5, &hello(A, 5)).await;
    d.refused(5, "a newer connection of this process stands")
        .await;
    d.say(FrameKind::RelayData, Way::From(A), 7, "newer").await;
    assert_eq!(next_from(&mut b, A).await, "newer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_direct_connection_replaces_a_relayed_lane_and_the_other_way_round() {
    let ca = ca();
    let (mut b, _c) = far_and_carrier(&ca).await;
    let mut d = Raw::call(&ca, D, (&b, B)).await;
    d.open(Way::From(A), 1, &hello(A, 1)).await;
    assert_eq!(d.heard().await.0, FrameKind::RelayAccept);
    // Its connection has number 1 too, which is not older.
    let mut a = Raw::call(&ca, A, (&b, B)).await;
    d.refused(1, "replaced").await;
    d.say(FrameKind::RelayData, Way::From(A), 1, "late").await;
    a.out
        .send(wire::data(Bytes::from_static(b"direct")))
        .await
        .unwrap();
    assert_eq!(next_from(&mut b, A).await, "direct");
    d.open(Way::From(A), 2, &hello(A, 2)).await;
    while d.heard().await.0 != FrameKind::RelayAccept {}
    assert!(a.ends().await, "the direct connection has to leave");
    d.say(FrameKind::RelayData, Way::From(A), 2, "relayed")
        .await;
    assert_eq!(next_from(&mut b, A).await, "relayed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_speaks_in_anothers_name_is_refused() {
    let ca = ca();
    let (mut b, c) = far_and_carrier(&ca).await;
    let mut d = Raw::call(&ca, D, (&c, C)).await;
    // By way of an honest carrier: it says whose connection it is.
    d.open(Way::To(B), 7, &hello(A, 7)).await;
    d.refused(7, "the certificate is of n4, the hello of n1")
        .await;
    // Both names at once are none.
    let forged = Frame {
        to: B.0.into(),
        from: A.0.into(),
        ..relay(
            FrameKind::RelayOpen,
            Way::To(B),
            8,
            hello(A, 8).encode_to_vec().into(),
        )
    };
    d.out.send(forged).await.unwrap();
    // In the receiver's own name, in the carrier's, and in that of nobody.
    for (serial, from, why) in [
        (9, C, "is no member"),
        (10, D, "relays its own messages"),
        (11, NodeId(9), "is no member"),
    ] {
        d.open(Way::From(from), serial, &hello(from, serial)).await;
        d.refused(serial, why).await;
    }
    // The hello of one lane does not open another.
    d.open(Way::To(B), 12, &hello(D, 11)).await;
    d.refused(12, "of another lane").await;
    // Still an honest sender itself.
    d.open(Way::To(B), 13, &hello(D, 13)).await;
    assert_eq!(d.heard().await.0, FrameKind::RelayAccept);
    d.say(FrameKind::RelayData, Way::To(B), 13, "mine").await;
    assert_eq!(next_from(&mut b, D).await, "mine");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_carried_is_refused_with_the_reason() {
    let ca = ca();
    let (_b, c) = far_and_carrier(&ca).await;
    let mut a = Raw::call(&ca, A, (&c, C)).await;
    for (serial, to, why) in [
        (2, A, "needs no lane"),
        (3, C, "needs no lane"),
        (4, D, "n3 has no link to n4"),
        (5, NodeId(9), "n9 is no member that n3 knows"),
    ] {
        a.open(Way::To(to), serial, &hello(A, serial)).await;
        a.refused(serial, why).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_is_never_a_second_carrier() {
    let ca = ca();
    let plan = |node| Plan::relaying(&ca, node);
    let (b, c) = (plan(B).start().await, plan(C).start().await);
    let d = plan(D).start().await;
    let nowhere = || NOWHERE.to_owned();
    b.peers([(A, nowhere()), (C, nowhere()), (D, d.address())]);
    c.peers([(A, nowhere()), (B, nowhere()), (D, d.address())]);
    d.peers([(A, nowhere()), (B, b.address()), (C, c.address())]);
    c.until(B, |status| status.via == Some(D)).await;
    let mut a = Raw::call(&ca, A, (&c, C)).await;
    a.open(Way::To(B), 7, &hello(A, 7)).await;
    a.refused(7, "n3 has no link to n2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_receiver_forgets_a_lane_when_its_carrier_goes() {
    let ca = ca();
    let (mut b, c) = far_and_carrier(&ca).await;
    let mut a = Raw::call(&ca, A, (&c, C)).await;
    a.open(Way::To(B), 7, &hello(A, 7)).await;
    assert_eq!(a.heard().await.0, FrameKind::RelayAccept);
    c.links.reset(B);
    a.refused(7, "lost its link to n2").await;
    c.connected(B).await;
    // What a start of another process would be refused for if the lane were still held.
    let mut again = hello(A, 1);
    again.boot = 2;
    again.process = 77;
    let mut d = Raw::call(&ca, D, (&b, B)).await;
    d.open(Way::From(A), 1, &again).await;
    assert_eq!(d.heard().await.0, FrameKind::RelayAccept);
    d.say(FrameKind::RelayData, Way::From(A), 1, "anew").await;
    assert_eq!(next_from(&mut b, A).await, "anew");
}
