//! What two healthy nodes do.

use super::node::{A, B, C, Event, LONG, Node, Plan, ca, pair, plain_pair};
use crate::LinkError;
use bytes::Bytes;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_and_messages_pass_both_ways() {
    let (mut a, mut b) = plain_pair().await;
    assert_eq!(a.ask(B, "hi").await.unwrap(), "n1:hi");
    assert_eq!(b.ask(A, "hi").await.unwrap(), "n2:hi");
    a.links.send(B, Bytes::from_static(b"one")).unwrap();
    b.links.send(A, Bytes::from_static(b"two")).unwrap();
    assert_eq!(b.next().await, Event::Data(A, Bytes::from_static(b"one")));
    assert_eq!(a.next().await, Event::Data(B, Bytes::from_static(b"two")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_messages_arrive_in_order() {
    const COUNT: u32 = 100_000;
    let (a, mut b) = plain_pair().await;
    let links = a.links.clone();
    let sending = tokio::spawn(async move {
        for number in 0..COUNT {
            let mut body = number.to_be_bytes().to_vec();
            body.resize(4 + (number as usize * 7919) % 300, 0);
            links.send_when_room(B, body.into()).await.unwrap();
        }
    });
    for number in 0..COUNT {
        let body = b.next_data().await;
        assert_eq!(body[..4], number.to_be_bytes());
        assert_eq!(body.len(), 4 + (number as usize * 7919) % 300);
    }
    sending.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_requests_are_under_way_at_once() {
    let (a, _b) = plain_pair().await;
    let asking = (0..200).map(|number: u32| {
        let links = a.links.clone();
        tokio::spawn(async move {
            let body = Bytes::from(number.to_string());
            let answer = links.request(B, body, LONG).await.unwrap();
            assert_eq!(answer, format!("n1:{number}"));
        })
    });
    for asked in asking.collect::<Vec<_>>() {
        asked.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unanswered_request_times_out_and_holds_nobody_up() {
    let (a, _b) = plain_pair().await;
    let short = Duration::from_millis(200);
    let never = a.links.request(B, Bytes::from_static(b"never"), short);
    let (never, other) = tokio::join!(never, a.ask(B, "other"));
    assert!(matches!(never, Err(LinkError::Timeout(B))), "{never:?}");
    assert_eq!(other.unwrap(), "n1:other");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beats_keep_an_idle_link_fresh() {
    let (a, b) = plain_pair().await;
    let first = a.links.last_heard(B).unwrap();
    let fresher = async {
        let has_clock = || a.links.peers().iter().all(|peer| peer.beat.is_some());
        while a.links.last_heard(B).unwrap() <= first + Duration::from_millis(300) || !has_clock() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, fresher).await.unwrap();
    assert!(b.links.last_heard(A).is_some());
    assert_eq!(a.links.last_heard(C), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bulk_does_not_hold_up_requests() {
    let ca = ca();
    let mut b = Plan::new(&ca, B, 1);
    b.gate = 0;
    let (a, _b) = pair(Plan::new(&ca, A, 1), b).await;
    let bulk = Bytes::from(vec![7; 1 << 20]);
    while a.links.send(B, bulk.clone()).is_ok() {}
    assert_eq!(a.ask(B, "hi").await.unwrap(), "n1:hi");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_frames_pass() {
    let (a, mut b) = plain_pair().await;
    let request = Bytes::from(vec![7; (4 << 20) - 3]);
    let response = a.links.request(B, request, LONG).await.unwrap();
    assert_eq!(response.len(), 4 << 20);
    a.links.send(B, Bytes::from(vec![7; 1 << 20])).unwrap();
    assert_eq!(b.next_data().await.len(), 1 << 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_raft_lane_needs_nothing_of_the_data_runtime() {
    let ca = ca();
    let (a, c) = (Node::start(&ca, A, 1).await, Node::start(&ca, C, 1).await);
    // Only the data lane of b runs on b's own runtime.
    let b = Plan::new(&ca, B, 1).start_apart().await;
    a.peers([(B, b.address())]);
    b.peers([(A, a.address()), (C, c.address())]);
    a.connected(B).await;
    let (release, held) = std::sync::mpsc::channel::<()>();
    b.spawn(async move { held.recv().is_err() });
    assert_eq!(a.ask(B, "hi").await.unwrap(), "n1:hi");
    // A new connection does not either, in both directions.
    c.peers([(B, b.address())]);
    c.until(B, |status| status.raft).await;
    assert!(!c.links.peers()[0].data);
    assert_eq!(c.ask(B, "hi").await.unwrap(), "n3:hi");
    b.until(C, |status| status.raft).await;
    assert_eq!(b.ask(C, "hi").await.unwrap(), "n2:hi");
    drop(release);
    c.connected(B).await;
    b.kill();
}
