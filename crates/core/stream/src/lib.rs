//! XML streams between clients and the server: from the first byte to a bound session
//! (RFC 6120 §4–§7, RFC 7590), and what a bound client may say (§8.1).
//!
//! [`C2s`] is a machine: it takes whole frames and the driver's answers, and says what to write,
//! whom to look up and when to close. It sees no socket; a conversation is a list of frames.
#![deny(clippy::wildcard_enum_match_arm)]

mod admission;
mod c2s;
mod config;
mod deadlines;
mod header;
mod ledger;
mod port;
mod throttle;
#[cfg(test)]
mod throttle_test;
mod tokens;

pub use admission::{Admission, AdmissionConfig, AdmissionInput, AdmissionOutput};
pub use c2s::C2s;
pub use config::{C2sConfig, Security};
pub use port::{BindAnswer, ClientState, End, Input, Output, TlsFacts};
pub use throttle::{Allowance, Throttle, ThrottleConfig};
