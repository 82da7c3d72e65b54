//! The user in a path.

use super::Api;
use super::client::Caller;
use super::problem::Problem;
use crate::quote::start_of;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use muster_presence::source::Source;
use muster_types::{BareJid, SlotId};
use std::collections::BTreeMap;

/// The parts of a path by their names, percent-decoded.
pub(super) struct InPath(BTreeMap<String, String>);

impl FromRequestParts<Api> for InPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let read: Result<Path<BTreeMap<String, String>>, PathRejection> =
            Path::from_request_parts(parts, api).await;
        match read {
            Ok(Path(parts)) => Ok(Self(parts)),
            Err(why) => Err(Problem::bad_request(format!(
                "the path cannot be read: {}",
                why.body_text()
            ))),
        }
    }
}

impl InPath {
    fn part(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// The user, of whom the caller may speak.
    pub(super) fn user(&self, caller: &Caller) -> Result<BareJid, Problem> {
        of_caller(caller, self.part("jid"))
    }

    /// The source: `manual`, or KIND/NAME in two parts or in one with `%2F`.
    pub(super) fn source(&self) -> Result<Source, Problem> {
        let source = match self.0.get("kind") {
            Some(kind) => format!("{kind}/{}", self.part("name")),
            None => self.part("source").to_owned(),
        };
        start_of(&source).parse().map_err(Problem::bad_request)
    }
}

/// Reads an address of which the caller may speak.
pub(super) fn of_caller(caller: &Caller, word: &str) -> Result<BareJid, Problem> {
    let user = crate::resolve::user(word);
    let user = user.map_err(|why| Problem::bad_request(why.message()))?;
    caller.may_speak_of(&user)?;
    Ok(user)
}

impl Api {
    /// Where a user's owner is to be asked.
    pub(super) fn slot_of(&self, user: &BareJid) -> Result<SlotId, Problem> {
        let slot = self.service.backend.cluster().account_slot(user);
        slot.ok_or_else(|| Problem::unknown_user(user.as_str()))
    }
}
