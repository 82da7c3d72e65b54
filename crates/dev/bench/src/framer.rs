//! Bytes of a client: cut into elements, and read as stanzas.

use crate::Workload;
use muster_stanza::{Element, Frame, Framer, FramerLimits, Stanza};
use muster_types::Limits;

/// What clients send on an ordinary day.
const STANZAS: &[&str] = &[
    "<presence><show>away</show><status>Back at two</status><priority>5</priority>\
     <c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://client.example' ver='q07IKJEyjvHSyhy//CH0CxmKi8w='/>\
     <idle xmlns='urn:xmpp:idle:1' since='2026-11-27T13:05:00Z'/></presence>",
    "<presence/>",
    "<message to='bob@example.com' type='chat' id='c6b1'><active xmlns='http://jabber.org/protocol/chatstates'/>\
     <body>Shall we meet at the usual place, a quarter past twelve?</body>\
     <origin-id xmlns='urn:xmpp:sid:0' id='c6b1'/><request xmlns='urn:xmpp:receipts'/></message>",
    "<message to='bob@example.com/phone' type='chat' id='c6b2'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>",
    "<message to='carol@example.com' type='chat' id='c6b3' xml:lang='de'><body>Grüße &amp; bis später, \u{1F44B}!</body>\
     <html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'><p>Gr\u{fc}\u{df}e &amp; bis \
     <strong>sp\u{e4}ter</strong>, \u{1F44B}!</p></body></html></message>",
    "<iq type='get' id='r1'><query xmlns='jabber:iq:roster' ver='42'/></iq>",
    "<iq type='get' to='example.com' id='p1'><ping xmlns='urn:xmpp:ping'/></iq>",
    "<iq type='set' id='r2'><query xmlns='jabber:iq:roster'><item jid='dave@example.com' name='Dave'><group>Work</group>\
     <group>Friends</group></item></query></iq>",
    "<iq type='result' to='bob@example.com/phone' id='d1'><query xmlns='http://jabber.org/protocol/disco#info' node='x#y'>\
     <identity category='client' type='pc' name='Client'/><feature var='http://jabber.org/protocol/caps'/>\
     <feature var='http://jabber.org/protocol/chatstates'/><feature var='http://jabber.org/protocol/disco#info'/>\
     <feature var='jabber:iq:version'/><feature var='urn:xmpp:ping'/><feature var='urn:xmpp:time'/></query></iq>",
    "<presence to='erin@example.com' type='subscribe' id='s1'><status>It is me</status></presence>",
];
const HEADER: &[u8] =
    b"<?xml version='1.0'?><stream:stream to='example.com' version='1.0' xmlns='jabber:client' \
      xmlns:stream='http://etherx.jabber.org/streams'>";
/// How many times all of them are sent in one run, with white space between: it keeps connections alive.
const ROUNDS: usize = 4;
/// Sockets hand out bytes in any pieces.
const PIECES: &[usize] = &[1447, 61, 7, 512, 1, 229, 3];

pub(crate) const FRAMER: Workload = Workload {
    name: "framer",
    does: "cuts a client's bytes, which come in odd pieces, into elements",
    unit: "stanza",
    units: (ROUNDS * STANZAS.len()) as u64,
    prepare: || {
        let mut stream = Stream::prepare();
        Box::new(move || stream.run())
    },
};

pub(crate) const STANZA: Workload = Workload {
    name: "stanza",
    does: "reads the routing attributes of these elements",
    unit: "stanza",
    units: STANZAS.len() as u64,
    prepare: || {
        let elements = elements();
        let read = |element: &Element| Stanza::from_element(std::hint::black_box(element)).is_ok();
        Box::new(move || {
            elements
                .iter()
                .map(|element| u64::from(read(element)))
                .sum()
        })
    },
};

/// An open stream, and what comes next on it.
struct Stream {
    framer: Framer,
    pieces: Vec<Vec<u8>>,
}

impl Stream {
    fn prepare() -> Self {
        let limits = Limits::default();
        let mut framer = Framer::new(FramerLimits {
            element_bytes: limits.stanza_bytes,
            depth: limits.depth,
            attributes: limits.attributes,
        });
        framer.push(HEADER);
        while next(&mut framer).is_some() {}
        let pieces = pieces(&(STANZAS.join("\n") + "\n").repeat(ROUNDS));
        Self { framer, pieces }
    }

    fn run(&mut self) -> u64 {
        let mut elements = 0;
        for piece in &self.pieces {
            self.framer.push(piece);
            while let Some(frame) = next(&mut self.framer) {
                elements += u64::from(matches!(std::hint::black_box(frame), Frame::Element(_)));
            }
        }
        elements
    }
}

fn next(framer: &mut Framer) -> Option<Frame> {
    framer.next_frame().expect("what clients send here is XML")
}

fn pieces(text: &str) -> Vec<Vec<u8>> {
    let (mut rest, mut pieces) = (text.as_bytes(), Vec::new());
    for size in PIECES.iter().cycle() {
        let (piece, more) = rest.split_at((*size).min(rest.len()));
        pieces.push(piece.to_vec());
        rest = more;
        if rest.is_empty() {
            break;
        }
    }
    pieces
}

fn elements() -> Vec<Element> {
    let parse = |text: &&str| Element::parse(text.as_bytes()).expect("these are XML");
    STANZAS.iter().map(parse).collect()
}
