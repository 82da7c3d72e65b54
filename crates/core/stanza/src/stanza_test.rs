//! From element to stanza and back.

use crate::{
    Element, IqType, Kind, MessageType, PresenceType, Stanza, StanzaCondition, StanzaError,
    StanzaProblem, StreamCondition,
};
use muster_types::Jid;

fn read(xml: &str) -> Result<Stanza, StanzaProblem> {
    Stanza::from_element(&Element::parse(xml.as_bytes()).unwrap())
}

fn jid(text: &str) -> Jid {
    Jid::new(text).unwrap()
}

#[test]
fn kinds_and_types() {
    for (xml, kind) in [
        ("<message/>", Kind::Message(MessageType::Normal)),
        (
            "<message type='normal'/>",
            Kind::Message(MessageType::Normal),
        ),
        (
            "<message type='ch&#97;t'/>",
            Kind::Message(MessageType::Chat),
        ),
        (
            "<message type='whatever'/>",
            Kind::Message(MessageType::Normal),
        ),
        ("<presence/>", Kind::Presence(PresenceType::Available)),
        (
            "<presence type='probe'/>",
            Kind::Presence(PresenceType::Probe),
        ),
        (
            "<iq type='get' id='1'><a xmlns='u'/></iq>",
            Kind::Iq(IqType::Get),
        ),
        ("<iq type='result' id='1'/>", Kind::Iq(IqType::Result)),
        (
            "<c:message xmlns:c='jabber:client' xmlns='u'/>",
            Kind::Message(MessageType::Normal),
        ),
    ] {
        assert_eq!(read(xml).map(|stanza| stanza.kind), Ok(kind), "{xml}");
    }
}

#[test]
fn what_is_wrong_is_refused() {
    use StanzaCondition::{BadRequest, JidMalformed};
    for (xml, condition, answered) in [
        (
            "<presence type='available' from='u@a/r'/>",
            BadRequest,
            true,
        ),
        ("<presence type='' from='u@a/r'/>", BadRequest, true),
        ("<iq id='1'><a/></iq>", BadRequest, true),
        ("<iq type='ask' id='1'><a/></iq>", BadRequest, true),
        ("<iq type='get'><a/></iq>", BadRequest, true),
        ("<iq type='get' id='1'/>", BadRequest, true),
        ("<iq type='set' id='1'><a/><b/></iq>", BadRequest, true),
        ("<iq type='result'/>", BadRequest, false),
        ("<iq type='error'/>", BadRequest, false),
        ("<message to='@b'/>", JidMalformed, true),
        ("<message to='a@b/' type='error'/>", JidMalformed, false),
        ("<iq type='get' id='1' to='a b@c'/>", JidMalformed, true),
    ] {
        let problem = read(xml).unwrap_err();
        let StanzaProblem::Refused { error, .. } = &problem else {
            panic!("{xml}: {problem:?}")
        };
        assert_eq!(error.condition, condition, "{xml}");
        assert_eq!(problem.reply().is_some(), answered, "{xml}");
        assert_eq!(problem.stream_error(), None);
    }
}

#[test]
fn a_refusal_is_addressed_to_the_sender() {
    let problem = read("<iq type='get' id='7' from='u@a/r' to='b@c'/>").unwrap_err();
    assert_eq!(
        String::from_utf8(problem.reply().unwrap().encode().to_vec()).unwrap(),
        "<iq from='b@c' id='7' type='error' to='u@a/r'><error type='modify'>\
         <bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
    );
}

#[test]
fn what_is_no_stanza_ends_the_stream() {
    for (xml, condition) in [
        ("<stanza/>", StreamCondition::UnsupportedStanzaType),
        (
            "<message xmlns='u'/>",
            StreamCondition::UnsupportedStanzaType,
        ),
        (
            "<message xmlns='jabber:server'/>",
            StreamCondition::UnsupportedStanzaType,
        ),
        ("<message from='@'/>", StreamCondition::InvalidFrom),
    ] {
        let error = read(xml).unwrap_err().stream_error().unwrap();
        assert_eq!(error.condition, condition, "{xml}");
    }
}

