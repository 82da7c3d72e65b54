//! TLS for the hosted domains: each has its own certificate, and all can be changed at run time.

use crate::certificate::{self, CertificateError, CertificateFiles};
use crate::channel;
use crate::overheard::{self, ExporterSecret};
use crate::tls::TlsSocket;
use arc_swap::ArcSwap;
use muster_sasl::ChannelBindings;
use muster_stream::TlsFacts;
use muster_types::Timestamp;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;

/// The ALPN name of XMPP for clients (XEP-0368).
const ALPN_CLIENT: &[u8] = b"xmpp-client";

/// The ALPN names of HTTP/2 (RFC 9113 §3.1) and HTTP/1.1 (RFC 7301 §6).
pub(crate) const ALPN_HTTP2: &[u8] = b"h2";
const ALPN_HTTP: &[u8] = b"http/1.1";

/// Why a connection did not become TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Bytes came in the clear behind `<starttls/>`: somebody tries to have them taken for
    /// protected ones (RFC 6120 §5.4.3.3).
    #[error("{bytes} bytes in the clear behind the request for TLS")]
    Injected {
        /// How many.
        bytes: usize,
    },
    /// The connection is TLS already.
    #[error("already TLS")]
    Already,
    /// The handshake failed.
    #[error("TLS handshake failed: {0}")]
    Handshake(io::Error),
}

/// How a connection comes to TLS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    /// By STARTTLS: what is spoken is known.
    StartTls,
    /// From the first byte: ALPN says what is spoken, if the client uses it.
    Direct,
    /// The same for HTTP.
    Http,
}

/// The certificates in use. [`replace`](Self::replace) changes them for the connections to come.
#[derive(Debug)]
pub struct TlsDomains {
    current: ArcSwap<Table>,
}

/// A domain's certificate, for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CertificateInfo {
    /// The domain.
    pub domain: String,
    /// SHA-256 of the certificate and of those behind it.
    pub sha256: [u8; 32],
    /// When the first of them ends.
    pub ends: Timestamp,
}

#[derive(Debug)]
struct Table {
    starttls: Arc<ServerConfig>,
    direct: Arc<ServerConfig>,
    http: Arc<ServerConfig>,
    certificates: Arc<Certificates>,
}

#[derive(Debug)]
struct Certificates {
    by_name: BTreeMap<String, Arc<Certificate>>,
    /// For clients that name no domain, or none of ours: the first one configured.
    fallback: Arc<Certificate>,
}

#[derive(Debug)]
struct Certificate {
    certified: Arc<CertifiedKey>,
    server_end_point: Option<Vec<u8>>,
    sha256: [u8; 32],
    ends: Timestamp,
}

impl TlsDomains {
    /// Reads the certificates of all domains. The first is shown to clients that name none.
    ///
    /// # Errors
    /// [`CertificateError`] for the first one that cannot be used.
    pub fn load(files: &[CertificateFiles]) -> Result<Self, CertificateError> {
        let provider = Arc::new(ring::default_provider());
        let table = Table::load(files, &provider)?;
        Ok(Self {
            current: ArcSwap::from_pointee(table),
        })
    }

    /// Takes the certificates of `newer` for all connections to come. Those that stand keep theirs.
    pub fn replace(&self, newer: Self) {
        self.current.store(newer.current.into_inner());
    }

    /// What is in use, in the order of the domains' names.
    pub fn certificates(&self) -> Vec<CertificateInfo> {
        let table = self.current.load();
        let by_name = table.certificates.by_name.iter();
        by_name
            .map(|(domain, certificate)| CertificateInfo {
                domain: domain.clone(),
                sha256: certificate.sha256,
                ends: certificate.ends,
            })
            .collect()
    }

    /// Does the server's side of a TLS handshake on a connection that is to speak HTTP: HTTP/2 where the client
    /// offers it ([`TlsSocket::speaks_http2`]), otherwise HTTP/1.1. It ends when the client lets it: bound its
    /// time.
    ///
    /// # Errors
    /// [`TlsError::Handshake`].
    pub async fn accept_http(&self, stream: TcpStream) -> Result<TlsSocket, TlsError> {
        let (socket, _) = self.handshake(stream, Way::Http).await?;
        Ok(socket)
    }

