//! What is too much.

use super::node::{A, B, Event, LONG, Plan, ca, pair, plain_pair};
use crate::LinkError;
use bytes::Bytes;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_over_the_limit_are_not_sent() {
    let (a, _b) = plain_pair().await;
    let request = a
        .links
        .request(B, vec![0; (4 << 20) + 1].into(), LONG)
        .await;
    assert!(
        matches!(request, Err(LinkError::TooLarge { .. })),
        "{request:?}"
    );
    let message = a.links.send(B, vec![0; (1 << 20) + 1].into());
    assert!(
        matches!(message, Err(LinkError::TooLarge { .. })),
        "{message:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_over_the_receivers_limit_end_the_connection() {
    let ca = ca();
    let mut b = Plan::new(&ca, B, 1);
    b.config.limits.data_frame_bytes = 1000;
    b.config.limits.raft_frame_bytes = 1000;
    let (mut a, _b) = pair(Plan::new(&ca, A, 1), b).await;
    let request = a.links.request(B, vec![0; 2000].into(), LONG).await;
    assert!(matches!(request, Err(LinkError::Lost(B))), "{request:?}");
    a.links.send(B, vec![0; 2000].into()).unwrap();
    assert_eq!(a.next().await, Event::Lost(B));
    assert!(matches!(a.next().await, Event::Hello(B, _)));
    a.connected(B).await;
    assert_eq!(a.ask(B, "again").await.unwrap(), "n1:again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_open_requests_are_refused() {
    let ca = ca();
    let mut a = Plan::new(&ca, A, 1);
    a.config.limits.requests_in_flight = 1;
    let (a, _b) = pair(a, Plan::new(&ca, B, 1)).await;
    let links = a.links.clone();
    let mut never = Box::pin(links.request(B, Bytes::from_static(b"never"), LONG));
    tokio::select! {
        biased;
        answered = &mut never => panic!("{answered:?}"),
        second = a.ask(B, "second") => assert!(matches!(second, Err(LinkError::Full(B)))),
    }
    drop(never);
    assert_eq!(a.ask(B, "third").await.unwrap(), "n1:third");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_receiver_fills_the_senders_outbox_and_nothing_is_reordered() {
    let ca = ca();
    let mut b = Plan::new(&ca, B, 1);
    b.gate = 10;
    let (mut a, mut b) = pair(Plan::new(&ca, A, 1), b).await;
    let bulk = vec![7; 1 << 20];
    let mut taken = 0;
    let full = loop {
        match a.links.send(B, bulk.clone().into()) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, LinkError::Full(B)), "{full:?}");
    assert!(taken >= 63, "{taken}");
    // The eleventh is the one that the receiver does not get done with.
    for _ in 0..11 {
        assert!(matches!(b.next().await, Event::Data(A, _)));
    }
    assert!(b.events.try_recv().is_err());
    a.links.reset(B);
    assert_eq!(a.next().await, Event::Lost(B));
    assert!(matches!(a.next().await, Event::Hello(B, _)));
    a.links.send(B, Bytes::from_static(b"after")).unwrap();
    assert_eq!(b.next_data().await, "after");
}
