//! What happens when a connection or a node ends.

use super::node::{A, B, Event, LONG, Node, Plan, ca, plain_pair};
use super::proxy::Proxy;
use crate::LinkError;
use bytes::Bytes;
use muster_types::Boot;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_node_is_noticed_and_found_again() {
    let ca = ca();
    let mut a = Node::start(&ca, A, 1).await;
    let mut b = Plan::new(&ca, B, 1).start_mortal().await;
    let address = b.links.local_addr();
    a.peers([(B, address.to_string())]);
    b.peers([(A, a.address())]);
    assert_eq!(a.next().await, Event::Hello(B, Boot(1)));
    a.connected(B).await;
    let never = a.ask(B, "never");
    let killing = async {
        while b.next().await != Event::Never(A) {}
        b.kill();
    };
    let (never, ()) = tokio::join!(never, killing);
    assert!(matches!(never, Err(LinkError::Lost(B))), "{never:?}");
    assert_eq!(a.next().await, Event::Lost(B));
    a.problem(B, "cannot connect").await;
    let gone = a.ask(B, "hi").await;
    assert!(matches!(gone, Err(LinkError::NotConnected(B))), "{gone:?}");
    let unsent = a.links.send(B, Bytes::new());
    assert!(
        matches!(unsent, Err(LinkError::NotConnected(B))),
        "{unsent:?}"
    );

    let mut plan = Plan::new(&ca, B, 2);
    plan.config.listen = address;
    let mut b = plan.start().await;
    b.peers([(A, a.address())]);
    assert_eq!(a.next().await, Event::Hello(B, Boot(2)));
    a.links.send(B, Bytes::from_static(b"again")).unwrap();
    assert_eq!(b.next_data().await, "again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_wire_is_given_up_and_old_messages_never_follow_new_ones() {
    let ca = ca();
    let mut plan = Plan::new(&ca, A, 1);
    plan.config.timing.silence = Duration::from_millis(400);
    plan.config.timing.handshake = Duration::from_millis(400);
    plan.config.timing.backoff_last = Duration::from_millis(50);
    let mut a = plan.start().await;
    let mut b = Node::start(&ca, B, 1).await;
    let proxy = Proxy::to(b.links.local_addr()).await;
    a.peers([(B, proxy.address.clone())]);
    b.peers([(A, a.address())]);
    assert_eq!(a.next().await, Event::Hello(B, Boot(1)));
    a.links.send(B, Bytes::from_static(b"0")).unwrap();
    assert_eq!(b.next_data().await, "0");
    for round in 1_u32..4 {
        proxy.freeze(true);
        a.links.send(B, Bytes::from_static(b"old")).unwrap();
        assert_eq!(a.next().await, Event::Lost(B));
        proxy.freeze(false);
        assert_eq!(a.next().await, Event::Hello(B, Boot(1)));
        let new = Bytes::from(round.to_string());
        a.links.send(B, new.clone()).unwrap();
        // The old message may come or not, but never after the new one.
        while b.next_data().await != new {}
        a.links.send(B, Bytes::from_static(b"end")).unwrap();
        assert_eq!(b.next_data().await, "end");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_is_lost_and_hello() {
    let (mut a, _b) = plain_pair().await;
    a.links.reset(B);
    assert_eq!(a.next().await, Event::Lost(B));
    assert_eq!(a.next().await, Event::Hello(B, Boot(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_peer_is_cut_off_in_both_directions() {
    let (a, mut b) = plain_pair().await;
    a.peers([]);
    let unknown = a.ask(B, "hi").await;
    assert!(
        matches!(unknown, Err(LinkError::UnknownPeer(B))),
        "{unknown:?}"
    );
    assert_eq!(b.next().await, Event::Lost(A));
    b.problem(A, "n2 is no member that n1 knows").await;
    a.peers([(B, b.address())]);
    assert_eq!(b.next().await, Event::Hello(A, Boot(1)));
    a.connected(B).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_with_a_new_address_is_dialled_there() {
    let (mut a, b) = plain_pair().await;
    let proxy = Proxy::to(b.links.local_addr()).await;
    a.peers([(B, proxy.address.clone())]);
    assert_eq!(a.next().await, Event::Lost(B));
    assert_eq!(a.next().await, Event::Hello(B, Boot(1)));
    a.connected(B).await;
    assert_eq!(a.links.peers()[0].address, proxy.address);
    assert_eq!(a.ask(B, "hi").await.unwrap(), "n1:hi");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_ends_connections_and_frees_the_port() {
    let (a, mut b) = plain_pair().await;
    let address = a.links.local_addr();
    let clone = a.links.clone();
    tokio::time::timeout(LONG, a.links.shutdown())
        .await
        .unwrap();
    assert_eq!(b.next().await, Event::Lost(A));
    std::net::TcpListener::bind(address).unwrap();
    clone.set_peers([(B, b.address())].into());
    assert!(clone.peers().is_empty(), "nothing begins after the end");
}
