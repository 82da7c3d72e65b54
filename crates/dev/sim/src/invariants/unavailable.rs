//! No false unavailable: a client that is here, or came back within the grace, is never said to be
//! gone.

use super::Violation;
use crate::truth::Truth;
use muster_types::{BareJid, FullJid, Instant};
use std::time::Duration;

/// Looks at unavailable presence of `from` that reaches a client of `watcher`. `late` is how long
/// something may be on its way at worst; `out_of_reach_at` when the watcher's node had not reached
/// the owner for as long as the grace, last.
///
/// # Errors
/// When `from` has not left, was not missing for as long as the grace, and `watcher` did not lose
/// sight of it by a roster change.
pub(crate) fn check(
    truth: &Truth,
    (now, grace, late): (Instant, Duration, Duration),
    out_of_reach_at: Option<Instant>,
    watcher: &BareJid,
    from: &FullJid,
) -> Result<(), Violation> {
    let Some(presence) = truth.presence.get(from) else {
        return Ok(());
    };
    let user = from.clone().into_bare();
    let lost_sight = *watcher != user && !truth.shows(&user, watcher);
    let lost_lately = truth
        .withdrawn
        .get(&(user, watcher.clone()))
        .is_some_and(|at| now.since(*at) <= late);
    let was_gone = presence.gone || presence.gone_at.is_some_and(|at| now.since(at) <= late);
    let was_missing = presence
        .unheard_since
        .or(presence.missing_since)
        .is_some_and(|since| now.since(since) >= grace);
    // Whose owner nobody could ask for longer than the grace is said to be gone, until it can be asked.
    let unknown = out_of_reach_at.is_some_and(|at| now.since(at) <= late);
    if unknown || lost_sight || lost_lately || was_gone || was_missing {
        return Ok(());
    }
    let seen = format!("{watcher} is told that {from} has gone: {presence:?}");
    Err(Violation::new("no false unavailable", seen))
}
