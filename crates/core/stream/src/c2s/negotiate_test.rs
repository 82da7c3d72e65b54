use super::script::{Script, assert_ended, config, facts, header};
use crate::{C2sConfig, Input, Security, TlsFacts};
use muster_stanza::{Frame, StreamCondition, StreamError, StreamHeader};
use std::time::Duration;

const STARTTLS: &str = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";

fn open(script: &mut Script, header: StreamHeader) -> Vec<String> {
    script.input(Input::Frame(Frame::Open(header)))
}

#[test]
fn before_tls_only_starttls_is_offered() {
    let mut script = Script::new(Security::StartTls);
    let said = script.open();
    assert_eq!(said.len(), 1);
    assert!(said[0].starts_with("<?xml version='1.0'?><stream:stream xmlns='jabber:client'"));
    assert!(said[0].contains(" from='example.com'"));
    assert!(said[0].ends_with(
        "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>\
         </stream:features>"
    ));
}

#[test]
fn starttls_then_a_new_stream_with_mechanisms() {
    let mut script = Script::new(Security::StartTls);
    let first = script.open();
    let said = script.send(STARTTLS);
    assert_eq!(
        said,
        [
            "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
            "StartTls"
        ]
    );
    assert!(!script.c2s.takes_frames());
    assert!(script.input(Input::TlsEstablished(facts())).is_empty());
    let second = script.open();
    assert!(second[0].ends_with(
        "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>\
         <mechanism>SCRAM-SHA-256-PLUS</mechanism><mechanism>SCRAM-SHA-1-PLUS</mechanism>\
         <mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism>\
         <mechanism>PLAIN</mechanism></mechanisms>\
         <sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'><channel-binding type='tls-exporter'/>\
         <channel-binding type='tls-server-end-point'/></sasl-channel-binding></stream:features>"
    ));
    let id = |said: &[String]| said[0].split("id='").nth(1).unwrap()[..32].to_owned();
    assert_ne!(id(&first), id(&second));
}

#[test]
fn without_binding_data_no_plus_is_offered() {
    for (security, tls) in [(Security::Direct, true), (Security::Plaintext, false)] {
        let mut script = Script::new(security);
        if tls {
            script.input(Input::TlsEstablished(TlsFacts::default()));
        }
        let said = script.open();
        assert!(said[0].contains("<mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism>"));
        assert!(
            !said[0].contains("PLUS") && !said[0].contains("sasl-channel-binding"),
            "{said:?}"
        );
    }
}

#[test]
fn after_the_login_a_resource_is_offered() {
    let mut script = Script::secure();
    script.send(super::script::PLAIN_ALICE);
    script.input(Input::Account(super::script::account()));
    let said = open(
        &mut script,
        StreamHeader {
            from: Some("alice@example.com".into()),
            ..header()
        },
    );
    assert!(said[0].contains(" to='alice@example.com'"), "{said:?}");
    assert!(said[0].ends_with(
        "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><required/></bind>\
         <session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session>\
         <ver xmlns='urn:xmpp:features:rosterver'/><sub xmlns='urn:xmpp:features:pre-approval'/>\
         <csi xmlns='urn:xmpp:csi:0'/></stream:features>"
    ));
}

#[test]
fn starttls_is_refused_where_there_is_none() {
    let mut plaintext = Script::new(Security::Plaintext);
    plaintext.open();
    for mut script in [Script::secure(), plaintext] {
        let failure = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
        let said = script.send(STARTTLS);
        assert_eq!(
            said,
            [failure, "</stream:stream>", "Close(StartTlsRefused)"]
        );
    }
}

#[test]
fn bad_headers_get_our_header_and_an_error() {
    let some = |text: &str| Some(text.to_owned());
    for (bad, condition) in [
        (
            StreamHeader {
                content_namespace: "jabber:server".into(),
                ..header()
            },
            "invalid-namespace",
        ),
        (
            StreamHeader {
                version: None,
                ..header()
            },
            "unsupported-version",
        ),
        (
            StreamHeader {
                version: some("0.9"),
                ..header()
            },
            "unsupported-version",
        ),
        (
            StreamHeader {
                to: some("example.org"),
                ..header()
            },
            "host-unknown",
        ),
        (
            StreamHeader {
                to: None,
                ..header()
            },
            "improper-addressing",
        ),
    ] {
        let mut script = Script::new(Security::StartTls);
        let said = open(&mut script, bad);
        assert!(said[0].contains(" from='example.com'"), "{said:?}");
        assert_ended(&said, condition);
        assert_eq!(said.len(), 3);
        assert!(script.open().is_empty(), "nothing follows the end");
    }
}