    /// Does the server's side of a TLS handshake. It ends when the client lets it: bound its time.
    pub(crate) async fn handshake(
        &self,
        stream: TcpStream,
        way: Way,
    ) -> Result<(TlsSocket, TlsFacts), TlsError> {
        let table = self.current.load_full();
        let config = match way {
            Way::StartTls => &table.starttls,
            Way::Direct => &table.direct,
            Way::Http => &table.http,
        };
        let (socket, said) = TlsSocket::accept(stream, Arc::clone(config))
            .await
            .map_err(TlsError::Handshake)?;
        let suite = socket.tls().negotiated_cipher_suite();
        let bindings = ChannelBindings {
            exporter: said
                .exporter
                .zip(suite)
                .and_then(|(secret, suite)| channel::exporter(suite, &secret)),
            server_end_point: table
                .certificates
                .choose(said.server_name.as_deref())
                .server_end_point
                .clone(),
        };
        let server_name = said.server_name;
        Ok((
            socket,
            TlsFacts {
                bindings,
                server_name,
            },
        ))
    }
}

impl Table {
    fn load(
        files: &[CertificateFiles],
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, CertificateError> {
        let certificates = Arc::new(Certificates::load(files, provider)?);
        let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
            .with_safe_default_protocol_versions()
            .map_err(CertificateError::Provider)?;
        let resolver = Arc::clone(&certificates) as Arc<dyn ResolvesServerCert>;
        let mut starttls = builder.with_no_client_auth().with_cert_resolver(resolver);
        // No resumption: a resumed connection is bound to the certificate of the one before it,
        // which may have been changed since, and tls-server-end-point would not agree. A full
        // handshake costs a fraction of a millisecond, once a login.
        starttls.session_storage = Arc::new(NoServerSessionStorage {});
        starttls.send_tls13_tickets = 0;
        starttls.key_log = Arc::new(ExporterSecret);
        let mut direct = starttls.clone();
        direct.alpn_protocols = vec![ALPN_CLIENT.to_vec()];
        let mut http = starttls.clone();
        http.alpn_protocols = vec![ALPN_HTTP2.to_vec(), ALPN_HTTP.to_vec()];
        Ok(Self {
            starttls: Arc::new(starttls),
            direct: Arc::new(direct),
            http: Arc::new(http),
            certificates,
        })
    }
}

impl Certificates {
    fn load(
        files: &[CertificateFiles],
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, CertificateError> {
        let mut by_name = BTreeMap::new();
        let mut fallback = None;
        for files in files {
            let certified = certificate::load(files, provider)?;
            let certificate = Arc::new(Certificate::new(certified, files)?);
            fallback.get_or_insert_with(|| Arc::clone(&certificate));
            by_name.insert(files.domain.to_ascii_lowercase(), certificate);
        }
        Ok(Self {
            by_name,
            fallback: fallback.ok_or(CertificateError::None)?,
        })
    }

    fn choose(&self, server_name: Option<&str>) -> &Certificate {
        let named = server_name.and_then(|name| self.by_name.get(name));
        named.unwrap_or(&self.fallback)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_ascii_lowercase);
        let chosen = self.choose(name.as_deref());
        if let Some(name) = name {
            overheard::server_name(name);
        }
        Some(Arc::clone(&chosen.certified))
    }
}

impl Certificate {
    fn new(certified: CertifiedKey, files: &CertificateFiles) -> Result<Self, CertificateError> {
        let server_end_point = certified
            .cert
            .first()
            .and_then(|leaf| channel::server_end_point(leaf));
        let sha256 = certified
            .cert
            .iter()
            .fold(Sha256::new(), |hash, one| hash.chain_update(one.as_ref()));
        Ok(Self {
            server_end_point,
            sha256: sha256.finalize().into(),
            ends: certificate::end(&certified.cert, files)?,
            certified: Arc::new(certified),
        })
    }
}
