//! A set of contacts in eight bytes, to see whether two nodes believe the same.

use muster_types::BareJid;

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

/// The digest of a set of contacts, in any order; each contact is given once. A user who makes two
/// sets with one digest deceives only the user's own clients.
pub fn contacts_digest<'a>(contacts: impl IntoIterator<Item = &'a BareJid>) -> u64 {
    contacts.into_iter().map(fnv1a).fold(0, u64::wrapping_add)
}

/// FNV-1a, which is the same on every node and in every release.
fn fnv1a(contact: &BareJid) -> u64 {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(PRIME);
    contact.as_str().bytes().fold(OFFSET, mix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_contacts_are_told_apart_in_any_order() {
        let jid = |name: &str| BareJid::new(name).unwrap();
        let (a, b, c) = (jid("a@x"), jid("b@x"), jid("c@x"));
        assert_eq!(contacts_digest([]), 0);
        assert_eq!(contacts_digest([&a, &b]), contacts_digest([&b, &a]));
        for other in [vec![], vec![&a], vec![&a, &c], vec![&a, &b, &c]] {
            assert_ne!(contacts_digest([&a, &b]), contacts_digest(other));
        }
    }
}
