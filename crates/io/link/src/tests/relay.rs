//! Messages that go by way of a third node.

use super::node::{A, B, C, D, Event, NOWHERE, Node, Plan, ca};
use crate::{ClusterCa, LinkError};
use bytes::Bytes;
use muster_types::{Boot, NodeId};
use std::time::Duration;

/// A and B, which do not reach each other, and C, which reaches both.
struct Triangle {
    a: Node,
    b: Node,
    c: Node,
}

impl Triangle {
    async fn of(a: Plan, b: Plan, c: Plan) -> Self {
        let (a, b, c) = (a.start().await, b.start().await, c.start().await);
        a.peers([(B, NOWHERE.to_owned()), (C, c.address())]);
        b.peers([(A, NOWHERE.to_owned()), (C, c.address())]);
        c.peers([(A, a.address()), (B, b.address())]);
        Self { a, b, c }
    }

    async fn plain(ca: &ClusterCa) -> Self {
        let plan = |node| Plan::relaying(ca, node);
        Self::of(plan(A), plan(B), plan(C)).await
    }
}

/// The next thing that concerns one other node.
async fn next_of(node: &mut Node, other: NodeId) -> Event {
    loop {
        match node.next().await {
            Event::Hello(from, _) | Event::Lost(from) if from != other => {}
            event => return event,
        }
    }
}

async fn until_via(node: &Node, to: NodeId, via: NodeId) {
    node.until(to, |status| status.via == Some(via)).await;
}

