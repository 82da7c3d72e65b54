//! What kind of run it is: who is there, how long it lasts, and what goes wrong.

pub(crate) mod beginning;
mod draw;
mod fault;
mod sabotage;
mod topology;

use crate::Rng;
use crate::raft::RaftTiming;
pub use fault::{Fault, FaultKind, Operation, Window};
use muster_types::{Instant, Limits};
pub use sabotage::Sabotage;
use std::time::Duration;
pub use topology::{Place, Topology};

/// One run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Everything follows from it.
    pub seed: u64,
    /// Who is there.
    pub topology: Topology,
    /// Bounds and waiting times of the servers.
    pub limits: Limits,
    /// Timing of the logs.
    pub raft: RaftTiming,
    /// How much clocks may run fast or slow, in millionths.
    pub clock_ppm: u64,
    /// How long a silent peer is waited for.
    pub peer_timeout: Duration,
    /// How long a recovered node is watched before its users go home.
    pub fallback_delay: Duration,
    /// A bug put in on purpose.
    pub sabotage: Option<Sabotage>,
    /// What goes wrong, and what operators do.
    pub faults: Vec<(Instant, Fault)>,
    /// When which kind of fault is in effect.
    pub windows: Vec<Window>,
    /// When everything is repaired.
    pub heal: Instant,
    /// When clients only keep their connections any more.
    pub calm: Instant,
    /// When the users without clients log in.
    pub wake_sleepers: Instant,
    /// The end.
    pub end: Instant,
}

pub(crate) fn at(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}

/// How much clocks may run fast or slow: two of them by less than 10 %.
const CLOCK_PPM: u64 = 40_000;
/// When the first fault may happen: everybody has logged in.
const FIRST_FAULT: u64 = 12;
/// When everything is repaired.
const HEAL: u64 = 185;

impl Plan {
    /// A long run without faults of its own and with clients that only keep their connections,
    /// under the default settings.
    pub fn calm(seed: u64, faults: Vec<(Instant, Fault)>, end: Instant) -> Self {
        let settings = muster_cluster::Settings::default();
        Self {
            seed,
            topology: Topology::pair(),
            limits: Limits::default(),
            raft: RaftTiming::default(),
            clock_ppm: 0,
            peer_timeout: settings.peer_timeout,
            fallback_delay: settings.fallback_delay,
            sabotage: None,
            faults,
            windows: Vec::new(),
            heal: end,
            calm: Instant::ZERO,
            wake_sleepers: end,
            end,
        }
    }

    /// A run of more than five minutes with faults for about three of them.
    pub fn random(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x5EED_FA17);
        let topology = Topology::draw(&mut rng);
        let (raft, peer_timeout) = timing(&mut rng);
        let grace = rng.millis(12_000..20_000);
        let (faults, windows) = draw::draw(&mut rng, &topology, at(FIRST_FAULT), at(HEAL));
        let fallback_delay = rng.millis(10_000..40_000);
        // A clock that runs fast is found in less than the healthy time.
        let fast = windows
            .iter()
            .any(|window| window.kind == FaultKind::FastClock);
        let least = Duration::from_secs(if fast { 20 } else { 0 });
        Self {
            seed,
            topology,
            limits: Limits {
                grace,
                ..Limits::default()
            },
            raft,
            clock_ppm: CLOCK_PPM,
            peer_timeout,
            fallback_delay: fallback_delay.max(least),
            sabotage: None,
            faults,
            windows,
            heal: at(HEAL),
            calm: at(HEAL + 25),
            wake_sleepers: at(HEAL + 100),
            end: at(HEAL + 125),
        }
    }
}

/// Mostly the default; sometimes that of slow networks.
fn timing(rng: &mut Rng) -> (RaftTiming, Duration) {
    if rng.chance(75) {
        return (RaftTiming::default(), rng.millis(400..1_001));
    }
    let raft = RaftTiming {
        beat: Duration::from_millis(150),
        election_ms: 600..1_200,
    };
    (raft, Duration::from_secs(3))
}
