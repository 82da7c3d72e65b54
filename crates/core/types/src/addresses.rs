//! Each address once, however many places name it.

use crate::BareJid;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Addresses that are named in many places: who watches 50 contacts is in 50 lists. Each place holds
/// 8 bytes instead of the address.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Addresses(BTreeSet<Arc<BareJid>>);

impl Addresses {
    /// The one copy of an address.
    pub fn share(&mut self, address: &BareJid) -> Arc<BareJid> {
        if let Some(known) = self.0.get(address) {
            return Arc::clone(known);
        }
        let address = Arc::new(address.clone());
        self.0.insert(Arc::clone(&address));
        address
    }

    /// A place names it no more. The last one takes it with it.
    pub fn release(&mut self, address: Arc<BareJid>) {
        // The table's, and the one given back here.
        if Arc::strong_count(&address) <= 2 {
            self.0.remove(&*address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_kept_once_and_only_while_it_is_named() {
        let mut addresses = Addresses::default();
        let alice = BareJid::new("alice@example.com").unwrap();
        let (one, two) = (addresses.share(&alice), addresses.share(&alice));
        assert!(Arc::ptr_eq(&one, &two));
        addresses.release(one);
        assert!(Arc::ptr_eq(&two, &addresses.share(&alice)));
        addresses.release(two);
        assert_eq!(addresses, Addresses::default());
    }
}
