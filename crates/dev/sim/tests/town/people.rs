//! The users: their rosters, their clients and what those see.

use super::{A, BOOT, CONTACTS, NODES, SLOT, Town, USERS};
use muster_owner::{Accounts, Bounds};
use muster_presence::rules::Rules;
use muster_presence::source::Policies;
use muster_roster::{RosterItem, Subscription};
use muster_router::{Config, Directory, Input, Router};
use muster_stanza::{Encoded, PresenceType, Stanza};
use muster_types::{
    BareJid, Fork, FullJid, Limits, LogIndex, NodeId, ResourcePart, SessionId, SlotId, Timestamp,
    encode_value,
};
use muster_xep::HostInfo;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The stored table of roster items.
const ROSTER_ITEM: u8 = 3;

/// Every address has an account in the one slot.
#[derive(Debug)]
pub(super) struct Everybody;

impl Accounts for Everybody {
    fn slot_of(&self, _user: &BareJid) -> Option<SlotId> {
        Some(SLOT)
    }

    fn is_barred(&self, _user: &BareJid) -> bool {
        false
    }

    fn barred(&self, _slot: SlotId) -> Vec<BareJid> {
        Vec::new()
    }

    fn next_removal(&self, _slot: SlotId) -> Option<(LogIndex, BareJid)> {
        None
    }

    fn policies(&self, _user: &BareJid) -> Policies {
        Policies::default()
    }

    fn restricted(&self, _slot: SlotId) -> BTreeMap<BareJid, Policies> {
        BTreeMap::new()
    }

    fn rules(&self) -> Arc<Rules> {
        Rules::shipped()
    }

    fn fork(&self) -> Fork {
        Fork::default()
    }

    fn auto_authorise(&self) -> bool {
        false
    }

    fn dnd_is_manual(&self) -> bool {
        false
    }

    fn bounds(&self) -> Bounds {
        Bounds::NONE
    }
}

impl Directory for Everybody {
    fn account_slot(&self, _user: &BareJid) -> Option<SlotId> {
        Some(SLOT)
    }

    fn hosts(&self, _domain: &str) -> bool {
        true
    }
}

pub(super) fn router() -> Router {
    let host = HostInfo {
        name: "Muster".into(),
        version: "0".into(),
        os: None,
        domain: "example.com".into(),
        features: Vec::new(),
    };
    let limits = Limits::default();
    Router::new(Config { limits, host }, Arc::new(Everybody))
}

fn jid(user: usize) -> BareJid {
    BareJid::new(&format!("user{user:05}@example.com")).expect("a JID")
}

fn contacts(user: usize) -> impl Iterator<Item = usize> {
    (1..=CONTACTS / 2).flat_map(move |far| [(user + far) % USERS, (user + USERS - far) % USERS])
}

/// What a store holds of everybody's roster.
pub(super) fn rosters() -> Vec<(Vec<u8>, Vec<u8>)> {
    let record = |(user, contact): (usize, usize)| {
        let (user, contact) = (jid(user), jid(contact));
        let key = [
            &[ROSTER_ITEM],
            user.as_str().as_bytes(),
            &[0],
            contact.as_str().as_bytes(),
        ]
        .concat();
        let item = RosterItem {
            subscription: Subscription::Both,
            ..RosterItem::new(contact)
        };
        (key, encode_value(1, &item))
    };
    let pairs = (0..USERS).flat_map(|user| contacts(user).map(move |contact| (user, contact)));
    let mut records: Vec<_> = pairs.map(record).collect();
    records.sort_unstable();
    records
}

