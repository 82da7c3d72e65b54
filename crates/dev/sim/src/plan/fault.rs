//! What can go wrong, and what people do meanwhile.

use super::Place;
use crate::device::Health;
use muster_types::{GroupId, Instant};
use std::time::Duration;

/// One thing that goes wrong, or right again, or is done by an operator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// A process dies.
    Crash(Place),
    /// It is started again.
    Restart(Place),
    /// A process stops responding, and its clock goes on.
    Pause(Place),
    /// It goes on.
    Resume(Place),
    /// Nothing passes between a node and the others.
    Isolate(Place),
    /// Nothing passes from one node to another; the other way it does.
    Cut {
        /// From whom.
        from: Place,
        /// To whom.
        to: Place,
    },
    /// Everything passes again.
    Heal,
    /// All links lose, double and delay.
    Rough {
        /// Percent of packets lost.
        loss: u64,
        /// Percent of packets that come twice.
        twice: u64,
        /// The longest delay.
        delay: Duration,
    },
    /// All links are good again.
    Smooth,
    /// A disk changes.
    Disk(Place, Health),
    /// A critical service of a node stops working, or works again.
    Service(Place, bool),
    /// The wall clock of a node jumps by so many milliseconds.
    ClockJump(Place, i64),
    /// A host comes back with a clock that runs a fifth faster than it should, or with a right one.
    FastClock(Place, bool),
    /// A node's disk is lost; an operator puts a new node into its place.
    Wipe(Place),
    /// An operator moves a node's users to its peer.
    Failover(Place),
    /// An operator moves a node's users home.
    Fallback(Place),
    /// An operator ends the failed mode.
    Recover(GroupId),
    /// An operator switches HA off, and soon on again.
    SwitchHa(GroupId),
    /// An operator adds a node without a place, and removes it again.
    Visitor,
    /// An operator restarts all nodes with a newer version, one after the other.
    Upgrade,
}

macro_rules! kinds {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $label:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        #[expect(missing_docs, reason = "each is its label")]
        pub enum $name { $($variant,)+ }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word in tables.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }
    };
}

kinds! {
    /// The kinds of faults, rows of the table of what was met.
    FaultKind {
        Crash = "crash",
        CrashLoop = "crash loop",
        QuickRestart = "restart within 300 ms",
        ShortPause = "pause up to 1 s",
        LongPause = "pause up to 60 s",
        Isolation = "partition",
        PartialCut = "partial partition",
        OneWayCut = "one-way cut",
        Rough = "loss, doubles, delay",
        SlowDisk = "slow disk",
        FullDisk = "full disk",
        FailedSync = "fsync error",
        Services = "critical services down",
        ClockJump = "clock jump of an hour",
        FastClock = "clock 20 % fast",
        Wipe = "restart with wiped disk",
        WitnessLoss = "witness loss",
        PairLoss = "both nodes of a pair",
        PowerLoss = "power loss of all",
        None = "no fault",
    }
}

kinds! {
    /// What clients and operators do, columns of the table.
    Operation {
        Login = "login",
        Reconnect = "reconnect",
        Presence = "presence",
        Roster = "roster",
        Subscription = "subscription",
        Message = "message",
        Failover = "failover",
        Fallback = "fallback",
        Recover = "recover",
        Ha = "HA off and on",
        Membership = "membership",
        Upgrade = "rolling upgrade",
    }
}

/// While a kind of fault is in effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// Which kind.
    pub kind: FaultKind,
    /// From when.
    pub from: Instant,
    /// Until when.
    pub until: Instant,
}
