//! SASL on the wire: RFC 6120 §6. What the bytes mean is the business of `muster_sasl`.

use super::{C2s, State};
use crate::Output;
use base64::{Engine, prelude::BASE64_STANDARD};
use muster_sasl::{Context, Exchange, Failure, Lookup, Mechanism, SaslCondition, Step};
use muster_stanza::{Element, StreamCondition, StreamError, Writer, ns};
use muster_types::BareJid;

impl C2s {
    pub(super) fn on_auth_element(&mut self, element: &Element) {
        match (element.namespace(), element.name()) {
            (ns::TLS, "starttls") => self.on_starttls(),
            (ns::SASL, "auth") => self.on_auth(element),
            (ns::SASL, "response") => self.on_response(element),
            (ns::SASL, "abort") => self.refuse(Failure::new(SaslCondition::Aborted)),
            (ns::CLIENT, "message" | "presence" | "iq") => {
                self.fail(StreamError::new(StreamCondition::NotAuthorized));
            }
            _ => self.fail(StreamError::new(StreamCondition::UnsupportedStanzaType)),
        }
    }

    fn on_auth(&mut self, element: &Element) {
        match self.begin(element) {
            Ok((exchange, step)) => self.on_step(Box::new(exchange), step),
            Err(failure) => self.refuse(failure),
        }
    }

    fn begin(&mut self, element: &Element) -> Result<(Exchange, Step), Failure> {
        if let State::Authenticating(_) = self.state {
            return Err(Failure::new(SaslCondition::MalformedRequest));
        }
        if self.needs_tls() {
            return Err(Failure::new(SaslCondition::EncryptionRequired));
        }
        let offered = self.offered();
        let mechanism = element
            .attr("mechanism")
            .and_then(|name| Mechanism::parse(&name))
            .filter(|mechanism| offered.contains(mechanism))
            .ok_or(Failure::new(SaslCondition::InvalidMechanism))?;
        // No content is no initial response; an empty one is written "=" (RFC 6120 §6.4.2).
        let text = element.text();
        let initial = if text.is_empty() {
            None
        } else {
            Some(decode(&text)?)
        };
        let domain = self.domain.clone();
        let context = Context {
            domain: domain.ok_or(Failure::new(SaslCondition::TemporaryAuthFailure))?,
            bindings: self.bindings(),
            plus_offered: offered.iter().any(|mechanism| mechanism.binds_channel()),
            nonce: self.tokens.draw(),
            decoy: self.config.decoy.clone(),
        };
        Ok(Exchange::start(mechanism, initial.as_deref(), context))
    }

    fn on_response(&mut self, element: &Element) {
        let before = std::mem::replace(&mut self.state, State::AwaitAuth);
        let State::Authenticating(mut exchange) = before else {
            return self.refuse(Failure::new(SaslCondition::MalformedRequest));
        };
        match decode(&element.text()) {
            Ok(response) => {
                let step = exchange.respond(&response);
                self.on_step(exchange, step);
            }
            Err(failure) => self.refuse(failure),
        }
    }

    pub(super) fn on_account(&mut self, lookup: Lookup) {
        let before = std::mem::replace(&mut self.state, State::AwaitAuth);
        let State::LookingUp(mut exchange) = before else {
            self.state = before;
            return;
        };
        let step = exchange.provide(lookup);
        self.on_step(exchange, step);
    }

    fn on_step(&mut self, exchange: Box<Exchange>, step: Step) {
        match step {
            Step::Challenge(data) => {
                self.write(encode("challenge", &data));
                self.state = State::Authenticating(exchange);
            }
            Step::NeedAccount(account) => {
                self.claimed = Some(account.clone());
                self.out.push_back(Output::LookUp(account));
                self.state = State::LookingUp(exchange);
            }
            Step::Success { user, data } => self.accept(user, &data),
            Step::Failure(failure) => self.refuse(failure),
        }
    }

    /// The client is who it says. A misplaced one is sent on now: only to its own user is it told
    /// where, and most clients follow before they have authenticated but not after.
    fn accept(&mut self, user: BareJid, data: &[u8]) {
        if let Some(host) = self.other_host.take() {
            return self.fail(StreamError::see_other_host(host));
        }
        self.write(encode("success", data));
        self.claimed = None;
        self.user = Some(user.clone());
        self.out.push_back(Output::Authenticated { user });
        self.out.push_back(Output::Restart);
        self.header_sent = false;
        self.state = State::AwaitHeader;
    }

    /// The client may try again, but not for ever (RFC 6120 §6.4.5).
    fn refuse(&mut self, failure: Failure) {
        let mut out = Writer::new();
        out.start("failure").attr("xmlns", ns::SASL);
        out.start(failure.condition.name()).end();
        if let Some(text) = failure.text {
            out.start("text").attr("xml:lang", "en").text(text);
        }
        self.write(out.finish());
        let account = self.claimed.take();
        self.other_host = None;
        self.out.push_back(Output::AuthFailed {
            account,
            condition: failure.condition,
        });
        self.auth_failures += 1;
        self.state = State::AwaitAuth;
        if self.auth_failures >= self.config.auth_attempts {
            let text = "too many failed logins";
            self.fail(StreamError::new(StreamCondition::PolicyViolation).with_text(text));
        }
    }
}

/// The data of an element: base64, where nothing is written as nothing or as "=".
fn decode(text: &str) -> Result<Vec<u8>, Failure> {
    match text {
        "=" => Ok(Vec::new()),
        _ => {
            let wrong = |_| Failure::new(SaslCondition::IncorrectEncoding);
            BASE64_STANDARD.decode(text).map_err(wrong)
        }
    }
}

fn encode(name: &str, data: &[u8]) -> Vec<u8> {
    let mut out = Writer::new();
    out.start(name).attr("xmlns", ns::SASL);
    if !data.is_empty() {
        out.text(&BASE64_STANDARD.encode(data));
    }
    out.finish()
}
