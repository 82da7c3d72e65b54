//! Takes what other slots owe this one: proposes each item once and confirms what is committed.

use crate::cx::Cx;
use muster_envelope::ToOwner;
use muster_slot::{OutboxItem, SlotCommand};
use muster_types::{Epoch, Instant, NodeId, SlotId};
use std::collections::BTreeMap;
use std::time::Duration;

/// A proposal that did not come back by then may be made again.
const REPEAT: Duration = Duration::from_secs(2);

/// How long an account may be on its way to this node's copy of the control log; the sender repeats
/// meanwhile. What is owed to one that does not come is passed over (RFC 6121 §8.5.1).
const ACCOUNT_WAIT: Duration = Duration::from_secs(5);

/// Items of one slot that may be under way to the log; the sender repeats what is above.
const UNDERWAY_MAX: usize = 1024;

#[derive(Default)]
struct Sender {
    /// The node that last sent for this slot, if its owner is not known otherwise.
    node: NodeId,
    underway: BTreeMap<u64, Instant>,
    /// The items whose recipients are not known here, and since when.
    strangers: BTreeMap<u64, Instant>,
}

impl Sender {
    /// Whether an item has to wait: for its own recipient, or for an earlier one's, since items are
    /// committed in order.
    fn waits(&mut self, now: Instant, number: u64, recipient: Recipient) -> bool {
        if recipient == Recipient::Unknown {
            self.strangers.entry(number).or_insert(now);
        }
        let mut up_to = self.strangers.range(..=number);
        up_to.any(|(_, since)| now.since(*since) < ACCOUNT_WAIT)
    }
}

/// What is known of who is to get an item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Recipient {
    /// A user of this slot.
    Here,
    /// A user whose account was removed.
    Removed,
    /// Nobody this node has heard of, so far.
    Unknown,
}

/// The receiving side of the outbox.
#[derive(Default)]
pub(crate) struct Inbound {
    senders: BTreeMap<SlotId, Sender>,
}

impl Inbound {
    /// The owner of `from`, on `node`, sent an item.
    pub(crate) fn on_owed(
        &mut self,
        cx: &mut Cx<'_>,
        node: NodeId,
        from: SlotId,
        number: u64,
        item: OutboxItem,
    ) {
        let sender = self.senders.entry(from).or_default();
        sender.node = node;
        let applied = cx.state.received(from);
        if number <= applied {
            self.confirm(cx, from, applied);
            return;
        }
        let recipient = recipient(cx, &item);
        if sender.waits(cx.now, number, recipient) {
            return;
        }
        let item = (recipient == Recipient::Here).then_some(item);
        let full = sender.underway.len() >= UNDERWAY_MAX;
        if full
            || sender
                .underway
                .get(&number)
                .is_some_and(|since| cx.now.since(*since) < REPEAT)
        {
            return;
        }
        sender.underway.insert(number, cx.now);
        let (epoch, at) = (cx.epoch, cx.world.wall);
        cx.propose(SlotCommand::Inbound {
            epoch,
            from,
            number,
            at,
            item,
        });
    }

    /// Everything of `from` up to `number` is committed.
    pub(crate) fn on_applied(&mut self, cx: &mut Cx<'_>, from: SlotId, number: u64) {
        let sender = self.senders.entry(from).or_default();
        sender.underway = sender.underway.split_off(&(number + 1));
        sender.strangers = sender.strangers.split_off(&(number + 1));
        self.confirm(cx, from, number);
    }

    /// An item came out of order; the sender has to go back to `expected`.
    pub(crate) fn on_gap(&mut self, cx: &mut Cx<'_>, from: SlotId, expected: u64) {
        let sender = self.senders.entry(from).or_default();
        sender.underway.clear();
        self.confirm(cx, from, expected.saturating_sub(1));
    }

    fn confirm(&self, cx: &mut Cx<'_>, from: SlotId, number: u64) {
        let hint = self
            .senders
            .get(&from)
            .map(|sender| (Epoch::NONE, sender.node));
        let Some((epoch, node)) = cx.world.owner_of(from).or(hint) else {
            return;
        };
        let by = cx.config.slot;
        cx.tell_owner(node, from, epoch, ToOwner::OwedConfirm { by, number });
    }
}

fn recipient(cx: &Cx<'_>, item: &OutboxItem) -> Recipient {
    match item.recipient() {
        Some(user) if cx.world.slot_of(&user) == Some(cx.config.slot) => Recipient::Here,
        Some(user) if !cx.world.is_barred(&user) => Recipient::Unknown,
        Some(_) | None => Recipient::Removed,
    }
}
