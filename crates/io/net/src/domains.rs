//! TLS for the hosted domains: each has its own certificate, and all can be changed at run time.

use crate::certificate::{self, CertificateError, CertificateFiles};
use crate::channel;
use arc_swap::ArcSwap;
use muster_sasl::ChannelBindings;
use muster_stream::TlsFacts;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::{Acceptor, NoServerSessionStorage};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

/// The ALPN name of XMPP for clients (XEP-0368).
const ALPN_CLIENT: &[u8] = b"xmpp-client";

/// The ALPN name of HTTP/1.1 (RFC 7301 §6).
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

/// The certificates in use. [`reload`](Self::reload) changes them for the connections to come.
#[derive(Debug)]
pub struct TlsDomains {
    current: ArcSwap<Table>,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
struct Table {
    by_name: BTreeMap<String, Arc<DomainTls>>,
    /// For clients that name no domain, or none of ours: the first one configured.
    fallback: Arc<DomainTls>,
}

#[derive(Debug)]
struct DomainTls {
    starttls: Arc<ServerConfig>,
    direct: Arc<ServerConfig>,
    http: Arc<ServerConfig>,
    server_end_point: Option<Vec<u8>>,
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
            provider,
        })
    }

    /// Reads all certificates again. Connections that stand keep theirs.
    ///
    /// # Errors
    /// [`CertificateError`] for the first one that cannot be used; then nothing changes.
    pub fn reload(&self, files: &[CertificateFiles]) -> Result<(), CertificateError> {
        self.current
            .store(Arc::new(Table::load(files, &self.provider)?));
        Ok(())
    }

    /// Does the server's side of a TLS handshake on a connection that is to speak HTTP/1.1. It ends when the
    /// client lets it: bound its time.
    ///
    /// # Errors
    /// [`TlsError::Handshake`].
    pub async fn accept_http<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> Result<TlsStream<S>, TlsError> {
        let (stream, _) = self.handshake(stream, Way::Http).await?;
        Ok(stream)
    }

    /// Does the server's side of a TLS handshake. It ends when the client lets it: bound its time.
    pub(crate) async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        way: Way,
    ) -> Result<(TlsStream<S>, TlsFacts), TlsError> {
        let hello = LazyConfigAcceptor::new(Acceptor::default(), stream);
        let hello = hello.await.map_err(TlsError::Handshake)?;
        let server_name = hello
            .client_hello()
            .server_name()
            .map(str::to_ascii_lowercase);
        let domain = self.current.load().choose(server_name.as_deref());
        let config = match way {
            Way::StartTls => &domain.starttls,
            Way::Direct => &domain.direct,
            Way::Http => &domain.http,
        };
        let stream = hello
            .into_stream(Arc::clone(config))
            .await
            .map_err(TlsError::Handshake)?;
        let bindings = ChannelBindings {
            exporter: channel::exporter(stream.get_ref().1),
            server_end_point: domain.server_end_point.clone(),
        };
        Ok((
            stream,
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
        let mut by_name = BTreeMap::new();
        let mut fallback = None;
        for files in files {
            let certified = certificate::load(files, provider)?;
            let domain = Arc::new(DomainTls::new(certified, files, provider)?);
            fallback.get_or_insert_with(|| Arc::clone(&domain));
            by_name.insert(files.domain.to_ascii_lowercase(), domain);
        }
        Ok(Self {
            by_name,
            fallback: fallback.ok_or(CertificateError::None)?,
        })
    }

    fn choose(&self, server_name: Option<&str>) -> Arc<DomainTls> {
        let named = server_name.and_then(|name| self.by_name.get(name));
        Arc::clone(named.unwrap_or(&self.fallback))
    }
}

impl DomainTls {
    fn new(
        certified: CertifiedKey,
        files: &CertificateFiles,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, CertificateError> {
        let server_end_point = certified
            .cert
            .first()
            .and_then(|leaf| channel::server_end_point(leaf));
        let versions = ServerConfig::builder_with_provider(Arc::clone(provider))
            .with_safe_default_protocol_versions();
        let builder = versions.map_err(|cause| CertificateError::Unusable {
            chain: files.chain.clone(),
            key: files.key.clone(),
            cause,
        })?;
        let resolver = Arc::new(SingleCertAndKey::from(certified));
        let mut starttls = builder.with_no_client_auth().with_cert_resolver(resolver);
        // No resumption: a resumed connection is bound to the certificate of the one before it,
        // which may have been changed since, and tls-server-end-point would not agree. A full
        // handshake costs a fraction of a millisecond, once a login.
        starttls.session_storage = Arc::new(NoServerSessionStorage {});
        starttls.send_tls13_tickets = 0;
        let mut direct = starttls.clone();
        direct.alpn_protocols = vec![ALPN_CLIENT.to_vec()];
        let mut http = starttls.clone();
        http.alpn_protocols = vec![ALPN_HTTP.to_vec()];
        Ok(Self {
            starttls: Arc::new(starttls),
            direct: Arc::new(direct),
            http: Arc::new(http),
            server_end_point,
        })
    }
}