impl Town {
    pub(super) fn login(&mut self, user: usize, at: NodeId) {
        self.serial += 1;
        let session = SessionId {
            node: at,
            boot: BOOT,
            serial: self.serial,
        };
        self.sessions.insert(session, user);
        let resource = ResourcePart::new("x").expect("a resource").into_owned();
        let bind = Input::Bind {
            session,
            user: jid(user),
            wanted: Some(resource.clone()),
            generated: resource.clone(),
        };
        self.tell_router(at, bind);
        self.settle();
        let stanza = Stanza::presence(PresenceType::Available)
            .with_from(jid(user).with_resource(&resource))
            .with_content(format!("<status>I am {user}</status>").into_bytes());
        let at_time = Timestamp(0);
        self.tell_router(
            at,
            Input::Stanza {
                session,
                stanza,
                at: at_time,
            },
        );
        self.settle();
    }

    /// Whoever was on A comes back on another node; how many those are.
    pub(crate) fn come_back(&mut self) -> usize {
        let lost: Vec<usize> = self
            .sessions
            .iter()
            .filter(|(session, _)| session.node == A)
            .map(|(_, user)| *user)
            .collect();
        self.sessions.retain(|session, _| session.node != A);
        for user in &lost {
            let serial = self.serial + 1;
            let at = NODES[1 + user % 2];
            self.returned.insert(SessionId {
                node: at,
                boot: BOOT,
                serial,
            });
            self.login(*user, at);
        }
        lost.len()
    }

    pub(super) fn deliver(
        &mut self,
        session: SessionId,
        stanza: &Encoded,
        of: Option<Arc<FullJid>>,
    ) {
        let bytes = stanza.to_vec();
        let text = String::from_utf8_lossy(&bytes);
        self.said.probes += usize::from(text.contains("type='probe'"));
        let Some(of) = of else {
            return;
        };
        let view = self.views.entry(session).or_default();
        let changed = if text.contains("type='unavailable'") {
            self.unavailable += 1;
            view.remove(&of).is_some()
        } else {
            view.insert(of, bytes.clone()) != Some(bytes)
        };
        self.twice += usize::from(!changed);
        if self.returned.contains(&session) {
            self.shown_to_returned += 1;
        } else {
            self.shown += 1;
        }
    }

    /// Presence shown to clients that were there before the count began.
    pub(crate) fn shown(&self) -> usize {
        self.shown
    }

    pub(crate) fn shown_to_returned(&self) -> usize {
        self.shown_to_returned
    }

    /// Themselves, and each of their contacts.
    pub(crate) fn contacts_of_returned(&self) -> usize {
        self.returned.len() * (CONTACTS + 1)
    }

    pub(crate) fn unavailable(&self) -> usize {
        self.unavailable
    }

    /// Deliveries of what the client knew.
    pub(crate) fn twice(&self) -> usize {
        self.twice
    }

    /// How many clients elsewhere see a user of this node, added up.
    pub(crate) fn watchers_of(&self, node: NodeId) -> usize {
        let here = |user: usize| NODES[user % 3] == node;
        let seen = |user: usize| contacts(user).filter(|contact| here(*contact)).count();
        (0..USERS).filter(|user| !here(*user)).map(seen).sum()
    }

    pub(crate) fn everybody_sees_everybody(&self) -> bool {
        self.sees(&|_| true)
    }

    pub(crate) fn sees_only_the_living(&self, nodes: &[NodeId]) -> bool {
        self.sees(&|user| nodes.contains(&NODES[user % 3]))
    }

    /// Whether every living client sees exactly itself and those of its contacts.
    fn sees(&self, online: &dyn Fn(usize) -> bool) -> bool {
        let resource = ResourcePart::new("x").expect("a resource").into_owned();
        let living = self
            .sessions
            .iter()
            .filter(|(session, _)| self.alive.contains(&session.node));
        living.into_iter().all(|(session, user)| {
            let view = &self.views[session];
            let expected: Vec<_> = contacts(*user)
                .chain([*user])
                .filter(|seen| online(*seen))
                .collect();
            view.len() == expected.len()
                && expected
                    .iter()
                    .all(|seen| view.contains_key(&jid(*seen).with_resource(&resource)))
        })
    }
}
