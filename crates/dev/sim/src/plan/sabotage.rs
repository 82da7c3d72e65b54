//! Bugs put in on purpose, to see that an invariant sees each. All are in the simulator's own parts
//! (drivers, log, disk): what is tested is what runs in production.

/// One bug.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sabotage {
    /// An owner decides after its lease is over.
    IgnoreLease,
    /// A lease is longer than what voters wait.
    LongLease,
    /// Votes and entries are answered for that are not on the disk.
    Unsynced,
    /// A leader takes for committed what nobody else has.
    CommitAlone,
    /// A restarted node says that it is the process of before.
    KeepBoot,
    /// An owner shows presence without asking for permission.
    ShowEverybody,
    /// An owner does not wait for clients that were cut off.
    NoGrace,
    /// Timers of an owner do not fire, that of the grace among them.
    LostTimer,
    /// A new owner does not send again what the one before owed other slots.
    ForgetOutbox,
    /// Healthy time is counted twice.
    EarlyFallback,
    /// Healthy time is not logged.
    NoFallback,
    /// A node records another state than the one it is in.
    WrongState,
    /// A node does not look whether its clock is right.
    TrustClock,
    /// Each shard of a node announces for itself, as if it were all of the node.
    EachShardAnnounces,
}

impl Sabotage {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::IgnoreLease,
        Self::LongLease,
        Self::Unsynced,
        Self::CommitAlone,
        Self::KeepBoot,
        Self::ShowEverybody,
        Self::NoGrace,
        Self::LostTimer,
        Self::ForgetOutbox,
        Self::EarlyFallback,
        Self::NoFallback,
        Self::WrongState,
        Self::TrustClock,
        Self::EachShardAnnounces,
    ];
}
