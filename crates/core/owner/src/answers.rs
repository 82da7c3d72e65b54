//! Answers to watchers, many in one message: a takeover and a login ask for many at once.

use crate::cx::Cx;
use muster_envelope::{PresenceBatch, ToNode};
use muster_types::NodeId;
use std::collections::BTreeMap;

/// About how many bytes one message may have; one with a single presentity may be larger by that
/// one's presence and watchers.
const MESSAGE_BYTES: usize = 65_536;
/// Roughly what a presence has beside its content, and a watcher beside its address.
const PRESENCE_BYTES: usize = 96;
const WATCHER_BYTES: usize = 4;

/// Collects answers node by node.
#[derive(Default)]
pub(crate) struct Answers {
    by_node: BTreeMap<NodeId, Message>,
}

#[derive(Default)]
struct Message {
    batches: Vec<PresenceBatch>,
    bytes: usize,
}

impl Answers {
    /// Takes answers for a node; what would make a message too large is sent before.
    pub(crate) fn add(&mut self, cx: &mut Cx<'_>, node: NodeId, batches: Vec<PresenceBatch>) {
        for batch in batches {
            let bytes = size(&batch);
            let message = self.by_node.entry(node).or_default();
            if message.bytes + bytes > MESSAGE_BYTES {
                std::mem::take(message).send(cx, node);
            }
            message.bytes += bytes;
            message.batches.push(batch);
        }
    }

    /// Sends the rest.
    pub(crate) fn finish(self, cx: &mut Cx<'_>) {
        for (node, message) in self.by_node {
            message.send(cx, node);
        }
    }
}

impl Message {
    fn send(self, cx: &mut Cx<'_>, node: NodeId) {
        if !self.batches.is_empty() {
            cx.tell_node(node, ToNode::Answers(self.batches));
        }
    }
}

fn size(batch: &PresenceBatch) -> usize {
    let presences = batch.resources.iter();
    let presences = presences.map(|one| PRESENCE_BYTES + one.stanza.content.len());
    let watchers = batch.watchers.iter();
    let watchers = watchers.map(|watcher| WATCHER_BYTES + watcher.as_str().len());
    presences.chain(watchers).sum()
}
