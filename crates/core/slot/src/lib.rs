//! A slot's replicated data: what must not be lost of the users homed on one node, and who serves
//! them. Fed by the slot's log alone.
//!
//! ```text
//! SlotCommand --log--> SlotState::apply -> writes (to the store, on every replica)
//!                                       -> SlotEvent (acted on by the owner alone)
//! ```
//!
//! * `Open` makes an owner; the epoch it begins fences every later command (DESIGN: one log, one
//!   truth).
//! * A `Change` is applied once by its origin, an `Inbound` once by (slot, number).
//! * What one slot owes another goes into the outbox in the same entry as the change it follows
//!   from, so two rosters cannot disagree for ever.
#![deny(clippy::wildcard_enum_match_arm)]

mod anew;
mod change;
mod command;
mod effects;
mod event;
mod inbound;
mod key;
mod origins;
mod outbox;
mod pep;
mod state;
mod stored;
mod user;

pub use command::{EntryError, OutboxItem, SlotCommand, UserChange};
pub use event::{Refusal, SlotEvent};
pub use origins::ORIGIN_WINDOW;
pub use outbox::OUTBOX_ITEMS;
pub use pep::{AccessModel, PepChange, PepEdit, PepNode, PepNodes};
pub use state::SlotState;

#[cfg(test)]
mod anew_test;
#[cfg(test)]
mod change_test;
#[cfg(test)]
mod handshake_test;
#[cfg(test)]
mod pep_test;
#[cfg(test)]
mod stored_test;
#[cfg(test)]
mod testing;
