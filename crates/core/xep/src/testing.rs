//! What the tests of all extensions share.

use crate::{HostInfo, answer_host};
use muster_stanza::{Element, Stanza};
use muster_types::Timestamp;

pub(crate) fn host() -> HostInfo {
    HostInfo {
        name: "Muster".to_owned(),
        version: "0.1".to_owned(),
        os: None,
        domain: "a.b".to_owned(),
        features: vec!["msgoffline".to_owned()],
    }
}

pub(crate) fn iq(iq_type: &str, payload: &str) -> Stanza {
    let xml = format!("<iq type='{iq_type}' id='1' from='u@a.b/r' to='a.b'>{payload}</iq>");
    Stanza::from_element(&Element::parse(xml.as_bytes()).unwrap()).unwrap()
}

pub(crate) fn read(answer: &Stanza) -> String {
    String::from_utf8(answer.encode().to_vec()).unwrap()
}

/// The content of the answer of [`host`], if there is one, after checking that it goes back.
pub(crate) fn ask(iq_type: &str, payload: &str) -> Option<String> {
    let answer = answer_host(&host(), Timestamp(951_782_400_000), &iq(iq_type, payload))?;
    let text = read(&answer);
    let inner = text.strip_prefix("<iq from='a.b' id='1' type='result' to='u@a.b/r'");
    let inner = inner.unwrap_or_else(|| panic!("{text}"));
    let content = inner
        .strip_prefix('>')
        .and_then(|inner| inner.strip_suffix("</iq>"));
    Some(content.unwrap_or_default().to_owned())
}

#[test]
fn what_nobody_knows_is_not_answered() {
    for (iq_type, payload) in [
        ("get", "<query xmlns='jabber:iq:roster'/>"),
        ("get", "<ping xmlns='u'/>"),
        ("get", "<query xmlns='urn:xmpp:ping'/>"),
        ("set", "<ping xmlns='urn:xmpp:ping'/>"),
        ("set", "<query xmlns='jabber:iq:version'/>"),
        ("result", "<ping xmlns='urn:xmpp:ping'/>"),
        ("error", "<ping xmlns='urn:xmpp:ping'/>"),
        ("result", ""),
    ] {
        assert_eq!(ask(iq_type, payload), None, "{iq_type} {payload}");
    }
}
