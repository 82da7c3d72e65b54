use super::script::{PLAIN_ALICE, Script, account, assert_ended};
use crate::{Input, Security};
use base64::{Engine, prelude::BASE64_STANDARD};
use muster_sasl::Lookup;

fn auth(mechanism: &str, data: &str) -> String {
    format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{mechanism}'>{data}</auth>")
}

fn response(data: &str) -> String {
    format!("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{data}</response>")
}

fn failure(condition: &str) -> String {
    format!("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><{condition}/></failure>")
}

#[test]
fn plain_logs_in() {
    let mut script = Script::secure();
    assert_eq!(
        script.send(PLAIN_ALICE),
        ["LookUp(BareJid(\"alice@example.com\"))"]
    );
    assert!(!script.c2s.takes_frames());
    assert_eq!(
        script.input(Input::Account(account())),
        [
            "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
            "Authenticated { user: BareJid(\"alice@example.com\") }",
            "Restart"
        ]
    );
    assert!(script.c2s.takes_frames());
}

#[test]
fn plain_without_initial_response_is_asked_for_it() {
    let mut script = Script::secure();
    let said = script.send(&auth("PLAIN", ""));
    assert_eq!(
        said,
        ["<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"]
    );
    let said = script.send(&response("AGFsaWNlAHNlY3JldA=="));
    assert_eq!(said, ["LookUp(BareJid(\"alice@example.com\"))"]);
}

#[test]
fn scram_challenges() {
    let mut script = Script::secure();
    let first = BASE64_STANDARD.encode("n,,n=alice,r=abc");
    script.send(&auth("SCRAM-SHA-256", &first));
    let said = script.input(Input::Account(account()));
    let challenge = said[0].split(['<', '>']).nth(2).unwrap();
    let challenge = String::from_utf8(BASE64_STANDARD.decode(challenge).unwrap()).unwrap();
    assert!(challenge.starts_with("r=abc"), "{challenge}");
    assert!(
        challenge.ends_with(",s=MDEyMzQ1Njc4OWFiY2RlZg==,i=4096"),
        "{challenge}"
    );
    let said = script.send(&response(&BASE64_STANDARD.encode("c=biws,r=abc,p=AAAA")));
    assert_eq!(said[0], failure("malformed-request"));
}

#[test]
fn refusals() {
    let y = BASE64_STANDARD.encode("y,,n=alice,r=abc");
    let foreign = BASE64_STANDARD.encode("bob@example.com\0alice\0secret");
    for (element, condition) in [
        (auth("EXTERNAL", "="), "invalid-mechanism"),
        (auth("", "="), "invalid-mechanism"),
        (
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>".into(),
            "invalid-mechanism",
        ),
        (auth("PLAIN", "AGFsaWNl AHNlY3JldA"), "incorrect-encoding"),
        (auth("PLAIN", "AGFsaWNlAHNlY3JldA"), "incorrect-encoding"),
        (auth("PLAIN", "=="), "incorrect-encoding"),
        (auth("PLAIN", "="), "malformed-request"),
        (auth("PLAIN", &foreign), "invalid-authzid"),
        (response("="), "malformed-request"),
        (
            "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>".into(),
            "aborted",
        ),
    ] {
        let mut script = Script::secure();
        let said = script.send(&element);
        assert_eq!(said[0], failure(condition), "{element}");
        assert!(
            said[1].starts_with("AuthFailed { account: None"),
            "{said:?}"
        );
        assert_eq!(script.send(PLAIN_ALICE).len(), 1, "may try again");
    }
    let said = Script::secure().send(&auth("SCRAM-SHA-1", &y));
    assert!(
        said[0].contains("<not-authorized/><text"),
        "a downgrade: {said:?}"
    );
}

#[test]
fn an_exchange_may_be_aborted_but_not_mixed_with_another() {
    for (element, condition) in [
        (
            "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
            "aborted",
        ),
        (PLAIN_ALICE, "malformed-request"),
        (
            "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>!</response>",
            "incorrect-encoding",
        ),
    ] {
        let mut script = Script::secure();
        script.send(&auth("SCRAM-SHA-1", ""));
        assert_eq!(script.send(element)[0], failure(condition));
        assert_eq!(
            script.send(PLAIN_ALICE),
            ["LookUp(BareJid(\"alice@example.com\"))"]
        );
    }
}

#[test]
fn passwords_wait_for_tls() {
    let mut script = Script::new(Security::StartTls);
    script.open();
    for element in [PLAIN_ALICE.to_owned(), auth("SCRAM-SHA-1", "")] {
        assert_eq!(script.send(&element)[0], failure("encryption-required"));
    }
}

#[test]
fn plaintext_listeners_take_passwords() {
    let mut script = Script::new(Security::Plaintext);
    script.open();
    assert_eq!(script.send(PLAIN_ALICE).len(), 1);
}

#[test]
fn the_third_failure_ends_the_stream() {
    let mut script = Script::secure();
    for lookup in [Lookup::Absent, Lookup::Unavailable] {
        script.send(PLAIN_ALICE);
        let said = script.input(Input::Account(lookup));
        assert_eq!(said.len(), 2, "{said:?}");
    }
    script.send(PLAIN_ALICE);
    let said = script.input(Input::Account(Lookup::Throttled));
    assert!(
        said[0].contains("<temporary-auth-failure/><text xml:lang='en'>too many"),
        "{said:?}"
    );
    assert_eq!(
        said[1],
        "AuthFailed { account: Some(BareJid(\"alice@example.com\")), condition: TemporaryAuthFailure }"
    );
    assert_ended(&said, "policy-violation");
}

#[test]
fn other_elements_before_the_login() {
    for (element, condition) in [
        ("<message/>", "not-authorized"),
        (
            "<iq type='get' id='x'><query xmlns='jabber:iq:auth'/></iq>",
            "not-authorized",
        ),
        (
            "<compress xmlns='http://jabber.org/protocol/compress'/>",
            "unsupported-stanza-type",
        ),
        ("<other/>", "unsupported-stanza-type"),
    ] {
        assert_ended(&Script::secure().send(element), condition);
    }
}

#[test]
fn frames_during_a_look_up_end_the_stream() {
    let mut script = Script::secure();
    script.send(PLAIN_ALICE);
    assert_ended(&script.send(PLAIN_ALICE), "policy-violation");
}

#[test]
fn answers_that_nobody_asked_for_do_nothing() {
    let mut script = Script::secure();
    assert!(script.input(Input::Account(account())).is_empty());
    assert!(
        script
            .input(Input::TlsEstablished(super::script::facts()))
            .is_empty()
    );
    assert_eq!(script.send(PLAIN_ALICE).len(), 1);
}

#[test]
fn a_misplaced_client_is_sent_on_once_it_has_proven_who_it_is() {
    let host = || Input::OtherHost("b.example.com:5222".to_owned());
    let mut script = Script::secure();
    script.send(PLAIN_ALICE);
    assert!(script.input(host()).is_empty());
    let said = script.input(Input::Account(account()));
    assert_eq!(
        said[0],
        "<stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>\
         b.example.com:5222</see-other-host></stream:error>"
    );
    assert!(!said.iter().any(|what| what.contains("Authenticated")));

    let mut script = Script::secure();
    script.send(&auth("PLAIN", "AGFsaWNlAHdyb25n"));
    script.input(host());
    let said = script.input(Input::Account(account()));
    assert_eq!(
        said[0],
        failure("not-authorized"),
        "a wrong password learns nothing"
    );
}
