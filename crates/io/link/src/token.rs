//! Join tokens: one line of text that lets one node in, once, for a while.

use crate::fingerprint::Fingerprint;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use muster_types::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// Begins every token; the number is the version of what follows.
const PREFIX: &str = "muster1-";
const CRC_BYTES: usize = 4;
/// The longest token that is looked at.
const TEXT_BYTES_MAX: usize = 4096;

/// Why a text is no join token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It does not begin as one.
    #[error("not a join token: it does not begin with {PREFIX}")]
    Prefix,
    /// It is far too long.
    #[error("not a join token: longer than {TEXT_BYTES_MAX} characters")]
    TooLong,
    /// A character that no token has.
    #[error("not a whole join token: {0}")]
    Text(base64::DecodeError),
    /// Letters are missing or changed.
    #[error("the join token is damaged or cut short: its check sum is wrong")]
    Checksum,
    /// It was made by a different program.
    #[error("the join token's content is not understood")]
    Content,
}

/// What a new node must know to join. Shown once and kept as hash only
/// ([`secret_hash`](Self::secret_hash)).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinToken {
    /// The cluster's id.
    pub cluster: String,
    /// The cluster's CA.
    pub ca: Fingerprint,
    /// Proves the bearer.
    pub secret: [u8; 32],
    /// The token is refused after this.
    pub expires: Timestamp,
    /// Where members can be reached, as host:port.
    pub addresses: Vec<String>,
}

impl JoinToken {
    /// Draws a new secret.
    pub fn new_secret() -> Result<[u8; 32], getrandom::Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        Ok(secret)
    }

    /// What the cluster keeps of the token: SHA-256 of its secret.
    pub fn secret_hash(&self) -> [u8; 32] {
        Self::hash_secret(&self.secret)
    }

    /// SHA-256 of a secret that a joining node showed.
    pub fn hash_secret(secret: &[u8; 32]) -> [u8; 32] {
        Sha256::digest(secret).into()
    }

    /// The token as one line of text, to be handed to the new node's operator. A secret.
    pub fn to_text(&self) -> String {
        let mut bytes = postcard::to_stdvec(self).expect("strings and numbers fit into a Vec");
        bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for JoinToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        if text.len() > TEXT_BYTES_MAX {
            return Err(TokenError::TooLong);
        }
        let body = text.strip_prefix(PREFIX).ok_or(TokenError::Prefix)?;
        let bytes = URL_SAFE_NO_PAD.decode(body).map_err(TokenError::Text)?;
        let (fields, crc) = bytes
            .split_last_chunk::<CRC_BYTES>()
            .ok_or(TokenError::Checksum)?;
        if crc32fast::hash(fields) != u32::from_be_bytes(*crc) {
            return Err(TokenError::Checksum);
        }
        match postcard::take_from_bytes(fields) {
            Ok((token, [])) => Ok(token),
            Ok(_) | Err(_) => Err(TokenError::Content),
        }
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinToken")
            .field("cluster", &self.cluster)
            .field("ca", &self.ca)
            .field("secret", &"***")
            .field("expires", &self.expires)
            .field("addresses", &self.addresses)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> JoinToken {
        JoinToken {
            cluster: "c1".to_owned(),
            ca: Fingerprint([1; 32]),
            secret: [2; 32],
            expires: Timestamp(1_700_000_000_000),
            addresses: vec!["a.example:7400".to_owned(), "[::1]:7400".to_owned()],
        }
    }

    #[test]
    fn text_and_back() {
        let text = token().to_text();
        assert!(
            text.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        );
        assert_eq!(format!(" {text}\n").parse(), Ok(token()));
    }

    #[test]
    fn format_of_version_1() {
        // Tokens already handed out must stay readable.
        let text = "muster1-AmMxAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQECAgICAgICAgICAgICA\
                    gICAgICAgICAgICAgICAgICAoDQlf-8MQIOYS5leGFtcGxlOjc0MDAKWzo6MV06NzQwMFpB66g";
        assert_eq!(text.parse(), Ok(token()));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let text = token().to_text();
        let checksum = |fields: &[u8]| {
            let crc = crc32fast::hash(fields).to_be_bytes();
            PREFIX.to_owned() + &URL_SAFE_NO_PAD.encode([fields, &crc].concat())
        };
        let surplus = [postcard::to_stdvec(&token()).unwrap(), vec![0]].concat();
        for (text, expected) in [
            (String::new(), TokenError::Prefix),
            ("muster2-AAAA".to_owned(), TokenError::Prefix),
            ("muster1-".to_owned(), TokenError::Checksum),
            (
                text.replacen("muster1-A", "muster1-B", 1),
                TokenError::Checksum,
            ),
            (checksum(&[9]), TokenError::Content),
            (checksum(&surplus), TokenError::Content),
            ("m".repeat(5000), TokenError::TooLong),
        ] {
            assert_eq!(text.parse::<JoinToken>(), Err(expected), "{text}");
        }
        for cut in 0..text.len() {
            assert!(text[..cut].parse::<JoinToken>().is_err(), "{cut}");
        }
        let blank = (text[..20].to_owned() + " " + &text[20..]).parse::<JoinToken>();
        assert!(matches!(blank, Err(TokenError::Text(_))));
    }

    #[test]
    fn debug_hides_the_secret() {
        assert!(format!("{:?}", token()).contains("secret: \"***\""));
    }
}
