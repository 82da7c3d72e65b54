//! What this node holds of one client, and of one user with clients here.

use crate::answers::{Answers, Barrier};
use crate::caps::Wishes;
use crate::lane::{Lane, Manner, Pending};
use crate::publishing::Publishing;
use crate::shown::Seen;
use crate::temporary::Leases;
use crate::turns::Held;
use muster_envelope::AnnouncedSession;
use muster_roster::AccessList;
use muster_stanza::Stanza;
use muster_types::{
    Bare as _, BareJid, FullJid, Instant, Jid, ResourcePart, SessionId, SlotId, SortedMap,
};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How far a session has come.
#[derive(Debug)]
pub(crate) enum Stage {
    /// It waits for its resource.
    Binding {
        wanted: Option<ResourcePart>,
        generated: ResourcePart,
        until: Instant,
    },
    /// It is bound.
    Bound(FullJid),
    /// Its client has gone; what it sent is still owed.
    Leaving {
        jid: FullJid,
        /// The farewell the owner of the user has not got yet: whether it was graceful.
        farewell: Option<bool>,
    },
}

/// One client whose socket is on this node.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) user: BareJid,
    /// The user's slot.
    pub(crate) slot: SlotId,
    pub(crate) stage: Stage,
    /// The last available presence it published, and when.
    pub(crate) presence: Option<Stanza>,
    pub(crate) said: Instant,
    pub(crate) interested: bool,
    /// Whether it was shown its own presence since it became available.
    pub(crate) sees_itself: bool,
    /// To whom it sent available presence of its own accord (RFC 6121 §4.6).
    pub(crate) directed: BTreeSet<Jid>,
    pub(crate) answers: Answers,
    pub(crate) paused: bool,
    pub(crate) publishing: Publishing,
    /// What it said last of itself, while it is not its turn.
    pub(crate) held: Option<Box<Held>>,
    /// How many contacts its coming has been counted for.
    pub(crate) counted: u32,
    /// Of what it wants to be notified, once it has said what it can do.
    pub(crate) wishes: Option<Box<Wishes>>,
    lanes: SortedMap<SlotId, Lane>,
}

impl Session {
    pub(crate) fn new(user: BareJid, slot: SlotId, stage: Stage) -> Self {
        Self {
            user,
            slot,
            stage,
            presence: None,
            said: Instant::ZERO,
            interested: false,
            sees_itself: false,
            directed: BTreeSet::new(),
            answers: Answers::default(),
            paused: false,
            publishing: Publishing::default(),
            held: None,
            counted: 0,
            wishes: None,
            lanes: SortedMap::new(),
        }
    }

    /// The address, while a client is there.
    pub(crate) const fn bound(&self) -> Option<&FullJid> {
        match &self.stage {
            Stage::Bound(jid) => Some(jid),
            Stage::Binding { .. } | Stage::Leaving { .. } => None,
        }
    }

    /// Whether presence of others is shown to it.
    pub(crate) const fn is_available(&self) -> bool {
        self.bound().is_some() && self.presence.is_some()
    }

    /// Whether this is its own presence.
    pub(crate) fn is_from(&self, seen: &Seen) -> bool {
        self.bound() == Some(&*seen.from)
    }

    /// Whether it is to be shown this presence. That it is unavailable itself it learns from the
    /// owner, in answer to what it said (RFC 6121 §4.5.2): here it has said something else since.
    pub(crate) fn takes(&mut self, seen: &Seen) -> bool {
        let (own, available) = (self.is_from(seen), seen.is_available());
        self.sees_itself |= own && available && self.is_available();
        self.is_available() && (available || !own)
    }

    /// Whether it is available and was not shown so.
    pub(crate) const fn misses_itself(&self) -> bool {
        self.is_available() && !self.sees_itself
    }

    /// What a new owner of the user is told. A client that has closed its stream meanwhile is announced
    /// too when its farewell is still to come: the owner must know whose it is. One that was cut off is
    /// not: it may be elsewhere by now, and what it said here must not be shown again.
    pub(crate) fn announced(&self, now: Instant, session: SessionId) -> Option<AnnouncedSession> {
        let (jid, leaving) = match &self.stage {
            Stage::Bound(jid) => (jid.clone(), false),
            Stage::Leaving {
                jid,
                farewell: Some(true),
            } => (jid.clone(), true),
            Stage::Binding { .. }
            | Stage::Leaving {
                farewell: None | Some(false),
                ..
            } => return None,
        };
        let ago = now.since(self.said).as_millis();
        Some(AnnouncedSession {
            session,
            jid,
            presence: self.presence.clone(),
            said_ms_ago: u64::try_from(ago).unwrap_or(u64::MAX),
            interested: self.interested,
            leaving,
        })
    }

