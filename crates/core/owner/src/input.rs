//! What happens to a replica.

use muster_envelope::{ToOwner, ToPeer};
use muster_presence::rules::Rules;
use muster_presence::source::Policies;
use muster_slot::{SlotCommand, SlotState};
use muster_types::{BareJid, Boot, Epoch, Fork, Limits, LogIndex, NodeId, SlotId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a replica asks of the control log's state: a snapshot of its accounts and settings.
pub trait Accounts {
    /// The slot of a user; `None` when there is no such account here.
    fn slot_of(&self, user: &BareJid) -> Option<SlotId>;

    /// Whether a user may have no sessions: its account is disabled, or was removed and its data is not
    /// gone yet.
    fn is_barred(&self, user: &BareJid) -> bool;

    /// All such users of a slot.
    fn barred(&self, slot: SlotId) -> Vec<BareJid>;

    /// The removed account whose data is to go next from a slot, and the entry that removed it.
    fn next_removal(&self, slot: SlotId) -> Option<(LogIndex, BareJid)>;

    /// Which clients get a message to the bare JID.
    fn fork(&self) -> Fork;

    /// Whether requests between users of this cluster are granted without asking.
    fn auto_authorise(&self) -> bool;

    /// Whether a client's "do not disturb" counts as its user's own choice.
    fn dnd_is_manual(&self) -> bool;

    /// How many contacts and watchers a user may have.
    fn bounds(&self) -> Bounds;

    /// What is decided about a user's presence.
    fn policies(&self, user: &BareJid) -> Policies;

    /// All users of a slot about whom something is decided.
    fn restricted(&self, slot: SlotId) -> BTreeMap<BareJid, Policies>;

    /// By which rules presence is composed. The same table is the same allocation.
    fn rules(&self) -> Arc<Rules>;
}

/// How many contacts and watchers a user may have. Who has more keeps them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Contacts in the roster.
    pub contacts: usize,
    /// Users that see the user.
    pub watchers: usize,
}

impl Bounds {
    /// As many as the log takes.
    pub const NONE: Self = Self {
        contacts: usize::MAX,
        watchers: usize::MAX,
    };
}

/// A shared snapshot of the accounts.
pub type AccountsView = Arc<dyn Accounts + Send + Sync>;

/// What a driver feeds into a [`Replica`](crate::Replica).
pub enum Input {
    /// The wall clock, for stamps in commands. Given before other inputs, as often as the stamps
    /// are to be exact; nothing is decided by it.
    Wall(Timestamp),
    /// A newer snapshot of the accounts.
    View(AccountsView),
    /// Other bounds and waiting times from here on. What waits already waits as long as it was to.
    Limits(Box<Limits>),
    /// Who is there. A node that is missing where it was before is lost.
    Nodes {
        /// The nodes in contact that hold sessions, this one included. A witness is not among
        /// them: it has nothing to announce.
        alive: BTreeSet<NodeId>,
        /// The other replicas of the slot that keep a warm copy.
        replicas: Vec<NodeId>,
    },
    /// A node said hello: it has (re)started, or the link to it is back.
    NodeUp {
        /// The node.
        node: NodeId,
        /// Its process start. Sessions of an earlier one are lost.
        boot: Boot,
    },
    /// A node has died or lost its lease: its sessions are expected back.
    NodeLost(NodeId),
    /// Another slot (or this one) has a new owner, by its announcement or the control log.
    OwnerKnown {
        /// The slot.
        slot: SlotId,
        /// Its owner.
        node: NodeId,
        /// The epoch; an older one than known changes nothing.
        epoch: Epoch,
    },
    /// An entry of the slot's log is committed. Every replica gets every entry, in order.
    Committed {
        /// Its index.
        index: LogIndex,
        /// The entry.
        command: SlotCommand,
    },
    /// The log was too far ahead: this state replaces what was applied so far.
    Installed(Box<SlotState>),
    /// Become owner: propose `Open`, and serve once it is committed.
    Open,
    /// Stop serving now: hand-over, shutdown or a lost lease.
    Close,
    /// A message for the owner of this slot, or for its copy.
    Envelope {
        /// The node that sent it.
        from: NodeId,
        /// The epoch the sender believes in.
        epoch: Epoch,
        /// What is said.
        body: Body,
    },
}

/// The content of an envelope that concerns a replica.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// For the owner.
    ToOwner(ToOwner),
    /// For the copy, or a copy's wish to begin again.
    ToPeer(ToPeer),
}
