//! What the framer lets through, what it refuses, and that chunks do not matter.

use crate::StreamCondition::{
    self, BadFormat, BadNamespacePrefix, InvalidNamespace, NotWellFormed, PolicyViolation,
    RestrictedXml, UnsupportedEncoding,
};
use crate::{Element, Frame, Framer, FramerLimits, StreamError};

const LIMITS: FramerLimits = FramerLimits {
    element_bytes: 1000,
    depth: 4,
    attributes: 7,
};
const HEAD: &str = "<stream:stream xmlns='jabber:client' \
                    xmlns:stream='http://etherx.jabber.org/streams' to='a.b' version='1.0'>";

fn run<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Frame>, Option<StreamError>) {
    let (mut framer, mut frames) = (Framer::new(LIMITS), Vec::new());
    for chunk in chunks {
        framer.push(chunk);
        loop {
            match framer.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(framer.next_frame(), Err(error.clone()), "an error stays");
                    return (frames, Some(error));
                }
            }
        }
    }
    (frames, None)
}

/// Feeds whole, byte by byte, and in pseudo-random chunks; all must come to the same.
fn run_all_ways(bytes: &[u8]) -> (Vec<Frame>, Option<StreamError>) {
    let whole = run([bytes]);
    assert_eq!(
        run(bytes.chunks(1)),
        whole,
        "{}",
        String::from_utf8_lossy(bytes)
    );
    for seed in 1..=20 {
        assert_eq!(
            run(split(bytes, seed)),
            whole,
            "{}",
            String::from_utf8_lossy(bytes)
        );
    }
    whole
}

fn split(mut bytes: &[u8], seed: u64) -> Vec<&[u8]> {
    let (mut state, mut chunks) = (seed.wrapping_mul(0x9E37_79B9_7F4A_7C15), Vec::new());
    while !bytes.is_empty() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let at = 1 + (state >> 33) as usize % bytes.len().min(23);
        let (chunk, rest) = bytes.split_at(at);
        chunks.push(chunk);
        bytes = rest;
    }
    chunks
}

fn in_stream(xml: impl AsRef<[u8]>) -> Vec<u8> {
    [HEAD.as_bytes(), xml.as_ref()].concat()
}

fn refusal(bytes: &[u8]) -> Option<StreamCondition> {
    run_all_ways(bytes).1.map(|error| error.condition)
}

#[test]
fn a_stream_falls_into_frames() {
    let stream = "\u{FEFF}<?xml version='1.0' encoding='utf-8' ?>\n<stream:stream \
        xmlns=\"jabber:client\" xmlns:stream='http://etherx.jabber.org/streams' to='a&amp;b' \
        from='u@c' id='7' version='1.0' xml:lang='de'>\n <iq type='get' id='1'><a b='>'/></iq> \n\
        <presence/><message><body>x<![CDATA[</message>]]></body></message >\
        </stream:stream >garbage <";
    let (frames, error) = run_all_ways(stream.as_bytes());
    assert_eq!(error, None);
    let [
        Frame::Open(header),
        Frame::Element(iq),
        Frame::Element(presence),
        Frame::Element(message),
        Frame::Close,
    ] = &frames[..]
    else {
        panic!("{frames:?}")
    };
    assert_eq!(header.to.as_deref(), Some("a&b"));
    assert_eq!(header.from.as_deref(), Some("u@c"));
    assert_eq!(header.id.as_deref(), Some("7"));
    assert_eq!(header.version.as_deref(), Some("1.0"));
    assert_eq!(header.lang.as_deref(), Some("de"));
    assert_eq!(header.content_namespace, "jabber:client");
    assert!(iq.is("iq", "jabber:client") && presence.is("presence", "jabber:client"));
    assert_eq!(
        message.child("body", "jabber:client").unwrap().text(),
        "x</message>"
    );
}

