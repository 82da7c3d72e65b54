//! What kind of run it is: who is there, how long it lasts, and what goes wrong.

use crate::faults::{self, Fault};
use crate::rng::Rng;
use muster_raft::{RaftGroupId, Timing};
use muster_types::NodeId;
use std::time::Duration;

/// A mistake put in on purpose, to see that an invariant sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mistake {
    /// Disks say that a vote or an entry is durable when it is not.
    LyingDisk,
    /// Disks lose one write and keep those after it.
    TornDisk,
    /// One node's lease is longer than what voters wait.
    LongLease,
    /// A node that has restarted votes at once.
    HastyVoter,
    /// Commands of an owner that was replaced take effect.
    EpochUnchecked,
    /// An owner decides without a lease.
    IgnoresLease,
    /// An owner goes on serving while it hands over.
    KeepsServing,
    /// A replica leaves a command out.
    LeavesOut,
    /// A node that lost its disk comes back as if nothing had happened.
    WipedKeepsId,
}

impl Mistake {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::LyingDisk,
        Self::TornDisk,
        Self::LongLease,
        Self::HastyVoter,
        Self::EpochUnchecked,
        Self::IgnoresLease,
        Self::KeepsServing,
        Self::LeavesOut,
        Self::WipedKeepsId,
    ];
}

/// A group at the beginning.
#[derive(Clone, Debug)]
pub(crate) struct GroupPlan {
    pub(crate) id: RaftGroupId,
    pub(crate) voters: Vec<NodeId>,
}

/// One run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(crate) seed: u64,
    /// A mistake put in on purpose.
    pub mistake: Option<Mistake>,
    pub(crate) nodes: u16,
    pub(crate) groups: Vec<GroupPlan>,
    pub(crate) timing: Timing,
    pub(crate) faults: Vec<(Duration, Fault)>,
    /// When everything is repaired.
    pub(crate) heal: Duration,
    /// When clients stop.
    pub(crate) calm: Duration,
    /// By when everything has settled.
    pub(crate) end: Duration,
}

const BEGIN: Duration = Duration::from_secs(3);
const FAULTY: Duration = Duration::from_secs(120);
const CALM: Duration = Duration::from_secs(10);
/// Long enough for elections, a snapshot and the changes of membership that were left.
const SETTLE: Duration = Duration::from_secs(60);

impl Plan {
    /// Everything follows from the seed.
    pub fn random(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x05EE_D0F1);
        let nodes = match rng.below(10) {
            0..6 => 3,
            6..8 => 4,
            8 => 5,
            _ => 7,
        };
        let heal = BEGIN + FAULTY;
        Self {
            seed,
            mistake: None,
            nodes,
            groups: groups(&mut rng, nodes),
            timing: timing(&mut rng),
            faults: faults::draw(&mut rng, BEGIN, heal),
            heal,
            calm: heal + CALM,
            end: heal + CALM + SETTLE,
        }
    }

    /// The witness is the last of three or more.
    pub(crate) fn is_witness(&self, node: NodeId) -> bool {
        node.0 == self.nodes
    }

    /// How fast a machine's clocks run, in millionths: within what the lease allows for.
    pub(crate) fn rate(&self, chance: u64) -> u64 {
        Rng::new(chance).range(960_000..1_040_000)
    }
}

/// Mostly the default; one run in five has twice its times.
fn timing(rng: &mut Rng) -> Timing {
    let entries_per_snapshot = rng.range(60..400);
    let times = if rng.chance(20) { 2 } else { 1 };
    let default = Timing::default();
    Timing {
        beat: default.beat * times,
        election_min: default.election_min * times,
        election_max: default.election_max * times,
        entries_per_snapshot,
    }
}

fn groups(rng: &mut Rng, nodes: u16) -> Vec<GroupPlan> {
    let count = if rng.chance(25) { 2 } else { 1 };
    (1..=count)
        .map(|id| {
            let mut voters: Vec<_> = (1..=nodes).map(NodeId).collect();
            let size = if nodes > 4 && rng.chance(50) { 5 } else { 3 };
            while voters.len() > size {
                let at = rng.index(voters.len());
                voters.remove(at);
            }
            GroupPlan {
                id: RaftGroupId(id),
                voters,
            }
        })
        .collect()
}
