//! Which nodes show signs of life.

use muster_types::{Instant, NodeId};
use std::collections::BTreeMap;
use std::time::Duration;

/// Remembers when each node was last heard. A node is alive for `timeout` after each sign.
#[derive(Clone, Debug)]
pub struct Detector {
    timeout: Duration,
    heard: BTreeMap<NodeId, Heard>,
}

#[derive(Clone, Copy, Debug)]
struct Heard {
    last: Instant,
    breaks: u32,
}

/// What is known of one node's life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hearing {
    /// Not heard since this node started.
    Never,
    /// Heard within the timeout.
    Alive {
        /// How often it fell silent before.
        breaks: u32,
    },
    /// Heard once, but not within the timeout.
    Silent {
        /// The last sign of life.
        last: Instant,
    },
}

impl Detector {
    /// A detector that has heard nobody.
    pub fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            heard: BTreeMap::new(),
        }
    }

    /// How long a node is alive after a sign.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Changes how long a node is alive after a sign.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// Takes a sign of life. Returns true when the node was not alive before.
    pub fn heard(&mut self, now: Instant, node: NodeId) -> bool {
        let timeout = self.timeout;
        let Some(heard) = self.heard.get_mut(&node) else {
            self.heard.insert(
                node,
                Heard {
                    last: now,
                    breaks: 0,
                },
            );
            return true;
        };
        // A pause of our own counts as the node's silence: we cannot tell them apart.
        let returned = now.since(heard.last) >= timeout;
        heard.breaks += u32::from(returned);
        heard.last = heard.last.max(now);
        returned
    }

    /// What is known of a node at `now`.
    pub fn hearing(&self, now: Instant, node: NodeId) -> Hearing {
        match self.heard.get(&node) {
            None => Hearing::Never,
            Some(heard) if now.since(heard.last) < self.timeout => Hearing::Alive {
                breaks: heard.breaks,
            },
            Some(heard) => Hearing::Silent { last: heard.last },
        }
    }

    /// Whether a node is alive at `now`.
    pub fn is_alive(&self, now: Instant, node: NodeId) -> bool {
        matches!(self.hearing(now, node), Hearing::Alive { .. })
    }

    /// When a node was last heard.
    pub fn last_heard(&self, node: NodeId) -> Option<Instant> {
        self.heard.get(&node).map(|heard| heard.last)
    }

    /// When the first node that is alive at `now` will be silent if nothing more is heard of it.
    pub fn next_silence(&self, now: Instant) -> Option<Instant> {
        let ends = self.heard.values().map(|heard| heard.last + self.timeout);
        ends.filter(|end| *end > now).min()
    }

    /// Forgets every node for which `keep` is false.
    pub fn retain(&mut self, mut keep: impl FnMut(NodeId) -> bool) {
        self.heard.retain(|node, _| keep(*node));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(ms)
    }

    #[test]
    fn a_node_is_silent_exactly_when_the_timeout_is_over() {
        let mut detector = Detector::new(Duration::from_millis(1000));
        assert_eq!(detector.hearing(ms(0), NodeId(1)), Hearing::Never);
        assert!(detector.heard(ms(10), NodeId(1)));
        assert!(!detector.heard(ms(500), NodeId(1)));
        assert_eq!(detector.next_silence(ms(500)), Some(ms(1500)));
        assert_eq!(
            detector.hearing(ms(1499), NodeId(1)),
            Hearing::Alive { breaks: 0 }
        );
        assert_eq!(
            detector.hearing(ms(1500), NodeId(1)),
            Hearing::Silent { last: ms(500) }
        );
        assert_eq!(detector.next_silence(ms(1500)), None);
        assert!(detector.heard(ms(1501), NodeId(1)));
        assert_eq!(
            detector.hearing(ms(1501), NodeId(1)),
            Hearing::Alive { breaks: 1 }
        );
    }

    #[test]
    fn a_gap_counts_as_silence_though_nobody_looked_meanwhile() {
        let mut detector = Detector::new(Duration::from_millis(100));
        detector.heard(ms(0), NodeId(1));
        assert!(detector.heard(ms(100), NodeId(1)));
        assert_eq!(
            detector.hearing(ms(100), NodeId(1)),
            Hearing::Alive { breaks: 1 }
        );
    }
}
