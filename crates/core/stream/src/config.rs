//! What is the same for every stream of one listener.

use muster_sasl::{Decoy, Mechanism};
use muster_types::DomainPart;
use std::sync::Arc;
use std::time::Duration;

/// How a listener's connections become confidential.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Security {
    /// They begin in the clear and must switch by STARTTLS (RFC 7590 §3.1).
    StartTls,
    /// They are TLS from the first byte (XEP-0368).
    Direct,
    /// They stay in the clear, passwords too: for measuring on loopback only.
    Plaintext,
}

/// What is the same for every stream of one listener.
#[derive(Clone, Debug)]
pub struct C2sConfig {
    /// The hosted domains. The first one speaks where a client has named none of them.
    pub domains: Arc<[DomainPart]>,
    /// How connections become confidential.
    pub security: Security,
    /// The mechanisms to offer where the connection allows them, in this order.
    pub mechanisms: Vec<Mechanism>,
    /// Failed authentications until the stream ends (RFC 6120 §6.4.5 asks for 2 to 5 retries).
    pub auth_attempts: u32,
    /// From the connection to established TLS; in plaintext to the stream header.
    pub handshake_timeout: Duration,
    /// From the connection to a bound resource.
    pub login_timeout: Duration,
    /// From the first byte of an element to its last.
    pub element_timeout: Duration,
    /// How accounts that do not exist look to who tries them.
    pub decoy: Decoy,
}

impl C2sConfig {
    /// The shipped settings for `domains`.
    pub fn new(domains: Arc<[DomainPart]>, security: Security, decoy: Decoy) -> Self {
        Self {
            domains,
            security,
            mechanisms: Mechanism::ALL.to_vec(),
            auth_attempts: 3,
            handshake_timeout: Duration::from_secs(10),
            login_timeout: Duration::from_secs(30),
            element_timeout: Duration::from_secs(30),
            decoy,
        }
    }
}
