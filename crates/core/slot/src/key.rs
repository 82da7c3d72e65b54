//! Keys of the stored records: a table byte, then what the record is about.
//!
//! ```text
//! 1                                  epoch and owner
//! 2 user 0                           roster version
//! 3 user 0 contact                   roster item
//! 4 user 0 contact                   request of a contact that waits for the user
//! 5 user 0                           vCard
//! 6 user 0 namespace 0 name          private-storage element
//! 7 user 0 number                    offline message
//! 8 slot                             last number put into the outbox to a slot
//! 9 slot number                      unconfirmed outbox item
//! 10 slot                            last number applied from a slot
//! 11 node boot serial                outcome of a proposal
//! 12                                 the last removal of an account that is done
//! 13                                 how often the log has begun anew
//! 14 slot                            a sender that was heard since
//! 15 user 0 whom                     rule about whom the user lets in
//! 16 user 0 node                     node of the user's personal eventing service
//! ```
//!
//! Numbers are big-endian, so that key order is their order. Neither a JID nor anything written in XML can
//! hold a zero byte.

use muster_roster::Whom;
use muster_types::{BareJid, NodeId, Origin, SlotId};

pub(crate) const OWNER: u8 = 1;
pub(crate) const ROSTER_VERSION: u8 = 2;
pub(crate) const ROSTER_ITEM: u8 = 3;
pub(crate) const REQUEST: u8 = 4;
pub(crate) const VCARD: u8 = 5;
pub(crate) const PRIVATE: u8 = 6;
pub(crate) const OFFLINE: u8 = 7;
pub(crate) const OUTBOX_LAST: u8 = 8;
pub(crate) const OUTBOX_ITEM: u8 = 9;
pub(crate) const RECEIVED: u8 = 10;
pub(crate) const ORIGIN: u8 = 11;
pub(crate) const REMOVED: u8 = 12;
pub(crate) const LINEAGE: u8 = 13;
pub(crate) const MET: u8 = 14;
pub(crate) const ACCESS: u8 = 15;
pub(crate) const PEP: u8 = 16;

/// The key of a record of `user` in `table`.
pub(crate) fn of_user(table: u8, user: &BareJid, rest: &[u8]) -> Vec<u8> {
    let user = user.as_str().as_bytes();
    let mut key = Vec::with_capacity(2 + user.len() + rest.len());
    key.push(table);
    key.extend_from_slice(user);
    key.push(0);
    key.extend_from_slice(rest);
    key
}

/// The key of a record about `contact` of `user`.
pub(crate) fn of_contact(table: u8, user: &BareJid, contact: &BareJid) -> Vec<u8> {
    of_user(table, user, contact.as_str().as_bytes())
}

/// The key of a rule about whom the user lets in.
pub(crate) fn access(user: &BareJid, whom: &Whom) -> Vec<u8> {
    // Nothing for everybody: no address is empty, but one may be `*`.
    let whom = match whom {
        Whom::Everybody => "",
        Whom::Jid(jid) => jid.as_str(),
    };
    of_user(ACCESS, user, whom.as_bytes())
}

/// The key of a private-storage element.
pub(crate) fn private(user: &BareJid, namespace: &str, name: &str) -> Vec<u8> {
    of_user(
        PRIVATE,
        user,
        &[namespace.as_bytes(), &[0], name.as_bytes()].concat(),
    )
}

/// The key of a node of the personal eventing service.
pub(crate) fn pep(user: &BareJid, node: &str) -> Vec<u8> {
    of_user(PEP, user, node.as_bytes())
}

/// The key of an offline message.
pub(crate) fn offline(user: &BareJid, number: u64) -> Vec<u8> {
    of_user(OFFLINE, user, &number.to_be_bytes())
}

/// The key of a record about another slot.
pub(crate) fn of_slot(table: u8, slot: SlotId) -> Vec<u8> {
    [&[table][..], &slot.0.to_be_bytes()].concat()
}

/// The key of an outbox item.
pub(crate) fn outbox_item(to: SlotId, number: u64) -> Vec<u8> {
    [
        &[OUTBOX_ITEM][..],
        &to.0.to_be_bytes(),
        &number.to_be_bytes(),
    ]
    .concat()
}

/// The key of a proposal's outcome.
pub(crate) fn origin(origin: Origin) -> Vec<u8> {
    let Origin {
        node: NodeId(node),
        boot,
        serial,
    } = origin;
    [
        &[ORIGIN][..],
        &node.to_be_bytes(),
        &boot.0.to_be_bytes(),
        &serial.to_be_bytes(),
    ]
    .concat()
}

/// Takes a key apart from front to back; `None` as soon as something does not fit.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    /// The text up to the next zero byte.
    pub(crate) fn terminated(&mut self) -> Option<&'a str> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let (head, rest) = self.0.split_at(end);
        self.0 = &rest[1..];
        str::from_utf8(head).ok()
    }

    /// The rest as text.
    pub(crate) fn text(self) -> Option<&'a str> {
        str::from_utf8(self.0).ok()
    }

    /// Nothing may be left.
    pub(crate) fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}
