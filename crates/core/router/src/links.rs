//! What a shard says to another node, and what it knows of the link to it.
//!
//! Whatever was said before a link came up may be lost, and is said again when a shard hears of it. A shard whose inbox
//! is full hears late: what it says meanwhile would go over the new link, and what went before over the old one and
//! is lost. An owner would take for done what it has never got. So nothing goes over a link that a shard has not
//! heard of.

use crate::Input;
use muster_types::NodeId;
use std::collections::BTreeMap;

/// How often the link to each node was lost.
#[derive(Debug, Default)]
pub struct Losses(BTreeMap<NodeId, u64>);

impl Losses {
    /// The link to a node is down: to be said before there is a new one.
    pub fn lost(&mut self, node: NodeId) {
        *self.0.entry(node).or_default() += 1;
    }

    fn of(&self, node: NodeId) -> u64 {
        self.0.get(&node).copied().unwrap_or_default()
    }
}

/// What one shard has heard of links.
#[derive(Debug, Default)]
pub struct HeardLinks(BTreeMap<NodeId, Heard>);

#[derive(Debug, Default)]
struct Heard {
    losses: u64,
    up: bool,
}

impl HeardLinks {
    /// The shard is about to take this.
    pub fn note(&mut self, input: &Input) {
        match input {
            Input::NodeUp { node, .. } => self.0.entry(*node).or_default().up = true,
            Input::NodeLost(node) => {
                let heard = self.0.entry(*node).or_default();
                *heard = Heard {
                    losses: heard.losses + 1,
                    up: false,
                };
            }
            Input::Bind { .. }
            | Input::Stanza { .. }
            | Input::Ended { .. }
            | Input::Limits(_)
            | Input::Envelope(_)
            | Input::Presence { .. }
            | Input::Cluster(_) => {}
        }
    }

    /// Whether what the shard says may go to a node. It must be sent before another loss is counted.
    pub fn may_say(&self, losses: &Losses, to: NodeId) -> bool {
        let heard = self.0.get(&to);
        heard.is_some_and(|heard| heard.up && heard.losses == losses.of(to))
    }
}
