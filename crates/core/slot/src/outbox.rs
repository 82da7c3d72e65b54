//! What this slot owes others: numbered per receiver, kept until the receiver has committed it.

use crate::anew::before_first;
use crate::effects::Effects;
use crate::{OutboxItem, Refusal, SlotEvent, key};
use muster_types::SlotId;
use std::collections::BTreeMap;

/// Unconfirmed items for one receiver above which users' changes that would add another are
/// refused: about 40 MB, or some minutes of a busy slot whose peer is gone. What the server itself
/// answers for a user goes in regardless, since the receiver that asked is alive.
pub const OUTBOX_ITEMS: usize = 100_000;

/// What is owed to one slot.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Outbox {
    pub(crate) last: u64,
    pub(crate) items: BTreeMap<u64, OutboxItem>,
}

/// What is owed to every slot.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Outboxes {
    pub(crate) slots: BTreeMap<SlotId, Outbox>,
    /// How often the log has begun anew. Each lineage has its own numbers.
    pub(crate) lineage: u64,
}

impl Outboxes {
    pub(crate) fn check_room(&self, to: SlotId) -> Result<(), Refusal> {
        let held = self.slots.get(&to).map_or(0, |outbox| outbox.items.len());
        if held >= OUTBOX_ITEMS {
            Err(Refusal::OutboxFull {
                limit: OUTBOX_ITEMS,
            })
        } else {
            Ok(())
        }
    }

    pub(crate) fn push(&mut self, to: SlotId, item: OutboxItem, fx: &mut Effects<'_>) {
        let before = before_first(self.lineage);
        let outbox = self.slots.entry(to).or_default();
        outbox.last = outbox.last.max(before) + 1;
        let number = outbox.last;
        fx.put(key::of_slot(key::OUTBOX_LAST, to), &number);
        fx.put(key::outbox_item(to, number), &item);
        outbox.items.insert(number, item.clone());
        fx.emit(SlotEvent::OutboxAdded { to, number, item });
    }

    /// Forgets what `to` has committed. Confirming twice, or more than there is, does nothing more.
    pub(crate) fn confirm(&mut self, to: SlotId, number: u64, fx: &mut Effects<'_>) {
        let Some(outbox) = self.slots.get_mut(&to) else {
            return;
        };
        while let Some(first) = outbox.items.first_entry() {
            if *first.key() > number {
                break;
            }
            fx.delete(key::outbox_item(to, *first.key()));
            first.remove();
        }
    }
}
