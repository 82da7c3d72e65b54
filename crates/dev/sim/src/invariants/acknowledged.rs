//! No acknowledged write is lost: a roster set whose result arrived, a message to a user without a
//! client that a later answer acknowledged.

use super::Violation;
use crate::truth::Truth;

const NAME: &str = "no acknowledged write lost";

/// Looks at the end of a run, when everybody has logged in once more.
///
/// # Errors
/// Names the first write that is missing.
pub(crate) fn check(truth: &Truth) -> Result<(), Violation> {
    for ((user, contact), acknowledged) in &truth.names {
        let name = truth.item(user, contact).and_then(|item| item.name.clone());
        let count = name.as_deref().and_then(|name| name.parse::<u64>().ok());
        if count.is_none_or(|count| count < *acknowledged) {
            let seen = format!("{user} named {contact} {acknowledged}, and it is {name:?}");
            return Err(Violation::new(NAME, seen));
        }
    }
    for (recipient, messages) in &truth.messages {
        if let Some(lost) = messages.difference(&truth.settled).next() {
            let seen = format!("{recipient} never got {lost}");
            return Err(Violation::new(NAME, seen));
        }
    }
    Ok(())
}
