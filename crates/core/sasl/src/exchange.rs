//! One authentication, step by step, whatever its mechanism.

use crate::plain::Plain;
use crate::scram::Scram;
use crate::{ChannelBindings, Failure, Mechanism, ScramHash, ScramVerifier, Verifiers};
use muster_types::{BareJid, DomainPart, NodePart};
use std::fmt;

/// What an exchange knows of its connection and its server.
#[derive(Clone, Debug)]
pub struct Context {
    /// The domain that users log in to.
    pub domain: DomainPart,
    /// What the TLS connection can be bound to.
    pub bindings: ChannelBindings,
    /// Whether a -PLUS mechanism was offered: then a client that says it saw none was lied to.
    pub plus_offered: bool,
    /// The server's part of the SCRAM nonce: fresh, random, printable ASCII without a comma.
    pub nonce: String,
    /// How accounts that do not exist look.
    pub decoy: Decoy,
}

impl Context {
    /// The account that a user name means, if it can mean any.
    pub(crate) fn account(&self, name: &str) -> Option<BareJid> {
        let node = NodePart::new(name).ok()?;
        Some(BareJid::from_parts(Some(&node), &self.domain))
    }

    /// Whether the account may act for `authzid`: only for itself (RFC 6120 §6.3.8).
    pub(crate) fn may_act_as(account: Option<&BareJid>, authzid: &str) -> bool {
        account.is_some_and(|account| BareJid::new(authzid).is_ok_and(|asked| asked == *account))
    }
}

/// Makes verifiers for accounts that do not exist, so that nobody can tell which do: the same name
/// gets the same salt each time, and no password fits (RFC 5802 §9).
#[derive(Clone)]
pub struct Decoy {
    /// Known to the servers only, the same on every node and after a restart.
    pub secret: [u8; 32],
    /// What new accounts are given.
    pub iterations: u32,
}

impl Decoy {
    /// The verifiers of the account `name` that does not exist.
    pub(crate) fn verifiers(&self, name: &str) -> Verifiers {
        let draw = |what: &[u8], size: usize| {
            let mut bytes = ScramHash::Sha256.hmac(&self.secret, &[what, b"\0", name.as_bytes()]);
            bytes.truncate(size);
            bytes
        };
        let verifier = |hash: ScramHash| ScramVerifier {
            iterations: self.iterations,
            salt: draw(b"salt", crate::SALT_BYTES),
            stored_key: draw(b"stored key", hash.size()),
            server_key: draw(b"server key", hash.size()),
        };
        Verifiers {
            sha1: verifier(ScramHash::Sha1),
            sha256: verifier(ScramHash::Sha256),
        }
    }
}

impl fmt::Debug for Decoy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decoy {{ iterations: {}, *** }}", self.iterations)
    }
}

/// The caller's answer to [`Step::NeedAccount`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Lookup {
    /// The account exists.
    Found {
        /// What is stored of its password.
        verifiers: Verifiers,
        /// It may not log in; told only to who knows the password.
        disabled: bool,
    },
    /// There is no such account. The client is not told.
    Absent,
    /// Too many logins have failed for this account or from this address.
    Throttled,
    /// The accounts cannot be read now.
    Unavailable,
}

/// What an exchange wants next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Send this to the client (possibly empty) and hand its response to [`Exchange::respond`].
    Challenge(Vec<u8>),
    /// Look this account up and hand it to [`Exchange::provide`].
    NeedAccount(BareJid),
    /// The client is this user.
    Success {
        /// Who it is.
        user: BareJid,
        /// To send with the success; empty when the mechanism has nothing to say.
        data: Vec<u8>,
    },
    /// The client is not authenticated. The exchange is over.
    Failure(Failure),
}

/// A running authentication. After [`Step::Success`] or [`Step::Failure`] it is over: whatever it
/// is given then fails as `malformed-request`.
#[derive(Debug)]
pub struct Exchange(Running);

#[derive(Debug)]
enum Running {
    Scram(Box<Scram>),
    Plain(Plain),
}

impl Exchange {
    /// Begins an exchange. `initial` is the client's initial response, if it sent one (an empty
    /// one is not the same as none).
    pub fn start(mechanism: Mechanism, initial: Option<&[u8]>, context: Context) -> (Self, Step) {
        let running = match mechanism.scram_hash() {
            Some(hash) => Running::Scram(Box::new(Scram::new(
                hash,
                mechanism.binds_channel(),
                context,
            ))),
            None => Running::Plain(Plain::new(context)),
        };
        let mut exchange = Self(running);
        // All of our mechanisms let the client speak first (RFC 6120 §6.4.2).
        let step = match initial {
            Some(response) => exchange.respond(response),
            None => Step::Challenge(Vec::new()),
        };
        (exchange, step)
    }

    /// Takes the client's response.
    pub fn respond(&mut self, response: &[u8]) -> Step {
        match &mut self.0 {
            Running::Scram(scram) => scram.respond(response),
            Running::Plain(plain) => plain.respond(response),
        }
    }

    /// Takes the account asked for by [`Step::NeedAccount`].
    pub fn provide(&mut self, lookup: Lookup) -> Step {
        match &mut self.0 {
            Running::Scram(scram) => scram.provide(lookup),
            Running::Plain(plain) => plain.provide(lookup),
        }
    }
}
