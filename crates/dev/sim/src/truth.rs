//! What is true, as the committed logs and the clients' own lives have it: what the invariants
//! compare with.

use muster_slot::{SlotCommand, SlotEvent, SlotState};
use muster_types::{BareJid, FullJid, Instant, Limits, LogIndex, Replicated, SlotId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// One slot as its log has it.
struct Committed {
    state: SlotState,
    log: Vec<Arc<SlotCommand>>,
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
}

/// Everything the invariants look at.
pub(crate) struct Truth {
    limits: Limits,
    slots: BTreeMap<SlotId, Committed>,
    /// When a watcher (second) lost sight of a user (first) the last time, by either's roster.
    pub(crate) withdrawn: BTreeMap<(BareJid, BareJid), Instant>,
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
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            slots: BTreeMap::new(),
            withdrawn: BTreeMap::new(),
            presence: BTreeMap::new(),
            names: BTreeMap::new(),
            messages: BTreeMap::new(),
            settled: BTreeSet::new(),
        }
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
            log: Vec::new(),
        });
        let at = usize::try_from(index.0 - 1).unwrap_or(usize::MAX);
        if let Some(known) = committed.log.get(at) {
            return known == command;
        }
        if at != committed.log.len() {
            return false;
        }
        committed.log.push(Arc::clone(command));
        for event in committed
            .state
            .apply(index, (**command).clone(), &mut Vec::new())
        {
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
        presence.gone = false;
        if presence
            .missing_since
            .take()
            .is_some_and(|since| now.since(since) >= back)
        {
            presence.gone_at = Some(now);
        }
    }

    /// A client said that it goes.
    pub(crate) fn left(&mut self, now: Instant, jid: &FullJid) {
        let gone = Presence {
            missing_since: None,
            gone_at: Some(now),
            gone: true,
        };
        self.presence.insert(jid.clone(), gone);
    }

    /// An available client was cut off.
    pub(crate) fn missing(&mut self, now: Instant, jid: &FullJid) {
        self.presence
            .entry(jid.clone())
            .or_default()
            .missing_since
            .get_or_insert(now);
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

    /// A roster item.
    pub(crate) fn item(
        &self,
        user: &BareJid,
        contact: &BareJid,
    ) -> Option<&muster_roster::RosterItem> {
        let mut states = self.slots.values().map(|committed| &committed.state);
        states.find_map(|state| state.roster(user)?.item(contact))
    }
}
