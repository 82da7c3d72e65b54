//! What is true, as the committed logs and the clients' own lives have it: what the invariants
//! compare with.

use crate::plan::beginning::Beginning;
use muster_cluster::{ClusterState, Proposal};
use muster_roster::Whom;
use muster_slot::{SlotCommand, SlotEvent, SlotState};
use muster_types::{Bare as _, BareJid, FullJid, Instant, Limits, LogIndex, Replicated, SlotId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A log as the replicas have applied it.
struct Log<C> {
    entries: BTreeMap<LogIndex, Arc<C>>,
}

impl<C: PartialEq> Log<C> {
    /// A replica took an entry: `Some(true)` when it is the first to, `Some(false)` when it agrees
    /// with those before, `None` when not.
    fn take(&mut self, index: LogIndex, command: &Arc<C>) -> Option<bool> {
        if let Some(known) = self.entries.get(&index) {
            return (Arc::ptr_eq(known, command) || known == command).then_some(false);
        }
        let after = self.entries.last_key_value();
        let in_order = after.is_none_or(|(last, _)| *last < index);
        in_order.then(|| {
            self.entries.insert(index, Arc::clone(command));
            true
        })
    }
}

/// One slot as its log has it.
struct Committed {
    state: SlotState,
    log: Log<SlotCommand>,
}

/// Why watchers may be told that a client is unavailable.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Presence {
    /// Since when the client is away without having said so.
    pub(crate) missing_since: Option<Instant>,
    /// It said so, or was missing for longer than the grace, at this time last.
    pub(crate) gone_at: Option<Instant>,
    /// Whether it is gone now, by its own word.
    pub(crate) gone: bool,
    /// Since when nobody may have heard of it, if it was back for a moment only.
    pub(crate) unheard_since: Option<Instant>,
    /// When it came back the last time, and since when it had been missing.
    back: Option<(Instant, Instant)>,
}

/// A client that is back for a shorter time may not have been heard.
pub(crate) const HEARD: Duration = Duration::from_secs(3);

/// Everything the invariants look at.
pub(crate) struct Truth {
    limits: Limits,
    slots: BTreeMap<SlotId, Committed>,
    control: Log<Proposal>,
    /// The cluster as the control log has it.
    pub(crate) cluster: ClusterState,
    /// When a watcher (second) lost sight of a user (first) the last time, by either's roster.
    pub(crate) withdrawn: BTreeMap<(BareJid, BareJid), Instant>,
    /// When a user (first) blocked or unblocked another (second), last.
    pub(crate) blocked: BTreeMap<(BareJid, BareJid), Instant>,
    /// The clients.
    pub(crate) presence: BTreeMap<FullJid, Presence>,
    /// The last acknowledged name of a user's contact.
    pub(crate) names: BTreeMap<(BareJid, BareJid), u64>,
    /// Acknowledged messages to users without a client, by recipient.
    pub(crate) messages: BTreeMap<BareJid, BTreeSet<String>>,
    /// Messages that came back or arrived.
    pub(crate) settled: BTreeSet<String>,
}

impl Truth {
    /// Nothing has happened.
    pub(crate) fn new(limits: Limits, beginning: &Beginning) -> Self {
        Self {
            limits,
            slots: BTreeMap::new(),
            control: Log {
                entries: beginning.commands().collect(),
            },
            cluster: beginning.cluster.clone(),
            withdrawn: BTreeMap::new(),
            blocked: BTreeMap::new(),
            presence: BTreeMap::new(),
            names: BTreeMap::new(),
            messages: BTreeMap::new(),
            settled: BTreeSet::new(),
        }
    }

    /// A node's copy of the control log took an entry. `Some(true)` when the entry is new; `None`
    /// when another copy had another entry there.
    pub(crate) fn controlled(&mut self, index: LogIndex, proposal: &Arc<Proposal>) -> Option<bool> {
        let new = self.control.take(index, proposal)?;
        if new {
            self.cluster
                .apply(index, (**proposal).clone(), &mut Vec::new());
        }
        Some(new)
    }