fn number(body: &Bytes) -> u32 {
    u32::from_be_bytes(body[..4].try_into().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_go_by_way_of_a_third_node_while_the_direct_lane_is_down() {
    let Triangle { mut a, mut b, c } = Triangle::plain(&ca()).await;
    assert_eq!(next_of(&mut a, B).await, Event::Hello(B, Boot(1)));
    assert_eq!(next_of(&mut b, A).await, Event::Hello(A, Boot(1)));
    until_via(&a, B, C).await;
    until_via(&b, A, C).await;
    a.links.send(B, Bytes::from_static(b"one")).unwrap();
    b.links.send(A, Bytes::from_static(b"two")).unwrap();
    assert_eq!(b.next_data().await, "one");
    assert_eq!(a.next_data().await, "two");
    assert_eq!(c.links.relayed(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_carries_messages_only_and_is_no_sign_of_life() {
    let Triangle {
        mut a,
        mut b,
        c: _c,
    } = Triangle::plain(&ca()).await;
    assert_eq!(next_of(&mut b, A).await, Event::Hello(A, Boot(1)));
    assert_eq!(next_of(&mut a, B).await, Event::Hello(B, Boot(1)));
    b.links.send(A, Bytes::from_static(b"here I am")).unwrap();
    assert_eq!(a.next_data().await, "here I am");
    let request = a.ask(B, "hi").await;
    assert!(
        matches!(request, Err(LinkError::NotConnected(B))),
        "{request:?}"
    );
    assert_eq!(a.links.last_heard(B), None);
    let status = a.links.peers().into_iter().find(|peer| peer.node == B);
    let status = status.unwrap();
    assert!(!status.data && !status.raft);
    assert!(status.problem.unwrap().contains("cannot connect"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relayed_messages_arrive_in_order_and_without_gaps() {
    const COUNT: u32 = 20_000;
    let Triangle {
        mut a,
        mut b,
        c: _c,
    } = Triangle::plain(&ca()).await;
    assert_eq!(next_of(&mut a, B).await, Event::Hello(B, Boot(1)));
    let links = a.links.clone();
    let sending = tokio::spawn(async move {
        for number in 0..COUNT {
            let mut body = number.to_be_bytes().to_vec();
            body.resize(4 + (number as usize * 7919) % 300, 0);
            links.send(B, body.into()).unwrap();
        }
    });
    for expected in 0..COUNT {
        let body = b.next_data().await;
        assert_eq!(number(&body), expected);
        assert_eq!(body.len(), 4 + (expected as usize * 7919) % 300);
    }
    sending.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_direct_lane_takes_over_when_it_is_back_and_nothing_old_follows() {
    let Triangle { mut a, mut b, c } = Triangle::plain(&ca()).await;
    assert_eq!(next_of(&mut a, B).await, Event::Hello(B, Boot(1)));
    let mut sent = 0_u32;
    let mut seen = None;
    for round in 0..3 {
        let direct = round % 2 == 0;
        let to = if direct { b.address() } else { NOWHERE.into() };
        a.peers([(B, to), (C, c.address())]);
        // Whatever is sent meanwhile may be lost.
        loop {
            let _perhaps = a.links.send(B, Bytes::copy_from_slice(&sent.to_be_bytes()));
            sent += 1;
            if let Ok(event) = a.events.try_recv() {
                assert_eq!(event, Event::Lost(B));
                break;
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(next_of(&mut a, B).await, Event::Hello(B, Boot(1)));
        let stands = |status: &crate::PeerStatus| match direct {
            true => status.data && status.via.is_none(),
            false => !status.data && status.via == Some(C),
        };
        a.until(B, stands).await;
        let last = sent;
        sent += 1;
        a.links
            .send(B, Bytes::copy_from_slice(&last.to_be_bytes()))
            .unwrap();
        loop {
            let now = number(&b.next_data().await);
            assert!(seen < Some(now), "{now} came after {seen:?}");
            seen = Some(now);
            if now == last {
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_carries_on_when_the_carrier_dies() {
    let ca = ca();
    let plan = |node| Plan::relaying(&ca, node);
    let (mut a, mut b) = (plan(A).start().await, plan(B).start().await);
    let (c, d) = (plan(C).start_mortal().await, plan(D).start().await);
    for (node, other) in [(&a, B), (&b, A)] {
        node.peers([
            (other, NOWHERE.to_owned()),
            (C, c.address()),
            (D, d.address()),
        ]);
    }
    c.peers([(A, a.address()), (B, b.address())]);
    assert_eq!(next_of(&mut a, B).await, Event::Hello(B, Boot(1)));
    assert_eq!(next_of(&mut b, A).await, Event::Hello(A, Boot(1)));
    until_via(&a, B, C).await;
    d.peers([(A, a.address()), (B, b.address())]);
    d.connected(B).await;
    d.connected(A).await;
    c.kill();
    assert_eq!(next_of(&mut a, B).await, Event::Lost(B));
    assert_eq!(next_of(&mut b, A).await, Event::Lost(A));
    assert_eq!(next_of(&mut a, B).await, Event::Hello(B, Boot(1)));
    assert_eq!(next_of(&mut b, A).await, Event::Hello(A, Boot(1)));
    until_via(&a, B, D).await;
    a.links.send(B, Bytes::from_static(b"again")).unwrap();
    assert_eq!(b.next_data().await, "again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_dies_is_lost_and_its_next_start_is_told() {
    let ca = ca();
    let plan = |node| Plan::relaying(&ca, node);
    let (mut a, c) = (plan(A).start().await, plan(C).start().await);
    let b = plan(B).start_mortal().await;
    let address = b.links.local_addr();
    a.peers([(B, NOWHERE.to_owned()), (C, c.address())]);
    b.peers([(C, c.address())]);
    c.peers([(A, a.address()), (B, address.to_string())]);
    b.peers([(A, NOWHERE.to_owned()), (C, c.address())]);
    assert_eq!(next_of(&mut a, B).await, Event::Hello(B, Boot(1)));
    b.kill();
    assert_eq!(next_of(&mut a, B).await, Event::Lost(B));
    c.problem(B, "cannot connect").await;
    let mut again = Plan::relaying(&ca, B);
    again.config.boot = Boot(2);
    again.config.listen = address;
    let mut b = again.start().await;
    b.peers([(A, NOWHERE.to_owned()), (C, c.address())]);
    assert_eq!(next_of(&mut a, B).await, Event::Hello(B, Boot(2)));
    a.links.send(B, Bytes::from_static(b"welcome")).unwrap();
    assert_eq!(b.next_data().await, "welcome");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_ends_the_relayed_lane_and_not_the_carriers() {
    let Triangle { mut a, b, c } = Triangle::plain(&ca()).await;
    assert_eq!(next_of(&mut a, B).await, Event::Hello(B, Boot(1)));
    a.connected(C).await;
    while a.events.try_recv().is_ok() {}
    a.links.reset(B);
    assert_eq!(a.next().await, Event::Lost(B));
    assert_eq!(a.next().await, Event::Hello(B, Boot(1)));
    drop((b, c));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_does_not_keep_up_costs_the_relayed_lane_only() {
    let ca = ca();
    let plan = |node| Plan::relaying(&ca, node);
    let mut slow = plan(B);
    slow.gate = 0;
    let Triangle { mut a, b, c } = Triangle::of(plan(A), slow, plan(C)).await;
    assert_eq!(next_of(&mut a, B).await, Event::Hello(B, Boot(1)));
    a.connected(C).await;
    c.connected(B).await;
    while a.events.try_recv().is_ok() {}
    let bulk = Bytes::from(vec![7; 1 << 20]);
    let lost = loop {
        // Full here, or too much waits at the carrier: either way the lane is not silently gappy.
        match a.links.send(B, bulk.clone()) {
            Ok(()) | Err(LinkError::Full(B)) => {}
            Err(LinkError::NotConnected(B)) => break a.next().await,
            Err(error) => panic!("{error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    assert_eq!(lost, Event::Lost(B));
    c.links.send(B, Bytes::from_static(b"of my own")).unwrap();
    assert_eq!(c.ask(B, "hi").await.unwrap(), "n3:hi");
    a.links.send(C, Bytes::from_static(b"to you")).unwrap();
    drop(b);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_knows_no_relayed_lanes_is_not_asked() {
    let ca = ca();
    let plan = |node| Plan::relaying(&ca, node);
    let (mut a, mut b) = (plan(A).start().await, plan(B).start().await);
    let (old, d) = (Plan::new(&ca, C, 1).start().await, plan(D).start().await);
    for (node, other) in [(&a, B), (&b, A)] {
        node.peers([
            (other, NOWHERE.to_owned()),
            (C, old.address()),
            (D, d.address()),
        ]);
    }
    old.peers([(A, a.address()), (B, b.address())]);
    a.connected(C).await;
    old.connected(B).await;
    d.peers([(A, a.address()), (B, b.address())]);
    assert_eq!(next_of(&mut a, B).await, Event::Hello(B, Boot(1)));
    until_via(&a, B, D).await;
    a.links.send(B, Bytes::from_static(b"one")).unwrap();
    assert_eq!(b.next_data().await, "one");
    assert_eq!(d.links.relayed(), 1);
}
