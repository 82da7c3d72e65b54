//! A client made of bytes, for what no library would send.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};

use crate::facts::UserFacts;
use crate::wait::PATIENCE;

const SLICE: Duration = Duration::from_millis(50);

/// Whom to trust, and as which domain.
#[derive(Clone, Debug)]
pub struct Trust {
    config: Arc<ClientConfig>,
    domain: String,
}

impl Trust {
    /// Reads an authority's certificate.
    ///
    /// # Errors
    /// Fails when the file holds none.
    pub fn read(ca_file: &Path, domain: &str) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_file(ca_file)
            .with_context(|| format!("reading {}", ca_file.display()))?;
        roots
            .add(certificate)
            .context("the certificate authority")?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            config: Arc::new(config),
            domain: domain.to_owned(),
        })
    }

    /// The same, asking for these protocols by ALPN.
    #[must_use]
    pub fn with_alpn(&self, protocols: &[&str]) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        config.alpn_protocols = protocols
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        Self {
            config: Arc::new(config),
            domain: self.domain.clone(),
        }
    }
}

#[derive(Debug)]
enum Channel {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// A connection that sends what it is told and keeps what it reads.
#[derive(Debug)]
pub struct Raw {
    channel: Channel,
    read: Vec<u8>,
    ended: bool,
    patience: Duration,
}

impl Raw {
    /// Connects without TLS.
    ///
    /// # Errors
    /// Fails when nobody listens.
    pub fn connect(address: &str) -> Result<Self> {
        Self::connect_within(address, PATIENCE)
    }

