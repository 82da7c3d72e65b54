//! A log that begins anew from a copy that may lack the last entries (an operator's unsafe takeover).
//!
//! What was lost may have been numbers: items that this slot sent and its copy never wrote down, and
//! items that it confirmed and does not have. The first must not be taken for their successors, and the
//! senders of the second cannot send them again. So
//! * a lineage numbers its items from a first number of its own, and a receiver takes such a one for
//!   the next whatever it had before;
//! * what was unconfirmed gets new numbers: it may be applied twice, which a subscription stanza can be;
//! * the first item of each sender is the next one, whatever number it has: a sender begins with the
//!   oldest that is not confirmed.

use crate::effects::Effects;
use crate::{SlotState, key};
use muster_types::SlotId;

/// A number's lineage stands above these bits.
const NUMBER_BITS: u32 = 40;

/// The last number before the first one of a lineage.
pub(crate) const fn before_first(lineage: u64) -> u64 {
    (lineage << NUMBER_BITS).saturating_sub(1)
}

/// Whether a lineage after the first begins with this number.
const fn is_first(number: u64) -> bool {
    number > 0 && number.trailing_zeros() >= NUMBER_BITS
}

impl SlotState {
    pub(crate) fn begin_anew(&mut self, fx: &mut Effects<'_>) {
        self.outboxes.lineage += 1;
        fx.put(vec![key::LINEAGE], &self.outboxes.lineage);
        for from in std::mem::take(&mut self.met) {
            fx.delete(key::of_slot(key::MET, from));
        }
        let before = before_first(self.outboxes.lineage);
        for (to, outbox) in &mut self.outboxes.slots {
            outbox.last = before;
            for (old, item) in std::mem::take(&mut outbox.items) {
                outbox.last += 1;
                fx.delete(key::outbox_item(*to, old));
                fx.put(key::outbox_item(*to, outbox.last), &item);
                outbox.items.insert(outbox.last, item);
            }
            fx.put(key::of_slot(key::OUTBOX_LAST, *to), &outbox.last);
        }
    }

    /// Whether a number above the one expected is the next all the same: something was lost before it,
    /// here or there.
    pub(crate) fn follows_a_loss(&self, from: SlotId, number: u64) -> bool {
        let stranger = self.outboxes.lineage > 0 && !self.met.contains(&from);
        number > self.received(from) && (is_first(number) || stranger)
    }

    /// A sender was heard.
    pub(crate) fn meet(&mut self, from: SlotId, fx: &mut Effects<'_>) {
        if self.outboxes.lineage > 0 && self.met.insert(from) {
            fx.put(key::of_slot(key::MET, from), &());
        }
    }
}
