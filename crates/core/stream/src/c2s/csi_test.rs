use super::script::{PLAIN_ALICE, Script, account, assert_ended};
use crate::{BindAnswer, Input};
use muster_types::FullJid;

const INACTIVE: &str = "<inactive xmlns='urn:xmpp:csi:0'/>";
const ACTIVE: &str = "<active xmlns='urn:xmpp:csi:0'/>";
const FEATURE: &str = "<csi xmlns='urn:xmpp:csi:0'/>";

#[test]
fn it_is_announced_to_who_has_logged_in() {
    let mut script = Script::new(crate::Security::Plaintext);
    assert!(!script.open()[0].contains(FEATURE));
    script.send(PLAIN_ALICE);
    script.input(Input::Account(account()));
    assert!(script.open()[0].contains(FEATURE));
}

#[test]
fn a_client_says_how_it_is_and_gets_no_reply() {
    let mut script = Script::bound();
    for (said, state) in [
        (INACTIVE, "Inactive"),
        (INACTIVE, "Inactive"),
        (ACTIVE, "Active"),
        (ACTIVE, "Active"),
        (
            "<inactive xmlns='urn:xmpp:csi:0' since='noon'>asleep<deeply/></inactive>",
            "Inactive",
        ),
        ("<c:active xmlns:c='urn:xmpp:csi:0'/>", "Active"),
    ] {
        assert_eq!(script.send(said), [format!("ClientState({state})")]);
    }
    assert_eq!(script.send("<presence/>").len(), 1);
}

#[test]
fn a_client_without_an_address_may_say_how_it_is() {
    let mut script = Script::logged_in();
    assert_eq!(script.send(INACTIVE), ["ClientState(Inactive)"]);
    script.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
    let jid = FullJid::new("alice@example.com/phone").unwrap();
    let said = script.input(Input::Bound(BindAnswer::Bound(jid)));
    assert!(said[0].contains("type='result'"), "{said:?}");
}

#[test]
fn nobody_else_may_and_other_words_are_none() {
    for said in [INACTIVE, ACTIVE] {
        assert_ended(&Script::secure().send(said), "unsupported-stanza-type");
    }
    for said in [
        "<inactive/>",
        "<inactive xmlns='urn:xmpp:csi:1'/>",
        "<Inactive xmlns='urn:xmpp:csi:0'/>",
        "<asleep xmlns='urn:xmpp:csi:0'/>",
        FEATURE,
    ] {
        assert_ended(&Script::bound().send(said), "unsupported-stanza-type");
    }
}
