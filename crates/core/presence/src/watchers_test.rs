//! Who wants to see whom.

use crate::Watchers;
use muster_types::{BareJid, NodeId};

fn jid(text: &str) -> BareJid {
    BareJid::new(text).unwrap()
}

#[test]
fn watchers_are_kept_by_node_and_leave_nothing_behind() {
    let mut watchers = Watchers::default();
    let (alice, bob, carol) = (
        jid("alice@example.com"),
        jid("bob@example.com"),
        jid("carol@example.com"),
    );
    watchers.add(&alice, NodeId(1), &bob);
    watchers.add(&alice, NodeId(1), &carol);
    watchers.add(&alice, NodeId(2), &bob);
    watchers.add(&alice, NodeId(2), &bob);
    assert_eq!(
        watchers
            .of(&alice)
            .map(|(node, all)| (node, all.len()))
            .collect::<Vec<_>>(),
        [(NodeId(1), 2), (NodeId(2), 1)]
    );
    assert_eq!(watchers.nodes_of(&alice, &bob), [NodeId(1), NodeId(2)]);

    watchers.remove(&alice, NodeId(2), &bob);
    assert_eq!(watchers.nodes_of(&alice, &bob), [NodeId(1)]);
    watchers.forget_node(NodeId(1));
    assert_eq!(watchers, Watchers::default());
    watchers.remove(&alice, NodeId(1), &bob);
}
