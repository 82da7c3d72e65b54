//! Proving who a client is: SASL (RFC 4422) as XMPP uses it (RFC 6120 §6), the server's side.
//!
//! One file per mechanism, one shape for all: [`Exchange::start`] with what the client sent, then
//! [`respond`](Exchange::respond) and [`provide`](Exchange::provide) as each [`Step`] asks, until
//! it is [`Step::Success`] or [`Step::Failure`]. The caller does base64 and XML, looks accounts up,
//! draws the nonce, and decides which mechanisms may be used.
//!
//! An account that does not exist cannot be told from one whose password is wrong: it has a salt,
//! and its proof is checked ([`Decoy`]).
#![deny(clippy::wildcard_enum_match_arm)]

mod account;
mod channel;
mod condition;
mod exchange;
#[cfg(test)]
mod exchange_test;
mod hash;
mod mechanism;
mod plain;
mod scram;
mod scram_message;
mod verifier;

pub use channel::ChannelBindings;
pub use condition::{Failure, SaslCondition};
pub use exchange::{Context, Decoy, Exchange, Lookup, Step};
pub use hash::ScramHash;
pub use mechanism::Mechanism;
pub use verifier::{
    ITERATIONS_MAX, ITERATIONS_MIN, PasswordError, SALT_BYTES, ScramVerifier, Verifiers,
};
