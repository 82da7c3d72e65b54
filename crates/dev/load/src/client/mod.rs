//! A small XMPP client: TCP, TLS, SASL, binding, and elements in and out.
//!
//! ```text
//! negotiate() -> Session --- next() ---> Element       queue(), flush() -> socket
//!                Session owns a Wire (frames over a Socket: TCP or TLS)
//! ```

mod error;
mod negotiate;
#[cfg(test)]
mod negotiate_test;
mod sasl;
mod scram;
#[cfg(test)]
mod scram_test;
mod session;
mod socket;
mod wire;

pub(crate) use error::SessionError;
pub(crate) use negotiate::{Login, Protection, negotiate, register};
pub(crate) use sasl::{Auth, Credentials, KeyCache};
pub(crate) use session::Session;
pub(crate) use socket::Connectors;
