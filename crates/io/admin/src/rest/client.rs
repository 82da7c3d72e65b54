//! Who calls: the program whose token stands in the request.

use super::Api;
use super::problem::Problem;
use super::uses::Call;
use crate::publish::now_ms;
use crate::rate::Rates;
use crate::{refused, token};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, StatusCode, header};
use muster_cluster::{ApiClient, ClusterState, Scope, TokenHash};
use muster_presence::source::Source;
use muster_types::{BareJid, Timestamp};
use std::time::Instant;

/// The program that calls, at the time of the call.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(super) name: String,
    client: ApiClient,
}

impl Caller {
    /// Lets the program in whose token stands in the headers of a request, which counts as one, and is a use of
    /// its connection.
    pub(super) fn let_in(
        api: &Api,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Result<Self, Problem> {
        let state = api.service.backend.cluster();
        if state.cluster().is_none() {
            let why = refused::no_cluster();
            let kind = "no-cluster";
            return Err(
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, kind, why.message()).for_seconds(60),
            );
        }
        let caller = known(&state, &token_of(headers)?, Timestamp(now_ms()))?;
        if let Some(call) = extensions.get::<Call>() {
            call.is_a_programs();
        }
        match caller.take(&api.service.rates, 1, Instant::now()) {
            0 => Err(caller.too_fast()),
            _ => Ok(caller),
        }
    }

    /// Takes up to `wanted` permits; how many there were.
    pub(crate) fn take(&self, rates: &Rates, wanted: usize, now: Instant) -> usize {
        let bucket = format!("API client {}", self.name);
        rates.take_at(self.client.per_second, &bucket, wanted, now)
    }

    pub(crate) fn too_fast(&self) -> Problem {
        let per_second = self.client.per_second;
        Problem::too_fast(format!(
            "too fast: {per_second} requests a second are taken from this client: send it again later"
        ))
    }

    /// When its time is over.
    pub(super) const fn expires(&self) -> Option<Timestamp> {
        self.client.expires
    }

    /// Whether its token is still good.
    pub(super) fn still_stands(&self, state: &ClusterState, now: Timestamp) -> bool {
        known(state, &self.client.hash, now).is_ok_and(|now| now.client == self.client)
    }

    /// Refuses what it was not given.
    pub(super) fn may(&self, scope: Scope) -> Result<(), Problem> {
        match self.client.scopes.contains(&scope) {
            true => Ok(()),
            false => Err(self.lacks(scope.label())),
        }
    }

    /// Refuses what it may not say, as a source of a user.
    pub(crate) fn may_publish(&self, user: &BareJid, source: &Source) -> Result<(), Problem> {
        self.may_speak_of(user)?;
        self.may(Scope::to_publish(source))
    }

    /// Refuses who may publish nothing at all.
    pub(super) fn may_publish_something(&self) -> Result<(), Problem> {
        let scope = "publish";
        let mut any = Scope::named(scope).into_iter();
        match any.any(|scope| self.client.scopes.contains(&scope)) {
            true => Ok(()),
            false => Err(self.lacks(scope)),
        }
    }

    fn lacks(&self, scope: &str) -> Problem {
        let detail = format!(
            "the client {} has not the scope {scope}: an operator can make one that has it with \
             `musterctl api-client create`",
            self.name
        );
        Problem::new(StatusCode::FORBIDDEN, "scope-missing", detail)
    }

    /// Refuses users of other tenants, whether they exist or not.
    pub(super) fn may_speak_of(&self, user: &BareJid) -> Result<(), Problem> {
        let domain = user.domain().as_str();
        if self.client.domains.contains(domain) {
            return Ok(());
        }
        let domains: Vec<_> = self.client.domains.iter().map(String::as_str).collect();
        let detail = format!(
            "the client {} may not speak of users of {domain}: its token is for {}",
            self.name,
            domains.join(", ")
        );
        Err(Problem::new(StatusCode::FORBIDDEN, "other-domain", detail))
    }
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        Self::let_in(api, &parts.headers, &parts.extensions)
    }
}

fn token_of(headers: &HeaderMap) -> Result<TokenHash, Problem> {
    let value = headers.get(header::AUTHORIZATION).ok_or_else(|| {
        stranger(
            "a token is needed: send `Authorization: Bearer muster_...`, which an operator gets \
                  from `musterctl api-client create`",
        )
    })?;
    // The scheme is in any case (RFC 9110 §11.1).
    let token = value.to_str().ok().and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then_some(token.trim())
    });
    token.and_then(token::hash).ok_or_else(|| {
        stranger(
            "the header Authorization has no token of this cluster: it reads `Bearer muster_...`",
        )
    })
}

fn known(state: &ClusterState, hash: &TokenHash, now: Timestamp) -> Result<Caller, Problem> {
    let found = state.api_client_of(hash);
    let (name, client) = found.ok_or_else(|| {
        stranger("the token is not known here: it was removed, replaced, or is another cluster's")
    })?;
    if client.has_expired(now) {
        return Err(stranger(
            "the token has expired: ask an operator for another one",
        ));
    }
    Ok(Caller {
        name: name.to_owned(),
        client: client.clone(),
    })
}

fn stranger(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "no-valid-token", detail)
}
