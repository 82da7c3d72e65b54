//! Where a client's stanza goes next: a pure look-up over its kind and address
//! (RFC 6120 §10.3, RFC 6121 §8).
//!
//! | `to` | message | presence | iq get, set | iq result, error |
//! |---|---|---|---|---|
//! | none | own account | [`Hop::Publish`] | own account, or the host | dropped |
//! | the domain | refused | dropped (a request: refused) | the host | dropped |
//! | own bare JID | own account | directed | own account | dropped |
//! | an account here | its owner | directed, or own account | its owner | its owner (full JID) |
//! | nobody here | refused | dropped | refused | dropped |
//! | elsewhere | refused | refused | refused | dropped |

use crate::Directory;
use muster_stanza::{IqType, Kind, MessageType, PresenceType, Stanza, StanzaCondition, ns};
use muster_types::{Bare as _, BareJid, Jid, SlotId};

/// The next hop of one stanza.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hop {
    /// The user's own presence, for the owner of the user.
    Publish,
    /// The owner of the user answers or commits it.
    Submit {
        /// The user's own slot.
        slot: SlotId,
        /// The slot of the contact of a subscription stanza.
        contact_slot: Option<SlotId>,
    },
    /// The owner of the recipient delivers, stores or bounces it.
    Route {
        /// The recipient's slot.
        slot: SlotId,
    },
    /// Presence for one recipient, remembered for the day the client leaves (RFC 6121 §4.6).
    Direct {
        /// The recipient's slot.
        slot: SlotId,
    },
    /// This node answers in the name of the domain.
    Host,
    /// It comes back with this error.
    Refuse(StanzaCondition),
    /// It is dropped, as the RFC wants or allows.
    Ignore,
}

/// Finds the next hop of what a client of `user` sends.
pub fn classify(directory: &dyn Directory, user: &BareJid, stanza: &Stanza) -> Hop {
    match stanza.kind {
        Kind::Message(kind) => message(directory, user, kind, stanza.to.as_ref()),
        Kind::Presence(kind) => presence(directory, user, kind, stanza.to.as_ref()),
        Kind::Iq(IqType::Get | IqType::Set) => request(directory, user, stanza),
        Kind::Iq(IqType::Result | IqType::Error) => answer(directory, user, stanza.to.as_ref()),
    }
}

/// Who a `to` names.
enum Target {
    /// Nobody: it was left out.
    Absent,
    /// The domain itself, or a resource of it.
    Host { full: bool },
    /// An account of this cluster.
    Account {
        bare: BareJid,
        full: bool,
        slot: SlotId,
    },
    /// A domain of this cluster, but no such account.
    Nobody,
    /// A domain that is not hosted here.
    Elsewhere,
}

fn target(directory: &dyn Directory, to: Option<&Jid>) -> Target {
    let Some(to) = to else { return Target::Absent };
    if !directory.hosts(to.domain().as_str()) {
        return Target::Elsewhere;
    }
    let full = to.is_full();
    if to.node().is_none() {
        return Target::Host { full };
    }
    let bare = to.bare();
    match directory.account_slot(&bare) {
        Some(slot) => Target::Account { bare, full, slot },
        None => Target::Nobody,
    }
}

/// RFC 6121 §8.1, §8.5.1; errors are never answered with errors (RFC 6120 §8.3.1).
fn message(directory: &dyn Directory, user: &BareJid, kind: MessageType, to: Option<&Jid>) -> Hop {
    let refuse = |condition| {
        if kind == MessageType::Error {
            Hop::Ignore
        } else {
            Hop::Refuse(condition)
        }
    };
    match target(directory, to) {
        Target::Absent => match directory.account_slot(user) {
            Some(slot) => Hop::Route { slot },
            None => refuse(StanzaCondition::ServiceUnavailable),
        },
        Target::Account { slot, .. } => Hop::Route { slot },
        Target::Host { .. } | Target::Nobody => refuse(StanzaCondition::ServiceUnavailable),
        Target::Elsewhere => refuse(StanzaCondition::RemoteServerNotFound),
    }
}

