//! XEP-0163: Personal Eventing. The nodes of one user's account, each with the last item published to it, and
//! the changes of them.

use crate::change::Scope;
use crate::{Refusal, SlotEvent, key};
use muster_types::{Limits, LogIndex, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The nodes of one user, by name.
pub type PepNodes = BTreeMap<String, PepNode>;

/// Who may read a node (XEP-0060 §4.5). The user itself always may.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum AccessModel {
    /// Contacts that see the user's presence.
    #[default]
    Presence,
    /// Nobody else.
    Whitelist,
    /// Everybody whom the user has not blocked.
    Open,
}

impl AccessModel {
    /// Its name in forms (XEP-0060 §16.4.4).
    pub const fn label(self) -> &'static str {
        match self {
            Self::Presence => "presence",
            Self::Whitelist => "whitelist",
            Self::Open => "open",
        }
    }

    /// The one of this name.
    pub fn named(label: &str) -> Option<Self> {
        let all = [Self::Presence, Self::Whitelist, Self::Open];
        all.into_iter().find(|model| model.label() == label)
    }
}

/// One node. It keeps one item: what a user does or feels is a register.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PepNode {
    /// Who may read it.
    pub access: AccessModel,
    /// The entry that last published an item or took it back.
    pub changed: LogIndex,
    /// When that was.
    pub at: Timestamp,
    /// The id of the item.
    pub id: String,
    /// The bytes of the item's one child; nothing when it was taken back.
    pub payload: Option<Vec<u8>>,
}

impl PepNode {
    fn bytes(&self, name: &str) -> usize {
        name.len() + self.id.len() + self.payload.as_ref().map_or(0, Vec::len)
    }
}

/// What became of a node, for those who are notified (XEP-0060 §7.1.2.1, §7.2.2.1, §8.4.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PepChange {
    /// It has another item, or the same once more.
    Published,
    /// Its item was taken back.
    Retracted,
    /// It is no more.
    Deleted(AccessModel),
}

/// A change of one node.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum PepEdit {
    /// Publishes an item; a node that is not there is made (XEP-0163 §3).
    Publish {
        /// The id of the item.
        id: String,
        /// The bytes of its child.
        payload: Vec<u8>,
        /// What the publisher wants the access model to be (XEP-0060 §7.1.5): that of a new node, and
        /// what is there already must have it.
        access: Option<AccessModel>,
    },
    /// Takes the item back.
    Retract {
        /// Its id.
        id: String,
    },
    /// Sets who may read the node.
    Configure {
        /// The model.
        access: AccessModel,
    },
    /// Removes the node with its item.
    Delete,
}

impl Scope<'_, '_> {
    pub(crate) fn pep_edit(
        &mut self,
        name: String,
        at: Timestamp,
        edit: PepEdit,
    ) -> Result<(), Refusal> {
        let change = match edit {
            PepEdit::Publish {
                id,
                payload,
                access,
            } => self.pep_publish(&name, at, (id, payload, access))?,
            PepEdit::Retract { id } => self.pep_retract(&name, at, &id)?,
            PepEdit::Configure { access } => {
                let node = self.data.pep.get_mut(&name).ok_or(Refusal::NoSuchItem)?;
                node.access = access;
                self.fx.put(key::pep(self.user, &name), node);
                return Ok(());
            }
            PepEdit::Delete => {
                let node = self.data.pep.remove(&name).ok_or(Refusal::NoSuchItem)?;
                self.fx.delete(key::pep(self.user, &name));
                PepChange::Deleted(node.access)
            }
        };
        self.fx.emit(SlotEvent::PepChanged {
            user: self.user.clone(),
            node: name,
            change,
            at: self.index,
        });
        Ok(())
    }

    fn pep_publish(
        &mut self,
        name: &str,
        at: Timestamp,
        (id, payload, access): (String, Vec<u8>, Option<AccessModel>),
    ) -> Result<PepChange, Refusal> {
        let known = self.data.pep.get(name);
        let model = match (known.map(|node| node.access), access) {
            (Some(known), Some(wanted)) if known != wanted => {
                return Err(Refusal::OtherAccessModel {
                    model: known.label().to_owned(),
                });
            }
            (known, wanted) => known.or(wanted).unwrap_or_default(),
        };
        let node = PepNode {
            access: model,
            changed: self.index,
            at,
            id,
            payload: Some(payload),
        };
        check_room(&self.data.pep, name, &node, self.limits)?;
        self.fx.put(key::pep(self.user, name), &node);
        self.data.pep.insert(name.to_owned(), node);
        Ok(PepChange::Published)
    }

    fn pep_retract(&mut self, name: &str, at: Timestamp, id: &str) -> Result<PepChange, Refusal> {
        let node = self.data.pep.get_mut(name);
        let node = node.filter(|node| node.payload.is_some() && node.id == id);
        let node = node.ok_or(Refusal::NoSuchItem)?;
        node.payload = None;
        (node.changed, node.at) = (self.index, at);
        self.fx.put(key::pep(self.user, name), node);
        Ok(PepChange::Retracted)
    }
}

/// What takes no more room than before is taken in any case: an operator may have lowered a limit.
fn check_room(
    nodes: &PepNodes,
    name: &str,
    node: &PepNode,
    limits: &Limits,
) -> Result<(), Refusal> {
    let held: usize = nodes.iter().map(|(name, node)| node.bytes(name)).sum();
    let before = nodes.get(name).map(|node| node.bytes(name));
    let after = held - before.unwrap_or(0) + node.bytes(name);
    let is_new = before.is_none();
    let too_many = is_new && nodes.len() >= limits.pep_nodes;
    if too_many || after > limits.pep_bytes && after > held {
        return Err(Refusal::PepFull {
            nodes: limits.pep_nodes,
            bytes: limits.pep_bytes,
        });
    }
    Ok(())
}
