//! Nobody sees presence without a subscription. What was on its way when the permission was
//! withdrawn may still arrive.

use super::Violation;
use crate::truth::Truth;
use muster_types::{BareJid, FullJid, Instant};
use std::time::Duration;

/// Looks at available presence of `from` that reaches a client of `watcher`. `late` is how long
/// something may be on its way at worst.
///
/// # Errors
/// When `watcher` never had the permission, or lost it longer ago.
pub(crate) fn check(
    truth: &Truth,
    now: Instant,
    late: Duration,
    watcher: &BareJid,
    from: &FullJid,
) -> Result<(), Violation> {
    let user = from.clone().into_bare();
    // KNOWN: of another slot than its own a watcher's node may hear earlier than whom it has blocked.
    let slot = |user: &BareJid| truth.cluster.account_slot(user);
    let blocks_it = || slot(&user) == slot(watcher) && truth.blocks(watcher, &user);
    let blocked = truth.blocks(&user, watcher) || blocks_it();
    if user == *watcher || truth.permits(&user, watcher) && !blocked {
        return Ok(());
    }
    let withdrawn = truth.withdrawn.get(&(user, watcher.clone()));
    match withdrawn {
        Some(at) if now.since(*at) <= late => Ok(()),
        Some(_) | None => {
            let seen = format!("{watcher} sees {from}, permission withdrawn {withdrawn:?}");
            Err(Violation::new("no presence without a subscription", seen))
        }
    }
}

/// Looks at a message of `from` that reaches a client of `user`.
///
/// # Errors
/// When `user` has blocked `from` for longer than `late`.
pub(crate) fn check_message(
    truth: &Truth,
    now: Instant,
    late: Duration,
    user: &BareJid,
    from: &BareJid,
) -> Result<(), Violation> {
    let changed = truth.blocked.get(&(user.clone(), from.clone()));
    match changed {
        Some(at) if truth.blocks(user, from) && now.since(*at) > late => {
            let seen = format!("{user} is written to by {from}, blocked at {at:?}");
            Err(Violation::new(
                "nothing of who is blocked gets through",
                seen,
            ))
        }
        Some(_) | None => Ok(()),
    }
}
