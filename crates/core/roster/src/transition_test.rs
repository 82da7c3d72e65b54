//! The tables of RFC 6121 Appendix A, row by row.

use crate::Subscription::{self, *};
use crate::SubscriptionStanza::{self, Subscribe, Subscribed, Unsubscribe, Unsubscribed};
use crate::{InboundStep, OutboundStep, inbound, outbound};

/// Before, whether it is routed (outbound) or delivered (inbound), after.
type Table = [(Subscription, bool, Subscription); 9];

fn check_outbound(stanza: SubscriptionStanza, table: Table) {
    for (before, route, after) in table {
        let step = outbound(before, stanza);
        assert_eq!(
            (step.route, step.after),
            (route, after),
            "{stanza:?} in {before:?}"
        );
    }
}

fn check_inbound(stanza: SubscriptionStanza, table: Table) {
    for (before, deliver, after) in table {
        let step = inbound(before, false, stanza);
        assert_eq!(
            (step.deliver, step.after),
            (deliver, after),
            "{stanza:?} in {before:?}"
        );
    }
}

#[test]
fn outbound_subscribe() {
    // RFC 6121 Appendix A.2.1
    check_outbound(
        Subscribe,
        [
            (None_, true, NonePendingOut),
            (NonePendingOut, true, NonePendingOut),
            (NonePendingIn, true, NonePendingOutIn),
            (NonePendingOutIn, true, NonePendingOutIn),
            (To, true, To),
            (ToPendingIn, true, ToPendingIn),
            (From, true, FromPendingOut),
            (FromPendingOut, true, FromPendingOut),
            (Both, true, Both),
        ],
    );
}

#[test]
fn outbound_unsubscribe() {
    // RFC 6121 Appendix A.2.2
    check_outbound(
        Unsubscribe,
        [
            (None_, true, None_),
            (NonePendingOut, true, None_),
            (NonePendingIn, true, NonePendingIn),
            (NonePendingOutIn, true, NonePendingIn),
            (To, true, None_),
            (ToPendingIn, true, NonePendingIn),
            (From, true, From),
            (FromPendingOut, true, From),
            (Both, true, From),
        ],
    );
}

#[test]
fn outbound_subscribed() {
    // RFC 6121 Appendix A.2.3
    check_outbound(
        Subscribed,
        [
            (None_, false, None_),
            (NonePendingOut, false, NonePendingOut),
            (NonePendingIn, true, From),
            (NonePendingOutIn, true, FromPendingOut),
            (To, false, To),
            (ToPendingIn, true, Both),
            (From, false, From),
            (FromPendingOut, false, FromPendingOut),
            (Both, false, Both),
        ],
    );
}

#[test]
fn outbound_unsubscribed() {
    // RFC 6121 Appendix A.2.4
    check_outbound(
        Unsubscribed,
        [
            (None_, false, None_),
            (NonePendingOut, false, NonePendingOut),
            (NonePendingIn, true, None_),
            (NonePendingOutIn, true, NonePendingOut),
            (To, false, To),
            (ToPendingIn, true, To),
            (From, true, None_),
            (FromPendingOut, true, NonePendingOut),
            (Both, true, To),
        ],
    );
}

#[test]
fn inbound_subscribe() {
    // RFC 6121 Appendix A.3.1
    check_inbound(
        Subscribe,
        [
            (None_, true, NonePendingIn),
            (NonePendingOut, true, NonePendingOutIn),
            (NonePendingIn, false, NonePendingIn),
            (NonePendingOutIn, false, NonePendingOutIn),
            (To, true, ToPendingIn),
            (ToPendingIn, false, ToPendingIn),
            (From, false, From),
            (FromPendingOut, false, FromPendingOut),
            (Both, false, Both),
        ],
    );
}

#[test]
fn inbound_unsubscribe() {
    // RFC 6121 Appendix A.3.2
    check_inbound(
        Unsubscribe,
        [
            (None_, false, None_),
            (NonePendingOut, false, NonePendingOut),
            (NonePendingIn, true, None_),
            (NonePendingOutIn, true, NonePendingOut),
            (To, false, To),
            (ToPendingIn, true, To),
            (From, true, None_),
            (FromPendingOut, true, NonePendingOut),
            (Both, true, To),
        ],
    );
}

#[test]
fn inbound_subscribed() {
    // RFC 6121 Appendix A.3.3
    check_inbound(
        Subscribed,
        [
            (None_, false, None_),
            (NonePendingOut, true, To),
            (NonePendingIn, false, NonePendingIn),
            (NonePendingOutIn, true, ToPendingIn),
            (To, false, To),
            (ToPendingIn, false, ToPendingIn),
            (From, false, From),
            (FromPendingOut, true, Both),
            (Both, false, Both),
        ],
    );
}

#[test]
fn inbound_unsubscribed() {
    // RFC 6121 Appendix A.3.4
    check_inbound(
        Unsubscribed,
        [
            (None_, false, None_),
            (NonePendingOut, true, None_),
            (NonePendingIn, false, NonePendingIn),
            (NonePendingOutIn, true, NonePendingIn),
            (To, true, None_),
            (ToPendingIn, true, NonePendingIn),
            (From, false, From),
            (FromPendingOut, true, From),
            (Both, true, From),
        ],
    );
}

#[test]
fn only_a_subscribe_of_one_who_is_subscribed_is_answered() {
    // RFC 6121 §3.1.3 case 2, Appendix A.3.1 note
    for stanza in [Subscribe, Subscribed, Unsubscribe, Unsubscribed] {
        for before in Subscription::ALL {
            let answered = stanza == Subscribe && before.seen_by_contact();
            let reply = answered.then_some(Subscribed);
            assert_eq!(
                inbound(before, false, stanza).reply,
                reply,
                "{stanza:?} in {before:?}"
            );
        }
    }
}

#[test]
fn a_pre_approved_subscribe_is_answered_without_asking() {
    // RFC 6121 §3.4.2: the states in which a pre-approval can be given
    for (before, after) in [(None_, From), (NonePendingOut, FromPendingOut), (To, Both)] {
        let expected = InboundStep {
            after,
            deliver: false,
            reply: Some(Subscribed),
        };
        assert_eq!(inbound(before, true, Subscribe), expected, "{before:?}");
    }
}

#[test]
fn approving_one_who_has_not_asked_is_a_pre_approval() {
    // RFC 6121 §3.4.2
    for before in Subscription::ALL {
        let early = matches!(before, None_ | NonePendingOut | To);
        let step = outbound(before, Subscribed);
        assert_eq!(step.approved, early.then_some(true), "{before:?}");
    }
}

#[test]
fn unsubscribed_withdraws_a_pre_approval() {
    // RFC 6121 §3.2.2
    for before in Subscription::ALL {
        assert_eq!(
            outbound(before, Unsubscribed).approved,
            Some(false),
            "{before:?}"
        );
    }
    let OutboundStep { approved, .. } = outbound(None_, Subscribe);
    assert_eq!(approved, None);
}
