//! What lets a node into the cluster, and an operator administer it.

use crate::service::Service;
use crate::{audit, proto, resolve};
use muster_cluster::Role;
use std::time::Duration;
use tonic::{Response, Status};

/// How long a join token is good when nothing else is asked.
const TOKEN_LIFETIME: Duration = Duration::from_secs(3_600);
/// The longest life of a join token.
const TOKEN_LIFETIME_MAX: Duration = Duration::from_secs(30 * 86_400);
/// The longest name of an operator, in bytes: a common name of X.509 (RFC 5280 appendix A.1).
const OPERATOR_BYTES_MAX: usize = 64;

type Answer<T> = Result<Response<T>, Status>;

/// A token with which one node joins.
pub(crate) async fn token(
    service: &Service,
    request: proto::TokenCreateRequest,
) -> Answer<proto::TokenCreateResponse> {
    let role = match request.role() {
        proto::Role::Serving => Role::Serving,
        proto::Role::Witness => Role::Witness,
        proto::Role::Unspecified => {
            return Err(Status::invalid_argument(
                "the role must be serving or witness",
            ));
        }
    };
    let lifetime = match request.lifetime_seconds {
        0 => TOKEN_LIFETIME,
        seconds => Duration::from_secs(seconds),
    };
    if lifetime > TOKEN_LIFETIME_MAX {
        return Err(Status::invalid_argument(
            "a join token is good for at most 30 days",
        ));
    }
    resolve::ready(&service.backend.cluster())?;
    audit::about(format!("for a {role:?} node").to_lowercase());
    let made = service.backend.token(role, lifetime).await;
    let (token, expires) = made.map_err(Status::failed_precondition)?;
    Ok(Response::new(proto::TokenCreateResponse {
        token,
        expires: expires.to_string(),
    }))
}

/// A certificate for an operator.
pub(crate) fn operator(
    service: &Service,
    name: String,
) -> Answer<proto::OperatorCertificateResponse> {
    let plain = name.chars().all(|c| !c.is_control());
    if name.is_empty() || name.len() > OPERATOR_BYTES_MAX || !plain {
        let text = format!("{name:?} is no operator's name: use 1 to 64 bytes of text");
        return Err(Status::invalid_argument(text));
    }
    audit::about(&name);
    resolve::ready(&service.backend.cluster())?;
    let made = service
        .backend
        .operator_certificate(name)
        .map_err(Status::failed_precondition)?;
    Ok(Response::new(proto::OperatorCertificateResponse {
        certificate: made.certificate,
        key: made.key,
        ca: made.ca,
    }))
}
