//! Where a message goes: RFC 6121 §8.5 as a table.

use muster_stanza::MessageType;

/// What the `to` of a message means to its recipient's owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Address {
    /// A bare JID.
    Bare,
    /// A full JID whose client is here.
    Here,
    /// A full JID whose client is expected back.
    Expected,
    /// A full JID nobody has.
    Nobody,
}

/// What becomes of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// It goes to the addressed client, whatever its priority.
    Addressed,
    /// It goes to clients of non-negative priority, as the fork rule says.
    Fork,
    /// It goes to every client of non-negative priority.
    Everyone,
    /// It is kept for later.
    Store,
    /// The sender gets `service-unavailable`.
    Bounce,
    /// Nobody wants to know of it any more.
    Drop,
}

/// The rule for a message to an existing account; `takers` says whether a client of non-negative
/// priority is here. Where the RFC leaves silence or an error to us, a message that a person may
/// have written bounces.
///
/// DEVIATION: what is addressed to a client that is expected back goes to the user's other clients or
/// the offline store (RFC 6121 §8.5.3 knows only clients that are here or not).
pub(crate) const fn verdict(kind: MessageType, to: Address, takers: bool) -> Verdict {
    match (kind, to, takers) {
        (_, Address::Here, _) => Verdict::Addressed,
        (MessageType::Error, ..) => Verdict::Drop,
        (MessageType::Groupchat, ..) => Verdict::Bounce,
        (MessageType::Headline | MessageType::Normal, Address::Nobody, _) => Verdict::Bounce,
        (MessageType::Headline, _, true) => Verdict::Everyone,
        (MessageType::Headline, _, false) => Verdict::Drop,
        (MessageType::Normal | MessageType::Chat, _, true) => Verdict::Fork,
        (MessageType::Normal | MessageType::Chat, _, false) => Verdict::Store,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_go_where_rfc_6121_says() {
        use Address::{Bare, Expected, Here, Nobody};
        use MessageType::{Chat, Error, Groupchat, Headline, Normal};
        // RFC 6121 §8.5.4, table 1: address, takers, then normal, chat, groupchat, headline, error
        use Verdict::{
            Addressed as A, Bounce as B, Drop as D, Everyone as E, Fork as F, Store as S,
        };
        for (to, takers, verdicts) in [
            (Bare, false, [S, S, B, D, D]),
            (Bare, true, [F, F, B, E, D]),
            (Here, false, [A, A, A, A, A]),
            (Here, true, [A, A, A, A, A]),
            (Nobody, false, [B, S, B, B, D]),
            (Nobody, true, [B, F, B, B, D]),
            // Ours: the RFC has no such row.
            (Expected, false, [S, S, B, D, D]),
            (Expected, true, [F, F, B, E, D]),
        ] {
            for (kind, expected) in [Normal, Chat, Groupchat, Headline, Error]
                .into_iter()
                .zip(verdicts)
            {
                assert_eq!(
                    verdict(kind, to, takers),
                    expected,
                    "{kind:?} {to:?} {takers}"
                );
            }
        }
    }
}
