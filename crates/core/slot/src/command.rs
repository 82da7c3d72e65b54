//! What can be asked of a slot's replicated data. Every command but `Open` carries the epoch of
//! the owner that proposed it, and `apply` compares it with the one in the same state.

use crate::PepEdit;
use muster_roster::{Access, RosterEdit, SubscriptionStanza, Whom};
use muster_stanza::Stanza;
use muster_types::{
    BareJid, Boot, Epoch, LoadError, LogIndex, NodeId, Origin, SlotId, Timestamp, decode_value,
    encode_value,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One entry of a slot's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SlotCommand {
    /// A leader becomes owner. The index of this entry is the new epoch.
    Open {
        /// The node that will serve.
        node: NodeId,
        /// Its process start.
        boot: Boot,
    },
    /// One user's data changes on that user's (or the operator's) wish.
    Change {
        /// The owner's epoch.
        epoch: Epoch,
        /// Names the proposal; applied once.
        origin: Origin,
        /// Whose data.
        user: BareJid,
        /// When it was proposed, for delay stamps.
        at: Timestamp,
        /// What changes.
        change: UserChange,
    },
    /// What the owner of another (or this) slot owes a user of this one. Applied once by
    /// (`from`, `number`).
    Inbound {
        /// The owner's epoch.
        epoch: Epoch,
        /// The slot whose outbox it comes from.
        from: SlotId,
        /// Its number there; numbers of one sender arrive in order, starting at 1.
        number: u64,
        /// When it was proposed.
        at: Timestamp,
        /// What is owed; nothing when its recipient has no account any more.
        item: Option<OutboxItem>,
    },
    /// The receiving slot has committed everything up to `number`.
    Confirm {
        /// The owner's epoch.
        epoch: Epoch,
        /// The receiving slot.
        to: SlotId,
        /// The last number it has committed.
        number: u64,
    },
    /// The log begins anew, without a quorum, from a copy that may lack the last entries: what was agreed
    /// with other slots about numbers holds no more.
    Anew,
}

/// Version of the encoding of entries.
const VERSION: u8 = 1;

/// Why an entry of the log cannot be read. It must not be passed over: the replica would differ from
/// the others from then on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EntryError {
    /// A newer program wrote it.
    #[error("an entry of version {0}, and this program knows {VERSION}: upgrade this node")]
    NewerVersion(u8),
    /// It is damaged.
    #[error("a damaged entry")]
    Damaged,
}

impl SlotCommand {
    /// The bytes of the log's entry: one byte of version, then the command.
    pub fn to_entry(&self) -> Vec<u8> {
        encode_value(VERSION, self)
    }

    /// Reads an entry back.
    ///
    /// # Errors
    /// [`EntryError`].
    pub fn from_entry(entry: &[u8]) -> Result<Self, EntryError> {
        decode_value(0, VERSION, entry).map_err(|error| match error {
            LoadError::NewerVersion { version, .. } => EntryError::NewerVersion(version),
            LoadError::Damaged { .. } | LoadError::UnknownTable { .. } => EntryError::Damaged,
        })
    }
}

/// A change of one user's data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum UserChange {
    /// A roster set (RFC 6121 §2.3, §2.4).
    RosterSet(RosterEdit),
    /// A roster remove (RFC 6121 §2.5): cancels both subscriptions.
    RosterRemove {
        /// The contact.
        contact: BareJid,
        /// The contact's slot; `None` when no such account is known here.
        contact_slot: Option<SlotId>,
    },
    /// The user sends a subscription stanza (RFC 6121 §3).
    Subscription {
        /// Which of the four.
        kind: SubscriptionStanza,
        /// The contact.
        contact: BareJid,
        /// The contact's slot; `None` when no such account is known here.
        contact_slot: Option<SlotId>,
        /// The stanza as it will be delivered: `from` and `to` are bare JIDs.
        stanza: Stanza,
    },
    /// Replaces the vCard (XEP-0054); the bytes of the whole `<vCard/>` element.
    VcardSet(Vec<u8>),
    /// Replaces one private-storage element (XEP-0049).
    PrivateSet {
        /// Local name and namespace of the stored element.
        name: String,
        /// Its namespace.
        namespace: String,
        /// The bytes of the whole element.
        element: Vec<u8>,
    },
    /// Stores a message for a user without a client that could take it (XEP-0160).
    OfflineStore(Stanza),
    /// Drops the offline messages up to and with this number: they were handed to a client.
    OfflineTaken {
        /// The number of the last one handed over.
        up_to: u64,
    },
    /// Removes everything of the user: the account was removed. Its contacts are told as for a
    /// roster remove of each.
    RemoveUser {
        /// The entry of the control log that removed the account. Of one slot they come in order: an
        /// older one was done by an earlier owner, and the user may be another one by now.
        at: LogIndex,
        /// The slots of the contacts ([`SlotState::contacts`](crate::SlotState::contacts)); one
        /// that is missing here is not told.
        contact_slots: BTreeMap<BareJid, SlotId>,
    },
    /// Sets rules about whom the user lets in, or removes them; all or nothing.
    AccessSet(Vec<(Whom, Option<Access>)>),
    /// Changes one node of the user's personal eventing service (XEP-0163).
    Pep {
        /// The node.
        node: String,
        /// What changes.
        edit: PepEdit,
    },
}

/// What one slot owes another: written into the sender's log in the same entry as the change
/// it follows from, sent until the receiver confirms its commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum OutboxItem {
    /// A subscription stanza for a user of the receiving slot.
    Subscription {
        /// Which of the four.
        kind: SubscriptionStanza,
        /// The stanza as it is delivered: `from` and `to` are bare JIDs.
        stanza: Stanza,
    },
}

impl OutboxItem {
    /// Who is to get it; `None` for one that was never addressed.
    pub fn recipient(&self) -> Option<BareJid> {
        let Self::Subscription { stanza, .. } = self;
        stanza.to.as_ref().map(muster_types::Bare::bare)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_back_or_refused() {
        let command = SlotCommand::Open {
            node: NodeId(2),
            boot: Boot(7),
        };
        let entry = command.to_entry();
        assert_eq!(entry, [1, 0, 2, 7], "written by every release of version 1");
        assert_eq!(SlotCommand::from_entry(&entry), Ok(command));
        for (bytes, error) in [
            (vec![2, 0, 2, 7], EntryError::NewerVersion(2)),
            (vec![1, 0, 2], EntryError::Damaged),
            (vec![0], EntryError::Damaged),
            (vec![], EntryError::Damaged),
        ] {
            assert_eq!(SlotCommand::from_entry(&bytes), Err(error), "{bytes:?}");
        }
    }
}
