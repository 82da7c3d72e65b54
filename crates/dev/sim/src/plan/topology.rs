//! Who is there.

use crate::Rng;
use muster_cluster::Role;
use muster_types::BareJid;

/// A place for a node: a machine that may be replaced, while its place stays. Serving ones come
/// first, in the order of their groups; the witness is last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place(pub usize);

/// The groups of a cluster, and whether it has a witness.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topology {
    /// How many serving nodes each group has: one or two.
    pub groups: Vec<usize>,
    /// Whether there is a witness.
    pub witness: bool,
}

/// So many users log in and act, at least; others sleep until the end.
const USERS_MIN: usize = 20;

impl Topology {
    /// A pair and a witness.
    pub fn pair() -> Self {
        Self {
            groups: vec![2],
            witness: true,
        }
    }

    /// Two to six serving nodes in one to three groups.
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let groups = match rng.below(100) {
            0..45 => vec![2],
            45..55 => vec![2, 1],
            55..80 => vec![2, 2],
            80..88 => vec![2, 2, 1],
            _ => vec![2, 2, 2],
        };
        let alone = groups.len() == 1;
        Self {
            groups,
            witness: alone || rng.chance(85),
        }
    }

    /// How many serving nodes there are.
    pub(crate) fn serving(&self) -> usize {
        self.groups.iter().sum()
    }

    /// How many users there are, those that sleep until the end included.
    pub fn user_count(&self) -> usize {
        self.serving() * (USERS_MIN.div_ceil(self.serving()) + 1)
    }

    /// The places and what they are for.
    pub(crate) fn places(&self) -> Vec<(Place, Role)> {
        let serving = (0..self.serving()).map(|at| (Place(at), Role::Serving));
        let witness = self
            .witness
            .then_some((Place(self.serving()), Role::Witness));
        serving.chain(witness).collect()
    }

    /// The places of each group.
    pub(crate) fn group_places(&self) -> Vec<Vec<Place>> {
        let mut next = 0;
        let mut take = |count: &usize| {
            let places = (next..next + count).map(Place).collect();
            next += count;
            places
        };
        self.groups.iter().map(&mut take).collect()
    }

    /// The active users and the sleepers of a serving place.
    pub(crate) fn users(&self, place: Place) -> (Vec<BareJid>, Vec<BareJid>) {
        let jid = |name: String| {
            BareJid::new(&format!("{name}@example.com"))
                .expect("a short ASCII name is a valid address")
        };
        let each = USERS_MIN.div_ceil(self.serving());
        let active = (0..each).map(|at| jid(format!("user{}{at}", place.0)));
        (active.collect(), vec![jid(format!("sleeper{}", place.0))])
    }
}
