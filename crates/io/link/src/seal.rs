//! Keeps the CA's key unreadable on disk: XChaCha20-Poly1305 under a 32-byte secret.
//!
//! Sealed form: one version byte, a 24-byte nonce, then ciphertext and tag. The context (such as the
//! cluster's id) is authenticated with it, so that a sealed key of one cluster is not taken for
//! another's.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;

/// Why something could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The operating system gave no random bytes.
    #[error("no random bytes from the operating system: {0}")]
    Random(getrandom::Error),
    /// More bytes than the cipher takes.
    #[error("too long to be sealed")]
    TooLong,
    /// The sealed form is cut short.
    #[error("the sealed bytes are cut short")]
    Truncated,
    /// A newer program wrote it.
    #[error("sealed in format {0}, which this program does not know")]
    Version(u8),
    /// The secret or the context is not the one it was sealed with, or the bytes were changed.
    #[error("the secret does not fit, or the sealed bytes were changed")]
    Mismatch,
}

/// Seals `plain` under `secret`. The same `context` is needed to open it.
pub fn seal(plain: &[u8], secret: &[u8; 32], context: &str) -> Result<Vec<u8>, SealError> {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(SealError::Random)?;
    let payload = Payload {
        msg: plain,
        aad: context.as_bytes(),
    };
    let sealed = XChaCha20Poly1305::new(secret.into())
        .encrypt(XNonce::from_slice(&nonce), payload)
        .map_err(|_| SealError::TooLong)?;
    Ok([&[VERSION], nonce.as_slice(), &sealed].concat())
}

/// Opens what [`seal`] made.
pub fn unseal(sealed: &[u8], secret: &[u8; 32], context: &str) -> Result<Vec<u8>, SealError> {
    let (&version, rest) = sealed.split_first().ok_or(SealError::Truncated)?;
    if version != VERSION {
        return Err(SealError::Version(version));
    }
    let (nonce, body) = rest
        .split_at_checked(NONCE_BYTES)
        .ok_or(SealError::Truncated)?;
    let payload = Payload {
        msg: body,
        aad: context.as_bytes(),
    };
    XChaCha20Poly1305::new(secret.into())
        .decrypt(XNonce::from_slice(nonce), payload)
        .map_err(|_| SealError::Mismatch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_secret_and_context_open() {
        let sealed = seal(b"key", &[7; 32], "c1").unwrap();
        assert_eq!(unseal(&sealed, &[7; 32], "c1").unwrap(), b"key");
        assert!(matches!(
            unseal(&sealed, &[8; 32], "c1"),
            Err(SealError::Mismatch)
        ));
        assert!(matches!(
            unseal(&sealed, &[7; 32], "c2"),
            Err(SealError::Mismatch)
        ));
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let sealed = seal(b"key", &[7; 32], "").unwrap();
        for cut in 0..sealed.len() {
            assert!(unseal(&sealed[..cut], &[7; 32], "").is_err(), "{cut}");
        }
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(unseal(&changed, &[7; 32], "").is_err(), "{at}");
        }
    }
}
