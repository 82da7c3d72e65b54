//! Framer and machine together, driven as a driver does.

use super::script::{account, config, facts};
use crate::{BindAnswer, C2s, End, Input, Output, Security};
use muster_stanza::{Framer, FramerLimits};
use muster_types::{FullJid, Instant, Machine};
use std::sync::Arc;

const HEADER: &str = "<?xml version='1.0'?><stream:stream to='example.com' version='1.0' \
    xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";
const REST: &str = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>\
    <presence/> <message to='bob@example.com'><body>hi</body></message></stream:stream>";

struct Driver {
    framer: Framer,
    c2s: C2s,
    /// What happened, in short.
    log: Vec<&'static str>,
}

impl Driver {
    fn new() -> Self {
        let c2s = C2s::new(Instant::ZERO, Arc::new(config(Security::StartTls)), [5; 32]);
        Self {
            framer: framer(),
            c2s,
            log: Vec::new(),
        }
    }

    fn read(&mut self, bytes: &[u8]) {
        self.framer.push(bytes);
        while self.c2s.takes_frames() {
            match self.framer.next_frame() {
                Ok(Some(frame)) => self.feed(Input::Frame(frame)),
                Ok(None) => break,
                Err(error) => self.feed(Input::FrameError(error)),
            }
        }
    }

    fn feed(&mut self, input: Input) {
        self.c2s.handle(Instant::ZERO, input);
        let mut answers = Vec::new();
        while let Some(output) = self.c2s.poll() {
            match output {
                Output::Write(_) => {}
                Output::StartTls => self.log.push("tls"),
                Output::LookUp(_) => answers.push(Input::Account(account())),
                Output::AuthFailed { .. } => self.log.push("failed"),
                Output::Authenticated { .. } => self.log.push("authenticated"),
                Output::Restart => self.framer.restart(),
                Output::Bind {
                    user, generated, ..
                } => {
                    let jid = FullJid::from_parts(user.node(), user.domain(), &generated);
                    answers.push(Input::Bound(BindAnswer::Bound(jid)));
                }
                Output::Stanza(stanza) => {
                    self.log.push(if stanza.is_presence() {
                        "presence"
                    } else {
                        "message"
                    });
                }
                Output::ClientState(_) => self.log.push("state"),
                Output::Close(End::ByClient) => self.log.push("left"),
                Output::Close(_) => self.log.push("closed"),
            }
        }
        for answer in answers {
            self.feed(answer);
        }
    }
}

fn framer() -> Framer {
    Framer::new(FramerLimits {
        element_bytes: 16_384,
        depth: 64,
        attributes: 64,
    })
}

#[test]
fn a_whole_conversation_in_any_pieces() {
    let before = format!("{HEADER}<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    let after = format!("{HEADER}{}{HEADER}{REST}", super::script::PLAIN_ALICE);
    for size in [1, 7, 100, 10_000] {
        let mut driver = Driver::new();
        for piece in before.as_bytes().chunks(size) {
            driver.read(piece);
        }
        assert_eq!(driver.log, ["tls"]);
        assert_eq!(driver.framer.buffered(), 0);
        driver.framer = framer();
        driver.feed(Input::TlsEstablished(facts()));
        for piece in after.as_bytes().chunks(size) {
            driver.read(piece);
        }
        assert_eq!(
            driver.log,
            ["tls", "authenticated", "presence", "message", "left"]
        );
    }
}

#[test]
fn bytes_behind_starttls_stay_visible_and_unread() {
    let mut driver = Driver::new();
    let injected = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>";
    let bytes = format!("{HEADER}<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>{injected}");
    driver.read(bytes.as_bytes());
    assert_eq!(driver.log, ["tls"]);
    assert_eq!(driver.framer.buffered(), injected.len());
}

#[test]
fn garbage_closes_the_connection() {
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"<html>",
        b"\xff",
    ] {
        let mut driver = Driver::new();
        driver.read(garbage);
        assert_eq!(driver.log, ["closed"], "{garbage:?}");
    }
}
