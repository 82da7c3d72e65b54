use super::*;
use crate::outbox::{OutboxLimits, Outgoing, outbox};
use crate::wire::beat;
use bytes::Bytes;
use futures_util::StreamExt;
use std::time::Duration;

const PEER: NodeId = NodeId(3);
const FAR: NodeId = NodeId(2);

fn way_out() -> (Outbox, Outgoing) {
    let limits = OutboxLimits {
        frames: 8,
        bytes: 1 << 16,
        frame_bytes: 1 << 10,
    };
    outbox(limits, Duration::from_secs(60), std::time::Instant::now())
}

fn closed(serial: u64) -> Frame {
    close(Way::From(FAR), serial, "over")
}

#[tokio::test]
async fn answers_find_their_lane() {
    let relays = Relays::new(PEER);
    let (outbox, _outgoing) = way_out();
    let mut seven = relays.open(FAR, 7, outbox.clone()).unwrap();
    let mut eight = relays.open(FAR, 8, outbox).unwrap();
    relays.take(closed(8));
    assert!(matches!(eight.answers.recv().await, Some(Answer::Closed(why)) if why == "over"));
    assert!(eight.answers.recv().await.is_none(), "nothing follows");
    relays.take(closed(9));
    relays.take(close(Way::From(NodeId(9)), 7, "of another receiver"));
    relays.take(beat(Duration::ZERO));
    assert!(seven.answers.try_recv().is_err(), "none of them was for it");
}

#[tokio::test]
async fn the_carrier_is_told_of_a_lane_that_is_given_up_and_only_of_that() {
    let relays = Relays::new(PEER);
    let (outbox, mut outgoing) = way_out();
    let over = relays.open(FAR, 7, outbox.clone()).unwrap();
    relays.take(closed(7));
    drop(over);
    drop(relays.open(FAR, 8, outbox).unwrap());
    let told = outgoing.next().await.unwrap();
    assert_eq!((told.kind(), told.serial), (FrameKind::RelayClose, 8));
    assert_eq!(way(&told), Some(Way::To(FAR)));
}

#[tokio::test]
async fn the_end_of_the_connection_is_the_end_of_every_lane() {
    let relays = Relays::new(PEER);
    let (outbox, _outgoing) = way_out();
    let (back, mut to_sender) = way_out();
    let mut own = relays.open(FAR, 7, outbox.clone()).unwrap();
    assert!(relays.carry(FAR, 9, back.clone()));
    relays.close();
    assert!(own.answers.recv().await.is_none());
    let told = loop {
        let frame = to_sender.next().await.unwrap();
        if frame != beat(Duration::ZERO) {
            break frame;
        }
    };
    assert_eq!((told.kind(), told.serial), (FrameKind::RelayClose, 9));
    assert_eq!(way(&told), Some(Way::From(PEER)));
    assert!(relays.open(FAR, 10, outbox).is_none());
    assert!(!relays.carry(FAR, 11, back));
}

#[tokio::test]
async fn only_answers_are_handed_back_to_a_sender() {
    let relays = Relays::new(PEER);
    let (back, mut to_sender) = way_out();
    assert!(relays.carry(FAR, 9, back));
    relays.take(relay(FrameKind::RelayData, Way::To(FAR), 9, Bytes::new()));
    relays.take(relay(FrameKind::RelayAccept, Way::To(FAR), 8, Bytes::new()));
    relays.take(relay(FrameKind::RelayAccept, Way::To(FAR), 9, Bytes::new()));
    relays.take(close(Way::To(FAR), 9, "over"));
    relays.take(close(Way::To(FAR), 9, "twice"));
    relays.forget(FAR, 9);
    drop(relays);
    let mut handed = Vec::new();
    while let Some(frame) = to_sender.next().await {
        if frame != beat(Duration::ZERO) {
            handed.push((frame.kind(), frame.serial, way(&frame)));
        }
    }
    let from = Some(Way::From(PEER));
    let all = [FrameKind::RelayAccept, FrameKind::RelayClose];
    assert_eq!(handed, all.map(|kind| (kind, 9, from)));
}