    /// A replica took an entry. False when another replica had another entry there.
    pub(crate) fn applied(
        &mut self,
        now: Instant,
        slot: SlotId,
        index: LogIndex,
        command: &Arc<SlotCommand>,
    ) -> bool {
        let limits = &self.limits;
        let committed = self.slots.entry(slot).or_insert_with(|| Committed {
            state: SlotState::new(limits.clone()),
            log: Log {
                entries: BTreeMap::new(),
            },
        });
        match committed.log.take(index, command) {
            Some(false) => return true,
            None => return false,
            Some(true) => {}
        }
        let command = (**command).clone();
        for event in committed.state.apply(index, command, &mut Vec::new()) {
            if let SlotEvent::AccessChanged { user, changes, .. } = &event {
                for change in changes {
                    // Clients block contacts, and unblock everybody.
                    if let Whom::Jid(jid) = &change.whom {
                        let contact = jid.bare();
                        self.blocked.insert((user.clone(), contact.clone()), now);
                        self.withdrawn.insert((user.clone(), contact.clone()), now);
                        self.withdrawn.insert((contact, user.clone()), now);
                    }
                }
            }
            if let SlotEvent::RosterChanged {
                user,
                contact,
                before,
                after,
                ..
            } = event
            {
                if before.seen_by_contact() && !after.seen_by_contact() {
                    self.withdrawn.insert((user.clone(), contact.clone()), now);
                }
                if before.sees_contact() && !after.sees_contact() {
                    self.withdrawn.insert((contact, user), now);
                }
            }
        }
        true
    }

    /// A client published available presence. It came `back` if it was missing for less than that.
    pub(crate) fn published(&mut self, now: Instant, jid: &FullJid, back: Duration) {
        let presence = self.presence.entry(jid.clone()).or_default();
        let missing = presence.missing_since.take();
        presence.unheard_since = None;
        // What was said of it a moment ago may still be on its way.
        if std::mem::take(&mut presence.gone) || missing.is_some_and(|at| now.since(at) >= back) {
            presence.gone_at = Some(now);
        }
        if let Some(since) = missing {
            presence.back = Some((now, since));
        }
    }

    /// A client said that it goes.
    pub(crate) fn left(&mut self, now: Instant, jid: &FullJid) {
        let gone = Presence {
            missing_since: None,
            gone_at: Some(now),
            gone: true,
            unheard_since: None,
            back: None,
        };
        self.presence.insert(jid.clone(), gone);
    }

    /// A farewell from long ago arrives.
    pub(crate) fn said_farewell(&mut self, now: Instant, jid: &FullJid) {
        self.presence.entry(jid.clone()).or_default().gone_at = Some(now);
    }

    /// An available client was cut off.
    pub(crate) fn missing(&mut self, now: Instant, jid: &FullJid) {
        let presence = self.presence.entry(jid.clone()).or_default();
        presence.missing_since.get_or_insert(now);
        let unheard = presence.back.filter(|(at, _)| now.since(*at) < HEARD);
        presence.unheard_since = unheard.map(|(_, since)| since);
    }

    /// Since when nobody should see a client any more.
    pub(crate) fn gone_since(&self, jid: &FullJid) -> Option<Instant> {
        let presence = self.presence.get(jid)?;
        let missed = presence.missing_since.map(|at| at + self.limits.grace);
        presence.gone_at.filter(|_| presence.gone).or(missed)
    }

    /// Whether `user` lets `contact` see it.
    pub(crate) fn permits(&self, user: &BareJid, contact: &BareJid) -> bool {
        self.item(user, contact)
            .is_some_and(|item| item.subscription.seen_by_contact())
    }

    /// Whether `user` wants to see `contact` and may.
    pub(crate) fn sees(&self, user: &BareJid, contact: &BareJid) -> bool {
        self.item(user, contact)
            .is_some_and(|item| item.subscription.sees_contact())
    }

    /// Whether a client of `contact` is to be shown `user`: both wish it, and neither has blocked the other.
    pub(crate) fn shows(&self, user: &BareJid, contact: &BareJid) -> bool {
        let wished = self.permits(user, contact) && self.sees(contact, user);
        wished && !self.blocks(user, contact) && !self.blocks(contact, user)
    }

    /// Whether `user` has blocked `contact`.
    pub(crate) fn blocks(&self, user: &BareJid, contact: &BareJid) -> bool {
        let slot = self.cluster.account_slot(user);
        let committed = slot.and_then(|slot| self.slots.get(&slot));
        committed.is_some_and(|committed| committed.state.permission(user).blocks(contact))
    }

    /// A roster item.
    pub(crate) fn item(
        &self,
        user: &BareJid,
        contact: &BareJid,
    ) -> Option<&muster_roster::RosterItem> {
        let slot = self.cluster.account_slot(user)?;
        self.slots.get(&slot)?.state.roster(user)?.item(contact)
    }
}
