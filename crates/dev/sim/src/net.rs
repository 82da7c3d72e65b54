//! Links between nodes: ordered while they hold; when one breaks, what was on it is lost and both
//! ends are told, and told again when it is back. Packets of the Raft lane go one by one.

use crate::Rng;
use muster_envelope::Envelope;
use muster_types::{Instant, NodeId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Silence after which a link is given up.
const BREAKS_AFTER: Duration = Duration::from_millis(500);
/// Pause before a broken link is made anew.
const RECONNECTS_AFTER: Duration = Duration::from_millis(50);
/// Pause before a third node is asked to relay.
const RELAYS_AFTER: Duration = Duration::from_millis(300);

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

/// What the links do to packets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    /// Percent lost.
    pub(crate) loss: u64,
    /// Percent that come twice.
    pub(crate) twice: u64,
    /// The longest delay, in microseconds.
    pub(crate) delay_us: u64,
}

const FAIR: Weather = Weather {
    loss: 0,
    twice: 0,
    delay_us: 1_000,
};
/// The shortest delay.
const DELAY_MIN_US: u64 = 100;

/// What joins two nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Path {
    Direct,
    /// By way of a third node.
    Relayed(NodeId),
}

#[derive(Debug, Default)]
struct Link {
    up: Option<Path>,
    /// Counts the connections: what belongs to an older one is lost.
    generation: u64,
    ill_since: Option<Instant>,
    well_since: Option<Instant>,
}

/// All links of the cluster.
#[derive(Debug)]
pub(crate) struct Net {
    links: BTreeMap<Way, Link>,
    /// Directions in which nothing passes.
    cut: BTreeSet<Way>,
    weather: Weather,
    /// What arrived while nothing passes, by direction.
    held: BTreeMap<Way, VecDeque<Box<Envelope>>>,
    /// When the last message of a direction arrives: later ones arrive later.
    last: BTreeMap<Way, Instant>,
}

fn pair(one: NodeId, other: NodeId) -> Way {
    (one.min(other), one.max(other))
}

impl Net {
    /// A net without nodes.
    pub(crate) const fn new() -> Self {
        Self {
            links: BTreeMap::new(),
            cut: BTreeSet::new(),
            weather: FAIR,
            held: BTreeMap::new(),
            last: BTreeMap::new(),
        }
    }

    /// Joins a node to those that are there.
    pub(crate) fn join(&mut self, node: NodeId, others: impl Iterator<Item = NodeId>) {
        for other in others.filter(|other| *other != node) {
            self.links.entry(pair(node, other)).or_default();
        }
    }

    /// Lets nothing pass in a direction.
    pub(crate) fn cut(&mut self, from: NodeId, to: NodeId) {
        self.cut.insert((from, to));
    }

    /// Lets everything pass again.
    pub(crate) fn heal(&mut self) {
        self.cut.clear();
    }

    /// Changes what the links do to packets; `None`: as good as they can be.
    pub(crate) fn set_weather(&mut self, weather: Option<Weather>) {
        self.weather = weather.unwrap_or(FAIR);
    }

    /// Whether messages pass in a direction.
    pub(crate) fn passes(&self, from: NodeId, to: NodeId) -> bool {
        self.cut.is_empty() || !self.cut.contains(&(from, to))
    }

    fn delay(&self, rng: &mut Rng) -> Duration {
        rng.micros(DELAY_MIN_US..self.weather.delay_us.max(DELAY_MIN_US + 1))
    }

    /// Whether something small gets lost now.
    pub(crate) const fn loses(&self, rng: &mut Rng) -> bool {
        self.weather.loss > 0 && rng.chance(self.weather.loss)
    }

    /// Sends a packet: when it arrives, if it does, and when it arrives again.
    pub(crate) fn send_packet(&self, now: Instant, rng: &mut Rng) -> [Option<Instant>; 2] {
        let Weather { loss, twice, .. } = self.weather;
        let lost = loss > 0 && rng.chance(loss);
        let again = twice > 0 && rng.chance(twice);
        let first = (!lost).then(|| now + self.delay(rng));
        let second = again.then(|| now + self.delay(rng) * 3);
        [first, second]
    }

    /// Sends on the data lane. `None`: the link is down and the message is lost; otherwise when it
    /// arrives and on which connection. What gets lost on the way is sent again, so it is late.
    pub(crate) fn send(&mut self, now: Instant, rng: &mut Rng, way: Way) -> Option<(Instant, u64)> {
        let link = self.links.get(&pair(way.0, way.1))?;
        let (path, generation) = (link.up?, link.generation);
        let earliest = *self.last.get(&way).unwrap_or(&now) + Duration::from_nanos(1);
        let mut at = now + self.delay(rng);
        if self.weather.loss > 0 && rng.chance(self.weather.loss) {
            at = at + Duration::from_millis(200);
        }
        if path != Path::Direct {
            at = at + self.delay(rng);
        }
        let at = earliest.max(at);
        self.last.insert(way, at);
        Some((at, generation))
    }

    /// A message arrives: given back if it can be delivered now.
    pub(crate) fn arrive(
        &mut self,
        way: Way,
        generation: u64,
        envelope: Box<Envelope>,
    ) -> Option<Box<Envelope>> {
        let link = self.links.get(&pair(way.0, way.1))?;
        if link.up.is_none() || link.generation != generation {
            return None;
        }
        let waiting = self.held.get(&way).is_some_and(|held| !held.is_empty());
        if self.carries(way) && !waiting {
            return Some(envelope);
        }
        self.held.entry(way).or_default().push_back(envelope);
        None
    }

