//! The same addresses in every workload.

use muster_types::{BareJid, Boot, FullJid, NodeId, ResourcePart, SessionId};

pub(crate) const DOMAIN: &str = "example.com";

/// The contact that everybody sees, or the user whom everybody watches.
pub(crate) fn alice() -> BareJid {
    named("alice")
}

/// One of many others.
pub(crate) fn user(number: u64) -> BareJid {
    named(&format!("user{number:03}"))
}

fn named(name: &str) -> BareJid {
    BareJid::new(&format!("{name}@{DOMAIN}")).expect("letters and digits are a name")
}

/// The one resource that everybody has.
pub(crate) fn resource() -> ResourcePart {
    ResourcePart::new("desktop-4f1c")
        .expect("letters and digits are a resource")
        .into_owned()
}

/// The client of a user.
pub(crate) fn client(user: &BareJid) -> FullJid {
    user.with_resource(&resource())
}

/// A session on a node.
pub(crate) const fn session(node: NodeId, serial: u64) -> SessionId {
    SessionId {
        node,
        boot: Boot(1),
        serial,
    }
}
