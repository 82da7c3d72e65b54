//! No acknowledged write is lost: a roster set whose result arrived.

use super::Violation;
use crate::truth::Truth;

/// Looks at the end of a run.
///
/// # Errors
/// Names the first write that is missing.
pub(crate) fn check(truth: &Truth) -> Result<(), Violation> {
    for ((user, contact), acknowledged) in &truth.names {
        let name = truth.item(user, contact).and_then(|item| item.name.clone());
        let count = name.as_deref().and_then(|name| name.parse::<u64>().ok());
        if count.is_none_or(|count| count < *acknowledged) {
            let seen = format!("{user} named {contact} {acknowledged}, and it is {name:?}");
            return Err(Violation::new("no acknowledged write lost", seen));
        }
    }
    Ok(())
}
