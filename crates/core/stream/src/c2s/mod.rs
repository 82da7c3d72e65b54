//! The server's side of a client's stream.
//!
//! ```text
//!                  StartTls listener            Direct listener        Plaintext listener
//!                       |                             |                       |
//!                  AwaitHeader --features: starttls-- AwaitTls                |
//!                       |  <starttls/>                |                       |
//!                       +---------> AwaitTls ---------+--> AwaitHeader <------+
//!                                                              | features: mechanisms
//!   LookingUp <--> Authenticating <--> AwaitAuth <-------------+
//!        \______________|_______________/  success
//!                       v
//!                  AwaitHeader --features: bind--> AwaitBind <--> Binding --> Bound
//! ```
//!
//! Every state can go to `Ended`: by the client's `</stream:stream>`, by a stream error, by a timer.

mod auth;
#[cfg(test)]
mod auth_test;
mod bind;
#[cfg(test)]
mod bind_test;
mod bound;
#[cfg(test)]
mod bound_test;
#[cfg(test)]
mod bytes_test;
mod csi;
#[cfg(test)]
mod csi_test;
mod features;
mod negotiate;
#[cfg(test)]
mod negotiate_test;
#[cfg(test)]
mod script;

use crate::deadlines::{Deadlines, Timer};
use crate::header::Response;
use crate::tokens::Tokens;
use crate::{C2sConfig, End, Input, Output, Security, TlsFacts};
use bound::Identity;
use muster_sasl::Exchange;
use muster_stanza::{Element, Frame, Stanza, StreamCondition, StreamError, ns};
use muster_types::{BareJid, DomainPart, Instant, Machine};
use std::collections::VecDeque;
use std::sync::Arc;

const STREAM_END: &[u8] = b"</stream:stream>";

/// The machine of one client connection, from its first byte to its last.
#[derive(Debug)]
pub struct C2s {
    config: Arc<C2sConfig>,
    tokens: Tokens,
    state: State,
    deadlines: Deadlines,
    /// What is known of TLS, once it is established.
    tls: Option<TlsFacts>,
    /// The domain that the client has chosen.
    domain: Option<DomainPart>,
    /// Who the client has proven to be.
    user: Option<BareJid>,
    /// Whom the running authentication is for.
    claimed: Option<BareJid>,
    /// Where that user is sent instead of being let in here.
    other_host: Option<String>,
    /// The language of stanzas that name none: the client's header said it.
    lang: Option<String>,
    /// Whether our header of the current stream is out.
    header_sent: bool,
    auth_failures: u32,
    out: VecDeque<Output>,
}

#[derive(Debug)]
enum State {
    /// The connection is becoming TLS.
    AwaitTls,
    /// The client begins a stream, the first or a new one.
    AwaitHeader,
    /// Features are out; the client is nobody yet.
    AwaitAuth,
    /// A challenge is out.
    Authenticating(Box<Exchange>),
    /// The driver looks an account up.
    LookingUp(Box<Exchange>),
    /// The client is a user without a resource.
    AwaitBind,
    /// The driver binds the resource that this IQ asked for.
    Binding(Stanza),
    /// The client has an address.
    Bound(Identity),
    /// All is said.
    Ended,
}

impl C2s {
    /// A connection accepted at `now`. `seed` is fresh and random: ids and nonces are drawn from it.
    pub fn new(now: Instant, config: Arc<C2sConfig>, seed: [u8; 32]) -> Self {
        let state = match config.security {
            Security::Direct => State::AwaitTls,
            Security::StartTls | Security::Plaintext => State::AwaitHeader,
        };
        let mut deadlines = Deadlines::default();
        deadlines.set(Timer::Handshake, now + config.handshake_timeout);
        deadlines.set(Timer::Login, now + config.login_timeout);
        Self {
            config,
            tokens: Tokens::new(seed),
            state,
            deadlines,
            tls: None,
            domain: None,
            user: None,
            claimed: None,
            other_host: None,
            lang: None,
            header_sent: false,
            auth_failures: 0,
            out: VecDeque::new(),
        }
    }

    /// Whether the next frame may be handed in. While not (the driver owes an answer, or the
    /// stream is over) it stays in the framer and the socket is not read.
    pub const fn takes_frames(&self) -> bool {
        match self.state {
            State::AwaitHeader
            | State::AwaitAuth
            | State::Authenticating(_)
            | State::AwaitBind
            | State::Bound(_) => true,
            State::AwaitTls | State::LookingUp(_) | State::Binding(_) | State::Ended => false,
        }
    }

