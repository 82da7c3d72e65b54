//! What a bound client may send: RFC 6120 §8.1.2.1 and §8.3.

use super::{C2s, State};
use crate::Output;
use muster_stanza::{
    Element, IqType, Stanza, StanzaCondition, StanzaError, StreamCondition, StreamError, ns,
};
use muster_types::{BareJid, FullJid, Jid};

/// The addresses of a bound client.
#[derive(Debug)]
pub(super) struct Identity {
    full: Jid,
    bare: BareJid,
}

impl Identity {
    pub(super) fn new(jid: FullJid) -> Self {
        Self {
            // Kept, so without the room of the resource.
            bare: jid.to_bare(),
            full: jid.into(),
        }
    }

    /// A client may say that it is itself, or its account.
    fn covers(&self, from: &Jid) -> bool {
        *from == self.full || self.bare == *from
    }
}

impl C2s {
    pub(super) fn on_bound_element(&mut self, element: &Element) {
        let State::Bound(identity) = &self.state else {
            return;
        };
        let mut stanza = match Stanza::from_element(element) {
            Ok(stanza) => stanza,
            Err(problem) => {
                if let Some(error) = problem.stream_error() {
                    return self.fail(error);
                }
                if let Some(reply) = problem.reply() {
                    let reply = reply.clone().with_to(identity.full.clone());
                    self.write(reply.encode().to_vec());
                }
                return;
            }
        };
        if stanza
            .from
            .as_ref()
            .is_some_and(|from| !identity.covers(from))
        {
            return self.fail(StreamError::new(StreamCondition::InvalidFrom));
        }
        stanza.from = Some(identity.full.clone());
        if binds_again(&stanza) {
            let error = StanzaError::new(StanzaCondition::NotAllowed);
            let reply = stanza.error(&error).encode().to_vec();
            return self.write(reply);
        }
        if stanza.lang.is_none() {
            // RFC 6120 §8.1.5
            stanza.lang.clone_from(&self.lang);
        }
        self.out.push_back(Output::Stanza(stanza));
    }
}

/// One stream has one resource (RFC 6120 §7.1).
fn binds_again(stanza: &Stanza) -> bool {
    stanza.iq_type() == Some(IqType::Set) && stanza.child("bind", ns::BIND).is_some()
}
