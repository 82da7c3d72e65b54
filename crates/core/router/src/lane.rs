//! What one session sent to one slot and the slot's owner has not confirmed: kept in order, and
//! said again to the next owner.

use muster_envelope::ToOwner;
use muster_stanza::{Kind, PresenceType, Stanza};
use muster_types::{SessionId, SlotId};
use std::collections::VecDeque;

/// How a stanza is said to the owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Manner {
    /// As [`ToOwner::Submit`].
    Submit {
        /// The slot of the contact of a subscription stanza.
        contact_slot: Option<SlotId>,
    },
    /// As [`ToOwner::Route`].
    Route,
}

/// One unconfirmed stanza.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) serial: u64,
    pub(crate) stanza: Stanza,
    pub(crate) manner: Manner,
}

impl Pending {
    /// The message to the owner.
    pub(crate) fn to_owner(&self, session: SessionId) -> ToOwner {
        let (serial, stanza) = (self.serial, self.stanza.clone());
        match self.manner {
            Manner::Submit { contact_slot } => ToOwner::Submit {
                session,
                serial,
                stanza,
                contact_slot,
            },
            Manner::Route => ToOwner::Route {
                session,
                serial,
                stanza,
            },
        }
    }
}

/// The queue of one (session, slot).
#[derive(Debug, Default)]
pub(crate) struct Lane {
    last: u64,
    queue: VecDeque<Pending>,
}

impl Lane {
    /// Appends a stanza under the next serial.
    pub(crate) fn push(&mut self, stanza: Stanza, manner: Manner) -> &Pending {
        let serial = self.next_serial();
        self.queue.push_back(Pending {
            serial,
            stanza,
            manner,
        });
        &self.queue[self.queue.len() - 1]
    }

    /// The serial of what comes next.
    pub(crate) const fn next_serial(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Drops what is confirmed.
    pub(crate) fn confirm(&mut self, serial: u64) {
        while self
            .queue
            .front()
            .is_some_and(|first| first.serial <= serial)
        {
            self.queue.pop_front();
        }
        if self.queue.is_empty() {
            // As a rule nothing waits: room is for sessions of which something does.
            self.queue = VecDeque::new();
        }
    }

    /// Takes one stanza out, to answer it otherwise.
    pub(crate) fn take(&mut self, serial: u64) -> Option<Pending> {
        let at = self
            .queue
            .iter()
            .position(|pending| pending.serial == serial)?;
        self.queue.remove(at)
    }

    /// Drops waiting presence for the recipient of `newer`: presence is a register.
    pub(crate) fn supersede(&mut self, newer: &Stanza) {
        self.queue
            .retain(|old| !(is_directed(&old.stanza) && old.stanza.to == newer.to));
    }

    /// Drops the IQs: nobody waits for their answers any more, and an order carried out late could
    /// undo a newer one.
    pub(crate) fn drop_iqs(&mut self) {
        self.queue.retain(|pending| !pending.stanza.is_iq());
    }

    /// Everything unconfirmed, in order.
    pub(crate) fn pending(&self) -> impl Iterator<Item = &Pending> {
        self.queue.iter()
    }

    /// The serial of the last unconfirmed message.
    pub(crate) fn last_message(&self) -> Option<u64> {
        self.queue
            .iter()
            .rev()
            .find(|pending| pending.stanza.is_message())
            .map(|p| p.serial)
    }

    /// Whether a message up to and with `serial` is unconfirmed.
    pub(crate) fn owes_message(&self, serial: u64) -> bool {
        self.queue
            .iter()
            .take_while(|p| p.serial <= serial)
            .any(|p| p.stanza.is_message())
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }
}

fn is_directed(stanza: &Stanza) -> bool {
    matches!(
        stanza.kind,
        Kind::Presence(PresenceType::Available | PresenceType::Unavailable)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_stanza::MessageType;
    use muster_types::Jid;

    fn serials(lane: &Lane) -> Vec<u64> {
        lane.pending().map(|pending| pending.serial).collect()
    }

    #[test]
    fn serials_stay_in_order_through_confirm_and_take() {
        let mut lane = Lane::default();
        for _ in 0..5 {
            lane.push(Stanza::message(MessageType::Chat), Manner::Route);
        }
        lane.confirm(2);
        assert_eq!(serials(&lane), [3, 4, 5]);
        assert_eq!(lane.take(4).map(|pending| pending.serial), Some(4));
        assert!(lane.take(4).is_none());
        lane.confirm(1);
        assert_eq!(serials(&lane), [3, 5]);
        assert_eq!(
            lane.push(Stanza::message(MessageType::Chat), Manner::Route)
                .serial,
            6
        );
    }

    #[test]
    fn newer_directed_presence_replaces_waiting_older_of_the_same_recipient() {
        let to =
            |jid: &str| Stanza::presence(PresenceType::Available).with_to(Jid::new(jid).unwrap());
        let mut lane = Lane::default();
        lane.push(to("a@x"), Manner::Route);
        lane.push(to("b@x"), Manner::Route);
        lane.push(
            Stanza::message(MessageType::Chat).with_to(Jid::new("a@x").unwrap()),
            Manner::Route,
        );
        lane.supersede(&to("a@x"));
        assert_eq!(serials(&lane), [2, 3]);
    }
}
