//! Programs with tokens: made, given another token, listed.

use crate::audit;
use crate::publish::now_ms;
use crate::rate::PER_SECOND;
use crate::service::Service;
use crate::{proto, refused, resolve, token};
use muster_cluster::{ApiClient, ClusterState, ControlCommand, ControlOutcome, Scope};
use muster_types::Timestamp;
use std::collections::BTreeSet;
use tonic::{Request, Response, Status};

type Answer<T> = Result<Response<T>, Status>;

pub(crate) async fn create(
    service: &Service,
    request: Request<proto::ApiClientCreateRequest>,
) -> Answer<proto::ApiClientToken> {
    let created_by = audit::by(&request);
    let request = request.into_inner();
    let created = Timestamp(now_ms());
    let (token, hash) = token::generate()?;
    let client = ApiClient {
        hash,
        scopes: scopes(&request.scopes)?,
        domains: domains(&request.domains)?,
        per_second: per_second(request.per_second)?,
        expires: expires(created, request.lifetime_seconds),
        created_by,
        created,
    };
    let name = request.name;
    let command = ControlCommand::ApiClientCreate { name, client };
    decided(service, command, token).await
}

pub(crate) async fn rotate(service: &Service, name: String) -> Answer<proto::ApiClientToken> {
    let (token, hash) = token::generate()?;
    let command = ControlCommand::ApiClientRotate { name, hash };
    decided(service, command, token).await
}

/// The token is told only when its hash stands in the log.
async fn decided(
    service: &Service,
    command: ControlCommand,
    token: String,
) -> Answer<proto::ApiClientToken> {
    match service.propose(command).await? {
        ControlOutcome::Refused(refusal) => {
            Err(refused::status(&service.backend.cluster(), &refusal))
        }
        _ => Ok(Response::new(proto::ApiClientToken { token })),
    }
}

pub(crate) fn list(state: &ClusterState) -> Vec<proto::ApiClient> {
    let now = Timestamp(now_ms());
    let shown = |(name, client): (&str, &ApiClient)| proto::ApiClient {
        name: name.to_owned(),
        scopes: client.scopes.iter().map(ToString::to_string).collect(),
        domains: client.domains.iter().cloned().collect(),
        per_second: client.per_second,
        expires: client.expires.map_or_else(String::new, |at| at.to_string()),
        expired: client.has_expired(now),
        created_by: client.created_by.clone(),
        created: client.created.to_string(),
    };
    state.api_clients().map(shown).collect()
}

fn scopes(words: &[String]) -> Result<BTreeSet<Scope>, Status> {
    let mut scopes = BTreeSet::new();
    for word in words {
        let named = Scope::named(word);
        if named.is_empty() {
            let all = Scope::ALL.map(Scope::label).join(", ");
            let text = format!("{word:?} is no scope: use publish, {all}");
            return Err(Status::invalid_argument(text));
        }
        scopes.extend(named);
    }
    if scopes.is_empty() {
        let text = "a client without a scope may do nothing: give it read, publish or both";
        return Err(Status::invalid_argument(text));
    }
    Ok(scopes)
}

fn domains(words: &[String]) -> Result<BTreeSet<String>, Status> {
    if words.is_empty() {
        let text = "a client without a domain may speak of nobody: name its domains";
        return Err(Status::invalid_argument(text));
    }
    let domain = |word: &String| resolve::domain(word).map(|domain| domain.into_inner());
    words.iter().map(domain).collect()
}

fn per_second(wanted: u32) -> Result<u32, Status> {
    match wanted {
        0 => Ok(PER_SECOND),
        1..=PER_SECOND => Ok(wanted),
        _ => Err(Status::invalid_argument(format!(
            "{wanted} a second is too much: the most is {PER_SECOND}"
        ))),
    }
}

fn expires(created: Timestamp, lifetime_seconds: u64) -> Option<Timestamp> {
    let lifetime = lifetime_seconds.saturating_mul(1_000);
    (lifetime > 0).then(|| Timestamp(created.0.saturating_add(lifetime)))
}

#[cfg(test)]
#[path = "api_clients_test.rs"]
mod api_clients_test;
