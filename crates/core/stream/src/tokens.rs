//! Stream ids, nonces and resources: unpredictable, and yet drawn without chance of our own.

use hmac::{Hmac, Mac};
use muster_types::ResourcePart;
use sha2::Sha256;
use std::fmt;

/// Draws tokens from a random seed given once: HMAC-SHA-256 of a counter.
pub(crate) struct Tokens {
    seed: [u8; 32],
    drawn: u64,
}

impl Tokens {
    pub(crate) const fn new(seed: [u8; 32]) -> Self {
        Self { seed, drawn: 0 }
    }

    /// 128 bits as hexadecimal digits.
    pub(crate) fn draw(&mut self) -> String {
        self.drawn += 1;
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&self.seed)
            .expect("HMAC takes keys of any length");
        mac.update(&self.drawn.to_be_bytes());
        mac.finalize().into_bytes()[..16]
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect()
    }

    /// A token as a resource.
    pub(crate) fn resource(&mut self) -> ResourcePart {
        ResourcePart::new(&self.draw())
            .expect("hexadecimal digits are a resource")
            .into_owned()
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens {{ drawn: {}, *** }}", self.drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_repeat_with_the_seed() {
        let (mut a, mut b, mut c) = (
            Tokens::new([1; 32]),
            Tokens::new([1; 32]),
            Tokens::new([2; 32]),
        );
        let first = a.draw();
        assert_eq!(first.len(), 32);
        assert_eq!(first, b.draw());
        assert_ne!(first, a.draw());
        assert_ne!(first, c.draw());
        assert_eq!(a.resource().as_str().len(), 32);
    }
}
