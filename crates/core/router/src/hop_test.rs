use crate::{Directory, Hop, classify};
use muster_stanza::{IqType, MessageType, PresenceType, Stanza, StanzaCondition};
use muster_types::{BareJid, Jid, SlotId};

#[derive(Debug)]
struct Accounts;

/// alice and bob have accounts in different slots; example.com and example.org are hosted.
impl Directory for Accounts {
    fn account_slot(&self, user: &BareJid) -> Option<SlotId> {
        match user.as_str() {
            "alice@example.com" => Some(SlotId(1)),
            "bob@example.com" => Some(SlotId(2)),
            _ => None,
        }
    }

    fn hosts(&self, domain: &str) -> bool {
        matches!(domain, "example.com" | "example.org")
    }
}

const NO_ONE: &str = "";
const HOST: &str = "example.com";
const HOST_FULL: &str = "example.com/admin";
const OTHER_HOST: &str = "example.org";
const OWN: &str = "alice@example.com";
const OWN_FULL: &str = "alice@example.com/desk";
const BOB: &str = "bob@example.com";
const BOB_FULL: &str = "bob@example.com/phone";
const NOBODY: &str = "nobody@example.com";
const ELSEWHERE: &str = "carol@example.net";

const MINE: SlotId = SlotId(1);
const HIS: SlotId = SlotId(2);
const UNAVAILABLE: Hop = Hop::Refuse(StanzaCondition::ServiceUnavailable);
const REMOTE: Hop = Hop::Refuse(StanzaCondition::RemoteServerNotFound);
const SUBMIT: Hop = Hop::Submit {
    slot: MINE,
    contact_slot: None,
};

fn hop(stanza: Stanza, to: &str) -> Hop {
    let stanza = if to.is_empty() {
        stanza
    } else {
        stanza.with_to(Jid::new(to).unwrap())
    };
    classify(&Accounts, &BareJid::new(OWN).unwrap(), &stanza)
}

#[test]
fn messages() {
    // RFC 6120 §10.3.1, RFC 6121 §8.5.1
    for (to, expected, error) in [
        (NO_ONE, Hop::Route { slot: MINE }, Hop::Route { slot: MINE }),
        (HOST, UNAVAILABLE, Hop::Ignore),
        (HOST_FULL, UNAVAILABLE, Hop::Ignore),
        (OWN, Hop::Route { slot: MINE }, Hop::Route { slot: MINE }),
        (BOB, Hop::Route { slot: HIS }, Hop::Route { slot: HIS }),
        (BOB_FULL, Hop::Route { slot: HIS }, Hop::Route { slot: HIS }),
        (NOBODY, UNAVAILABLE, Hop::Ignore),
        (ELSEWHERE, REMOTE, Hop::Ignore),
    ] {
        use MessageType::{Chat, Error, Groupchat, Headline, Normal};
        for kind in [Normal, Chat, Headline, Groupchat] {
            assert_eq!(
                hop(Stanza::message(kind), to),
                expected,
                "{kind:?} to {to:?}"
            );
        }
        assert_eq!(hop(Stanza::message(Error), to), error, "error to {to:?}");
    }
}

#[test]
fn presence_by_type() {
    use PresenceType::{Available, Error, Probe, Unavailable};
    // RFC 6121 §4.2, §4.6, §8.5.1
    for (to, expected) in [
        (NO_ONE, Hop::Publish),
        (HOST, Hop::Ignore),
        (OWN_FULL, Hop::Direct { slot: MINE }),
        (BOB, Hop::Direct { slot: HIS }),
        (BOB_FULL, Hop::Direct { slot: HIS }),
        (NOBODY, Hop::Ignore),
        (ELSEWHERE, REMOTE),
    ] {
        for kind in [Available, Unavailable] {
            assert_eq!(
                hop(Stanza::presence(kind), to),
                expected,
                "{kind:?} to {to:?}"
            );
        }
    }
    for to in [NO_ONE, HOST, OWN, BOB, BOB_FULL, NOBODY, ELSEWHERE] {
        assert_eq!(
            hop(Stanza::presence(Probe), to),
            Hop::Ignore,
            "probe to {to:?}"
        );
        let expected = if to == BOB_FULL {
            Hop::Route { slot: HIS }
        } else {
            Hop::Ignore
        };
        assert_eq!(
            hop(Stanza::presence(Error), to),
            expected,
            "error to {to:?}"
        );
    }
}

#[test]
fn subscription_stanzas_go_through_the_own_roster() {
    use PresenceType::{Subscribe, Subscribed, Unsubscribe, Unsubscribed};
    let his = Hop::Submit {
        slot: MINE,
        contact_slot: Some(HIS),
    };
    // RFC 6121 §3
    for (to, expected) in [
        (NO_ONE, Hop::Refuse(StanzaCondition::BadRequest)),
        (OWN, Hop::Ignore),
        (BOB, his),
        (BOB_FULL, his),
        (NOBODY, SUBMIT),
        (ELSEWHERE, REMOTE),
    ] {
        for kind in [Subscribe, Subscribed, Unsubscribe, Unsubscribed] {
            assert_eq!(
                hop(Stanza::presence(kind), to),
                expected,
                "{kind:?} to {to:?}"
            );
        }
    }
}

#[test]
fn requests_and_answers() {
    let query = "<query xmlns='jabber:iq:roster'/>";
    // RFC 6120 §10.3.3, RFC 6121 §8.5
    for (to, request, answer) in [
        (NO_ONE, SUBMIT, Hop::Ignore),
        (HOST, Hop::Host, Hop::Ignore),
        (OTHER_HOST, Hop::Host, Hop::Ignore),
        (HOST_FULL, UNAVAILABLE, Hop::Ignore),
        (OWN, SUBMIT, Hop::Ignore),
        (
            OWN_FULL,
            Hop::Route { slot: MINE },
            Hop::Route { slot: MINE },
        ),
        (BOB, Hop::Route { slot: HIS }, Hop::Route { slot: HIS }),
        (BOB_FULL, Hop::Route { slot: HIS }, Hop::Route { slot: HIS }),
        (NOBODY, UNAVAILABLE, Hop::Ignore),
        (ELSEWHERE, REMOTE, Hop::Ignore),
    ] {
        for kind in [IqType::Get, IqType::Set] {
            let iq = Stanza::iq(kind, "1").with_content(query);
            assert_eq!(hop(iq, to), request, "{kind:?} to {to:?}");
        }
        for kind in [IqType::Result, IqType::Error] {
            assert_eq!(hop(Stanza::iq(kind, "1"), to), answer, "{kind:?} to {to:?}");
        }
    }
}

#[test]
fn a_ping_without_address_is_for_the_connection() {
    for payload in [
        "<ping xmlns='urn:xmpp:ping'/>",
        "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>",
    ] {
        let iq = Stanza::iq(IqType::Get, "1").with_content(payload);
        assert_eq!(hop(iq.clone(), NO_ONE), Hop::Host, "{payload}");
        assert_eq!(hop(iq, OWN), SUBMIT, "{payload}");
    }
}