#[test]
fn without_to_the_domain_is_the_one_asked_for_in_tls() {
    let mut script = Script::new(Security::Direct);
    let facts = TlsFacts {
        server_name: Some("example.net".into()),
        ..facts()
    };
    script.input(Input::TlsEstablished(facts));
    let said = open(
        &mut script,
        StreamHeader {
            to: None,
            ..header()
        },
    );
    assert!(said[0].contains(" from='example.net'"), "{said:?}");
}

#[test]
fn a_login_holds_for_its_domain_and_user() {
    let some = |text: &str| Some(text.to_owned());
    for (changed, condition) in [
        (
            StreamHeader {
                to: some("example.net"),
                ..header()
            },
            "not-authorized",
        ),
        (
            StreamHeader {
                from: some("bob@example.com"),
                ..header()
            },
            "invalid-from",
        ),
        (
            StreamHeader {
                from: some("alice@example.com/x"),
                ..header()
            },
            "invalid-from",
        ),
        (
            StreamHeader {
                from: some("@"),
                ..header()
            },
            "invalid-from",
        ),
    ] {
        let mut script = Script::secure();
        script.send(super::script::PLAIN_ALICE);
        script.input(Input::Account(super::script::account()));
        assert_ended(&open(&mut script, changed), condition);
    }
}

#[test]
fn garbage_is_answered_with_a_header_and_the_framers_error() {
    let mut script = Script::new(Security::StartTls);
    let error = StreamError::new(StreamCondition::NotWellFormed);
    let said = script.input(Input::FrameError(error));
    assert!(said[0].starts_with("<?xml"), "{said:?}");
    assert_ended(&said, "not-well-formed");
}

#[test]
fn the_client_may_leave_at_any_time() {
    for script in [
        &mut Script::secure(),
        &mut Script::logged_in(),
        &mut Script::bound(),
    ] {
        let said = script.input(Input::Frame(Frame::Close));
        assert_eq!(said, ["</stream:stream>", "Close(ByClient)"]);
        assert_eq!(script.c2s.deadlines.earliest(), None);
    }
}

#[test]
fn a_clients_stream_error_ends_the_stream() {
    let error = "<stream:error xmlns:stream='http://etherx.jabber.org/streams'/>";
    assert_eq!(
        Script::bound().send(error),
        ["</stream:stream>", "Close(ClientError)"]
    );
}

#[test]
fn the_server_may_end_a_stream_at_any_time() {
    let end = || Input::End(StreamError::new(StreamCondition::SystemShutdown));
    assert_ended(
        &Script::new(Security::StartTls).input(end()),
        "system-shutdown",
    );
    assert_ended(&Script::bound().input(end()), "system-shutdown");
    let mut script = Script::new(Security::StartTls);
    script.open();
    script.send(STARTTLS);
    let said = script.input(end());
    assert_eq!(said.len(), 1, "nothing may be written into a TLS handshake");
    assert!(said[0].starts_with("Close(Error("));
}

#[test]
fn slow_clients_are_timed_out() {
    let C2sConfig {
        handshake_timeout,
        login_timeout,
        element_timeout,
        ..
    } = config(Security::StartTls);
    let almost = Duration::from_nanos(1);

    let mut script = Script::new(Security::StartTls);
    script.open();
    assert!(script.pass(handshake_timeout - almost).is_empty());
    assert_ended(&script.pass(almost), "connection-timeout");

    let mut script = Script::logged_in();
    assert!(script.pass(login_timeout - almost).is_empty());
    assert_ended(&script.pass(almost), "connection-timeout");

    let mut script = Script::bound();
    assert!(
        script.pass(login_timeout).is_empty(),
        "a bound client has no hurry"
    );
    script.input(Input::Unfinished(true));
    assert!(script.pass(element_timeout - almost).is_empty());
    script.input(Input::Unfinished(true));
    assert_ended(&script.pass(almost), "connection-timeout");

    let mut script = Script::bound();
    script.input(Input::Unfinished(true));
    script.send("<presence/>");
    script.input(Input::Unfinished(false));
    assert!(script.pass(element_timeout).is_empty());
}

#[test]
fn an_element_before_the_header_is_refused() {
    assert_ended(
        &Script::new(Security::StartTls).send("<presence/>"),
        "policy-violation",
    );
}

#[test]
fn a_second_header_is_refused() {
    assert_ended(&Script::secure().open(), "bad-format");
}
