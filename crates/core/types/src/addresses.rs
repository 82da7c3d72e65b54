//! Each address once, however many places name it.

use crate::BareJid;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Addresses that are named in many places: who watches 50 contacts is in 50 lists. Each place holds
/// 8 bytes instead of the address. What no place names any more goes when there is twice as much as before.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    known: BTreeSet<Arc<BareJid>>,
    /// With so many it is looked which are named at all.
    sweep_at: usize,
}

const SWEEP_MIN: usize = 64;

impl Addresses {
    /// The one copy of an address.
    pub fn share(&mut self, address: &BareJid) -> Arc<BareJid> {
        if let Some(known) = self.known.get(address) {
            return Arc::clone(known);
        }
        if self.known.len() >= self.sweep_at {
            self.known.retain(|known| Arc::strong_count(known) > 1);
            self.sweep_at = SWEEP_MIN.max(self.known.len() * 2);
        }
        let address = Arc::new(address.clone());
        self.known.insert(Arc::clone(&address));
        address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_kept_once() {
        let mut addresses = Addresses::default();
        let alice = BareJid::new("alice@example.com").unwrap();
        let (one, two) = (addresses.share(&alice), addresses.share(&alice));
        assert!(Arc::ptr_eq(&one, &two));
        let other = addresses.share(&BareJid::new("bob@example.com").unwrap());
        assert!(!Arc::ptr_eq(&one, &other));
    }

    #[test]
    fn what_nobody_names_any_more_is_swept_up() {
        let mut addresses = Addresses::default();
        let named: Vec<_> = (0..10_000)
            .map(|n| addresses.share(&BareJid::new(&format!("u{n}@x")).unwrap()))
            .filter(|address| address.as_str().starts_with("u99"))
            .collect();
        assert!(addresses.known.len() <= SWEEP_MIN.max(2 * named.len()));
        for address in &named {
            assert!(Arc::ptr_eq(address, &addresses.share(address)));
        }
    }
}
