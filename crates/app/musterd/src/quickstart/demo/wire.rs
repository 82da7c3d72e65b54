//! A client's stream, as small as it can be: direct TLS (XEP-0368), SASL PLAIN (RFC 4616), one
//! resource (RFC 6120 §7). The authority is the quickstart's own.

use crate::quickstart::DOMAIN;
use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use muster_stanza::{Element, Frame, Framer, FramerLimits, Writer, ns};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// What a node may send at once; the roster of a demo is far below.
const LIMITS: FramerLimits = FramerLimits {
    element_bytes: 64 * 1024,
    depth: 32,
    attributes: 32,
};
const RESOURCE: &str = "demo";

/// What makes TLS connections to nodes with a certificate of this authority.
pub(super) fn connector(ca_file: &Path) -> anyhow::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    let name = || ca_file.display().to_string();
    for certificate in CertificateDer::pem_file_iter(ca_file).with_context(name)? {
        roots.add(certificate.with_context(name)?)?;
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"xmpp-client".to_vec()];
    Ok(Arc::new(config).into())
}

/// A bound session.
pub(super) struct Wire {
    tls: TlsStream<TcpStream>,
    framer: Framer,
}

impl Wire {
    /// Connects, logs in and binds.
    pub(super) async fn log_in(
        connector: &TlsConnector,
        to: SocketAddr,
        name: &str,
        password: &str,
    ) -> anyhow::Result<Self> {
        let tcp = TcpStream::connect(to).await?;
        tcp.set_nodelay(true)?;
        let tls = connector.connect(ServerName::try_from(DOMAIN)?, tcp);
        let mut wire = Self {
            tls: tls.await?,
            framer: Framer::new(LIMITS),
        };
        wire.open().await?;
        let secret = STANDARD.encode(format!("\0{name}\0{password}"));
        let mut auth = Writer::new();
        auth.start("auth").attr("xmlns", ns::SASL);
        auth.attr("mechanism", "PLAIN").text(&secret);
        wire.send(&auth.finish()).await?;
        let answer = wire.next().await?;
        if !answer.is("success", ns::SASL) {
            bail!("the login was refused");
        }
        wire.framer.restart();
        wire.open().await?;
        let mut bind = Writer::new();
        bind.start("bind").attr("xmlns", ns::BIND);
        bind.leaf("resource", RESOURCE);
        wire.ask("set", None, "bind", &bind.finish()).await?;
        if !wire.answer_to("bind").await? {
            bail!("the resource was refused");
        }
        Ok(wire)
    }

    /// Waits for the answer to a request, and says whether it is a result; what comes before it is
    /// dropped.
    pub(super) async fn answer_to(&mut self, id: &str) -> anyhow::Result<bool> {
        loop {
            if let Some(result) = is_answer(&self.next().await?, id) {
                return Ok(result);
            }
        }
    }

    /// Opens a stream and reads over its features.
    async fn open(&mut self) -> anyhow::Result<()> {
        let header = format!(
            "<?xml version='1.0'?><stream:stream to='{DOMAIN}' version='1.0' xmlns='{}' \
             xmlns:stream='{}'>",
            ns::CLIENT,
            ns::STREAMS
        );
        self.send(header.as_bytes()).await?;
        if !matches!(self.frame().await?, Frame::Open(_)) {
            bail!("no stream header came");
        }
        self.next().await.map(drop)
    }

    pub(super) async fn send(&mut self, xml: &[u8]) -> anyhow::Result<()> {
        self.tls.write_all(xml).await?;
        Ok(self.tls.flush().await?)
    }

    /// Sends a request.
    pub(super) async fn ask(
        &mut self,
        kind: &str,
        to: Option<&str>,
        id: &str,
        payload: &[u8],
    ) -> anyhow::Result<()> {
        let mut out = Writer::new();
        out.start("iq").attr("type", kind).attr("id", id);
        out.attr_opt("to", to).raw(payload);
        self.send(&out.finish()).await
    }

    /// The next element. Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> anyhow::Result<Element> {
        match self.frame().await? {
            Frame::Element(element) if !element.is("error", ns::STREAMS) => Ok(element),
            Frame::Element(_) | Frame::Close | Frame::Open(_) => bail!("the node ended the stream"),
        }
    }

    async fn frame(&mut self) -> anyhow::Result<Frame> {
        loop {
            if let Some(frame) = self.framer.next_frame()? {
                return Ok(frame);
            }
            let mut bytes = [0; 4096];
            let count = self.tls.read(&mut bytes).await?;
            if count == 0 {
                bail!("the connection ended");
            }
            self.framer.push(&bytes[..count]);
        }
    }

    /// Says goodbye and waits for the node's: until then it may still be busy with what was sent.
    pub(super) async fn close(mut self) -> anyhow::Result<()> {
        self.send(b"</stream:stream>").await?;
        while self.next().await.is_ok() {}
        Ok(())
    }
}

/// Whether an element answers the request of this id, and if so, whether with a result.
pub(super) fn is_answer(element: &Element, id: &str) -> Option<bool> {
    let mine = element.name() == "iq" && element.attr("id").as_deref() == Some(id);
    match element.attr("type").as_deref() {
        Some("result") if mine => Some(true),
        Some("error") if mine => Some(false),
        _ => None,
    }
}
