//! How a new node becomes a member: it checks the cluster by the token's CA hash, the cluster checks
//! it by the token's secret.

use crate::config::Versions;
use crate::dial::{DialError, channel};
use crate::fingerprint::Fingerprint;
use crate::identity::{Identity, TlsConfigs, provider};
use crate::pinned::PinnedCa;
use crate::pki::{NodeKey, PkiError};
use crate::token::JoinToken;
use crate::wire::proto::link_client::LinkClient;
use crate::wire::{JOIN_ALPN, proto};
use muster_types::NodeId;
use rustls::{ClientConfig, version};
use rustls_pki_types::ServerName;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::Code;

/// How long the cluster may take to decide about a node that wants to join.
pub(crate) const JOIN_TIME: Duration = Duration::from_secs(20);
/// Nodes that one node lets join at a time.
pub(crate) const JOIN_LIMIT: usize = 4;
/// How long to try one address of the token.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// Bytes of a join's request and response.
const MESSAGE_BYTES_MAX: usize = 256 << 10;

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Hosts users.
    Serving,
    /// Votes and keeps a copy, hosts no users.
    Witness,
}

/// A new node asks to become a member.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinRequest {
    /// The cluster it was told to join.
    pub cluster: String,
    /// The token's secret; the cluster knows its hash ([`JoinToken::hash_secret`]).
    pub secret: [u8; 32],
    /// The name an operator gave the node.
    pub name: String,
    /// What it is to do.
    pub role: Role,
    /// The request for its certificate ([`NodeKey::csr`]).
    pub csr: String,
    /// Where the other nodes can dial it, as host:port.
    pub link_address: String,
    /// What its program speaks and writes.
    pub versions: Versions,
}

/// What a new member gets.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinResponse {
    /// Its id.
    pub node: NodeId,
    /// Its certificate, followed by the CA's, in PEM.
    pub certificate: String,
    /// The CA's certificate in PEM.
    pub ca: String,
    /// The other members, and where they are dialled as host:port.
    pub peers: BTreeMap<NodeId, String>,
    /// For a serving node: the CA's private key in PEM, to be sealed before it touches the disk.
    pub ca_key: Option<String>,
}