    /// The same, waiting no longer than this for anything from then on.
    ///
    /// # Errors
    /// Fails when nobody listens.
    pub fn connect_within(address: &str, patience: Duration) -> Result<Self> {
        let socket: SocketAddr = address
            .to_socket_addrs()?
            .next()
            .with_context(|| format!("{address} is no address"))?;
        let stream = TcpStream::connect_timeout(&socket, patience)
            .with_context(|| format!("connecting to {address}"))?;
        stream.set_read_timeout(Some(SLICE))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            channel: Channel::Plain(stream),
            read: Vec::new(),
            ended: false,
            patience,
        })
    }

    /// Connects with TLS from the first byte.
    ///
    /// # Errors
    /// Fails when the handshake does.
    pub fn connect_tls(address: &str, trust: &Trust) -> Result<Self> {
        Self::connect(address)?.into_tls(trust)
    }

    /// Connects, opens a stream and goes through STARTTLS (RFC 6120 §5).
    ///
    /// # Errors
    /// Fails when the server does not offer it or the handshake fails.
    pub fn connect_starttls(address: &str, trust: &Trust) -> Result<Self> {
        Self::connect(address)?.start_tls(trust)
    }

    fn start_tls(self, trust: &Trust) -> Result<Self> {
        let mut raw = self;
        raw.open(&trust.domain)?;
        raw.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")?;
        raw.read_until("<proceed")?;
        raw.read_until(">")?;
        raw.into_tls(trust)
    }

    /// Connects with STARTTLS, logs in with PLAIN and binds a resource.
    ///
    /// # Errors
    /// Fails when one of these does.
    pub fn login(address: &str, trust: &Trust, user: &UserFacts, resource: &str) -> Result<Self> {
        Self::login_within(address, trust, user, resource, PATIENCE)
    }

    /// The same, waiting no longer than this for anything, then and later.
    ///
    /// # Errors
    /// As [`Raw::login`].
    pub fn login_within(
        address: &str,
        trust: &Trust,
        user: &UserFacts,
        resource: &str,
        patience: Duration,
    ) -> Result<Self> {
        let raw = Self::connect_within(address, patience)?.start_tls(trust)?;
        raw.authenticate(&trust.domain, user, resource)
    }

    /// Logs in without TLS, where a node has a port for that.
    ///
    /// # Errors
    /// As [`Raw::login`].
    pub fn login_plaintext(address: &str, user: &UserFacts, resource: &str) -> Result<Self> {
        let (_, domain) = user.jid.split_once('@').unwrap_or_default();
        Self::connect(address)?.authenticate(domain, user, resource)
    }

    fn authenticate(self, domain: &str, user: &UserFacts, resource: &str) -> Result<Self> {
        let mut raw = self;
        raw.open(domain)?;
        raw.send(plain(user, ""))?;
        raw.read_until("<success")?;
        raw.open(domain)?;
        raw.send(format!(
            "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
             <resource>{resource}</resource></bind></iq>"
        ))?;
        let bound = raw.read_until("</iq>")?;
        ensure!(!bound.contains("type='error'"), "bind: {bound}");
        Ok(raw)
    }

    /// Does the TLS handshake on the connection as it is.
    ///
    /// # Errors
    /// Fails when the handshake does.
    pub fn into_tls(self, trust: &Trust) -> Result<Self> {
        let Channel::Plain(stream) = self.channel else {
            bail!("this connection has TLS already")
        };
        let name = ServerName::try_from(trust.domain.clone())?;
        let mut tls = StreamOwned::new(
            ClientConnection::new(Arc::clone(&trust.config), name)?,
            stream,
        );
        tls.sock.set_read_timeout(Some(self.patience))?;
        while tls.conn.is_handshaking() {
            tls.conn
                .complete_io(&mut tls.sock)
                .context("TLS handshake")?;
        }
        tls.sock.set_read_timeout(Some(SLICE))?;
        Ok(Self {
            channel: Channel::Tls(Box::new(tls)),
            read: Vec::new(),
            ended: false,
            patience: self.patience,
        })
    }

    /// This end's address.
    ///
    /// # Errors
    /// Fails when the connection is broken.
    pub fn local_address(&self) -> Result<SocketAddr> {
        let stream = match &self.channel {
            Channel::Plain(stream) => stream,
            Channel::Tls(tls) => &tls.sock,
        };
        stream.local_addr().context("asking for the own address")
    }

    /// The protocol that the server chose by ALPN.
    #[must_use]
    pub fn alpn(&self) -> Option<String> {
        match &self.channel {
            Channel::Plain(_) => None,
            Channel::Tls(tls) => tls
                .conn
                .alpn_protocol()
                .map(|name| String::from_utf8_lossy(name).into_owned()),
        }
    }

    /// Opens a stream and reads the features.
    ///
    /// # Errors
    /// Fails when the server does not offer any.
    pub fn open(&mut self, domain: &str) -> Result<String> {
        self.send(header(domain))?;
        self.read_until("</stream:features>")
    }

    /// Sends bytes. A server that has closed meanwhile is no error: reading will tell.
    ///
    /// # Errors
    /// Fails when the connection breaks in another way.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        let sent = match &mut self.channel {
            Channel::Plain(stream) => stream.write_all(bytes.as_ref()),
            Channel::Tls(tls) => tls.write_all(bytes.as_ref()).and_then(|()| tls.flush()),
        };
        match sent {
            Err(problem) if !is_end(problem.kind()) => Err(problem).context("sending"),
            _ => Ok(()),
        }
    }

    /// Reads up to and with a text; returns what was read and takes it away.
    ///
    /// # Errors
    /// Fails when the server ends before, or the time is over, with what came instead.
    pub fn read_until(&mut self, text: &str) -> Result<String> {
        let begun = Instant::now();
        let mut searched = 0;
        loop {
            if let Some(at) = find(&self.read[searched..], text.as_bytes()) {
                let rest = self.read.split_off(searched + at + text.len());
                return Ok(lossy(&std::mem::replace(&mut self.read, rest)));
            }
            // Megabytes may come; the text may have begun at the end of what was searched.
            searched = self.read.len().saturating_sub(text.len());
            if self.ended || begun.elapsed() > self.patience {
                bail!(
                    "no {text:?} came, only {:?} (ended: {})",
                    lossy(&self.read),
                    self.ended
                );
            }
            self.read_more()?;
        }
    }

    /// Reads until the server closes the connection; returns all that was not yet taken.
    ///
    /// # Errors
    /// Fails when the server keeps it open longer than that.
    pub fn read_to_end(&mut self, within: Duration) -> Result<String> {
        let begun = Instant::now();
        while !self.ended {
            if begun.elapsed() > within {
                bail!("the server did not close; it sent {:?}", lossy(&self.read));
            }
            self.read_more()?;
        }
        Ok(lossy(&std::mem::take(&mut self.read)))
    }

    /// Reads a little, if something is there; returns what was not yet taken.
    ///
    /// # Errors
    /// Fails when the connection has ended.
    pub fn read_some(&mut self) -> Result<String> {
        self.read_more()?;
        if self.ended && self.read.is_empty() {
            bail!("the server has closed the connection");
        }
        Ok(lossy(&std::mem::take(&mut self.read)))
    }

    fn read_more(&mut self) -> Result<()> {
        let mut buffer = [0; 16_384];
        let read = match &mut self.channel {
            Channel::Plain(stream) => stream.read(&mut buffer),
            Channel::Tls(tls) => tls.read(&mut buffer),
        };
        match read {
            Ok(0) => self.ended = true,
            Ok(count) => self.read.extend_from_slice(&buffer[..count]),
            Err(problem)
                if matches!(problem.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(problem) if is_end(problem.kind()) => self.ended = true,
            Err(problem) => return Err(problem).context("reading"),
        }
        Ok(())
    }
}

/// A stream header of a client (RFC 6120 §4.7).
#[must_use]
pub fn header(domain: &str) -> String {
    format!(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' \
         to='{domain}' version='1.0'>"
    )
}

/// A login with PLAIN (RFC 4616), with an authorisation identity.
#[must_use]
pub fn plain(user: &UserFacts, authzid: &str) -> String {
    let name = user.jid.split('@').next().unwrap_or_default();
    let secret = STANDARD.encode(format!("{authzid}\0{name}\0{}", user.password));
    format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>")
}

fn is_end(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof
    )
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