#[test]
fn headers_refused() {
    let stream = "xmlns:stream='http://etherx.jabber.org/streams'";
    for (xml, condition) in [
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), NotWellFormed),
        ("\x16\x03\x01\x02".to_owned(), NotWellFormed),
        ("</a>".to_owned(), NotWellFormed),
        ("<>".to_owned(), NotWellFormed),
        ("< stream>".to_owned(), NotWellFormed),
        ("<!DOCTYPE a>".to_owned(), RestrictedXml),
        ("<!-- a -->".to_owned(), RestrictedXml),
        ("<?php ?>".to_owned(), RestrictedXml),
        ("<?xml-stylesheet href='a'?>".to_owned(), RestrictedXml),
        (
            "<?xml version='1.0'?><?xml version='1.0'?>".to_owned(),
            RestrictedXml,
        ),
        ("<?xml version='1.1'?>".to_owned(), BadFormat),
        ("<?xml ?>".to_owned(), NotWellFormed),
        (
            "<?xml encoding='UTF-8' version='1.0'?>".to_owned(),
            NotWellFormed,
        ),
        (
            "<?xml version='1.0' version='1.0'?>".to_owned(),
            NotWellFormed,
        ),
        ("<?xml version='1.0' what='1'?>".to_owned(), NotWellFormed),
        (
            "<?xml version='1.0' standalone='maybe'?>".to_owned(),
            NotWellFormed,
        ),
        (
            "<?xml version='1.0' encoding='ISO-8859-1'?>".to_owned(),
            UnsupportedEncoding,
        ),
        (
            "<?xml version='1.0' encoding='UTF-16'?>".to_owned(),
            UnsupportedEncoding,
        ),
        (HEAD.replace(" xmlns='jabber:client'", ""), InvalidNamespace),
        (
            HEAD.replace("jabber:client", "jabber:component:accept"),
            InvalidNamespace,
        ),
        (HEAD.replace("etherx", "example"), InvalidNamespace),
        (
            "<stream xmlns='http://etherx.jabber.org/streams'>".to_owned(),
            InvalidNamespace,
        ),
        (
            "<stream xmlns='jabber:client'>".to_owned(),
            InvalidNamespace,
        ),
        (
            "<stream:stream xmlns='jabber:client'>".to_owned(),
            BadNamespacePrefix,
        ),
        (
            format!("<stream:features xmlns='jabber:client' {stream}>"),
            BadFormat,
        ),
        (
            format!("<stream:stream xmlns='jabber:client' {stream}/>"),
            BadFormat,
        ),
        (
            format!("<stream:stream xmlns='jabber:client' {stream} to='a' to='b'>"),
            NotWellFormed,
        ),
        (
            format!(
                "<stream:stream xmlns='jabber:client' {stream} to='{}'>",
                "a".repeat(1000)
            ),
            PolicyViolation,
        ),
        (
            format!("<?xml version='1.0'{}?>", " ".repeat(1000)),
            PolicyViolation,
        ),
    ] {
        assert_eq!(refusal(xml.as_bytes()), Some(condition), "{xml}");
    }
}

#[test]
fn other_prefixes_of_the_stream_are_fine() {
    let head = "<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns='jabber:client'>";
    let (frames, error) = run_all_ways(format!("{head}<a/></s:stream>").as_bytes());
    assert_eq!((frames.len(), error), (3, None));
    assert_eq!(
        refusal(format!("{head}</stream:stream>").as_bytes()),
        Some(NotWellFormed)
    );
}

