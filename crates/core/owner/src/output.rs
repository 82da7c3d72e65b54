//! What a replica wants done.

use muster_envelope::Envelope;
use muster_slot::SlotCommand;
use muster_types::{BareJid, Epoch, FullJid, LogIndex, NodeId, SessionId, SlotId, Writes};

/// What a driver does for a [`Replica`](crate::Replica), in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Propose this to the slot's log. A proposal that comes to nothing is made again by the
    /// replica itself, except `Open`, which the HA machine asks for again.
    Propose(SlotCommand),
    /// Store these changes together with the applied index. One for each committed entry.
    Persist {
        /// The entry's index.
        index: LogIndex,
        /// The changed records; often none.
        writes: Writes,
    },
    /// Send this to one node, which may be this one.
    Send {
        /// The receiver.
        to: NodeId,
        /// The message.
        envelope: Envelope,
    },
    /// Send this to every node, this one included.
    Broadcast(Envelope),
    /// For logs, metrics and `musterctl watch`.
    Event(OwnerEvent),
}

/// What an operator may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnerEvent {
    /// This node serves the slot from now on.
    Opened {
        /// The slot.
        slot: SlotId,
        /// The new epoch.
        epoch: Epoch,
        /// Whether the copy of sessions and presence was complete.
        warm: bool,
        /// Sessions in the copy.
        sessions: usize,
    },
    /// Every node in contact has announced its sessions, or was waited for long enough.
    Settled {
        /// The slot.
        slot: SlotId,
        /// Sessions that are here.
        live: usize,
        /// Sessions that are expected back.
        expected: usize,
        /// Nodes that did not announce in time.
        missing: usize,
    },
    /// This node no longer serves the slot.
    Closed {
        /// The slot.
        slot: SlotId,
        /// The epoch that is over.
        epoch: Epoch,
    },
    /// A client was bound, or announced after a takeover.
    SessionUp {
        /// The session.
        session: SessionId,
        /// Its address.
        jid: FullJid,
    },
    /// A client's connection or node was lost; it is expected back.
    SessionExpected {
        /// The session.
        session: SessionId,
        /// Its address.
        jid: FullJid,
    },
    /// A session has ended.
    SessionDown {
        /// The session.
        session: SessionId,
        /// Its address.
        jid: FullJid,
    },
    /// Nothing is left of a user whose account was removed: for the control log.
    UserPurged {
        /// The user.
        user: BareJid,
        /// The entry of the control log that removed the account.
        at: LogIndex,
    },
}
