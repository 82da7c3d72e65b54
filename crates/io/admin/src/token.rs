//! Tokens of programs: 256 random bits behind a word by which people, and scanners for leaked secrets,
//! recognise them. A token is shown once; what is kept is its SHA-256, by which it is looked up, so no
//! comparison of secrets takes longer the more of one is right.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use muster_cluster::TokenHash;
use sha2::{Digest, Sha256};
use tonic::Status;

const PREFIX: &str = "muster_";
const SECRET_BYTES: usize = 32;

/// A new token and its hash.
pub(crate) fn generate() -> Result<(String, TokenHash), Status> {
    let mut secret = [0; SECRET_BYTES];
    getrandom::fill(&mut secret)
        .map_err(|error| Status::internal(format!("no randomness from the system: {error}")))?;
    let token = format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(secret));
    let hash = TokenHash(Sha256::digest(&token).into());
    Ok((token, hash))
}

/// The hash of something that may be a token; `None` for what cannot be one.
pub(crate) fn hash(token: &str) -> Option<TokenHash> {
    let secret = token.strip_prefix(PREFIX)?;
    let secret = BASE64_URL_SAFE_NO_PAD.decode(secret).ok()?;
    (secret.len() == SECRET_BYTES).then(|| TokenHash(Sha256::digest(token).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_recognised_and_no_two_are_the_same() {
        let (one, of_one) = generate().unwrap();
        let (other, of_other) = generate().unwrap();
        assert!(one.starts_with("muster_") && one.len() == 50, "{one}");
        assert_ne!(one, other);
        assert_ne!(of_one, of_other);
        assert_eq!(hash(&one), Some(of_one));
        let longer = format!("{one}A");
        for bad in ["", "muster_", &one[7..], &one[..49], &longer, "muster_!"] {
            assert_eq!(hash(bad), None, "{bad}");
        }
    }
}
