//! Stream headers and STARTTLS: RFC 6120 §4 and §5.

use super::{C2s, State, features};
use crate::deadlines::Timer;
use crate::{End, Output, Security, header};
use muster_sasl::Mechanism;
use muster_stanza::{StreamCondition, StreamError, StreamHeader, Writer, ns};
use muster_types::BareJid;

/// Bytes of the longest language tag that is kept: RFC 5646 §4.4.1 expects 35 at most.
const LANG_BYTES_MAX: usize = 35;

impl C2s {
    pub(super) fn on_header(&mut self, header: &StreamHeader) {
        let State::AwaitHeader = self.state else {
            return self.fail(StreamError::new(StreamCondition::BadFormat));
        };
        if let Err(error) = self.accept_header(header) {
            return self.fail(error);
        }
        let features = match (&self.user, self.needs_tls()) {
            (Some(_), _) => features::after_login(),
            (None, true) => features::before_tls(),
            (None, false) => features::before_login(&self.offered(), &self.bindings()),
        };
        // The client's own address goes back to it if it said one (RFC 6120 §4.7.2).
        let client = header
            .from
            .as_deref()
            .and_then(|from| BareJid::new(from).ok());
        self.write_header(client.as_ref().map(|jid| jid.as_str()), &features);
        self.state = if self.user.is_some() {
            State::AwaitBind
        } else {
            State::AwaitAuth
        };
        if self.config.security == Security::Plaintext {
            self.deadlines.clear(Timer::Handshake);
        }
    }

    /// Checks the client's header and remembers what counts for the stream.
    fn accept_header(&mut self, header: &StreamHeader) -> Result<(), StreamError> {
        header::check(header)?;
        let server_name = self.tls.as_ref().and_then(|tls| tls.server_name.as_deref());
        let chosen =
            header::choose_domain(&self.config.domains, header.to.as_deref(), server_name)?;
        if let Some(user) = &self.user {
            // A login is for one domain and one user; a new header does not change them.
            if header.to.is_some() && user.domain() != &**chosen {
                return Err(StreamError::new(StreamCondition::NotAuthorized)
                    .with_text("the login was for another domain"));
            }
            let from = header.from.as_deref().map(BareJid::new);
            if from.is_some_and(|from| from.as_ref() != Ok(user)) {
                return Err(StreamError::new(StreamCondition::InvalidFrom));
            }
        } else {
            self.domain = Some(chosen.clone());
        }
        self.lang = header
            .lang
            .clone()
            .filter(|lang| lang.len() <= LANG_BYTES_MAX);
        Ok(())
    }

    pub(super) fn needs_tls(&self) -> bool {
        self.tls.is_none() && self.config.security != Security::Plaintext
    }

    pub(super) fn bindings(&self) -> muster_sasl::ChannelBindings {
        self.tls
            .as_ref()
            .map(|tls| tls.bindings.clone())
            .unwrap_or_default()
    }

    /// The mechanisms that this connection allows.
    pub(super) fn offered(&self) -> Vec<Mechanism> {
        let can_bind = !self.bindings().is_empty();
        let allowed = |mechanism: &Mechanism| can_bind || !mechanism.binds_channel();
        self.config
            .mechanisms
            .iter()
            .copied()
            .filter(allowed)
            .collect()
    }

    pub(super) fn on_starttls(&mut self) {
        if self.config.security == Security::StartTls && self.tls.is_none() {
            let mut out = Writer::new();
            let proceed = out.start("proceed").attr("xmlns", ns::TLS).finish();
            self.write(proceed);
            self.out.push_back(Output::StartTls);
            self.state = State::AwaitTls;
        } else {
            let mut out = Writer::new();
            let failure = out.start("failure").attr("xmlns", ns::TLS).finish();
            self.write(failure);
            self.close(End::StartTlsRefused);
        }
    }
}
