//! A node's certificate and key, and the TLS configurations made from them.

use crate::name;
use crate::pki::PkiError;
use crate::wire::{JOIN_ALPN, Lane};
use muster_types::NodeId;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, version};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt;
use std::sync::Arc;

/// A node's certificate and key, and the CA, all in PEM.
#[derive(Clone)]
pub struct Identity {
    /// The node's certificate, followed by the CA's (a joining node checks that one's hash).
    pub certificate: String,
    /// The private key of the certificate.
    pub key: String,
    /// The CA certificates that peers are verified against.
    pub ca: String,
}

impl Identity {
    /// Whether this is the identity of `node` in `cluster`, and usable.
    ///
    /// # Errors
    /// [`PkiError`], with what is wrong.
    pub fn check(&self, node: NodeId, cluster: &str) -> Result<(), PkiError> {
        TlsConfigs::new(self, node, cluster).map(drop)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("certificate", &self.certificate)
            .field("key", &"***")
            .field("ca", &self.ca)
            .finish()
    }
}

/// The TLS configurations of one identity. Only TLS 1.3 is spoken between nodes.
pub(crate) struct TlsConfigs {
    pub(crate) server: Arc<ServerConfig>,
    raft: Arc<ClientConfig>,
    data: Arc<ClientConfig>,
}

impl TlsConfigs {
    /// Reads `identity`, which must be the one of `node` in `cluster`.
    pub(crate) fn new(identity: &Identity, node: NodeId, cluster: &str) -> Result<Self, PkiError> {
        let chain = certificates(&identity.certificate)?;
        let leaf = chain
            .first()
            .ok_or(rustls_pki_types::pem::Error::NoItemsFound)?;
        let found = name::identify(leaf, cluster)?;
        if found != node {
            let expected = node;
            return Err(PkiError::OtherNode { found, expected });
        }
        let roots = Arc::new(roots(&identity.ca)?);
        Ok(Self {
            server: Arc::new(server(identity, chain.clone(), Arc::clone(&roots))?),
            raft: Arc::new(client(
                identity,
                chain.clone(),
                Arc::clone(&roots),
                Lane::Raft,
            )?),
            data: Arc::new(client(identity, chain, roots, Lane::Data)?),
        })
    }

    pub(crate) fn client(&self, lane: Lane) -> Arc<ClientConfig> {
        Arc::clone(match lane {
            Lane::Raft => &self.raft,
            Lane::Data => &self.data,
        })
    }
}

/// The one provider of cryptography in the process.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    Ok(CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>()?)
}

fn roots(pem: &str) -> Result<RootCertStore, PkiError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

/// Callers without a certificate get through the handshake because they may want to join; the
/// service refuses them everything else.
fn server(
    identity: &Identity,
    chain: Vec<CertificateDer<'static>>,
    roots: Arc<RootCertStore>,
) -> Result<ServerConfig, PkiError> {
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
        .allow_unauthenticated()
        .build()?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            chain,
            PrivateKeyDer::from_pem_slice(identity.key.as_bytes())?,
        )?;
    config.alpn_protocols = [Lane::Raft.alpn(), Lane::Data.alpn(), JOIN_ALPN]
        .map(<[u8]>::to_vec)
        .to_vec();
    Ok(config)
}

fn client(
    identity: &Identity,
    chain: Vec<CertificateDer<'static>>,
    roots: Arc<RootCertStore>,
    lane: Lane,
) -> Result<ClientConfig, PkiError> {
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes())?;
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)?;
    config.alpn_protocols = vec![lane.alpn().to_vec()];
    Ok(config)
}
