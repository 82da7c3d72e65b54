//! PLAIN (RFC 4616): the client shows its password.
//!
//! ```text
//! C: [authzid] NUL name NUL password        S: success | failure
//! ```

use crate::account::Claim;
use crate::exchange::Context;
use crate::{Failure, Lookup, SaslCondition, Step};
use muster_types::BareJid;
use std::fmt;

pub(crate) struct Plain {
    context: Context,
    state: State,
}

enum State {
    AwaitMessage,
    AwaitAccount { account: BareJid, password: String },
    Over,
}

impl Plain {
    pub(crate) const fn new(context: Context) -> Self {
        Self {
            context,
            state: State::AwaitMessage,
        }
    }

    pub(crate) fn respond(&mut self, response: &[u8]) -> Step {
        match std::mem::replace(&mut self.state, State::Over) {
            State::AwaitMessage => self.on_message(response),
            State::AwaitAccount { .. } | State::Over => malformed(),
        }
    }

    fn on_message(&mut self, response: &[u8]) -> Step {
        let Some((authzid, name, password)) = parse(response) else {
            return malformed();
        };
        let account = self.context.account(name);
        if !authzid.is_empty() && !Context::may_act_as(account.as_ref(), authzid) {
            return Step::Failure(Failure::new(SaslCondition::InvalidAuthzid));
        }
        match account {
            Some(account) => {
                let password = password.to_owned();
                self.state = State::AwaitAccount {
                    account: account.clone(),
                    password,
                };
                Step::NeedAccount(account)
            }
            None => check(Claim::of_nobody(&self.context.decoy, name), password),
        }
    }

    pub(crate) fn provide(&mut self, lookup: Lookup) -> Step {
        match std::mem::replace(&mut self.state, State::Over) {
            State::AwaitAccount { account, password } => {
                match Claim::of_lookup(&self.context.decoy, account, lookup) {
                    Ok(claim) => check(claim, &password),
                    Err(failure) => Step::Failure(failure),
                }
            }
            State::AwaitMessage | State::Over => malformed(),
        }
    }
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plain(***)")
    }
}

/// An account that does not exist is checked too, so that it takes as long.
fn check(claim: Claim, password: &str) -> Step {
    let proven = claim.verifiers.check_password(password);
    claim.conclude(proven, Vec::new())
}

fn malformed() -> Step {
    Step::Failure(Failure::new(SaslCondition::MalformedRequest))
}

/// Splits a message into authzid, name and password (RFC 4616 §2).
fn parse(message: &[u8]) -> Option<(&str, &str, &str)> {
    let mut parts = std::str::from_utf8(message).ok()?.split('\0');
    let (authzid, name, password) = (parts.next()?, parts.next()?, parts.next()?);
    (parts.next().is_none() && !name.is_empty()).then_some((authzid, name, password))
}
