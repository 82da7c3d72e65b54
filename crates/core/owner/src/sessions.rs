//! The table of sessions of the slot's users.

use muster_types::{
    Bare as _, BareJid, FullJid, Instant, NodeId, ResourcePart, SessionId, SortedMap,
};
use std::collections::BTreeMap;

/// Where a client is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    /// Bound and connected, as far as anybody knows.
    Live,
    /// Known from the warm copy; its node is there but has not announced it yet.
    Presumed,
    /// Its connection or its node was lost: it is expected back.
    Expected {
        /// When the grace ends.
        until: Instant,
    },
}

impl Standing {
    /// Whether the client was lost and is expected back.
    pub(crate) const fn is_expected(self) -> bool {
        match self {
            Self::Expected { .. } => true,
            Self::Live | Self::Presumed => false,
        }
    }
}

/// One bound client.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) jid: FullJid,
    /// Has asked for the roster (RFC 6121 §2.2).
    pub(crate) interested: bool,
    pub(crate) standing: Standing,
}

impl Session {
    pub(crate) fn resource(&self) -> ResourcePart {
        self.jid.resource().to_owned()
    }
}

/// All of them, by id and by address. A session whose resource was taken by a newer one stays
/// here (without its address) while watchers still see its presence.
#[derive(Default)]
pub(crate) struct Sessions {
    by_id: BTreeMap<SessionId, Session>,
    by_user: BTreeMap<BareJid, SortedMap<ResourcePart, SessionId>>,
}

impl Sessions {
    /// Enters a session, which takes its address. Returns the one that had the address before.
    pub(crate) fn insert(&mut self, session: Session) -> Option<SessionId> {
        let resources = self.by_user.entry(session.jid.to_bare()).or_default();
        let before = resources
            .insert(session.resource(), session.id)
            .filter(|id| *id != session.id);
        self.by_id.insert(session.id, session);
        before
    }

    /// Removes a session; its address becomes free if it still had it.
    pub(crate) fn remove(&mut self, id: SessionId) -> Option<Session> {
        let session = self.by_id.remove(&id)?;
        let user = session.jid.bare();
        if let Some(resources) = self.by_user.get_mut(&user) {
            if resources.get(&session.resource()) == Some(&id) {
                resources.remove(&session.resource());
            }
            if resources.is_empty() {
                self.by_user.remove(&user);
            }
        }
        Some(session)
    }

    pub(crate) fn session(&self, id: SessionId) -> Option<&Session> {
        self.by_id.get(&id)
    }

    pub(crate) fn session_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.by_id.get_mut(&id)
    }

    /// The session that has this address.
    pub(crate) fn at(&self, user: &BareJid, resource: &ResourcePart) -> Option<&Session> {
        self.by_id.get(self.by_user.get(user)?.get(resource)?)
    }

    /// The sessions of a user that have their address, in the order of their resources.
    pub(crate) fn of_user(&self, user: &BareJid) -> impl Iterator<Item = &Session> {
        self.by_user
            .get(user)
            .into_iter()
            .flat_map(SortedMap::values)
            .filter_map(|id| self.by_id.get(id))
    }

    /// The sessions whose sockets are on a node.
    pub(crate) fn of_node(&self, node: NodeId) -> impl Iterator<Item = &Session> {
        self.by_id
            .range(first_of(node)..)
            .map(|(_, session)| session)
            .take_while(move |s| s.id.node == node)
    }

    /// All sessions, in the order of their ids.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Session> {
        self.by_id.values()
    }

    /// The sessions after `id` in the order of their ids; all of them after `None`.
    pub(crate) fn after(&self, id: Option<SessionId>) -> impl Iterator<Item = &Session> {
        let from = id.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        self.by_id
            .range((from, std::ops::Bound::Unbounded))
            .map(|(_, session)| session)
    }

    /// The living sessions of a user that want roster pushes.
    pub(crate) fn interested(&self, user: &BareJid) -> Vec<SessionId> {
        let all = self
            .of_user(user)
            .filter(|s| s.interested && !s.standing.is_expected());
        all.map(|s| s.id).collect()
    }

    /// How many are here, and how many are expected back.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let of = |which: fn(Standing) -> bool| {
            let sessions = self.by_id.values();
            sessions.filter(|session| which(session.standing)).count()
        };
        (
            of(|standing| standing == Standing::Live),
            of(Standing::is_expected),
        )
    }
}

const fn first_of(node: NodeId) -> SessionId {
    SessionId {
        node,
        boot: muster_types::Boot(0),
        serial: 0,
    }
}