    /// Appends a stanza to the lane of `slot`.
    pub(crate) fn push(&mut self, slot: SlotId, stanza: Stanza, manner: Manner) -> &Pending {
        self.lane(slot).push(stanza, manner)
    }

    /// A serial for what is said to `slot` once, confirmed or not.
    pub(crate) fn next_serial(&mut self, slot: SlotId) -> u64 {
        self.lane(slot).next_serial()
    }

    fn lane(&mut self, slot: SlotId) -> &mut Lane {
        self.lanes.get_or_insert_with(slot, Lane::default)
    }

    /// Directed presence replaces what waits for the same recipient.
    pub(crate) fn supersede(&mut self, slot: SlotId, newer: &Stanza) {
        if let Some(lane) = self.lanes.get_mut(&slot) {
            lane.supersede(newer);
        }
    }

    pub(crate) fn confirm(&mut self, slot: SlotId, serial: u64) {
        if let Some(lane) = self.lanes.get_mut(&slot) {
            lane.confirm(serial);
        }
    }

    /// Drops the unconfirmed IQs of a client that has gone.
    pub(crate) fn drop_iqs(&mut self) {
        self.lanes.values_mut().for_each(Lane::drop_iqs);
    }

    /// Takes one unconfirmed stanza out.
    pub(crate) fn take(&mut self, slot: SlotId, serial: u64) -> Option<Pending> {
        self.lanes.get_mut(&slot)?.take(serial)
    }

    /// What `slot` has not confirmed, in order.
    pub(crate) fn pending(&self, slot: SlotId) -> impl Iterator<Item = &Pending> {
        self.lanes.get(&slot).into_iter().flat_map(Lane::pending)
    }

    /// All that is not confirmed.
    pub(crate) fn unconfirmed(&self) -> usize {
        self.lanes.values().map(Lane::len).sum()
    }

    /// An IQ was sent: its answer will acknowledge the messages before it. False when too many
    /// answers wait already.
    pub(crate) fn promise(&mut self, request: &Stanza, limit: usize) -> bool {
        let last = |(slot, lane): (&SlotId, &Lane)| Some((*slot, lane.last_message()?));
        let barrier: Barrier = self.lanes.iter().filter_map(last).collect();
        match &request.id {
            Some(id) if !barrier.is_empty() => self.answers.asked(id, barrier, limit),
            Some(_) | None => true,
        }
    }

    /// Takes a delivery; gives it back when it may go out at once. See [`Answers::admit`].
    pub(crate) fn admit(&mut self, stanza: Stanza, until: Instant) -> Option<Stanza> {
        let lanes = &self.lanes;
        self.answers
            .admit(stanza, until, &|barrier| is_passed(lanes, barrier))
    }

    /// Releases the next delivery that need not wait any more.
    pub(crate) fn release(&mut self) -> Option<Stanza> {
        let lanes = &self.lanes;
        self.answers.release(&|barrier| is_passed(lanes, barrier))
    }

    /// Whether nothing is left to be said for a client that has gone.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Leaving { farewell: None, .. })
            && self.unconfirmed() == 0
            && self.directed.is_empty()
    }
}

fn is_passed(lanes: &SortedMap<SlotId, Lane>, barrier: &Barrier) -> bool {
    let owes = |(slot, serial): &(SlotId, u64)| {
        lanes
            .get(slot)
            .is_some_and(|lane| lane.owes_message(*serial))
    };
    !barrier.iter().any(owes)
}

/// One user with bound clients on this node.
#[derive(Debug)]
pub(crate) struct User {
    /// The bare JID, as the address of presence.
    pub(crate) address: Arc<Jid>,
    /// The bound clients.
    pub(crate) sessions: SortedMap<SessionId, ()>,
    /// Whom the user sees, as the owner said last.
    pub(crate) contacts: SortedMap<Arc<BareJid>, ()>,
    /// Whether they are watched: while a client here is available.
    pub(crate) watching: bool,
    /// Whom it lets in, as the owner said last.
    pub(crate) access: AccessList,
    /// Whom single clients see for a while.
    pub(crate) leases: Leases,
}

impl User {
    pub(crate) fn new(user: &BareJid) -> Self {
        let address = Arc::new(Jid::from(user.clone()));
        Self {
            address,
            sessions: SortedMap::new(),
            contacts: SortedMap::new(),
            watching: false,
            access: AccessList::default(),
            leases: Leases::default(),
        }
    }

    pub(crate) fn contacts_count(&self) -> u32 {
        u32::try_from(self.contacts.len()).unwrap_or(u32::MAX)
    }

    /// Whom its clients here are to see: the user's other clients, and the contacts.
    pub(crate) fn watched(&self) -> Vec<Arc<BareJid>> {
        let own = Arc::new(self.address.bare());
        std::iter::once(own)
            .chain(self.contacts.keys().cloned())
            .collect()
    }
}
