//! How the four subscription stanzas move a contact's state: RFC 6121 Appendix A.2 and A.3.
//!
//! Each stanza touches one half of the state, so nine states times eight events come down to three
//! moves. The test beside this file spells out every row of the appendix.

use crate::subscription::Half;
use crate::{Subscription, SubscriptionStanza};

/// What a subscription stanza that the user sends does to the contact's item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutboundStep {
    /// The state afterwards.
    pub after: Subscription,
    /// Whether the stanza goes on to the contact.
    pub route: bool,
    /// What becomes of the pre-approval (RFC 6121 §3.4.2): `Some(true)` grants, `Some(false)`
    /// withdraws it.
    pub approved: Option<bool>,
}

/// What a subscription stanza from the contact does to the contact's item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InboundStep {
    /// The state afterwards.
    pub after: Subscription,
    /// Whether the stanza is shown to the user's clients.
    pub deliver: bool,
    /// What the server answers for the user.
    pub reply: Option<SubscriptionStanza>,
}

/// The user sends `stanza` to a contact in state `before` (RFC 6121 Appendix A.2).
pub const fn outbound(before: Subscription, stanza: SubscriptionStanza) -> OutboundStep {
    let (to, from) = (before.outgoing(), before.incoming());
    match stanza {
        SubscriptionStanza::Subscribe => OutboundStep {
            after: Subscription::of(asked(to), from),
            route: true,
            approved: None,
        },
        SubscriptionStanza::Unsubscribe => OutboundStep {
            after: Subscription::of(Half::No, from),
            route: true,
            approved: None,
        },
        SubscriptionStanza::Subscribed => OutboundStep {
            after: Subscription::of(to, answered(from)),
            route: matches!(from, Half::Asked),
            approved: if matches!(from, Half::No) {
                Some(true)
            } else {
                None
            },
        },
        SubscriptionStanza::Unsubscribed => OutboundStep {
            after: Subscription::of(to, Half::No),
            route: !matches!(from, Half::No),
            approved: Some(false),
        },
    }
}

/// A contact in state `before` sends `stanza` to the user (RFC 6121 Appendix A.3); `approved` says
/// whether the user has pre-approved the contact (§3.4).
///
/// DEVIATION: Appendix A.3.2 would have an "unsubscribe" answered with "unsubscribed" (SHOULD). It
/// tells the contact nothing new, and it could overtake a "subscribe" sent since and undo it.
pub const fn inbound(
    before: Subscription,
    approved: bool,
    stanza: SubscriptionStanza,
) -> InboundStep {
    let (to, from) = (before.outgoing(), before.incoming());
    match stanza {
        SubscriptionStanza::Subscribe => match (from, approved) {
            (Half::Granted, _) | (Half::No, true) => InboundStep {
                after: Subscription::of(to, Half::Granted),
                deliver: false,
                reply: Some(SubscriptionStanza::Subscribed),
            },
            (Half::No, false) => silent(Subscription::of(to, Half::Asked), true),
            (Half::Asked, _) => silent(before, false),
        },
        SubscriptionStanza::Unsubscribe => {
            silent(Subscription::of(to, Half::No), !matches!(from, Half::No))
        }
        SubscriptionStanza::Subscribed => silent(
            Subscription::of(answered(to), from),
            matches!(to, Half::Asked),
        ),
        SubscriptionStanza::Unsubscribed => {
            silent(Subscription::of(Half::No, from), !matches!(to, Half::No))
        }
    }
}

const fn silent(after: Subscription, deliver: bool) -> InboundStep {
    InboundStep {
        after,
        deliver,
        reply: None,
    }
}

/// Asking changes something only where nothing was asked or granted.
const fn asked(half: Half) -> Half {
    match half {
        Half::No | Half::Asked => Half::Asked,
        Half::Granted => Half::Granted,
    }
}

/// An approval counts only where it was asked for.
const fn answered(half: Half) -> Half {
    match half {
        Half::No => Half::No,
        Half::Asked | Half::Granted => Half::Granted,
    }
}
