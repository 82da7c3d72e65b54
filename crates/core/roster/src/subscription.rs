//! The nine subscription states, and the four stanzas that move between them.

use muster_stanza::PresenceType;
use serde::{Deserialize, Serialize};

/// The state of a contact in a user's roster (RFC 6121 Appendix A.1). "To" is the user's
/// subscription to the contact, "from" the contact's to the user; either may be asked for and
/// not yet answered.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub enum Subscription {
    /// Neither sees the other, and neither has asked.
    #[default]
    None_,
    /// The user has asked.
    NonePendingOut,
    /// The contact has asked.
    NonePendingIn,
    /// Both have asked.
    NonePendingOutIn,
    /// The user sees the contact.
    To,
    /// The user sees the contact, and the contact has asked.
    ToPendingIn,
    /// The contact sees the user.
    From,
    /// The contact sees the user, and the user has asked.
    FromPendingOut,
    /// Each sees the other.
    Both,
}

/// One direction of a subscription. Two of them make a state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Half {
    No,
    Asked,
    Granted,
}

impl Subscription {
    /// All states, in the order of Appendix A.1.
    pub const ALL: [Self; 9] = [
        Self::None_,
        Self::NonePendingOut,
        Self::NonePendingIn,
        Self::NonePendingOutIn,
        Self::To,
        Self::ToPendingIn,
        Self::From,
        Self::FromPendingOut,
        Self::Both,
    ];

    /// The value of the `subscription` attribute (RFC 6121 §2.1.2.5).
    pub const fn wire(self) -> &'static str {
        match (self.sees_contact(), self.seen_by_contact()) {
            (false, false) => "none",
            (true, false) => "to",
            (false, true) => "from",
            (true, true) => "both",
        }
    }

    /// Whether `ask='subscribe'` is shown: the user has asked and has no answer (RFC 6121 §2.1.2.2).
    pub const fn ask(self) -> bool {
        matches!(self.outgoing(), Half::Asked)
    }

    /// Whether the user may see the contact's presence: to or both.
    pub const fn sees_contact(self) -> bool {
        matches!(self.outgoing(), Half::Granted)
    }

    /// Whether the contact may see the user's presence: from or both.
    pub const fn seen_by_contact(self) -> bool {
        matches!(self.incoming(), Half::Granted)
    }

    /// Whether the contact has asked and the user has not answered. Never shown to clients.
    pub const fn pending_in(self) -> bool {
        matches!(self.incoming(), Half::Asked)
    }

    /// What ends both directions, requests included: told to the contact when the user removes it
    /// (RFC 6121 §2.5.2) or is removed. A waiting request of the contact is turned down.
    pub fn farewell(self) -> impl Iterator<Item = SubscriptionStanza> {
        let unsubscribe = !matches!(self.outgoing(), Half::No);
        let unsubscribed = !matches!(self.incoming(), Half::No);
        let first = unsubscribe.then_some(SubscriptionStanza::Unsubscribe);
        first
            .into_iter()
            .chain(unsubscribed.then_some(SubscriptionStanza::Unsubscribed))
    }

    pub(crate) const fn outgoing(self) -> Half {
        match self {
            Self::None_ | Self::NonePendingIn | Self::From => Half::No,
            Self::NonePendingOut | Self::NonePendingOutIn | Self::FromPendingOut => Half::Asked,
            Self::To | Self::ToPendingIn | Self::Both => Half::Granted,
        }
    }

    pub(crate) const fn incoming(self) -> Half {
        match self {
            Self::None_ | Self::NonePendingOut | Self::To => Half::No,
            Self::NonePendingIn | Self::NonePendingOutIn | Self::ToPendingIn => Half::Asked,
            Self::From | Self::FromPendingOut | Self::Both => Half::Granted,
        }
    }

    pub(crate) const fn of(to: Half, from: Half) -> Self {
        match (to, from) {
            (Half::No, Half::No) => Self::None_,
            (Half::Asked, Half::No) => Self::NonePendingOut,
            (Half::No, Half::Asked) => Self::NonePendingIn,
            (Half::Asked, Half::Asked) => Self::NonePendingOutIn,
            (Half::Granted, Half::No) => Self::To,
            (Half::Granted, Half::Asked) => Self::ToPendingIn,
            (Half::No, Half::Granted) => Self::From,
            (Half::Asked, Half::Granted) => Self::FromPendingOut,
            (Half::Granted, Half::Granted) => Self::Both,
        }
    }
}

/// The four presence types that manage subscriptions (RFC 6121 §3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum SubscriptionStanza {
    /// Asks to see the recipient's presence.
    Subscribe,
    /// Allows the recipient to see the sender's presence.
    Subscribed,
    /// Gives up seeing the recipient's presence.
    Unsubscribe,
    /// Refuses or withdraws the recipient's sight of the sender's presence.
    Unsubscribed,
}

impl SubscriptionStanza {
    /// The presence type of the stanza.
    pub const fn presence_type(self) -> PresenceType {
        match self {
            Self::Subscribe => PresenceType::Subscribe,
            Self::Subscribed => PresenceType::Subscribed,
            Self::Unsubscribe => PresenceType::Unsubscribe,
            Self::Unsubscribed => PresenceType::Unsubscribed,
        }
    }
}

/// The presence is not one of the four that manage subscriptions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("presence does not manage a subscription")]
pub struct NotASubscription;

impl TryFrom<PresenceType> for SubscriptionStanza {
    type Error = NotASubscription;

    fn try_from(presence: PresenceType) -> Result<Self, NotASubscription> {
        match presence {
            PresenceType::Subscribe => Ok(Self::Subscribe),
            PresenceType::Subscribed => Ok(Self::Subscribed),
            PresenceType::Unsubscribe => Ok(Self::Unsubscribe),
            PresenceType::Unsubscribed => Ok(Self::Unsubscribed),
            PresenceType::Available
            | PresenceType::Unavailable
            | PresenceType::Probe
            | PresenceType::Error => Err(NotASubscription),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_show_as_the_rfc_says() {
        // RFC 6121 §2.1.2.2, §2.1.2.5, Appendix A.1: state, subscription, ask, pending in
        for (state, wire, ask, pending_in) in [
            (Subscription::None_, "none", false, false),
            (Subscription::NonePendingOut, "none", true, false),
            (Subscription::NonePendingIn, "none", false, true),
            (Subscription::NonePendingOutIn, "none", true, true),
            (Subscription::To, "to", false, false),
            (Subscription::ToPendingIn, "to", false, true),
            (Subscription::From, "from", false, false),
            (Subscription::FromPendingOut, "from", true, false),
            (Subscription::Both, "both", false, false),
        ] {
            assert_eq!(
                (state.wire(), state.ask(), state.pending_in()),
                (wire, ask, pending_in),
                "{state:?}"
            );
        }
    }

    #[test]
    fn two_halves_make_a_state() {
        for state in Subscription::ALL {
            assert_eq!(Subscription::of(state.outgoing(), state.incoming()), state);
        }
    }

    #[test]
    fn four_presence_types_manage_subscriptions() {
        for kind in [
            SubscriptionStanza::Subscribe,
            SubscriptionStanza::Subscribed,
            SubscriptionStanza::Unsubscribe,
            SubscriptionStanza::Unsubscribed,
        ] {
            assert_eq!(SubscriptionStanza::try_from(kind.presence_type()), Ok(kind));
        }
        assert_eq!(
            SubscriptionStanza::try_from(PresenceType::Probe),
            Err(NotASubscription)
        );
    }
}
