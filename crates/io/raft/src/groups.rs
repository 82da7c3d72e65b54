//! The table of all groups of a node.

use crate::group::Group;
use crate::rpc::{Addressed, GroupId, Request, Response, decode, encode};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

/// All groups that run on a node, for requests that come in.
#[derive(Clone, Default)]
pub struct Groups {
    groups: Arc<RwLock<BTreeMap<GroupId, Group>>>,
}

impl Groups {
    /// Adds a started group.
    pub fn insert(&self, group: Group) {
        if let Ok(mut groups) = self.groups.write() {
            groups.insert(group.id(), group);
        }
    }

    /// Takes a group out; requests for it are answered with "no such group" from now on.
    pub fn remove(&self, id: GroupId) -> Option<Group> {
        self.groups.write().ok()?.remove(&id)
    }

    /// The group `id`, if it runs here.
    pub fn find(&self, id: GroupId) -> Option<Group> {
        self.groups.read().ok()?.get(&id).cloned()
    }

    /// All groups that run here.
    pub fn all(&self) -> Vec<Group> {
        self.groups
            .read()
            .map(|groups| groups.values().cloned().collect())
            .unwrap_or_default()
    }

    /// Answers one request of another node.
    pub async fn handle(&self, request: Bytes) -> Bytes {
        let response = match decode::<Addressed<Request>>(&request) {
            Ok(Addressed { group, body }) => match self.find(group) {
                Some(group) => group.answer(body).await,
                None => Response::NoSuchGroup,
            },
            Err(e) => Response::Failed(format!("unreadable request: {e}")),
        };
        Bytes::from(encode(&response))
    }
}