#[test]
fn content_stays_complete_without_its_root() {
    for (xml, content) in [
        (
            "<message><body>x</body> <a xmlns='u'/></message>",
            "<body>x</body> <a xmlns='u'/>",
        ),
        (
            "<message xmlns='jabber:client'><body/></message>",
            "<body/>",
        ),
        (
            "<message xmlns:p='u&amp;v'><p:a/><b/></message>",
            "<p:a xmlns:p='u&amp;v'/><b/>",
        ),
        (
            "<message xmlns:p='u'><a><b p:c=''/></a><d xmlns:p='v'><p:e/></d></message>",
            "<a xmlns:p='u'><b p:c=''/></a><d xmlns:p='v'><p:e/></d>",
        ),
        (
            "<c:message xmlns:c='jabber:client' xmlns='u'><c:body/><a/><![CDATA[<]]></c:message>",
            "<c:body xmlns='u' xmlns:c='jabber:client'/><a xmlns='u'/><![CDATA[<]]>",
        ),
    ] {
        let stanza = read(xml).unwrap();
        assert_eq!(std::str::from_utf8(&stanza.content).unwrap(), content);
        assert_eq!(
            read(std::str::from_utf8(&stanza.encode().to_vec()).unwrap()),
            Ok(stanza)
        );
    }
}

#[test]
fn content_shares_the_bytes_of_the_element() {
    let element = Element::parse(b"<message><body>x</body></message>").unwrap();
    let stanza = Stanza::from_element(&element).unwrap();
    assert_eq!(stanza.content.as_ptr(), element.raw()[9..].as_ptr());
}

#[test]
fn encoding_reads_back() {
    for stanza in [
        Stanza::message(MessageType::Normal),
        Stanza::message(MessageType::Chat)
            .with_from(jid("u@a/it's <\"&\">"))
            .with_to(jid("b@c"))
            .with_id("<1>")
            .with_lang("de")
            .with_content("<body>\u{1F980}</body>"),
        Stanza::presence(PresenceType::Unavailable).with_to(jid("b@c/r")),
        Stanza::iq(IqType::Set, "x").with_content("<a xmlns='u'/>"),
        Stanza::iq(IqType::Result, "x"),
    ] {
        let bytes = stanza.encode().to_vec();
        assert_eq!(read(std::str::from_utf8(&bytes).unwrap()), Ok(stanza));
    }
}

#[test]
fn answers_exchange_the_addresses() {
    let iq = Stanza::iq(IqType::Get, "1")
        .with_from(jid("u@a/r"))
        .with_to(jid("b"));
    let result = iq.result_with("<q xmlns='u'/>");
    assert_eq!(
        result.encode().to_vec(),
        b"<iq from='b' id='1' type='result' to='u@a/r'><q xmlns='u'/></iq>"
    );
    assert_eq!(iq.result().iq_type(), Some(IqType::Result));
    let message = Stanza::message(MessageType::Chat)
        .with_from(jid("u@a/r"))
        .with_content("<body/>");
    let error = message.error(&StanzaError::new(StanzaCondition::ServiceUnavailable));
    assert!(error.is_error() && !message.is_error());
    assert_eq!(error.to, message.from);
    assert!(error.child("error", "jabber:client").is_some());
}

#[test]
fn priorities() {
    for (content, priority) in [
        ("", 0),
        ("<priority>5</priority>", 5),
        ("<priority> -128\n</priority>", -128),
        ("<priority>+7</priority>", 7),
        ("<priority>128</priority>", 0),
        ("<priority>high</priority>", 0),
        ("<priority xmlns='u'>5</priority>", 0),
    ] {
        let presence = Stanza::presence(PresenceType::Available).with_content(content);
        assert_eq!(presence.priority(), priority, "{content}");
    }
}

#[test]
fn broken_content_reads_as_nothing() {
    for content in [
        &b"\xff"[..],
        b"<",
        b"<a",
        b"</a>",
        b"<a></b",
        b"<![CDATA[",
        b"<a b></a>",
    ] {
        let stanza = Stanza::message(MessageType::Normal).with_content(content);
        assert!(
            stanza.payload().is_none_or(|child| child.name() == "a"),
            "{content:?}"
        );
    }
}

#[test]
fn links_and_logs_carry_it_unchanged() {
    let stanza = Stanza::message(MessageType::Chat)
        .with_from(jid("u@a/r"))
        .with_id("1")
        .with_content("<body>\u{1F980}</body>");
    let bytes = postcard::to_stdvec(&stanza).unwrap();
    assert_eq!(postcard::from_bytes::<Stanza>(&bytes).unwrap(), stanza);
}