#[test]
fn elements_refused() {
    for (xml, condition) in [
        // Markup that XMPP forbids. RFC 6120 §11.1.
        ("<!-- x -->", RestrictedXml),
        ("<a><!-- x --></a>", RestrictedXml),
        ("<a><!DOCTYPE x></a>", RestrictedXml),
        ("<!ENTITY x 'y'>", RestrictedXml),
        ("<a><?pi x?></a>", RestrictedXml),
        ("<?xml version='1.0'?>", RestrictedXml),
        ("<a><![CDATX[x]]></a>", RestrictedXml),
        // Between stanzas there is only white space.
        ("text", BadFormat),
        ("\u{a0}<a/>", BadFormat),
        ("<a/>text", BadFormat),
        ("\0", BadFormat),
        ("<![CDATA[x]]>", BadFormat),
        // Tags.
        ("<a></b>", NotWellFormed),
        ("<a><b></a></b>", NotWellFormed),
        ("<a></ a>", NotWellFormed),
        ("<a></a b>", NotWellFormed),
        ("<a></ab>", NotWellFormed),
        ("<a></>", NotWellFormed),
        ("<>", NotWellFormed),
        ("< a/>", NotWellFormed),
        ("<1/>", NotWellFormed),
        ("<a/ >", NotWellFormed),
        ("<a<b/>>", NotWellFormed),
        ("<a:b:c xmlns:a='u'/>", NotWellFormed),
        ("<:a/>", NotWellFormed),
        ("</stream>", NotWellFormed),
        ("</stream:streams>", NotWellFormed),
        // Attributes.
        ("<a b/>", NotWellFormed),
        ("<a b=c/>", NotWellFormed),
        ("<a b='c'd='e'/>", NotWellFormed),
        ("<a b='1' b='2'/>", NotWellFormed),
        ("<a b='<'/>", NotWellFormed),
        ("<a b='&'/>", NotWellFormed),
        ("<a b='&x;'/>", NotWellFormed),
        ("<a b='\u{1}'/>", NotWellFormed),
        ("<a 'b'='c'/>", NotWellFormed),
        (
            "<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>",
            NotWellFormed,
        ),
        // Text and references.
        ("<a>&nbsp;</a>", NotWellFormed),
        ("<a>&#0;</a>", NotWellFormed),
        ("<a>&#xD800;</a>", NotWellFormed),
        ("<a>& </a>", NotWellFormed),
        ("<a>]]></a>", NotWellFormed),
        ("<a>\u{b}</a>", NotWellFormed),
        ("<a>\u{FFFE}</a>", NotWellFormed),
        ("<a><![CDATA[\u{b}]]></a>", NotWellFormed),
        // Namespaces.
        ("<p:a/>", BadNamespacePrefix),
        ("<a p:b='c'/>", BadNamespacePrefix),
        ("<a><b xmlns:p='u'/><p:c/></a>", BadNamespacePrefix),
        ("<a xmlns:p=''/>", BadNamespacePrefix),
        ("<a xmlns:xmlns='u'/>", BadNamespacePrefix),
        ("<a xmlns:xml='u'/>", BadNamespacePrefix),
        (
            "<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>",
            BadNamespacePrefix,
        ),
        (
            "<a xmlns='http://www.w3.org/2000/xmlns/'/>",
            BadNamespacePrefix,
        ),
        ("<xmlns:a/>", BadNamespacePrefix),
        // Limits.
        ("<a><a><a><a><a/></a></a></a></a>", PolicyViolation),
        (
            "<a a='' b='' c='' d='' e='' f='' g='' h=''/>",
            PolicyViolation,
        ),
        (
            "<a xmlns:a='u' xmlns:b='u' xmlns:c='u' xmlns:d='u'>\
             <a xmlns:e='u' xmlns:f='u' xmlns:g='u' xmlns:h='u'/></a>",
            PolicyViolation,
        ),
    ] {
        assert_eq!(refusal(&in_stream(xml)), Some(condition), "{xml}");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_refused() {
    for xml in [
        &b"<a>\xff</a>"[..],
        b"<a b='\xc3'/>",
        b"<\xe9/>",
        b"<a><![CDATA[\xed\xa0\x80]]></a>",
    ] {
        assert_eq!(refusal(&in_stream(xml)), Some(NotWellFormed), "{xml:?}");
    }
}

#[test]
fn elements_taken() {
    for xml in [
        "<a/>",
        "<a />",
        "<a></a\n>",
        "<a b='1' c=\"it's\" d = 'x>y'/>",
        "<a>&lt;&gt;&amp;&apos;&quot;&#65;&#x1F980;</a>",
        "<a>x > y ]] ></a>",
        "<a><![CDATA[]]></a>",
        "<a><![CDATA[]] ]]]></a>",
        "<a><![CDATA[<!-- &x; -->]]></a>",
        "<a xml:lang='de' xml:space='preserve'/>",
        "<a xmlns:xml='http://www.w3.org/XML/1998/namespace'/>",
        "<p:a xmlns:p='u' p:b='1' b='2'><p:c/></p:a>",
        "<a xmlns:p='u' xmlns:q='v' p:b='1' q:b='2'/>",
        "<a xmlns=''><b/></a>",
        "<\u{e9}l\u{e9}ment attr\u{ef}b='\u{fc}'>\u{1F980}</\u{e9}l\u{e9}ment>",
        "<a><a><a><a/></a></a></a>",
    ] {
        let (frames, error) = run_all_ways(&in_stream(xml));
        assert_eq!(error, None, "{xml}");
        let [Frame::Open(_), Frame::Element(element)] = &frames[..] else {
            panic!("{xml}: {frames:?}")
        };
        assert_eq!(element.raw(), xml.as_bytes());
        assert_eq!(Element::parse(element.raw()).as_ref(), Ok(element));
    }
}

#[test]
fn prefixes_of_the_header_are_written_into_elements() {
    let head = HEAD.replace(" to=", " xmlns:p='u&amp;v' xmlns:q='w' to=");
    for (xml, raw) in [
        ("<p:a/>", "<p:a xmlns:p='u&amp;v'/>"),
        ("<a p:b=''><c/></a>", "<a xmlns:p='u&amp;v' p:b=''><c/></a>"),
        (
            "<a><p:b/><q:c/></a>",
            "<a xmlns:q='w' xmlns:p='u&amp;v'><p:b/><q:c/></a>",
        ),
        ("<a xmlns:p='x'><p:b/></a>", "<a xmlns:p='x'><p:b/></a>"),
        ("<a>p:b</a>", "<a>p:b</a>"),
    ] {
        let (frames, error) = run_all_ways(format!("{head}{xml}").as_bytes());
        assert_eq!(error, None, "{xml}");
        let Some(Frame::Element(element)) = frames.get(1) else {
            panic!("{xml}: {frames:?}")
        };
        assert_eq!(element.raw(), raw.as_bytes());
        assert_eq!(Element::parse(element.raw()).as_ref(), Ok(element));
    }
}

#[test]
fn elements_of_a_server_stream_say_so() {
    let head = HEAD.replace("jabber:client", "jabber:server");
    for (xml, raw) in [
        ("<a/>", "<a xmlns='jabber:server'/>"),
        ("<a xmlns='u'/>", "<a xmlns='u'/>"),
    ] {
        let (frames, _) = run_all_ways(format!("{head}{xml}").as_bytes());
        let Some(Frame::Element(element)) = frames.get(1) else {
            panic!("{xml}: {frames:?}")
        };
        assert_eq!(element.raw(), raw.as_bytes());
    }
}

#[test]
fn the_size_limit_is_exact() {
    let element = |bytes: usize| format!("<a>{}</a>", "x".repeat(bytes - 7));
    assert_eq!(refusal(&in_stream(element(1000))), None);
    assert_eq!(refusal(&in_stream(element(1001))), Some(PolicyViolation));
    for endless in ["<a>", "<a b='", "<a><![CDATA[", "</stream:stream", "<a></a"] {
        let xml = in_stream([endless, &" ".repeat(1001)].concat());
        assert_eq!(refusal(&xml), Some(PolicyViolation), "{endless}");
    }
}

#[test]
fn white_space_between_stanzas_is_never_held() {
    let mut framer = Framer::new(LIMITS);
    framer.push(HEAD.as_bytes());
    framer.next_frame().unwrap();
    for _ in 0..10_000 {
        framer.push(b" \r\n\t");
        assert_eq!(framer.next_frame(), Ok(None));
        assert_eq!(framer.buffered(), 0);
    }
    framer.push(b" <");
    assert_eq!(framer.next_frame(), Ok(None));
    assert_eq!(framer.buffered(), 1);
}

#[test]
fn a_restart_reads_what_was_pipelined() {
    let mut framer = Framer::new(LIMITS);
    framer.push(&in_stream("<auth/>"));
    framer.push(HEAD.as_bytes());
    framer.push(b"<iq/>");
    assert!(matches!(framer.next_frame(), Ok(Some(Frame::Open(_)))));
    assert!(matches!(framer.next_frame(), Ok(Some(Frame::Element(_)))));
    framer.restart();
    assert!(matches!(framer.next_frame(), Ok(Some(Frame::Open(_)))));
    assert!(matches!(framer.next_frame(), Ok(Some(Frame::Element(_)))));
    assert_eq!(framer.next_frame(), Ok(None));
}

#[test]
fn the_size_limit_can_grow() {
    let mut framer = Framer::new(LIMITS);
    framer.set_element_bytes(2000);
    framer.push(&in_stream(format!("<a>{}</a>", "x".repeat(1500))));
    framer.next_frame().unwrap();
    assert!(matches!(framer.next_frame(), Ok(Some(Frame::Element(_)))));
}

#[test]
fn single_elements_are_parsed_alone() {
    for (xml, outcome) in [
        ("<a/>", Ok("<a/>")),
        (" <a><b/></a>\n", Ok("<a><b/></a>")),
        ("", Err(BadFormat)),
        ("text", Err(BadFormat)),
        ("<a/><b/>", Err(BadFormat)),
        ("<a/>x", Err(BadFormat)),
        ("<a>", Err(NotWellFormed)),
        ("</a>", Err(NotWellFormed)),
        ("<p:a/>", Err(BadNamespacePrefix)),
        ("<?xml version='1.0'?><a/>", Err(RestrictedXml)),
    ] {
        let parsed = Element::parse(xml.as_bytes());
        let raw = parsed
            .as_ref()
            .map(|element| std::str::from_utf8(element.raw()).unwrap());
        assert_eq!(raw.map_err(|error| error.condition), outcome, "{xml}");
    }
}
