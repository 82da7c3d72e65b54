use super::script::{PLAIN_ALICE, Script, account, assert_ended, header};
use crate::{BindAnswer, Input};
use muster_stanza::{Frame, StreamHeader};
use muster_types::FullJid;

#[test]
fn stanzas_are_stamped_with_the_full_address() {
    for (sent, stamped) in [
        ("<presence/>", "<presence from='alice@example.com/phone'/>"),
        (
            "<presence from='alice@example.com'/>",
            "<presence from='alice@example.com/phone'/>",
        ),
        (
            "<presence from='Alice@Example.com/phone'/>",
            "<presence from='alice@example.com/phone'/>",
        ),
    ] {
        assert_eq!(Script::bound().send(sent), [format!("Stanza({stamped})")]);
    }
    let said =
        Script::bound().send("<message to='bob@example.com' type='chat'><body>hi</body></message>");
    assert!(said[0].contains("to='bob@example.com'"), "{said:?}");
    assert!(said[0].contains("<body>hi</body>"), "{said:?}");
}

#[test]
fn other_peoples_addresses_are_refused() {
    for from in [
        "bob@example.com",
        "alice@example.com/laptop",
        "example.com",
        "@",
    ] {
        let said = Script::bound().send(&format!("<presence from='{from}'/>"));
        assert_ended(&said, "invalid-from");
    }
}

#[test]
fn malformed_stanzas_are_answered_and_the_stream_goes_on() {
    for (sent, condition) in [
        ("<message to='a@@b'/>", "jid-malformed"),
        ("<iq type='get'><x xmlns='y'/></iq>", "bad-request"),
        ("<iq type='set' id='1'/>", "bad-request"),
        ("<iq type='other' id='1'><x xmlns='y'/></iq>", "bad-request"),
        ("<presence type='other'/>", "bad-request"),
    ] {
        let mut script = Script::bound();
        let said = script.send(sent);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains(&format!("<{condition} ")), "{said:?}");
        assert!(said[0].contains("to='alice@example.com/phone'"), "{said:?}");
        assert_eq!(script.send("<presence/>").len(), 1);
    }
}

#[test]
fn malformed_answers_are_not_answered() {
    for sent in ["<iq type='result'/>", "<message type='error' to='a@@b'/>"] {
        assert!(Script::bound().send(sent).is_empty(), "{sent}");
    }
}

#[test]
fn a_second_resource_is_not_allowed() {
    let mut script = Script::bound();
    let said =
        script.send("<iq type='set' id='c'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
    assert!(
        said[0].contains("<error type='cancel'><not-allowed "),
        "{said:?}"
    );
    assert_eq!(script.send("<presence/>").len(), 1);
}

#[test]
fn what_is_no_stanza_ends_the_stream() {
    for sent in ["<other/>", "<message xmlns='jabber:server'/>", PLAIN_ALICE] {
        assert_ended(&Script::bound().send(sent), "unsupported-stanza-type");
    }
}

#[test]
fn stanzas_get_the_language_of_the_stream() {
    let mut script = Script::secure();
    script.send(PLAIN_ALICE);
    script.input(Input::Account(account()));
    script.input(Input::Frame(Frame::Open(StreamHeader {
        lang: Some("cs".into()),
        ..header()
    })));
    script.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
    let jid = FullJid::new("alice@example.com/phone").unwrap();
    script.input(Input::Bound(BindAnswer::Bound(jid)));
    for (sent, lang) in [
        ("<presence/>", "'cs'"),
        ("<presence xml:lang='de'/>", "'de'"),
    ] {
        let said = script.send(sent);
        assert!(said[0].contains(&format!("xml:lang={lang}")), "{said:?}");
    }
}