fn presence(
    directory: &dyn Directory,
    user: &BareJid,
    kind: PresenceType,
    to: Option<&Jid>,
) -> Hop {
    match kind {
        PresenceType::Available | PresenceType::Unavailable => match target(directory, to) {
            Target::Absent => Hop::Publish,
            Target::Account { slot, .. } => Hop::Direct { slot },
            Target::Host { .. } | Target::Nobody => Hop::Ignore,
            Target::Elsewhere => Hop::Refuse(StanzaCondition::RemoteServerNotFound),
        },
        PresenceType::Subscribe
        | PresenceType::Subscribed
        | PresenceType::Unsubscribe
        | PresenceType::Unsubscribed => subscription(directory, user, kind, to),
        PresenceType::Error => match target(directory, to) {
            Target::Account {
                full: true, slot, ..
            } => Hop::Route { slot },
            Target::Account { .. }
            | Target::Absent
            | Target::Host { .. }
            | Target::Nobody
            | Target::Elsewhere => Hop::Ignore,
        },
        // DEVIATION: a client should not probe, and here it gets no answer (RFC 6121 §4.3.2 wants
        // one): it is told of every change without asking.
        PresenceType::Probe => Hop::Ignore,
    }
}

/// The user's own roster changes first, so the owner of the user gets it (RFC 6121 §3).
fn subscription(
    directory: &dyn Directory,
    user: &BareJid,
    kind: PresenceType,
    to: Option<&Jid>,
) -> Hop {
    let contact_slot = match target(directory, to) {
        Target::Absent => return Hop::Refuse(StanzaCondition::BadRequest),
        Target::Elsewhere => return Hop::Refuse(StanzaCondition::RemoteServerNotFound),
        // Nobody subscribes to a domain here; only a request wants an answer (RFC 6121 §3.1.2).
        Target::Host { .. } if kind == PresenceType::Subscribe => {
            return Hop::Refuse(StanzaCondition::ServiceUnavailable);
        }
        Target::Host { .. } => return Hop::Ignore,
        // Everybody sees the own resources anyway (RFC 6121 §4.2.2).
        Target::Account { bare, .. } if bare == *user => return Hop::Ignore,
        Target::Account { slot, .. } => Some(slot),
        Target::Nobody => None,
    };
    match directory.account_slot(user) {
        Some(slot) => Hop::Submit { slot, contact_slot },
        None => Hop::Ignore,
    }
}

/// RFC 6120 §10.3.3, RFC 6121 §8.5.
fn request(directory: &dyn Directory, user: &BareJid, stanza: &Stanza) -> Hop {
    let own = || match directory.account_slot(user) {
        Some(slot) => Hop::Submit {
            slot,
            contact_slot: None,
        },
        None => Hop::Refuse(StanzaCondition::ServiceUnavailable),
    };
    match target(directory, stanza.to.as_ref()) {
        Target::Absent if is_for_the_connection(stanza) => Hop::Host,
        Target::Absent => own(),
        Target::Host { full: false } => Hop::Host,
        Target::Account {
            bare, full: false, ..
        } if bare == *user => own(),
        Target::Account { slot, .. } => Hop::Route { slot },
        Target::Host { full: true } | Target::Nobody => {
            Hop::Refuse(StanzaCondition::ServiceUnavailable)
        }
        Target::Elsewhere => Hop::Refuse(StanzaCondition::RemoteServerNotFound),
    }
}

/// Whether an IQ without `to` means the server the client is connected to, not the account.
fn is_for_the_connection(stanza: &Stanza) -> bool {
    stanza
        .payload()
        .is_some_and(|payload| payload.is("ping", ns::PING) || payload.is("session", ns::SESSION))
}

/// Only clients ask clients; the server asks nobody, so an answer to it is not wanted.
fn answer(directory: &dyn Directory, user: &BareJid, to: Option<&Jid>) -> Hop {
    match target(directory, to) {
        Target::Account { bare, full, slot } if full || bare != *user => Hop::Route { slot },
        Target::Account { .. }
        | Target::Absent
        | Target::Host { .. }
        | Target::Nobody
        | Target::Elsewhere => Hop::Ignore,
    }
}
