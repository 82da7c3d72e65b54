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
    /// The item whose recipient is not known here, and since when.
    stranger: Option<(u64, Instant)>,
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
        let recipient = item.recipient();
        let slot = recipient.and_then(|user| cx.world.slot_of(&user));
        let known = slot == Some(cx.config.slot);
        let item = if known {
            Some(item)
        } else {
            let (of, since) = sender.stranger.unwrap_or((number, cx.now));
            let since = if of == number { since } else { cx.now };
            sender.stranger = Some((number, since));
            if cx.now.since(since) < ACCOUNT_WAIT {
                return;
            }
            None
        };
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
