//! Identifiers. Each kind has its own type, so that one is never taken for another.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty), $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

id! {
    /// One `musterd` process with its own disk. Handed out by the control log, never used twice:
    /// a wiped node comes back under a new id. 0 is no node.
    NodeId(u16), "n"
}
id! {
    /// The number of a node's process start. A restart is never the same owner.
    Boot(u64), "boot"
}
id! {
    /// A presence redundancy group: one or two serving nodes that back each other up.
    GroupId(u16), "g"
}
id! {
    /// The users homed on one node: what fails over.
    SlotId(u16), "s"
}
id! {
    /// One part of the session side of a node: see [`Shards`](crate::Shards).
    ShardId(u16), "k"
}
id! {
    /// Position of an entry in a Raft log. The first entry has index 0 or 1, as the log's store has it.
    LogIndex(u64), "i"
}

/// The fence against an owner that does not know it was replaced: the log index of the owner's
/// `Open` entry in its slot's log. Made only from such an entry; epochs of a slot only grow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Epoch(u64);

impl Epoch {
    /// No owner has opened the slot yet: older than every real epoch.
    pub const NONE: Self = Self(0);

    /// The epoch that begins with the `Open` entry at `index`.
    pub const fn opened_at(index: LogIndex) -> Self {
        Self(index.0)
    }

    /// The log index of the `Open` entry, for showing to people and for metrics.
    pub const fn index(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "e{}", self.0)
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One bound XMPP client. It lives on the node its socket is on, whoever owns the user; the boot
/// makes it unique over restarts of that node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId {
    /// The node that holds the client's socket.
    pub node: NodeId,
    /// That node's process start.
    pub boot: Boot,
    /// Counts the streams of that process.
    pub serial: u64,
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.node.0, self.boot.0, self.serial)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
