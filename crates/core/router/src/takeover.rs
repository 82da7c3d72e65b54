//! Owners come and go: what a new one is told, and what happens while there is none.

use crate::Router;
use crate::session::{Session, Stage};
use crate::slots::Owner;
use crate::timer::Timer;
use muster_envelope::{AnnouncedSession, Announcement, ToOwner, WatchRequest};
use muster_types::{Boot, Instant, LogIndex, NodeId, SessionId, SlotId};

/// About how many bytes one part of an announcement may have; a part with one session may be
/// larger by that session's presence.
const PART_BYTES: usize = 65_536;

impl Router {
    pub(crate) fn opened(&mut self, now: Instant, slot: SlotId, owner: Owner) {
        if self.slots.opened(slot, owner) {
            self.resync(now, slot);
        }
    }

    pub(crate) fn node_up(&mut self, now: Instant, node: NodeId, boot: Boot) {
        for slot in self.slots.regained(node, boot) {
            self.resync(now, slot);
        }
    }

    pub(crate) fn node_lost(&mut self, now: Instant, node: NodeId) {
        for slot in self.slots.lost(node, now) {
            self.owner_gone(now, slot);
        }
    }

    /// Tells a new owner everything that concerns its slot: first who is here and who is watched,
    /// then what was sent and not confirmed, in order.
    pub(crate) fn resync(&mut self, now: Instant, slot: SlotId) {
        self.end_strangers(now, slot);
        // Part of the announcement.
        for session in self.sessions.values_mut().filter(|s| s.slot == slot) {
            session.publishing.finish();
        }
        for part in self.announcement(now, slot) {
            self.tell_owner(slot, ToOwner::Announce(part));
        }
        self.show_themselves(slot);
        self.ask_items_again(slot);
        self.ask_temporary_again(slot);
        let mut said = Vec::new();
        for (id, session) in &mut self.sessions {
            if session.slot == slot {
                said.extend(bind_again(*id, session));
            }
            said.extend(session.pending(slot).map(|pending| pending.to_owner(*id)));
            if session.slot == slot {
                said.extend(farewell(*id, session));
            }
        }
        for body in said {
            self.tell_owner(slot, body);
        }
        self.sessions.retain(|_, session| !session.is_over());
    }

    /// Sessions of users who have no account here any more: whoever removed them may not have reached
    /// this node.
    fn end_strangers(&mut self, now: Instant, slot: SlotId) {
        let is_stranger = |session: &Session| {
            session.slot == slot && self.directory.account_slot(&session.user) != Some(slot)
        };
        let strangers = self
            .sessions
            .iter()
            .filter(|(_, session)| is_stranger(session));
        for id in strangers.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.replaced(now, id);
        }
    }

    fn announcement(&self, now: Instant, slot: SlotId) -> Vec<Announcement> {
        let own = self
            .sessions
            .iter()
            .filter(|(_, session)| session.slot == slot);
        let sessions = own.filter_map(|(id, session)| session.announced(now, *id));
        let mut parts = Parts {
            heard: self.caps.heard(slot),
            ..Parts::default()
        };
        sessions.for_each(|session| parts.add_session(session));
        self.interests
            .requests(slot, &|contact, watcher| self.is_leased(contact, watcher))
            .into_iter()
            .for_each(|watch| parts.add_watch(watch));
        parts.finish()
    }

    /// There is no owner from now on: IQs on their way there will not wait for ever.
    pub(crate) fn owner_gone(&mut self, now: Instant, slot: SlotId) {
        let limits = &self.config.limits;
        self.timers.set(now + limits.grace, Timer::Away(slot));
        let until = now + limits.owner_wait;
        self.temporary_waits(slot, until);
        for (id, session) in &self.sessions {
            for pending in session
                .pending(slot)
                .filter(|pending| pending.stanza.is_iq())
            {
                self.timers
                    .set(until, Timer::Request(*id, slot, pending.serial));
            }
        }
    }

    /// If the owner stayed away for longer than the grace, nobody knows where its users are:
    /// watchers are told so, once.
    pub(crate) fn owner_overdue(&mut self, now: Instant, slot: SlotId) {
        let grace = self.config.limits.grace;
        if self
            .slots
            .away_since(slot)
            .is_some_and(|since| since + grace <= now)
        {
            let shows = self.interests.forget(slot);
            self.show(shows);
        }
    }
}

fn bind_again(id: SessionId, session: &Session) -> Option<ToOwner> {
    match &session.stage {
        Stage::Binding {
            wanted, generated, ..
        } => Some(ToOwner::Bind {
            session: id,
            user: session.user.clone(),
            wanted: wanted.clone(),
            generated: generated.clone(),
        }),
        Stage::Bound(_) | Stage::Leaving { .. } => None,
    }
}

fn farewell(id: SessionId, session: &mut Session) -> Option<ToOwner> {
    match &mut session.stage {
        Stage::Leaving { farewell, .. } => farewell.take().map(|graceful| ToOwner::Unbind {
            session: id,
            graceful,
        }),
        Stage::Binding { .. } | Stage::Bound(_) => None,
    }
}

/// Cuts an announcement into messages of bounded size.
#[derive(Default)]
struct Parts {
    done: Vec<Announcement>,
    sessions: Vec<AnnouncedSession>,
    watches: Vec<WatchRequest>,
    heard: Option<LogIndex>,
    bytes: usize,
}

impl Parts {
    fn add_session(&mut self, session: AnnouncedSession) {
        let presence = session
            .presence
            .as_ref()
            .map_or(0, |presence| presence.content.len());
        self.make_room(presence + session.jid.as_str().len() + 64);
        self.sessions.push(session);
    }

    fn add_watch(&mut self, watch: WatchRequest) {
        self.make_room(watch.contact.as_str().len() + watch.watcher.as_str().len() + 32);
        self.watches.push(watch);
    }

    fn make_room(&mut self, bytes: usize) {
        if self.bytes > 0 && self.bytes + bytes > PART_BYTES {
            self.cut(false);
        }
        self.bytes += bytes;
    }

    fn cut(&mut self, last: bool) {
        let (sessions, watches) = (
            std::mem::take(&mut self.sessions),
            std::mem::take(&mut self.watches),
        );
        self.done.push(Announcement {
            sessions,
            watches,
            heard: self.heard,
            first: self.done.is_empty(),
            last,
        });
        self.bytes = 0;
    }

    fn finish(mut self) -> Vec<Announcement> {
        self.cut(true);
        self.done
    }
}
