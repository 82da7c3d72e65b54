//! The state of a slot, what can be read of it, and how commands reach the code that applies them.

use crate::effects::Effects;
use crate::origins::{Origins, Outcome};
use crate::outbox::{Outbox, Outboxes};
use crate::user::UserData;
use crate::{OutboxItem, PepNodes, SlotCommand, SlotEvent, UserChange, key, stored};
use muster_roster::{AccessList, Permission, Roster, Subscription};
use muster_stanza::Stanza;
use muster_types::{
    BareJid, Boot, Epoch, Limits, LoadError, LogIndex, NodeId, Origin, Replicated, SlotId,
    Timestamp, Writes,
};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// A slot's replicated data, whole in memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SlotState {
    pub(crate) limits: Limits,
    pub(crate) epoch: Epoch,
    pub(crate) owner: Option<(NodeId, Boot)>,
    pub(crate) users: BTreeMap<BareJid, UserData>,
    pub(crate) outboxes: Outboxes,
    /// The last number applied of each sending slot.
    pub(crate) received: BTreeMap<SlotId, u64>,
    /// The senders that were heard since the log last began anew, if it ever did.
    pub(crate) met: BTreeSet<SlotId>,
    pub(crate) origins: Origins,
    /// The last removal of an account that is done.
    pub(crate) removed: LogIndex,
}

impl SlotState {
    /// An empty slot with these limits. All replicas must have the same.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Sets the limits, which are not part of the stored form. All replicas must have the same.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// The epoch in force; [`Epoch::NONE`] before the first owner.
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The owner of that epoch: its node and process start.
    pub const fn owner(&self) -> Option<(NodeId, Boot)> {
        self.owner
    }

    /// The user's roster; `None` if the user has nothing stored.
    pub fn roster(&self, user: &BareJid) -> Option<&Roster> {
        self.users.get(user).map(|data| &data.roster)
    }

    /// The user's rules about whom it lets in; `None` if the user has nothing stored.
    pub fn access(&self, user: &BareJid) -> Option<&AccessList> {
        self.users.get(user).map(|data| &data.access)
    }

    /// Who may see the user.
    pub fn permission<'a>(&'a self, user: &'a BareJid) -> Permission<'a> {
        let data = self.users.get(user);
        Permission {
            user,
            roster: data.map(|data| &data.roster),
            access: data.map(|data| &data.access),
        }
    }

    /// Every contact that has a subscription or a request with the user, or is in the roster.
    pub fn contacts(&self, user: &BareJid) -> impl Iterator<Item = (&BareJid, Subscription)> {
        self.users
            .get(user)
            .into_iter()
            .flat_map(|data| data.roster.contacts())
    }

    /// The "subscribe" stanzas that wait for the user's answer, to be delivered when a client
    /// becomes available (RFC 6121 §3.1.3).
    pub fn pending_in(&self, user: &BareJid) -> impl Iterator<Item = &Stanza> {
        let requests = self
            .users
            .get(user)
            .into_iter()
            .flat_map(|data| data.roster.requests());
        requests.map(|(_, stanza)| stanza)
    }

    /// The bytes of the user's `<vCard/>` element.
    pub fn vcard(&self, user: &BareJid) -> Option<&[u8]> {
        self.users.get(user)?.vcard.as_deref()
    }

    /// The bytes of a private-storage element.
    pub fn private(&self, user: &BareJid, name: &str, namespace: &str) -> Option<&[u8]> {
        let place = (namespace.to_owned(), name.to_owned());
        self.users.get(user)?.private.get(&place).map(Vec::as_slice)
    }

    /// The nodes of the user's personal eventing service; `None` if the user has nothing stored.
    pub fn pep(&self, user: &BareJid) -> Option<&PepNodes> {
        self.users.get(user).map(|data| &data.pep)
    }

    /// The nodes that changed after an entry, with their users.
    pub fn pep_after(&self, entry: LogIndex) -> impl Iterator<Item = (&BareJid, &str)> {
        self.users.iter().flat_map(move |(user, data)| {
            let nodes = data.pep.iter();
            let newer = nodes.filter(move |(_, node)| node.changed > entry);
            newer.map(move |(name, _)| (user, name.as_str()))
        })
    }

    /// The user's offline messages, oldest first: number, when it was stored, and the message.
    pub fn offline(&self, user: &BareJid) -> impl Iterator<Item = (u64, Timestamp, &Stanza)> {
        let messages = self
            .users
            .get(user)
            .into_iter()
            .flat_map(|data| &data.offline);
        messages.map(|(number, (at, stanza))| (*number, *at, stanza))
    }

