//! What clients may not have been told: what was committed just before an owner died, and what was
//! committed while a client's node was out of reach. They are told when their node announces them. A
//! roster push or a subscription stanza that comes twice changes nothing (RFC 6121 §2.1.6, §3).

use crate::blocking::{AccessNews, tell_access};
use crate::committed::RosterChange;
use crate::cx::Cx;
use crate::serving::Serving;
use muster_roster::SubscriptionStanza;
use muster_slot::SlotEvent;
use muster_stanza::Stanza;
use muster_types::{Bare as _, BareJid, Instant, SessionId};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// An owner tells of a commit at once; what is so much older than the last one was told.
const SPAN: Duration = Duration::from_secs(2);

/// Of one user; more than that is not remembered, and the client finds out at its next login.
const OF_USER_MAX: usize = 64;
/// Of all; beyond it nothing more is remembered until something is too old.
const UNTOLD_MAX: usize = 4_096;

/// One thing to tell a user's clients.
#[derive(Clone, Debug)]
enum News {
    Roster(RosterChange),
    Subscription(SubscriptionStanza, Stanza),
    Access(AccessNews),
}

/// The last news that a replica applied, whoever tells of them: of the last span and the one before.
#[derive(Default, Debug)]
pub(crate) struct Recent {
    current: Untold,
    before: Untold,
    since: Instant,
}

impl Recent {
    pub(crate) fn note(&mut self, now: Instant, event: &SlotEvent) {
        if now.since(self.since) > SPAN {
            self.before = std::mem::take(&mut self.current);
            if now.since(self.since) > 2 * SPAN {
                self.before = Untold::default();
            }
            self.since = now;
        }
        self.current.keep(now, 2 * SPAN, event);
    }

    /// For an owner that begins.
    pub(crate) fn untold(&self) -> Untold {
        let mut untold = self.before.clone();
        for (user, news) in &self.current.by_user {
            untold.count += news.len();
            let of_user = untold.by_user.entry(user.clone()).or_default();
            of_user.extend(news.iter().cloned());
        }
        untold
    }
}

/// News that somebody may not have heard, by user, oldest first.
#[derive(Clone, Default, Debug)]
pub(crate) struct Untold {
    by_user: BTreeMap<BareJid, VecDeque<(Instant, News)>>,
    count: usize,
}

impl Untold {
    /// Keeps it for so long; more than `UNTOLD_MAX` at a time are not kept.
    pub(crate) fn keep(&mut self, now: Instant, time: Duration, event: &SlotEvent) {
        let Some((user, news)) = news(event) else {
            return;
        };
        if self.count >= UNTOLD_MAX {
            self.forget_all_older(now - time);
        }
        if self.count >= UNTOLD_MAX {
            return;
        }
        let of_user = self.by_user.entry(user).or_default();
        if of_user.len() >= OF_USER_MAX {
            of_user.pop_front();
            self.count -= 1;
        }
        of_user.push_back((now, news));
        self.count += 1;
    }

    /// There is something newer to tell of this user and contact.
    pub(crate) fn outdate(&mut self, user: &BareJid, contact: &BareJid) {
        self.retain_of(user, |_, news| match news {
            News::Roster(older) => older.contact != *contact,
            News::Subscription(..) | News::Access(_) => true,
        });
    }

    /// What is older than this was told, or those who wait for it have gone.
    fn forget_older(&mut self, user: &BareJid, than: Instant) {
        self.retain_of(user, |at, _| at >= than);
    }

    fn forget_all_older(&mut self, than: Instant) {
        for of_user in self.by_user.values_mut() {
            of_user.retain(|(at, _)| *at >= than);
        }
        self.by_user.retain(|_, of_user| !of_user.is_empty());
        self.count = self.by_user.values().map(VecDeque::len).sum();
    }

    fn retain_of(&mut self, user: &BareJid, keep: impl Fn(Instant, &News) -> bool) {
        if let Some(of_user) = self.by_user.get_mut(user) {
            self.count -= of_user.len();
            of_user.retain(|(at, news)| keep(*at, news));
            self.count += of_user.len();
            if of_user.is_empty() {
                self.by_user.remove(user);
            }
        }
    }

    /// Keeps what is for these users only.
    fn retain(&mut self, wanted: impl Fn(&BareJid) -> bool) {
        self.by_user.retain(|user, _| wanted(user));
        self.count = self.by_user.values().map(VecDeque::len).sum();
    }
}

/// What an event means to a user's clients. Most mean nothing, and nothing of them is copied.
fn news(event: &SlotEvent) -> Option<(BareJid, News)> {
    match event {
        SlotEvent::RosterChanged {
            user,
            contact,
            item,
            version,
            ..
        } => {
            let change = RosterChange {
                user: user.clone(),
                contact: contact.clone(),
                item: item.clone(),
                version: *version,
            };
            Some((user.clone(), News::Roster(change)))
        }
        SlotEvent::SubscriptionArrived { user, kind, stanza } => {
            let news = News::Subscription(*kind, stanza.clone());
            Some((user.clone(), news))
        }
        SlotEvent::AccessChanged { user, changes, at } => {
            let news = AccessNews {
                user: user.clone(),
                changes: changes.clone(),
                at: *at,
            };
            Some((user.clone(), News::Access(news)))
        }
        SlotEvent::Opened { .. }
        | SlotEvent::StaleEpoch { .. }
        | SlotEvent::Done { .. }
        | SlotEvent::Refused { .. }
        | SlotEvent::PepChanged { .. }
        | SlotEvent::OutboxAdded { .. }
        | SlotEvent::InboundApplied { .. }
        | SlotEvent::InboundGap { .. } => None,
    }
}

impl Serving {
    /// Tells a session that its node has announced what it may have missed.
    pub(crate) fn tell_recent(&mut self, cx: &mut Cx<'_>, id: SessionId, user: &BareJid) {
        let oldest = cx.now - cx.config.limits.grace;
        self.untold.forget_older(user, oldest);
        let Some(of_user) = self.untold.by_user.get(user) else {
            return;
        };
        let interested = self.sessions.session(id).is_some_and(|s| s.interested);
        let available = || self.sight.living(user).any(|(_, own)| own.session == id);
        for (_, news) in of_user {
            match news {
                News::Roster(change) if interested => self.push_roster(cx, change, &[id]),
                // One that was answered meanwhile is asked no more.
                News::Subscription(SubscriptionStanza::Subscribe, stanza) => {
                    let asks = cx
                        .state
                        .pending_in(user)
                        .any(|still| still.from == stanza.from);
                    let blocked = stanza
                        .from
                        .as_ref()
                        .is_some_and(|from| cx.state.permission(user).blocks(&from.bare()));
                    if asks && available() && !blocked {
                        cx.deliver([id], stanza);
                    }
                }
                News::Subscription(_, stanza) if interested => cx.deliver([id], stanza),
                News::Access(news) => {
                    tell_access(cx, id.node, user);
                    if interested {
                        self.push_blocking(cx, news, &[id]);
                    }
                }
                News::Roster(_) | News::Subscription(..) => (),
            }
        }
    }

    /// Everybody who is here was told; who is expected back is not.
    pub(crate) fn forget_told(&mut self) {
        let sessions = &self.sessions;
        let is_awaited = |user: &BareJid| {
            let mut of_user = sessions.of_user(user);
            of_user.any(|session| session.standing.is_expected())
        };
        self.untold.retain(is_awaited);
    }
}
