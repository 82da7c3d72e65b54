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
    let user = from.to_bare();
    if user == *watcher || truth.permits(&user, watcher) {
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
