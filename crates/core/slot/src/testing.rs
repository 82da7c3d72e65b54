//! A slot with its log and its store in memory, and two of them that owe each other.

use crate::{OutboxItem, SlotCommand, SlotEvent, SlotState, UserChange};
use muster_roster::{RosterItem, SubscriptionStanza};
use muster_stanza::{MessageType, Stanza};
use muster_types::{
    BareJid, Boot, Epoch, LogIndex, NodeId, Origin, Replicated, SlotId, Timestamp, Writes,
};
use std::collections::BTreeMap;

pub(crate) type Store = BTreeMap<Vec<u8>, Vec<u8>>;

pub(crate) fn jid(name: &str) -> BareJid {
    BareJid::new(&format!("{name}@example.com")).unwrap()
}

pub(crate) fn presence(kind: SubscriptionStanza, from: &str, to: &str) -> Stanza {
    Stanza::presence(kind.presence_type())
        .with_from(jid(from))
        .with_to(jid(to))
}

pub(crate) fn message(body: &str) -> Stanza {
    Stanza::message(MessageType::Chat).with_content(format!("<body>{body}</body>").into_bytes())
}

/// One replica.
pub(crate) struct Replica {
    pub(crate) state: SlotState,
    pub(crate) store: Store,
    pub(crate) index: u64,
    serial: u64,
}

impl Replica {
    /// Opened by node 1 at index 1.
    pub(crate) fn opened() -> Self {
        let mut replica = Self::closed();
        replica.open(1, 1);
        replica
    }

    pub(crate) fn closed() -> Self {
        Self {
            state: SlotState::default(),
            store: Store::new(),
            index: 0,
            serial: 0,
        }
    }

    pub(crate) fn open(&mut self, node: u16, boot: u64) -> Vec<SlotEvent> {
        self.apply(SlotCommand::Open {
            node: NodeId(node),
            boot: Boot(boot),
        })
    }

    pub(crate) fn apply(&mut self, command: SlotCommand) -> Vec<SlotEvent> {
        self.index += 1;
        let mut writes = Writes::new();
        let events = self.state.apply(LogIndex(self.index), command, &mut writes);
        for write in writes {
            match write.value {
                Some(value) => self.store.insert(write.key, value),
                None => self.store.remove(&write.key),
            };
        }
        events
    }

    pub(crate) fn next_origin(&mut self) -> Origin {
        self.serial += 1;
        let (node, boot) = self.state.owner().unwrap();
        Origin {
            node,
            boot,
            serial: self.serial,
        }
    }

    pub(crate) fn command(&mut self, user: &str, change: UserChange) -> SlotCommand {
        let (epoch, origin) = (self.state.epoch(), self.next_origin());
        SlotCommand::Change {
            epoch,
            origin,
            user: jid(user),
            at: Timestamp(self.index),
            change,
        }
    }

    pub(crate) fn change(&mut self, user: &str, change: UserChange) -> Vec<SlotEvent> {
        let command = self.command(user, change);
        self.apply(command)
    }

    pub(crate) fn inbound(
        &mut self,
        from: SlotId,
        number: u64,
        item: &OutboxItem,
    ) -> Vec<SlotEvent> {
        let (epoch, item) = (self.state.epoch(), item.clone());
        self.apply(SlotCommand::Inbound {
            epoch,
            from,
            number,
            at: Timestamp(self.index),
            item: Some(item),
        })
    }

    pub(crate) fn confirm(&mut self, to: SlotId, number: u64) -> Vec<SlotEvent> {
        let epoch: Epoch = self.state.epoch();
        self.apply(SlotCommand::Confirm { epoch, to, number })
    }

    pub(crate) fn owed(&self, to: SlotId) -> Vec<(u64, OutboxItem)> {
        self.state
            .outbox(to)
            .map(|(number, item)| (number, item.clone()))
            .collect()
    }

    pub(crate) fn item(&self, user: &str, contact: &str) -> Option<&RosterItem> {
        self.state.roster(&jid(user))?.item(&jid(contact))
    }

    /// What the store holds makes the same state, and so does a snapshot.
    pub(crate) fn check_store(&self) {
        let records: Store = self.state.records().into_iter().collect();
        assert_eq!(
            records, self.store,
            "records differ from the replayed writes"
        );
        let mut stored = self.store.clone().into_iter();
        let mut loaded = SlotState::load(&mut stored).unwrap();
        loaded.set_limits(self.state.limits.clone());
        assert_eq!(loaded, self.state);
    }
}

pub(crate) const JULIETS: SlotId = SlotId(1);
pub(crate) const ROMEOS: SlotId = SlotId(2);

/// Juliet's slot and Romeo's, each with an outbox to the other.
pub(crate) struct Pair {
    pub(crate) juliet: Replica,
    pub(crate) romeo: Replica,
}

impl Pair {
    pub(crate) fn new() -> Self {
        Self {
            juliet: Replica::opened(),
            romeo: Replica::opened(),
        }
    }

    pub(crate) fn juliet_sends(&mut self, kind: SubscriptionStanza) -> Vec<SlotEvent> {
        self.juliet
            .change("juliet", sends(kind, "juliet", "romeo", ROMEOS))
    }

    pub(crate) fn romeo_sends(&mut self, kind: SubscriptionStanza) -> Vec<SlotEvent> {
        self.romeo
            .change("romeo", sends(kind, "romeo", "juliet", JULIETS))
    }

    /// Hands over everything owed, until nothing is; what came of it on either side.
    pub(crate) fn settle(&mut self) -> Vec<SlotEvent> {
        let mut events = Vec::new();
        loop {
            let before = events.len();
            events.extend(hand_over(
                &mut self.juliet,
                JULIETS,
                &mut self.romeo,
                ROMEOS,
            ));
            events.extend(hand_over(
                &mut self.romeo,
                ROMEOS,
                &mut self.juliet,
                JULIETS,
            ));
            if events.len() == before {
                self.juliet.check_store();
                self.romeo.check_store();
                return events;
            }
        }
    }

    /// The `subscription` (and whether there is an `ask`) in Juliet's roster and in Romeo's.
    pub(crate) fn shown(&self) -> [(&'static str, bool); 2] {
        let state = |replica: &Replica, user, contact| {
            let roster = replica.state.roster(&jid(user));
            let state = roster.map_or_else(Default::default, |roster| roster.state(&jid(contact)));
            (state.wire(), state.ask())
        };
        [
            state(&self.juliet, "juliet", "romeo"),
            state(&self.romeo, "romeo", "juliet"),
        ]
    }
}

pub(crate) fn sends(kind: SubscriptionStanza, from: &str, to: &str, slot: SlotId) -> UserChange {
    let stanza = presence(kind, from, to);
    UserChange::Subscription {
        kind,
        contact: jid(to),
        contact_slot: Some(slot),
        stanza,
    }
}

fn hand_over(
    from: &mut Replica,
    from_slot: SlotId,
    to: &mut Replica,
    to_slot: SlotId,
) -> Vec<SlotEvent> {
    let mut events = Vec::new();
    for (number, item) in from.owed(to_slot) {
        events.extend(to.inbound(from_slot, number, &item));
        from.confirm(to_slot, to.state.received(from_slot));
    }
    events
}

pub(crate) fn arrived(events: &[SlotEvent]) -> Vec<SubscriptionStanza> {
    let kind = |event: &SlotEvent| {
        if let SlotEvent::SubscriptionArrived { kind, .. } = event {
            Some(*kind)
        } else {
            None
        }
    };
    events.iter().filter_map(kind).collect()
}
