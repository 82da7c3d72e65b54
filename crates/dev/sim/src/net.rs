//! Links between nodes: ordered while they hold; when one breaks, what was on it is lost and both
//! ends are told, and told again when it is back.

use crate::Rng;
use muster_envelope::Envelope;
use muster_types::{Instant, NodeId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Silence after which a link is given up.
const BREAKS_AFTER: Duration = Duration::from_millis(500);
/// Pause before a broken link is made anew.
const RECONNECTS_AFTER: Duration = Duration::from_millis(50);

/// A direction.
pub(crate) type Way = (NodeId, NodeId);

/// What the ends of a link are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LinkNews {
    /// It is up.
    Up,
    /// It broke.
    Lost,
}

#[derive(Debug, Default)]
struct Link {
    up: bool,
    /// Counts the connections: what belongs to an older one is lost.
    generation: u64,
    ill_since: Option<Instant>,
    well_since: Option<Instant>,
}

/// All links of the cluster.
#[derive(Debug, Default)]
pub(crate) struct Net {
    links: BTreeMap<Way, Link>,
    /// Pairs between which nothing passes.
    cut: BTreeSet<Way>,
    /// What arrived while nothing passes, by direction.
    held: BTreeMap<Way, VecDeque<Envelope>>,
    /// When the last message of a direction arrives: later ones arrive later.
    last: BTreeMap<Way, Instant>,
}

fn pair(one: NodeId, other: NodeId) -> Way {
    (one.min(other), one.max(other))
}

impl Net {
    /// A net that joins these nodes.
    pub(crate) fn new(nodes: &[NodeId]) -> Self {
        let pairs = nodes.iter().flat_map(|a| nodes.iter().map(|b| (*a, *b)));
        let links = pairs
            .filter(|(a, b)| a < b)
            .map(|way| (way, Link::default()))
            .collect();
        Self {
            links,
            ..Self::default()
        }
    }

    /// Lets nothing pass between two nodes.
    pub(crate) fn cut(&mut self, one: NodeId, other: NodeId) {
        self.cut.insert(pair(one, other));
    }

    /// Lets everything pass again.
    pub(crate) fn heal(&mut self) {
        self.cut.clear();
    }

    /// Whether messages pass between two nodes.
    pub(crate) fn passes(&self, one: NodeId, other: NodeId) -> bool {
        !self.cut.contains(&pair(one, other))
    }

    /// Sends on the data lane. `None`: the link is down and the message is lost; otherwise when it
    /// arrives and on which connection.
    pub(crate) fn send(&mut self, now: Instant, rng: &mut Rng, way: Way) -> Option<(Instant, u64)> {
        let link = self.links.get(&pair(way.0, way.1)).filter(|link| link.up)?;
        let earliest = *self.last.get(&way).unwrap_or(&now) + Duration::from_nanos(1);
        let at = earliest.max(now + rng.micros(100..2000));
        self.last.insert(way, at);
        Some((at, link.generation))
    }

    /// A message arrives: given back if it can be delivered now.
    pub(crate) fn arrive(
        &mut self,
        way: Way,
        generation: u64,
        envelope: Envelope,
    ) -> Option<Envelope> {
        let link = self.links.get(&pair(way.0, way.1))?;
        if !link.up || link.generation != generation {
            return None;
        }
        let waiting = self.held.get(&way).is_some_and(|held| !held.is_empty());
        if self.passes(way.0, way.1) && !waiting {
            return Some(envelope);
        }
        self.held.entry(way).or_default().push_back(envelope);
        None
    }

    /// What was held and passes now, in order.
    pub(crate) fn release(&mut self) -> Vec<(Way, Envelope)> {
        let cut = &self.cut;
        let passing = self
            .held
            .iter_mut()
            .filter(|(way, _)| !cut.contains(&pair(way.0, way.1)));
        passing
            .flat_map(|(way, held)| held.drain(..).map(|one| (*way, one)))
            .collect()
    }

    /// Breaks every link of a node at once: its process died.
    pub(crate) fn break_all(&mut self, node: NodeId) -> Vec<NodeId> {
        let ways: Vec<_> = self
            .links
            .iter()
            .filter(|((a, b), l)| l.up && (*a == node || *b == node))
            .collect();
        let others: Vec<_> = ways
            .iter()
            .map(|((a, b), _)| if *a == node { *b } else { *a })
            .collect();
        others
            .iter()
            .for_each(|other| self.break_link(pair(node, *other)));
        others
    }

    fn break_link(&mut self, way: Way) {
        if let Some(link) = self.links.get_mut(&way) {
            link.up = false;
            link.generation += 1;
            link.well_since = None;
        }
        self.held.remove(&way);
        self.held.remove(&(way.1, way.0));
    }

    /// Looks at every link; `responds` says which nodes do. Answers the ends to be told.
    pub(crate) fn tick(
        &mut self,
        now: Instant,
        responds: &dyn Fn(NodeId) -> bool,
    ) -> Vec<(NodeId, NodeId, LinkNews)> {
        let (mut news, mut broken) = (Vec::new(), Vec::new());
        for (way, link) in &mut self.links {
            let (one, other) = *way;
            if responds(one) && responds(other) && !self.cut.contains(way) {
                link.ill_since = None;
                let since = *link.well_since.get_or_insert(now);
                if !link.up && now.since(since) >= RECONNECTS_AFTER {
                    link.up = true;
                    news.extend([(one, other, LinkNews::Up), (other, one, LinkNews::Up)]);
                }
            } else {
                link.well_since = None;
                let since = *link.ill_since.get_or_insert(now);
                if link.up && now.since(since) >= BREAKS_AFTER {
                    broken.push(*way);
                    news.extend([(one, other, LinkNews::Lost), (other, one, LinkNews::Lost)]);
                }
            }
        }
        broken.into_iter().for_each(|way| self.break_link(way));
        news
    }
}
