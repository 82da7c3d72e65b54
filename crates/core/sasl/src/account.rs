//! An account during a login: a real one, or one that only looks so.

use crate::exchange::{Decoy, Lookup};
use crate::{Failure, SaslCondition, Step, Verifiers};
use muster_types::BareJid;

/// Whom the client claims to be, and what its proof is checked against.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) verifiers: Verifiers,
    /// The account, and whether it is disabled; `None` when there is none.
    real: Option<(BareJid, bool)>,
}

impl Claim {
    /// A name that cannot be an account's.
    pub(crate) fn of_nobody(decoy: &Decoy, name: &str) -> Self {
        Self {
            verifiers: decoy.verifiers(name),
            real: None,
        }
    }

    /// What the look-up of `account` came to.
    pub(crate) fn of_lookup(
        decoy: &Decoy,
        account: BareJid,
        lookup: Lookup,
    ) -> Result<Self, Failure> {
        let temporary = |text| {
            Err(Failure::with_text(
                SaslCondition::TemporaryAuthFailure,
                text,
            ))
        };
        match lookup {
            Lookup::Found {
                verifiers,
                disabled,
            } => Ok(Self {
                verifiers,
                real: Some((account, disabled)),
            }),
            Lookup::Absent => Ok(Self::of_nobody(decoy, account.as_str())),
            Lookup::Throttled => temporary("too many failed logins, try again later"),
            Lookup::Unavailable => temporary("accounts cannot be read now, try again later"),
        }
    }

    /// Ends the exchange, now that the proof is known to hold or not.
    pub(crate) fn conclude(self, proven: bool, data: Vec<u8>) -> Step {
        match self.real {
            Some((user, false)) if proven => Step::Success { user, data },
            Some((_, true)) if proven => {
                Step::Failure(Failure::new(SaslCondition::AccountDisabled))
            }
            Some(_) | None => Step::Failure(Failure::new(SaslCondition::NotAuthorized)),
        }
    }
}
