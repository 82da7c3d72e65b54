//! The client's side of SCRAM (RFC 5802, RFC 7677), without channel binding.
//!
//! ```text
//! Scram::new -> first() -> [server-first] -> challenge() -> Keys::derive -> prove() -> [server-final] -> verify()
//! ```
//!
//! Deriving the keys costs as many HMACs as the server asks iterations for; a client may keep them for the next
//! login (RFC 5802 §5.1), so they are a value of their own.

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, Mac};
use sha1::{Digest, Sha1};
use sha2::Sha256;

/// More iterations are refused: one login would hold a core for seconds.
const ITERATIONS_MAX: u32 = 1_000_000;

/// The hash function of the mechanism.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hash {
    Sha1,
    Sha256,
}

/// Why the server's messages are not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum ScramError {
    #[error("malformed SCRAM challenge")]
    Challenge,
    #[error("the server's nonce does not begin with ours")]
    Nonce,
    #[error("more than {ITERATIONS_MAX} iterations asked for")]
    Iterations,
    #[error("the server does not know the password")]
    Signature,
}

/// One exchange.
#[derive(Debug)]
pub(crate) struct Scram {
    hash: Hash,
    nonce: String,
    /// `client-first-message-bare`.
    bare: String,
}

/// `server-first-message`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Challenge {
    message: String,
    nonce: String,
    pub(crate) salt: Vec<u8>,
    pub(crate) iterations: u32,
}

/// What is derived of a password for one hash, salt and number of iterations.
pub(crate) struct Keys {
    hash: Hash,
    salt: Vec<u8>,
    iterations: u32,
    client: Vec<u8>,
    server: Vec<u8>,
}

/// `client-final-message`, and what the server has to answer.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Proof {
    pub(crate) message: String,
    signature: Vec<u8>,
}

impl Scram {
    /// Begins; `nonce` is fresh, random and printable without comma.
    pub(crate) fn new(hash: Hash, name: &str, nonce: &str) -> Self {
        let name = name.replace('=', "=3D").replace(',', "=2C");
        Self {
            hash,
            bare: format!("n={name},r={nonce}"),
            nonce: nonce.to_owned(),
        }
    }

    /// `client-first-message`.
    pub(crate) fn first(&self) -> String {
        format!("n,,{}", self.bare)
    }

    /// Reads `server-first-message`.
    ///
    /// # Errors
    /// When it is malformed, not an answer to ours, or asks for too much work.
    pub(crate) fn challenge(&self, message: &[u8]) -> Result<Challenge, ScramError> {
        let message = std::str::from_utf8(message).map_err(|_| ScramError::Challenge)?;
        let mut attributes = message.split(',');
        let mut value = |key: &str| attributes.next().and_then(|a| a.strip_prefix(key));
        let (Some(nonce), Some(salt), Some(iterations)) = (value("r="), value("s="), value("i="))
        else {
            return Err(ScramError::Challenge);
        };
        if nonce.len() <= self.nonce.len() || !nonce.starts_with(&self.nonce) {
            return Err(ScramError::Nonce);
        }
        let iterations = iterations.parse().map_err(|_| ScramError::Challenge)?;
        match iterations {
            0 => return Err(ScramError::Challenge),
            1..=ITERATIONS_MAX => {}
            _ => return Err(ScramError::Iterations),
        }
        Ok(Challenge {
            message: message.to_owned(),
            nonce: nonce.to_owned(),
            salt: BASE64_STANDARD
                .decode(salt)
                .map_err(|_| ScramError::Challenge)?,
            iterations,
        })
    }

    /// Writes `client-final-message`.
    pub(crate) fn prove(&self, challenge: &Challenge, keys: &Keys) -> Proof {
        let without_proof = format!("c=biws,r={}", challenge.nonce);
        let said = format!("{},{},{without_proof}", self.bare, challenge.message);
        let stored = self.hash.digest(&keys.client);
        let signature = self.hash.hmac(&stored, said.as_bytes());
        let proof: Vec<u8> = keys
            .client
            .iter()
            .zip(&signature)
            .map(|(k, s)| k ^ s)
            .collect();
        Proof {
            message: format!("{without_proof},p={}", BASE64_STANDARD.encode(proof)),
            signature: self.hash.hmac(&keys.server, said.as_bytes()),
        }
    }
}

impl Proof {
    /// Checks `server-final-message`.
    ///
    /// # Errors
    /// When the server did not prove that it knows the password, too.
    pub(crate) fn verify(&self, message: &[u8]) -> Result<(), ScramError> {
        let value = message.strip_prefix(b"v=").unwrap_or_default();
        let value = value.split(|byte| *byte == b',').next().unwrap_or_default();
        match BASE64_STANDARD.decode(value) {
            Ok(signature) if signature == self.signature => Ok(()),
            Ok(_) | Err(_) => Err(ScramError::Signature),
        }
    }
}

impl Keys {
    /// Stretches an ASCII password (for which SASLprep changes nothing). Milliseconds of work.
    pub(crate) fn derive(hash: Hash, password: &str, salt: &[u8], iterations: u32) -> Self {
        let salted = hash.stretch(password.as_bytes(), salt, iterations);
        Self {
            hash,
            salt: salt.to_vec(),
            iterations,
            client: hash.hmac(&salted, b"Client Key"),
            server: hash.hmac(&salted, b"Server Key"),
        }
    }

    /// Whether they answer this challenge.
    pub(crate) fn fit(&self, hash: Hash, challenge: &Challenge) -> bool {
        self.hash == hash && self.salt == challenge.salt && self.iterations == challenge.iterations
    }
}

impl Hash {
    const fn size(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(data).to_vec(),
            Self::Sha256 => Sha256::digest(data).to_vec(),
        }
    }

    fn hmac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => mac::<Hmac<Sha1>>(key, data),
            Self::Sha256 => mac::<Hmac<Sha256>>(key, data),
        }
    }

    fn stretch(self, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
        let mut out = vec![0; self.size()];
        match self {
            Self::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, iterations, &mut out),
            Self::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut out),
        }
        out
    }
}

fn mac<M: Mac + hmac::digest::KeyInit>(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac = <M as Mac>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}