    fn on_frame(&mut self, frame: Frame) {
        self.deadlines.clear(Timer::Element);
        match frame {
            Frame::Open(header) => self.on_header(&header),
            Frame::Element(element) if element.is("error", ns::STREAMS) => {
                self.close(End::ClientError);
            }
            Frame::Element(element) => self.on_element(element),
            Frame::Close => self.close(End::ByClient),
        }
    }

    fn on_element(&mut self, element: Element) {
        if let (State::AwaitBind | State::Bound(_), Some(state)) =
            (&self.state, csi::state(&element))
        {
            return self.out.push_back(Output::ClientState(state));
        }
        match self.state {
            State::AwaitAuth | State::Authenticating(_) => self.on_auth_element(&element),
            State::AwaitBind => self.on_bind_element(&element),
            State::Bound(_) => self.on_bound_element(&element),
            State::AwaitTls | State::AwaitHeader | State::LookingUp(_) | State::Binding(_) => {
                let text = "sent before it was asked for";
                self.fail(StreamError::new(StreamCondition::PolicyViolation).with_text(text));
            }
            State::Ended => {}
        }
    }

    fn on_tls(&mut self, facts: TlsFacts) {
        let State::AwaitTls = self.state else { return };
        self.deadlines.clear(Timer::Handshake);
        self.deadlines.clear(Timer::Element);
        self.tls = Some(facts);
        self.header_sent = false;
        self.state = State::AwaitHeader;
    }

    fn on_unfinished(&mut self, now: Instant, unfinished: bool) {
        if !unfinished {
            self.deadlines.clear(Timer::Element);
        } else if !self.deadlines.is_set(Timer::Element) {
            self.deadlines
                .set(Timer::Element, now + self.config.element_timeout);
        }
    }

    fn write(&mut self, bytes: Vec<u8>) {
        self.out.push_back(Output::Write(bytes));
    }

    /// Our stream header, with the bytes of `first` behind it.
    fn write_header(&mut self, to: Option<&str>, first: &[u8]) {
        let id = self.tokens.draw();
        let from = self.domain.as_ref().or_else(|| self.config.domains.first());
        let response = Response {
            from: from.map(|domain| domain.as_str()),
            to,
            id: &id,
        };
        let mut bytes = response.encode();
        bytes.extend_from_slice(first);
        self.header_sent = true;
        self.write(bytes);
    }

    /// Ends the stream with an error: RFC 6120 §4.9.1.
    fn fail(&mut self, error: StreamError) {
        // In the middle of a TLS handshake there is no stream to say it on.
        if !matches!(self.state, State::AwaitTls) {
            let bytes = error.encode();
            if self.header_sent {
                self.write(bytes);
            } else {
                self.write_header(None, &bytes);
            }
        }
        self.close(End::Error(error));
    }

    fn close(&mut self, end: End) {
        if self.header_sent && !matches!(self.state, State::AwaitTls) {
            self.write(STREAM_END.to_vec());
        }
        self.out.push_back(Output::Close(end));
        self.state = State::Ended;
        self.deadlines.clear_all();
    }
}

impl Machine for C2s {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Instant, input: Input) {
        if matches!(self.state, State::Ended) {
            return;
        }
        match input {
            Input::Frame(frame) => self.on_frame(frame),
            Input::FrameError(error) | Input::End(error) => self.fail(error),
            Input::Unfinished(unfinished) => self.on_unfinished(now, unfinished),
            Input::TlsEstablished(facts) => self.on_tls(facts),
            Input::Account(lookup) => self.on_account(lookup),
            Input::OtherHost(host) => self.other_host = Some(host),
            Input::Bound(answer) => self.on_bind_answer(answer),
        }
    }

    fn wake(&mut self, now: Instant) {
        if let Some(timer) = self.deadlines.due(now) {
            self.fail(StreamError::new(StreamCondition::ConnectionTimeout).with_text(timer.text()));
        }
    }

    fn poll(&mut self) -> Option<Output> {
        let output = self.out.pop_front();
        if output.is_none() {
            // An idle stream holds no room for what it may say.
            self.out = VecDeque::new();
        }
        output
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadlines.earliest()
    }
}