    /// What was held and passes now, in order.
    pub(crate) fn release(&mut self) -> Vec<(Way, Box<Envelope>)> {
        let mut held = std::mem::take(&mut self.held);
        let passing = held.iter_mut().filter(|(way, _)| self.carries(**way));
        let released = passing
            .flat_map(|(way, held)| held.drain(..).map(|one| (*way, one)))
            .collect();
        held.retain(|_, held| !held.is_empty());
        self.held = held;
        released
    }

    /// Whether the link between two nodes is up.
    pub(crate) fn joins(&self, one: NodeId, other: NodeId) -> bool {
        self.links
            .get(&pair(one, other))
            .is_some_and(|link| link.up.is_some())
    }

    /// Whether what is sent in a direction arrives.
    fn carries(&self, (from, to): Way) -> bool {
        match self.links.get(&pair(from, to)).and_then(|link| link.up) {
            Some(Path::Direct) => self.passes(from, to),
            Some(Path::Relayed(by)) => self.passes(from, by) && self.passes(by, to),
            None => false,
        }
    }

    /// Breaks every link of a node at once, and those that it relays: its process died. Answers the
    /// ends to be told, each with the node that it lost.
    pub(crate) fn break_all(&mut self, node: NodeId) -> Vec<Way> {
        let is_by = |(a, b): &Way, link: &Link| {
            link.up.is_some() && (*a == node || *b == node || link.up == Some(Path::Relayed(node)))
        };
        let broken: Vec<_> = self
            .links
            .iter()
            .filter(|(way, link)| is_by(way, link))
            .map(|(way, _)| *way)
            .collect();
        broken.iter().for_each(|way| self.break_link(*way));
        broken
            .into_iter()
            .flat_map(|(a, b)| [(a, b), (b, a)])
            .filter(|(end, _)| *end != node)
            .collect()
    }

    fn break_link(&mut self, way: Way) {
        if let Some(link) = self.links.get_mut(&way) {
            link.up = None;
            link.generation += 1;
            link.well_since = None;
        }
        self.held.remove(&way);
        self.held.remove(&(way.1, way.0));
    }

    /// Whether packets pass between two nodes that respond, both ways.
    fn works(&self, one: NodeId, other: NodeId, responding: &[NodeId]) -> bool {
        let passes = self.passes(one, other) && self.passes(other, one);
        passes && responding.contains(&one) && responding.contains(&other)
    }

    /// How a link could be made that has been without one for a while.
    fn path(&self, way: Way, responding: &[NodeId]) -> Option<Path> {
        let (one, other) = way;
        if self.works(one, other, responding) {
            return Some(Path::Direct);
        }
        let direct = |a: NodeId, b: NodeId| {
            let link = self.links.get(&pair(a, b));
            link.is_some_and(|link| link.up == Some(Path::Direct)) && self.works(a, b, responding)
        };
        let ends = self.links.keys().flat_map(|(a, b)| [*a, *b]);
        ends.filter(|by| *by != one && *by != other)
            .find(|by| direct(one, *by) && direct(*by, other))
            .map(Path::Relayed)
    }

    /// Looks at every link; `responding` are the nodes that do. Answers the ends to be told.
    pub(crate) fn tick(
        &mut self,
        now: Instant,
        responding: &[NodeId],
    ) -> Vec<(NodeId, NodeId, LinkNews)> {
        let mut news = Vec::new();
        let mut tell = |(one, other): Way, what| {
            news.extend([(one, other, what), (other, one, what)]);
        };
        let at_rest = |(one, other): Way, link: &Link| {
            let undisturbed = link.up == Some(Path::Direct) && link.ill_since.is_none();
            undisturbed && self.works(one, other, responding)
        };
        let links = self.links.iter();
        let restless: Vec<_> = links
            .filter(|(way, link)| !at_rest(**way, link))
            .map(|(way, _)| *way)
            .collect();
        for way in restless {
            match self.look_at(way, now, responding) {
                Change::None => {}
                Change::Up => tell(way, LinkNews::Up),
                Change::Lost => {
                    self.break_link(way);
                    tell(way, LinkNews::Lost);
                }
            }
        }
        news
    }

    fn look_at(&mut self, way: Way, now: Instant, responding: &[NodeId]) -> Change {
        let Some(up) = self.links.get(&way).map(|link| link.up) else {
            return Change::None;
        };
        let (one, other) = way;
        let well = match up {
            Some(Path::Direct) => self.works(one, other, responding),
            Some(Path::Relayed(by)) => {
                self.works(one, by, responding) && self.works(by, other, responding)
            }
            None => true,
        };
        let direct_again =
            matches!(up, Some(Path::Relayed(_))) && self.works(one, other, responding);
        let path = if up.is_none() {
            self.path(way, responding)
        } else {
            None
        };
        let Some(link) = self.links.get_mut(&way) else {
            return Change::None;
        };
        if up.is_some() {
            if well && !direct_again {
                link.ill_since = None;
                return Change::None;
            }
            let since = *link.ill_since.get_or_insert(now);
            let patience = if well { RECONNECTS_AFTER } else { BREAKS_AFTER };
            if now.since(since) >= patience {
                link.ill_since = None;
                return Change::Lost;
            }
            return Change::None;
        }
        let Some(path) = path else {
            link.well_since = None;
            return Change::None;
        };
        let since = *link.well_since.get_or_insert(now);
        let patience = match path {
            Path::Direct => RECONNECTS_AFTER,
            Path::Relayed(_) => RELAYS_AFTER,
        };
        if now.since(since) < patience {
            return Change::None;
        }
        link.up = Some(path);
        link.ill_since = None;
        Change::Up
    }
}

/// What becomes of a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Change {
    None,
    Up,
    Lost,
}
