use super::script::{Script, assert_ended};
use crate::{BindAnswer, Input};
use muster_types::FullJid;

fn bind(inside: &str) -> String {
    format!(
        "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>{inside}</bind></iq>"
    )
}

#[test]
fn a_resource_is_bound() {
    for (inside, wanted) in [
        ("", "wanted: None"),
        ("<resource/>", "wanted: None"),
        (
            "<resource>phone</resource>",
            "wanted: Some(ResourcePart(\"phone\"))",
        ),
    ] {
        let mut script = Script::logged_in();
        let said = script.send(&bind(inside));
        assert_eq!(said.len(), 1);
        assert!(
            said[0].starts_with("Bind { user: BareJid(\"alice@example.com\")"),
            "{said:?}"
        );
        assert!(said[0].contains(wanted), "{said:?}");
        assert!(!script.c2s.takes_frames());
        let jid = FullJid::new("alice@example.com/phone").unwrap();
        let said = script.input(Input::Bound(BindAnswer::Bound(jid)));
        assert!(
            said[0].contains("type='result'") && said[0].contains("id='b'"),
            "{said:?}"
        );
        assert!(said[0].ends_with(
            "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>alice@example.com/phone</jid></bind></iq>"
        ));
        assert!(script.c2s.takes_frames());
    }
}

#[test]
fn refused_bindings_may_be_tried_again() {
    for (answer, error) in [
        (BindAnswer::Conflict, "<error type='cancel'><conflict "),
        (
            BindAnswer::TooMany,
            "<error type='wait'><resource-constraint ",
        ),
        (
            BindAnswer::TooBusy,
            "<error type='wait'><resource-constraint ",
        ),
    ] {
        let mut script = Script::logged_in();
        script.send(&bind(""));
        let said = script.input(Input::Bound(answer));
        assert_eq!(said.len(), 1);
        assert!(
            said[0].contains("type='error'") && said[0].contains("id='b'"),
            "{said:?}"
        );
        assert!(said[0].contains(error), "{said:?}");
        assert!(script.send(&bind(""))[0].starts_with("Bind {"));
    }
}

#[test]
fn a_removed_account_cannot_bind() {
    let mut script = Script::logged_in();
    script.send(&bind(""));
    assert_ended(
        &script.input(Input::Bound(BindAnswer::NoAccount)),
        "not-authorized",
    );
}

#[test]
fn malformed_bindings_are_bad_requests() {
    let long = bind(&format!("<resource>{}</resource>", "x".repeat(1024)));
    for element in [
        long.as_str(),
        "<iq type='get' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
        "<iq type='set'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
    ] {
        let mut script = Script::logged_in();
        let said = script.send(element);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].contains("<error type='modify'><bad-request "),
            "{said:?}"
        );
        assert!(script.send(&bind(""))[0].starts_with("Bind {"));
    }
}

#[test]
fn stanzas_before_binding_are_refused() {
    for element in [
        "<message/>",
        "<presence type='nonsense'/>",
        "<iq type='set' id='s'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>",
        "<iq type='result' id='s'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
        "<iq type='result'/>",
    ] {
        assert_ended(&Script::logged_in().send(element), "not-authorized");
    }
    assert_ended(
        &Script::logged_in().send("<other/>"),
        "unsupported-stanza-type",
    );
}
