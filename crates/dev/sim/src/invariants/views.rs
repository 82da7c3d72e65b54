//! After quiet, every slot has an owner and every watcher sees exactly the clients it may see, as
//! they last published.

use super::Violation;
use crate::client::Client;
use crate::truth::Truth;
use muster_types::SlotId;

const NAME: &str = "after quiet, everybody sees what is there";

/// Looks at the end of a run.
///
/// # Errors
/// Names the first slot without owner, or the first client that sees too little or too much.
pub(crate) fn check(
    truth: &Truth,
    clients: &[Client],
    ownerless: Option<SlotId>,
) -> Result<(), Violation> {
    if let Some(slot) = ownerless {
        return Err(Violation::new(NAME, format!("{slot} has no owner")));
    }
    for watcher in clients.iter().filter(|client| client.available) {
        for shown in clients {
            let (one, other) = (watcher.user(), shown.user());
            let may = one == other || truth.permits(&other, &one) && truth.sees(&one, &other);
            let expected = may && shown.available;
            let sees = watcher.sees.contains_key(&shown.jid);
            if expected != sees {
                let seen = format!("{} sees {}: {sees}, not {expected}", watcher.jid, shown.jid);
                return Err(Violation::new(NAME, seen));
            }
        }
    }
    Ok(())
}
