//! Resource binding: RFC 6120 §7.

use super::bound::Identity;
use super::{C2s, State};
use crate::deadlines::Timer;
use crate::{BindAnswer, Output};
use muster_stanza::{
    Element, IqType, Stanza, StanzaCondition, StanzaError, StreamCondition, StreamError, Writer, ns,
};
use muster_types::{FullJid, ResourcePart};

/// What a client without a resource wants.
enum Request {
    Bind {
        iq: Stanza,
        wanted: Option<ResourcePart>,
    },
    /// Not to be granted; the stream goes on.
    Wrong(Stanza),
    /// Something for clients that have a resource (§7.1).
    TooEarly,
}

impl C2s {
    pub(super) fn on_bind_element(&mut self, element: &Element) {
        match (request(element), &self.user) {
            (Ok(Request::Bind { iq, wanted }), Some(user)) => {
                let user = user.clone();
                let generated = self.tokens.resource();
                self.out.push_back(Output::Bind {
                    user,
                    wanted,
                    generated,
                });
                self.state = State::Binding(iq);
            }
            (Ok(Request::Wrong(reply)), _) => self.write(reply.encode().to_vec()),
            (Ok(Request::TooEarly | Request::Bind { .. }), _) => {
                let text = "bind a resource first";
                self.fail(StreamError::new(StreamCondition::NotAuthorized).with_text(text));
            }
            (Err(error), _) => self.fail(error),
        }
    }

    pub(super) fn on_bind_answer(&mut self, answer: BindAnswer) {
        let State::Binding(iq) = &self.state else {
            return;
        };
        let refuse = |condition| iq.error(&StanzaError::new(condition)).encode().to_vec();
        let refusal = match answer {
            BindAnswer::Bound(jid) => {
                let result = iq.result_with(bound_to(&jid)).encode().to_vec();
                return self.enter_bound(jid, result);
            }
            BindAnswer::NoAccount => {
                let text = "the account was removed";
                let error = StreamError::new(StreamCondition::NotAuthorized).with_text(text);
                return self.fail(error);
            }
            BindAnswer::Conflict => refuse(StanzaCondition::Conflict),
            BindAnswer::TooMany | BindAnswer::TooBusy => {
                refuse(StanzaCondition::ResourceConstraint)
            }
        };
        self.write(refusal);
        self.state = State::AwaitBind;
    }

    fn enter_bound(&mut self, jid: FullJid, result: Vec<u8>) {
        self.write(result);
        self.state = State::Bound(Identity::new(jid));
        self.deadlines.clear(Timer::Login);
        // Nobody asks for these again, and an idle session should be small.
        self.tls = None;
    }
}

fn request(element: &Element) -> Result<Request, StreamError> {
    let mut iq = match Stanza::from_element(element) {
        Ok(stanza) if stanza.is_iq() => stanza,
        Ok(_) => return Ok(Request::TooEarly),
        Err(problem) => {
            return match (problem.stream_error(), problem.reply()) {
                (Some(error), _) => Err(error),
                (None, Some(reply)) if element.name() == "iq" => Ok(Request::Wrong(reply.clone())),
                (None, _) => Ok(Request::TooEarly),
            };
        }
    };
    // The answer goes to who has no address yet, whatever addresses it wrote.
    (iq.from, iq.to) = (None, None);
    let Some(bind) = iq.child("bind", ns::BIND) else {
        return Ok(Request::TooEarly);
    };
    let resource = bind
        .child("resource", ns::BIND)
        .map(|resource| resource.text());
    let wanted = match resource.as_deref() {
        None | Some("") => Ok(None),
        Some(text) => ResourcePart::new(text).map(|resource| Some(resource.into_owned())),
    };
    Ok(match (iq.iq_type(), wanted) {
        (Some(IqType::Set), Ok(wanted)) => Request::Bind { iq, wanted },
        (Some(IqType::Set | IqType::Get), _) => {
            Request::Wrong(iq.error(&StanzaError::new(StanzaCondition::BadRequest)))
        }
        (Some(IqType::Result | IqType::Error) | None, _) => Request::TooEarly,
    })
}

fn bound_to(jid: &FullJid) -> Vec<u8> {
    let mut out = Writer::new();
    out.start("bind")
        .attr("xmlns", ns::BIND)
        .leaf("jid", jid.as_str());
    out.finish()
}
