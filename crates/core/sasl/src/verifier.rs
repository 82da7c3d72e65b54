//! What is kept of a password: enough to check it, not enough to log in with it (RFC 5802 §3).

use crate::ScramHash;
use serde::{Deserialize, Serialize};
use std::fmt;
use subtle::ConstantTimeEq;

/// Iterations below this are refused: the least that RFC 5802 §5.1 and RFC 7677 §4 allow.
pub const ITERATIONS_MIN: u32 = 4096;

/// Iterations above this are refused: they would let one login hold a core for seconds.
pub const ITERATIONS_MAX: u32 = 1_000_000;

/// Bytes of a salt.
pub const SALT_BYTES: usize = 16;

/// Bytes of the longest password taken, before and after preparation.
const PASSWORD_BYTES_MAX: usize = 1024;

/// The stored form of a password for one SCRAM hash: RFC 5802 §3. `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScramVerifier {
    /// How often the password was stretched.
    pub iterations: u32,
    /// The salt, told to every client that asks.
    pub salt: Vec<u8>,
    /// `H(ClientKey)`: proves the client.
    pub stored_key: Vec<u8>,
    /// `ServerKey`: proves the server to the client.
    pub server_key: Vec<u8>,
}

impl ScramVerifier {
    /// Derives the stored form of a prepared password.
    pub(crate) fn derive(hash: ScramHash, prepared: &str, salt: &[u8], iterations: u32) -> Self {
        let salted = hash.stretch(prepared.as_bytes(), salt, iterations);
        let client_key = hash.hmac(&salted, &[b"Client Key"]);
        Self {
            iterations,
            salt: salt.to_vec(),
            stored_key: hash.digest(&client_key),
            server_key: hash.hmac(&salted, &[b"Server Key"]),
        }
    }
}

impl fmt::Debug for ScramVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ScramVerifier {{ iterations: {}, *** }}",
            self.iterations
        )
    }
}

/// All that is stored of one account's password.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Verifiers {
    /// For SCRAM-SHA-1 (RFC 5802).
    pub sha1: ScramVerifier,
    /// For SCRAM-SHA-256 (RFC 7677).
    pub sha256: ScramVerifier,
}

impl Verifiers {
    /// Derives what is stored of `password`; `salt` is fresh and random.
    ///
    /// # Errors
    /// [`PasswordError`] when the password or the number of iterations cannot be used.
    pub fn from_password(
        password: &str,
        salt: &[u8; SALT_BYTES],
        iterations: u32,
    ) -> Result<Self, PasswordError> {
        if !(ITERATIONS_MIN..=ITERATIONS_MAX).contains(&iterations) {
            return Err(PasswordError::Iterations { got: iterations });
        }
        let prepared = prepare(password)?;
        Ok(Self {
            sha1: ScramVerifier::derive(ScramHash::Sha1, &prepared, salt, iterations),
            sha256: ScramVerifier::derive(ScramHash::Sha256, &prepared, salt, iterations),
        })
    }

    /// Whether this is the password, in a time that does not depend on where it differs. Costs as
    /// many HMACs as the verifier has iterations.
    pub fn check_password(&self, password: &str) -> bool {
        let Ok(prepared) = prepare(password) else {
            return false;
        };
        let (salt, iterations) = (&self.sha256.salt, self.sha256.iterations);
        let given = ScramVerifier::derive(ScramHash::Sha256, &prepared, salt, iterations);
        given.stored_key.ct_eq(&self.sha256.stored_key).into()
    }

    /// The verifier for one hash.
    pub fn of(&self, hash: ScramHash) -> &ScramVerifier {
        match hash {
            ScramHash::Sha1 => &self.sha1,
            ScramHash::Sha256 => &self.sha256,
        }
    }
}

/// Prepares a password as SCRAM demands: SASLprep (RFC 4013) and not empty.
fn prepare(password: &str) -> Result<String, PasswordError> {
    let longest = PasswordError::TooLong {
        limit: PASSWORD_BYTES_MAX,
    };
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(longest);
    }
    let prepared = stringprep::saslprep(password).map_err(|_| PasswordError::Prohibited)?;
    match prepared.len() {
        0 => Err(PasswordError::Empty),
        n if n > PASSWORD_BYTES_MAX => Err(longest),
        _ => Ok(prepared.into_owned()),
    }
}

/// Why a password cannot be stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Nothing is left after preparation.
    #[error("the password is empty")]
    Empty,
    /// SASLprep (RFC 4013) refuses it.
    #[error("the password holds a character that passwords must not have (RFC 4013)")]
    Prohibited,
    /// More bytes than the limit.
    #[error("the password is longer than {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// Too few or too many iterations.
    #[error("{got} iterations: must be {ITERATIONS_MIN} to {ITERATIONS_MAX}")]
    Iterations {
        /// The number asked for.
        got: u32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: [u8; SALT_BYTES] = *b"0123456789abcdef";

    fn stored(password: &str) -> Result<Verifiers, PasswordError> {
        Verifiers::from_password(password, &SALT, ITERATIONS_MIN)
    }

    #[test]
    fn only_the_password_checks() {
        let verifiers = stored("I\u{AD}X").unwrap();
        for (given, ok) in [
            ("IX", true),
            ("\u{2168}", true),
            ("ix", false),
            ("", false),
            ("\u{7}", false),
        ] {
            assert_eq!(verifiers.check_password(given), ok, "{given:?}");
        }
    }

    #[test]
    fn bad_passwords_are_refused() {
        let long = "x".repeat(1025);
        for (password, error) in [
            ("", PasswordError::Empty),
            ("\u{AD}", PasswordError::Empty),
            ("a\u{7}b", PasswordError::Prohibited),
            ("\u{627}1", PasswordError::Prohibited),
            (long.as_str(), PasswordError::TooLong { limit: 1024 }),
        ] {
            assert_eq!(stored(password), Err(error), "{password:?}");
        }
    }

    #[test]
    fn iterations_have_bounds() {
        for got in [0, ITERATIONS_MIN - 1, ITERATIONS_MAX + 1] {
            let refused = Verifiers::from_password("secret", &SALT, got);
            assert_eq!(refused, Err(PasswordError::Iterations { got }));
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let text = format!("{:?}", stored("secret").unwrap());
        assert_eq!(text.matches("***").count(), 2, "{text}");
        assert!(!text.contains("stored_key"), "{text}");
    }
}