    /// How many offline messages the user has.
    pub fn offline_count(&self, user: &BareJid) -> usize {
        self.users.get(user).map_or(0, |data| data.offline.len())
    }

    /// What is owed to `to` and not yet confirmed, in order.
    pub fn outbox(&self, to: SlotId) -> impl DoubleEndedIterator<Item = (u64, &OutboxItem)> {
        self.outbox_after(to, 0)
    }

    /// The same, but for what has a number up to `after`.
    pub fn outbox_after(
        &self,
        to: SlotId,
        after: u64,
    ) -> impl DoubleEndedIterator<Item = (u64, &OutboxItem)> {
        let owed = self.outboxes.slots.get(&to).into_iter();
        let items = owed.flat_map(move |outbox| {
            let later = (Bound::Excluded(after), Bound::Unbounded);
            outbox.items.range(later)
        });
        items.map(|(number, item)| (*number, item))
    }

    /// The slots to which something is owed.
    pub fn outbox_slots(&self) -> impl Iterator<Item = SlotId> {
        let owing = |(_, outbox): &(&SlotId, &Outbox)| !outbox.items.is_empty();
        self.outboxes
            .slots
            .iter()
            .filter(owing)
            .map(|(slot, _)| *slot)
    }

    /// The entry of the control log that removed the last account whose data was removed here.
    pub const fn removed_up_to(&self) -> LogIndex {
        self.removed
    }

    /// The last number applied of what `from` owes this slot; 0 if nothing was.
    pub fn received(&self, from: SlotId) -> u64 {
        self.received.get(&from).copied().unwrap_or(0)
    }

    fn open(&mut self, at: LogIndex, node: NodeId, boot: Boot, fx: &mut Effects<'_>) {
        self.epoch = Epoch::opened_at(at);
        self.owner = Some((node, boot));
        fx.put(vec![key::OWNER], &(self.epoch, node, boot));
        fx.emit(SlotEvent::Opened {
            epoch: self.epoch,
            node,
            boot,
        });
    }

    fn change_once(&mut self, origin: Origin, fx: &mut Effects<'_>, entry: Entry) {
        let outcome = self.origins.outcome(origin).unwrap_or_else(|| {
            let outcome = match self.change(entry, fx) {
                Ok(()) => Outcome::Done,
                Err(why) => Outcome::Refused(why),
            };
            self.origins.remember(origin, outcome.clone(), fx);
            outcome
        });
        fx.emit(match outcome {
            Outcome::Done => SlotEvent::Done { origin },
            Outcome::Refused(why) => SlotEvent::Refused { origin, why },
        });
    }
}

/// A change of one user's data, with its place in the log.
pub(crate) struct Entry {
    pub(crate) index: LogIndex,
    pub(crate) user: BareJid,
    pub(crate) at: Timestamp,
    pub(crate) change: UserChange,
}

impl Replicated for SlotState {
    type Command = SlotCommand;
    type Event = SlotEvent;

    fn apply(
        &mut self,
        index: LogIndex,
        command: SlotCommand,
        writes: &mut Writes,
    ) -> Vec<SlotEvent> {
        let mut fx = Effects::new(writes);
        let current = self.epoch;
        let nobody = self.owner.is_none();
        let fenced = |epoch| nobody || epoch != current;
        match command {
            SlotCommand::Open { node, boot } => self.open(index, node, boot, &mut fx),
            SlotCommand::Change { epoch, origin, .. } if fenced(epoch) => {
                fx.emit(SlotEvent::StaleEpoch {
                    origin: Some(origin),
                    current,
                });
            }
            SlotCommand::Inbound { epoch, .. } | SlotCommand::Confirm { epoch, .. }
                if fenced(epoch) =>
            {
                fx.emit(SlotEvent::StaleEpoch {
                    origin: None,
                    current,
                });
            }
            SlotCommand::Change {
                origin,
                user,
                at,
                change,
                ..
            } => {
                self.change_once(
                    origin,
                    &mut fx,
                    Entry {
                        index,
                        user,
                        at,
                        change,
                    },
                );
            }
            SlotCommand::Inbound {
                from, number, item, ..
            } => {
                self.inbound(index, from, number, item, &mut fx);
            }
            SlotCommand::Confirm { to, number, .. } => self.outboxes.confirm(to, number, &mut fx),
            SlotCommand::Anew => self.begin_anew(&mut fx),
        }
        fx.events
    }

    fn load(records: &mut dyn Iterator<Item = (Vec<u8>, Vec<u8>)>) -> Result<Self, LoadError> {
        stored::load(records)
    }

    fn records(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        stored::records(self)
    }
}
