//! What goes wrong.

mod begin;

pub(crate) use begin::{begin, heal};

use crate::rng::Rng;
use serde::Serialize;
use std::time::Duration;

/// A way to go wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A process dies and stays away.
    Crash,
    /// A process dies over and over.
    CrashLoop,
    /// All die at once; what was not synced is lost.
    CrashAll,
    /// A process dies and is back within 300 ms.
    QuickRestart,
    /// A process stands still for 0.1 to 60 s; its clocks go on.
    Pause,
    /// A machine is suspended: its monotonic clock stands still, its boot time goes on.
    Suspend,
    /// Nothing passes between a node and all others.
    Isolate,
    /// Nothing passes between two nodes.
    CutPair,
    /// Nothing passes from one node to another.
    CutOneWay,
    /// A node hears nobody.
    Deaf,
    /// Nobody hears a node.
    Mute,
    /// Two halves with one node between that reaches both.
    Bridge,
    /// Messages are lost by chance.
    Loss,
    /// Messages come twice.
    Doubles,
    /// Messages are late, and overtake each other.
    Lag,
    /// Syncs of a disk are slow.
    SlowDisk,
    /// A disk has no room.
    FullDisk,
    /// A sync fails.
    SyncError,
    /// A wall clock jumps by an hour.
    ClockJump,
    /// A node loses its disk and comes back as a new one.
    Wipe,
    /// The witness is away.
    WitnessLoss,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::Crash,
        Self::CrashLoop,
        Self::CrashAll,
        Self::QuickRestart,
        Self::Pause,
        Self::Suspend,
        Self::Isolate,
        Self::CutPair,
        Self::CutOneWay,
        Self::Deaf,
        Self::Mute,
        Self::Bridge,
        Self::Loss,
        Self::Doubles,
        Self::Lag,
        Self::SlowDisk,
        Self::FullDisk,
        Self::SyncError,
        Self::ClockJump,
        Self::Wipe,
        Self::WitnessLoss,
    ];
}

/// One thing that goes wrong for a while. Nodes are drawn when it begins: who leads is hit most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fault {
    kind: Kind,
    lasts: Duration,
    /// What it draws from.
    chance: u64,
}

impl Fault {
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }
}

/// Draws the faults between `begin` and `end`; often more than one at a time.
pub(crate) fn draw(rng: &mut Rng, begin: Duration, end: Duration) -> Vec<(Duration, Fault)> {
    let mut plan = Vec::new();
    let mut at = begin;
    while at < end {
        let kind = Kind::ALL[rng.index(Kind::ALL.len())];
        let lasts = lasts(rng, kind).min(end.saturating_sub(at));
        let chance = rng.next();
        plan.push((
            at,
            Fault {
                kind,
                lasts,
                chance,
            },
        ));
        at += match rng.below(4) {
            // On top of each other.
            0 => rng.millis(0..1_000),
            1 => rng.millis(500..3_000),
            _ => lasts.min(Duration::from_secs(8)) + rng.millis(1_000..6_000),
        };
    }
    plan
}

fn lasts(rng: &mut Rng, kind: Kind) -> Duration {
    match kind {
        Kind::QuickRestart => rng.millis(1..300),
        Kind::Pause | Kind::Suspend => match rng.below(10) {
            0 => rng.millis(5_000..60_000),
            1..6 => rng.millis(100..1_000),
            _ => rng.millis(1_000..5_000),
        },
        Kind::CrashAll => rng.millis(10..2_000),
        Kind::CrashLoop => rng.millis(2_000..8_000),
        Kind::WitnessLoss => rng.millis(5_000..30_000),
        Kind::ClockJump | Kind::SyncError | Kind::Wipe => rng.millis(1_000..3_000),
        Kind::Crash
        | Kind::Isolate
        | Kind::CutPair
        | Kind::CutOneWay
        | Kind::Deaf
        | Kind::Mute
        | Kind::Bridge
        | Kind::Loss
        | Kind::Doubles
        | Kind::Lag
        | Kind::SlowDisk
        | Kind::FullDisk => match rng.below(3) {
            0 => rng.millis(100..1_000),
            1 => rng.millis(1_000..4_000),
            _ => rng.millis(4_000..15_000),
        },
    }
}
