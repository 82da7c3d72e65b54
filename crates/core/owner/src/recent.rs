//! What clients may not have been told: what was committed just before an owner died, and what was
//! committed while a client's node was out of reach. They are told when their node announces them. A
//! roster push or a subscription stanza that comes twice changes nothing (RFC 6121 §2.1.6, §3).

use crate::committed::RosterChange;
use crate::cx::Cx;
use crate::serving::Serving;
use muster_roster::SubscriptionStanza;
use muster_slot::SlotEvent;
use muster_stanza::Stanza;
use muster_types::{BareJid, Instant, SessionId};
use std::collections::VecDeque;
use std::time::Duration;

/// An owner tells of a commit at once; what is so much older than the last one was told.
const SPAN: Duration = Duration::from_secs(2);

/// More than an owner commits in that time is not remembered.
const RECENT_MAX: usize = 4_096;

/// One thing to tell a user's clients.
#[derive(Clone, Debug)]
enum News {
    Roster(RosterChange),
    Subscription(BareJid, SubscriptionStanza, Stanza),
}

impl News {
    const fn user(&self) -> &BareJid {
        match self {
            Self::Roster(change) => &change.user,
            Self::Subscription(user, ..) => user,
        }
    }
}

/// News that somebody may not have heard.
#[derive(Default, Debug)]
pub(crate) struct Recent(VecDeque<(Instant, News)>);

impl Recent {
    /// Notes what was applied here and is told by another node.
    pub(crate) fn note(&mut self, now: Instant, event: &SlotEvent) {
        self.keep(now, event);
        while self.0.front().is_some_and(|(at, _)| now.since(*at) > SPAN) {
            self.0.pop_front();
        }
    }

    /// Keeps what a client that is expected back does not hear.
    pub(crate) fn keep(&mut self, now: Instant, event: &SlotEvent) {
        let Some(news) = news(event) else { return };
        self.0.push_back((now, news));
        if self.0.len() > RECENT_MAX {
            self.0.pop_front();
        }
    }

    /// There is something newer to tell of this user and contact.
    pub(crate) fn outdate(&mut self, user: &BareJid, contact: &BareJid) {
        self.0.retain(|(_, news)| match news {
            News::Roster(older) => (&older.user, &older.contact) != (user, contact),
            News::Subscription(..) => true,
        });
    }

    /// Everybody was told.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

fn news(event: &SlotEvent) -> Option<News> {
    match event.clone() {
        SlotEvent::RosterChanged {
            user,
            contact,
            item,
            version,
            ..
        } => Some(News::Roster(RosterChange {
            user,
            contact,
            item,
            version,
        })),
        SlotEvent::SubscriptionArrived { user, kind, stanza } => {
            Some(News::Subscription(user, kind, stanza))
        }
        SlotEvent::Opened { .. }
        | SlotEvent::StaleEpoch { .. }
        | SlotEvent::Done { .. }
        | SlotEvent::Refused { .. }
        | SlotEvent::OutboxAdded { .. }
        | SlotEvent::InboundApplied { .. }
        | SlotEvent::InboundGap { .. } => None,
    }
}

impl Serving {
    /// Tells a session that its node has announced what it may have missed.
    pub(crate) fn tell_recent(&self, cx: &mut Cx<'_>, id: SessionId, user: &BareJid) {
        let interested = self.sessions.session(id).is_some_and(|s| s.interested);
        for (_, news) in self.recent.0.iter().filter(|(_, news)| news.user() == user) {
            match news {
                News::Roster(change) if interested => self.push_roster(cx, change, &[id]),
                News::Subscription(_, SubscriptionStanza::Subscribe, stanza) => {
                    if self.sight.living(user).any(|(_, own)| own.session == id) {
                        cx.deliver([id], stanza);
                    }
                }
                News::Subscription(_, _, stanza) if interested => cx.deliver([id], stanza),
                News::Roster(_) | News::Subscription(..) => (),
            }
        }
    }
}
