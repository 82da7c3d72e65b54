//! Each address once, however many places name it.

use crate::BareJid;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Addresses that are named in many places: who watches 50 contacts is in 50 lists. Each place holds
/// 8 bytes instead of the address.
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
            // Those that were still on their way somewhere when they were given back.
            self.known.retain(|known| Arc::strong_count(known) > 1);
            self.sweep_at = SWEEP_MIN.max(self.known.len() * 2);
        }
        let address = Arc::new(address.clone());
        self.known.insert(Arc::clone(&address));
        address
    }

    /// A place names it no more. The last one takes it with it, or a later [`share`](Self::share) does where
    /// the address is still on its way somewhere.
    pub fn release(&mut self, address: Arc<BareJid>) {
        // The table's, and the one given back here.
        if Arc::strong_count(&address) <= 2 {
            self.known.remove(&*address);
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
        assert!(addresses.known.is_empty());
    }

    #[test]
    fn what_was_given_back_while_it_was_on_its_way_is_swept_up() {
        let mut addresses = Addresses::default();
        for n in 0..10_000 {
            let address = addresses.share(&BareJid::new(&format!("u{n}@x")).unwrap());
            let elsewhere = Arc::clone(&address);
            addresses.release(address);
            drop(elsewhere);
        }
        assert!(addresses.known.len() <= SWEEP_MIN);
    }
}