/// Why a node could not join.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The token names no member.
    #[error("the join token names no address")]
    NoAddress,
    /// No member answered.
    #[error("no member answered: {}", tried(.0))]
    Unreachable(Vec<(String, String)>),
    /// The cluster said no.
    #[error("{0}")]
    Refused(String),
    /// What the cluster sent does not fit the token or the request.
    #[error("the answer of {address} is not usable: {reason}")]
    Answer {
        /// Who sent it.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// TLS cannot be set up, or the received certificate is not usable with `key`.
    #[error(transparent)]
    Pki(#[from] PkiError),
}

fn tried(addresses: &[(String, String)]) -> String {
    let lines = addresses.iter().map(|(at, why)| format!("{at} ({why})"));
    lines.collect::<Vec<_>>().join(", ")
}

/// Joins the cluster that made `token`, trying its addresses in turn. `key` is the one that the
/// request's CSR is for. Cluster and secret of the request are taken from the token.
pub async fn join(
    token: &JoinToken,
    key: &NodeKey,
    request: JoinRequest,
) -> Result<JoinResponse, JoinError> {
    if token.addresses.is_empty() {
        return Err(JoinError::NoAddress);
    }
    let request = JoinRequest {
        cluster: token.cluster.clone(),
        secret: token.secret,
        ..request
    };
    let connector = connector(token)?;
    let mut failures = Vec::new();
    for address in &token.addresses {
        match ask(&connector, address, &request).await {
            Ok(response) => return check(token, key, address, response),
            Err(DialError::Refused(status)) if is_decision(status.code()) => {
                return Err(JoinError::Refused(status.message().to_owned()));
            }
            Err(error) => failures.push((address.clone(), error.to_string())),
        }
    }
    Err(JoinError::Unreachable(failures))
}

/// Whether the cluster itself said no; anything else may be different at the next address.
fn is_decision(code: Code) -> bool {
    matches!(code, Code::FailedPrecondition | Code::InvalidArgument)
}

fn connector(token: &JoinToken) -> Result<TlsConnector, PkiError> {
    let verifier = PinnedCa::new(token.cluster.clone(), token.ca);
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![JOIN_ALPN.to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn ask(
    connector: &TlsConnector,
    address: &str,
    request: &JoinRequest,
) -> Result<proto::JoinResponse, DialError> {
    let connecting = async {
        let tcp = TcpStream::connect(address).await;
        let tcp = tcp.map_err(DialError::Connect)?;
        // The verifier takes any node of the cluster, so which name is asked for is of no matter.
        let name = ServerName::try_from("join.muster.invalid");
        let name = name.map_err(|error| DialError::Tls(io::Error::other(error)))?;
        let tls = connector.connect(name, tcp).await;
        channel(tls.map_err(DialError::Tls)?).await
    };
    let channel = tokio::time::timeout(CONNECT_TIME, connecting).await??;
    let mut client = LinkClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let asking = client.join(write_request(request));
    let answer = tokio::time::timeout(JOIN_TIME + CONNECT_TIME, asking).await?;
    let answer = answer.map_err(|status| DialError::Refused(Box::new(status)))?;
    Ok(answer.into_inner())
}

/// Believes nothing that does not fit what was asked.
fn check(
    token: &JoinToken,
    key: &NodeKey,
    address: &str,
    response: proto::JoinResponse,
) -> Result<JoinResponse, JoinError> {
    let answer = |reason: &str| JoinError::Answer {
        address: address.to_owned(),
        reason: reason.to_owned(),
    };
    let response = read_response(response).map_err(|error| answer(&error.to_string()))?;
    if Fingerprint::of_pem(&response.ca)? != token.ca {
        return Err(answer("it has another CA than the token"));
    }
    let identity = Identity {
        certificate: response.certificate.clone(),
        key: key.pem(),
        ca: response.ca.clone(),
    };
    TlsConfigs::new(&identity, response.node, &token.cluster)?;
    Ok(response)
}

/// What is wrong with a message about joining.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("the secret is not 32 bytes long")]
    Secret,
    #[error("no known role is asked for")]
    Role,
    #[error("{0} is no node id")]
    Node(u32),
}

pub(crate) fn read_request(request: proto::JoinRequest) -> Result<JoinRequest, Malformed> {
    let role = match request.role() {
        proto::Role::Serving => Role::Serving,
        proto::Role::Witness => Role::Witness,
        proto::Role::Unspecified => return Err(Malformed::Role),
    };
    Ok(JoinRequest {
        cluster: request.cluster,
        secret: request.secret.try_into().map_err(|_| Malformed::Secret)?,
        name: request.name,
        role,
        csr: request.csr,
        link_address: request.link_address,
        versions: Versions {
            wire: request.wire_version,
            wire_oldest: request.wire_version_oldest,
            data: request.data_version,
        },
    })
}

fn write_request(request: &JoinRequest) -> proto::JoinRequest {
    let role = match request.role {
        Role::Serving => proto::Role::Serving,
        Role::Witness => proto::Role::Witness,
    };
    proto::JoinRequest {
        cluster: request.cluster.clone(),
        secret: request.secret.to_vec(),
        name: request.name.clone(),
        role: role.into(),
        csr: request.csr.clone(),
        link_address: request.link_address.clone(),
        wire_version: request.versions.wire,
        wire_version_oldest: request.versions.wire_oldest,
        data_version: request.versions.data,
    }
}

fn read_response(response: proto::JoinResponse) -> Result<JoinResponse, Malformed> {
    let peers = response.peers.into_iter();
    let peers = peers.map(|peer| Ok((read_node(peer.node)?, peer.link_address)));
    Ok(JoinResponse {
        node: read_node(response.node)?,
        certificate: response.certificate,
        ca: response.ca,
        peers: peers.collect::<Result<_, _>>()?,
        ca_key: Some(response.ca_key).filter(|key| !key.is_empty()),
    })
}

fn read_node(node: u32) -> Result<NodeId, Malformed> {
    match u16::try_from(node) {
        Ok(id) if id != 0 => Ok(NodeId(id)),
        Ok(_) | Err(_) => Err(Malformed::Node(node)),
    }
}

pub(crate) fn write_response(response: JoinResponse) -> proto::JoinResponse {
    let peers = response.peers.into_iter();
    let peers = peers.map(|(node, link_address)| proto::Peer {
        node: node.0.into(),
        link_address,
    });
    proto::JoinResponse {
        node: response.node.0.into(),
        certificate: response.certificate,
        ca: response.ca,
        peers: peers.collect(),
        ca_key: response.ca_key.unwrap_or_default(),
    }
}

impl fmt::Debug for JoinRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinRequest")
            .field("name", &self.name)
            .field("role", &self.role)
            .field("link_address", &self.link_address)
            .field("versions", &self.versions)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for JoinResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinResponse")
            .field("node", &self.node)
            .field("peers", &self.peers)
            .finish_non_exhaustive()
    }
}
