//! The bare address of a full one, cheaply.

use jid::{BareJid, Jid};

/// Takes the resource off an address. [`Jid::to_bare`] writes node and domain anew through the formatter, ten times
/// the work of this copy, and it is asked for with every stanza. The copy keeps the room of the resource: what is kept
/// for long is better made by `to_bare`.
pub trait Bare {
    /// The address without its resource.
    fn bare(&self) -> BareJid;
}

impl Bare for Jid {
    fn bare(&self) -> BareJid {
        self.clone().into_bare()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_address_without_its_resource() {
        for address in [
            "alice@example.com/tablet",
            "alice@example.com",
            "example.com/a",
            "example.com",
        ] {
            let jid = Jid::new(address).unwrap();
            assert_eq!(jid.bare(), jid.to_bare(), "{address}");
        }
    }
}
