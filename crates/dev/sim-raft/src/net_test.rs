//! What the network does to messages.

use crate::net::Net;
use crate::plan::Plan;
use muster_types::NodeId;
use std::time::Duration;

const ONE: NodeId = NodeId(1);
const TWO: NodeId = NodeId(2);

#[test]
fn a_link_is_cut_one_way_until_every_cut_is_mended() {
    let mut net = Net::new(&Plan::random(1));
    net.cut(ONE, TWO);
    net.cut(ONE, TWO);
    net.mend(ONE, TWO);
    assert_eq!((net.fate(ONE, TWO).len(), net.fate(TWO, ONE).len()), (0, 1));
    net.mend(ONE, TWO);
    assert_eq!(net.fate(ONE, TWO).len(), 1);
}

#[test]
fn messages_are_lost_doubled_and_overtake_each_other() {
    let mut net = Net::new(&Plan::random(1));
    net.loss = 100;
    assert!(net.fate(ONE, TWO).is_empty());
    net.heal();
    net.doubles = 100;
    assert_eq!(net.fate(ONE, TWO).len(), 2);
    net.heal();
    net.lag = Duration::from_millis(500);
    let delays: Vec<_> = (0..20).flat_map(|_| net.fate(ONE, TWO)).collect();
    assert!(!delays.is_sorted(), "{delays:?}");
    assert!(
        delays
            .iter()
            .any(|delay| *delay > Duration::from_millis(100))
    );
}
