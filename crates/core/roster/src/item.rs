//! One contact in a roster, and a client's wish to change it.

use crate::Subscription;
use muster_types::BareJid;
use serde::{Deserialize, Serialize};

/// A contact in a user's roster (RFC 6121 §2.1.2).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RosterItem {
    /// The contact.
    pub contact: BareJid,
    /// The name the user gave it.
    pub name: Option<String>,
    /// The groups it is in: sorted, each once.
    pub groups: Vec<String>,
    /// Who sees whom.
    pub subscription: Subscription,
    /// Whether the user has pre-approved a request of the contact (RFC 6121 §3.4).
    pub approved: bool,
}

impl RosterItem {
    /// A contact of whom nothing is known but the address.
    pub const fn new(contact: BareJid) -> Self {
        Self {
            contact,
            name: None,
            groups: Vec::new(),
            subscription: Subscription::None_,
            approved: false,
        }
    }

    /// Bytes of its address, name and groups.
    pub(crate) fn bytes(&self) -> usize {
        let groups = self.groups.iter().map(String::len).sum::<usize>();
        self.contact.as_str().len() + self.name.as_ref().map_or(0, String::len) + groups
    }

    /// Whether a client would see a difference: a request waiting for the user's answer is not
    /// shown in the roster.
    pub fn looks_like(&self, other: &Self) -> bool {
        let shown = |item: &Self| {
            (
                item.subscription.wire(),
                item.subscription.ask(),
                item.approved,
            )
        };
        self.contact == other.contact
            && self.name == other.name
            && self.groups == other.groups
            && shown(self) == shown(other)
    }
}

/// What a client may change of an item by itself (RFC 6121 §2.3, §2.4).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RosterEdit {
    /// The contact.
    pub contact: BareJid,
    /// The new name; `None` takes it away.
    pub name: Option<String>,
    /// The new groups: sorted, each once.
    pub groups: Vec<String>,
}
