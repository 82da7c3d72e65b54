//! After quiet, two owners' rosters agree: who sees whom, and who lets whom see.

use super::Violation;
use crate::client::Client;
use crate::truth::Truth;

/// Looks at the end of a run.
///
/// # Errors
/// Names the first pair of users whose rosters differ.
pub(crate) fn check(truth: &Truth, clients: &[Client]) -> Result<(), Violation> {
    for one in clients {
        for other in clients {
            let (user, contact) = (one.user(), other.user());
            let (sees, permits) = (truth.sees(&user, &contact), truth.permits(&contact, &user));
            if user != contact && sees != permits {
                let seen = format!(
                    "{user} is subscribed to {contact}: {sees}; {contact} lets {user} see it: {permits}"
                );
                return Err(Violation::new("two owners' rosters agree", seen));
            }
        }
    }
    Ok(())
}
