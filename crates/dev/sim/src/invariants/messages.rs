//! No acknowledged message is lost: one to a user without a client that a later answer acknowledged
//! arrives when the user logs in, or comes back. Doubles are counted, not forbidden.

use super::Violation;
use crate::truth::Truth;

/// Looks at the end of a run, when everybody has logged in once more.
///
/// # Errors
/// Names the first message that is missing.
pub(crate) fn check(truth: &Truth) -> Result<(), Violation> {
    for (recipient, messages) in &truth.messages {
        if let Some(lost) = messages.difference(&truth.settled).next() {
            let seen = format!("{recipient} never got {lost}");
            return Err(Violation::new("no acknowledged message lost", seen));
        }
    }
    Ok(())
}
