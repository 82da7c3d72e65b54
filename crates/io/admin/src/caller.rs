//! Who calls, and what is known of them before they say anything.

use muster_types::NodeId;
use std::fmt;
use tonic::codegen::http;
use tonic::{Request, Status};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// The last labels of the names that nodes have in their certificates.
const NODE_SUFFIX: &str = ".muster.invalid";
/// Calls that change nothing and show no secret: not worth a line at `info`.
const READS: &[&str] = &[
    "Hello",
    "Status",
    "Watch",
    "UserGet",
    "UserList",
    "SessionList",
    "Explain",
    "RulesGet",
    "ApiClientList",
    "Checkup",
    "ConfigCheck",
    "AuditList",
    "ServiceList",
    "ReplicationList",
];

/// The other end of a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Caller {
    /// A process on this host, by its user.
    Local { uid: u32, allowed: bool },
    /// An operator, by the name in the certificate.
    Operator(String),
    /// A node. It may not administer: a witness, which must not hold the CA's key, could otherwise
    /// ask for an operator's certificate.
    Node(NodeId),
    /// A certificate of the cluster's CA that is neither.
    Stranger,
}

impl Caller {
    /// Reads a certificate that the handshake has verified.
    pub(crate) fn of_certificate(der: &[u8]) -> Self {
        let Ok((_, certificate)) = X509Certificate::from_der(der) else {
            return Self::Stranger;
        };
        let names = certificate.subject_alternative_name();
        if let Ok(Some(names)) = names {
            let node = match names.value.general_names.as_slice() {
                [GeneralName::DNSName(name)] => node_name(name),
                _ => None,
            };
            return node.map_or(Self::Stranger, |(node, _)| Self::Node(node));
        }
        let title = certificate.subject().iter_common_name().next();
        match title.and_then(|title| title.as_str().ok()) {
            Some(title) => Self::Operator(title.to_owned()),
            None => Self::Stranger,
        }
    }

    /// Whether the caller may administer the cluster now.
    fn admit(&self) -> Result<(), Status> {
        match self {
            Self::Local { allowed: true, .. } | Self::Operator(_) => Ok(()),
            Self::Local {
                uid,
                allowed: false,
            } => Err(Status::permission_denied(format!(
                "user id {uid} may not administer this node: run musterctl as root or as the user that musterd runs as"
            ))),
            Self::Node(node) => Err(Status::permission_denied(format!(
                "the certificate is that of node {node}, which may not administer: make an operator's with `musterctl operator create`"
            ))),
            Self::Stranger => Err(Status::permission_denied(
                "the certificate is not an operator's: make one with `musterctl operator create`",
            )),
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local { uid, .. } => write!(f, "local user {uid}"),
            Self::Operator(name) => write!(f, "operator {name:?}"),
            Self::Node(node) => write!(f, "node {node}"),
            Self::Stranger => f.write_str("nobody known"),
        }
    }
}

/// Lets a call through, or says why not.
pub(crate) fn gate(request: Request<()>) -> Result<Request<()>, Status> {
    let caller = request.extensions().get::<Caller>();
    let caller = caller.ok_or_else(|| Status::internal("a connection without a caller"))?;
    caller.admit()?;
    Ok(request)
}

/// Whether a call changes nothing and shows no secret.
pub(crate) fn is_read(call: &str) -> bool {
    READS.contains(&call)
}

/// Writes who asked for what into the log. What was asked about is personal data and stays out.
pub(crate) fn log<B>(request: http::Request<B>) -> http::Request<B> {
    let call = request.uri().path().rsplit('/').next().unwrap_or_default();
    if let Some(caller) = request.extensions().get::<Caller>() {
        if is_read(call) {
            tracing::debug!(%caller, call, "admin call");
        } else {
            tracing::info!(%caller, call, "admin call");
        }
    }
    request
}

/// Number and cluster of the node that has this name, such as `n7.CLUSTER.muster.invalid`.
pub(crate) fn node_name(name: &str) -> Option<(NodeId, String)> {
    let (label, cluster) = name.strip_suffix(NODE_SUFFIX)?.split_once('.')?;
    let node = label.strip_prefix('n')?.parse().ok()?;
    Some((NodeId(node), cluster.to_owned()))
}
