//! Conversations for tests: what the client says, what the server does.

use crate::{BindAnswer, C2s, C2sConfig, Input, Output, Security, TlsFacts};
use muster_sasl::{ChannelBindings, Decoy, Lookup, Verifiers};
use muster_stanza::{Element, Frame, StreamHeader};
use muster_types::{DomainPart, FullJid, Instant, Machine};
use std::sync::Arc;
use std::time::Duration;

/// The password of every account in tests.
pub(super) const PASSWORD: &str = "secret";

/// PLAIN of alice with that password.
pub(super) const PLAIN_ALICE: &str =
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGFsaWNlAHNlY3JldA==</auth>";

/// One connection to a server of example.com and example.net.
pub(super) struct Script {
    pub(super) c2s: C2s,
    pub(super) now: Instant,
}

pub(super) fn config(security: Security) -> C2sConfig {
    let domains = ["example.com", "example.net"].map(|d| DomainPart::new(d).unwrap().into_owned());
    let decoy = Decoy {
        secret: [9; 32],
        iterations: 4096,
    };
    C2sConfig::new(Arc::new(domains), security, decoy)
}

pub(super) fn header() -> StreamHeader {
    StreamHeader {
        to: Some("example.com".into()),
        from: None,
        id: None,
        version: Some("1.0".into()),
        lang: None,
        content_namespace: "jabber:client".into(),
    }
}

pub(super) fn account() -> Lookup {
    let verifiers = Verifiers::from_password(PASSWORD, b"0123456789abcdef", 4096).unwrap();
    Lookup::Found {
        verifiers,
        disabled: false,
    }
}

pub(super) fn facts() -> TlsFacts {
    let bindings = ChannelBindings {
        exporter: Some(vec![1; 32]),
        server_end_point: Some(vec![2; 32]),
    };
    TlsFacts {
        bindings,
        server_name: None,
    }
}

impl Script {
    pub(super) fn new(security: Security) -> Self {
        Self::with(config(security))
    }

    pub(super) fn with(config: C2sConfig) -> Self {
        let now = Instant::from_nanos(1_000_000_000);
        Self {
            c2s: C2s::new(now, Arc::new(config), [3; 32]),
            now,
        }
    }

    /// A connection that has sent its header over TLS.
    pub(super) fn secure() -> Self {
        let mut script = Self::new(Security::Direct);
        script.input(Input::TlsEstablished(facts()));
        script.open();
        script
    }

    /// A client that is alice, and has sent its new header.
    pub(super) fn logged_in() -> Self {
        let mut script = Self::secure();
        script.send(PLAIN_ALICE);
        script.input(Input::Account(account()));
        script.open();
        script
    }

    /// A client bound to alice@example.com/phone.
    pub(super) fn bound() -> Self {
        let mut script = Self::logged_in();
        script.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
        let jid = FullJid::new("alice@example.com/phone").unwrap();
        script.input(Input::Bound(BindAnswer::Bound(jid)));
        script
    }

    pub(super) fn input(&mut self, input: Input) -> Vec<String> {
        self.c2s.handle(self.now, input);
        self.drain()
    }

    pub(super) fn open(&mut self) -> Vec<String> {
        self.input(Input::Frame(Frame::Open(header())))
    }

    pub(super) fn send(&mut self, xml: &str) -> Vec<String> {
        self.input(Input::Frame(Frame::Element(
            Element::parse(xml.as_bytes()).unwrap(),
        )))
    }

    /// Lets time pass, as a driver that sleeps until each deadline.
    pub(super) fn pass(&mut self, by: Duration) -> Vec<String> {
        self.now = self.now + by;
        self.c2s.wake(self.now);
        self.drain()
    }

    /// What the machine wants, a line each; bytes as they are.
    fn drain(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.c2s.poll())
            .map(|output| match output {
                Output::Write(bytes) => String::from_utf8(bytes).unwrap(),
                Output::Stanza(stanza) => {
                    let xml = String::from_utf8(stanza.encode().to_vec()).unwrap();
                    format!("Stanza({xml})")
                }
                other @ (Output::StartTls
                | Output::LookUp(_)
                | Output::AuthFailed { .. }
                | Output::Authenticated { .. }
                | Output::Restart
                | Output::Bind { .. }
                | Output::ClientState(_)
                | Output::Close(_)) => format!("{other:?}"),
            })
            .collect()
    }
}

/// Whether the stream was ended with this error, by the last outputs.
#[track_caller]
pub(super) fn assert_ended(outputs: &[String], condition: &str) {
    let [.., error, end, close] = outputs else {
        panic!("{outputs:#?}")
    };
    assert!(
        error.contains(&format!("<stream:error><{condition} ")),
        "{condition}: {outputs:#?}"
    );
    assert_eq!(end, "</stream:stream>");
    assert!(close.starts_with("Close(Error("), "{outputs:#?}");
}
