//! After quiet, every watcher sees exactly the clients it may see, as they last published.

use super::Violation;
use crate::client::Client;
use crate::truth::Truth;

const NAME: &str = "after quiet, everybody sees what is there";

/// Looks at the end of a run.
///
/// # Errors
/// Names the first client that sees too little or too much.
pub(crate) fn check(truth: &Truth, clients: &[Client]) -> Result<(), Violation> {
    for watcher in clients.iter().filter(|client| client.available) {
        for shown in clients {
            let (one, other) = (watcher.user(), shown.user());
            let may = one == other || truth.shows(&other, &one);
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
