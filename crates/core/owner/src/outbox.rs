//! Sends what this slot owes other slots until they confirm its commit.

use crate::cx::Cx;
use muster_envelope::ToOwner;
use muster_slot::{OutboxItem, SlotCommand};
use muster_types::{Instant, SlotId};
use std::collections::BTreeMap;
use std::time::Duration;

/// Without a confirmation for this long, everything unconfirmed is sent again.
const RESEND: Duration = Duration::from_secs(1);

/// Items to one slot that may be unconfirmed at a time.
const WINDOW: u64 = 256;

/// What is owed to one slot.
#[derive(Default)]
struct Debt {
    /// The receiver has committed everything up to here.
    confirmed: u64,
    /// Sent up to here.
    sent: u64,
    resend: Instant,
}

/// The sending side of the outbox.
#[derive(Default)]
pub(crate) struct Outbox {
    debts: BTreeMap<SlotId, Debt>,
}

impl Outbox {
    /// A new owner begins with everything the log says is unconfirmed.
    pub(crate) fn open(&mut self, cx: &mut Cx<'_>) {
        for to in cx.state.outbox_slots().collect::<Vec<_>>() {
            self.send(cx, to);
        }
    }

    /// An item was committed.
    pub(crate) fn on_added(&mut self, cx: &mut Cx<'_>, to: SlotId, number: u64, item: OutboxItem) {
        let debt = self.debts.entry(to).or_insert_with(|| Debt {
            confirmed: number.saturating_sub(1),
            sent: number.saturating_sub(1),
            resend: cx.now + RESEND,
        });
        if debt.sent + 1 != number || number > debt.confirmed + WINDOW {
            return;
        }
        let Some((epoch, node)) = cx.world.owner_of(to) else {
            return;
        };
        debt.sent = number;
        cx.tell_owner(
            node,
            to,
            epoch,
            ToOwner::Owed {
                from: cx.config.slot,
                number,
                item,
            },
        );
    }

    /// The receiver has committed everything up to `number`.
    pub(crate) fn on_confirm(&mut self, cx: &mut Cx<'_>, by: SlotId, number: u64) {
        let Some((last, _)) = cx.state.outbox(by).next_back() else {
            return;
        };
        let number = number.min(last);
        let debt = self.debts.entry(by).or_default();
        if number <= debt.confirmed {
            return;
        }
        debt.confirmed = number;
        debt.resend = cx.now + RESEND;
        cx.propose(SlotCommand::Confirm {
            epoch: cx.epoch,
            to: by,
            number,
        });
        self.send(cx, by);
    }

    /// A slot has a new owner, who may have got nothing of what was sent.
    pub(crate) fn on_owner(&mut self, cx: &mut Cx<'_>, slot: SlotId) {
        if let Some(debt) = self.debts.get_mut(&slot) {
            debt.sent = debt.confirmed;
            self.send(cx, slot);
        }
    }

    /// Sends what was not sent yet, as far as the window goes.
    fn send(&mut self, cx: &mut Cx<'_>, to: SlotId) {
        let debt = self.debts.entry(to).or_default();
        debt.resend = cx.now + RESEND;
        let Some((epoch, node)) = cx.world.owner_of(to) else {
            return;
        };
        let from = cx.config.slot;
        let after = debt.sent.max(debt.confirmed);
        let last = debt.confirmed.max(first(cx, to)) + WINDOW;
        let unsent = cx.state.outbox_after(to, after);
        let items: Vec<(u64, OutboxItem)> = unsent
            .take_while(|(number, _)| *number <= last)
            .map(|(number, item)| (number, item.clone()))
            .collect();
        for (number, item) in items {
            debt.sent = number;
            cx.tell_owner(node, to, epoch, ToOwner::Owed { from, number, item });
        }
    }

    pub(crate) fn wake(&mut self, cx: &mut Cx<'_>) {
        self.debts
            .retain(|to, _| cx.state.outbox(*to).next().is_some());
        let due = self.debts.iter().filter(|(_, debt)| debt.resend <= cx.now);
        for to in due.map(|(to, _)| *to).collect::<Vec<_>>() {
            let Some(debt) = self.debts.get_mut(&to) else {
                continue;
            };
            debt.sent = debt.confirmed;
            if debt.confirmed >= first(cx, to) {
                // Our own confirmation has not come back from the log.
                let number = debt.confirmed;
                cx.propose(SlotCommand::Confirm {
                    epoch: cx.epoch,
                    to,
                    number,
                });
            }
            self.send(cx, to);
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.debts.values().map(|debt| debt.resend).min()
    }
}

/// The number of the first unconfirmed item.
fn first(cx: &Cx<'_>, to: SlotId) -> u64 {
    cx.state.outbox(to).next().map_or(0, |(number, _)| number)
}
