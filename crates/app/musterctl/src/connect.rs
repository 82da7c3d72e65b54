//! Finding a node that answers. A paused node takes connections and says nothing, and a node that
//! is cut off cannot change anything: so every address is asked who is there, and the first that has
//! a quorum is used; without one, the first that answers.

use crate::address::{Address, DEFAULTS};
use crate::cli::Target;
use crate::failure::Failure;
use hyper_util::rt::TokioIo;
use muster_admin::TlsIdentity;
use muster_admin::proto::admin_client::AdminClient;
use muster_admin::proto::presence::presence_client::PresenceClient;
use muster_admin::proto::{HelloRequest, HelloResponse};
use rustls_pki_types::ServerName;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

/// How long a node may take to say who it is.
const ANSWER: Duration = Duration::from_secs(2);
/// Bytes of the largest answer: the sessions of a full node.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A client of one node.
pub(crate) type Client = AdminClient<Channel>;

/// A node that answers.
pub(crate) struct Reached {
    pub(crate) client: Client,
    channel: Channel,
    pub(crate) hello: HelloResponse,
}

/// Which nodes to try, with what to prove oneself.
pub(crate) struct Connector {
    addresses: Vec<Address>,
    given: bool,
    tls: Option<TlsConnector>,
}

impl Connector {
    /// Reads the operator's certificate, if one is named.
    pub(crate) fn new(target: &Target) -> Result<Self, Failure> {
        let given = !target.addresses.is_empty();
        let defaults = || {
            DEFAULTS
                .iter()
                .filter_map(|text| text.parse().ok())
                .collect()
        };
        Ok(Self {
            addresses: if given {
                target.addresses.clone()
            } else {
                defaults()
            },
            given,
            tls: tls(target)?,
        })
    }

    /// The addresses to try, in order.
    pub(crate) fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Whether the user has named them.
    pub(crate) fn is_given(&self) -> bool {
        self.given
    }

    /// The first node that can change the cluster, else the first that answers.
    pub(crate) async fn client(&self) -> Result<Client, Failure> {
        Ok(self.best().await?.client)
    }

    /// The same for presence.
    pub(crate) async fn presence(&self) -> Result<PresenceClient<Channel>, Failure> {
        Ok(PresenceClient::new(self.best().await?.channel))
    }

    async fn best(&self) -> Result<Reached, Failure> {
        let mut tried = Vec::new();
        let mut without_quorum = None;
        for (at, address) in self.addresses.iter().enumerate() {
            match self.reach(address).await {
                Ok(reached) if reached.hello.control_quorum || self.addresses.len() == 1 => {
                    return Ok(reached);
                }
                Ok(reached) => without_quorum = without_quorum.or(Some(reached)),
                Err(cause) => tried.push((at, cause)),
            }
        }
        without_quorum.ok_or_else(|| self.nobody(&tried))
    }

    /// The first node that answers, whatever it can do: for what concerns that node alone.
    pub(crate) async fn first(&self) -> Result<Client, Failure> {
        let mut tried = Vec::new();
        for (at, address) in self.addresses.iter().enumerate() {
            match self.reach(address).await {
                Ok(reached) => return Ok(reached.client),
                Err(cause) => tried.push((at, cause)),
            }
        }
        Err(self.nobody(&tried))
    }

    /// Every node that answers, once, and why the others do not. Those in no cluster have no id to know them by.
    pub(crate) async fn all(&self) -> Result<(Vec<Reached>, Vec<String>), Failure> {
        let (mut reached, mut tried) = (Vec::new(), Vec::new());
        for (at, address) in self.addresses.iter().enumerate() {
            match self.reach(address).await {
                Ok(node) => {
                    let is_it = |other: &Reached| other.hello.node == node.hello.node;
                    if node.hello.node == 0 || !reached.iter().any(is_it) {
                        reached.push(node);
                    }
                }
                Err(cause) => tried.push((at, cause)),
            }
        }
        if reached.is_empty() {
            return Err(self.nobody(&tried));
        }
        let words = tried
            .iter()
            .map(|(at, cause)| format!("{}: {cause}", self.addresses[*at]));
        // That there is nothing at a default address means nothing.
        let silent = words.filter(|_| self.given).collect();
        Ok((reached, silent))
    }

    /// Asks who is at an address; the failure is why nobody is.
    pub(crate) async fn reach(&self, address: &Address) -> Result<Reached, String> {
        let connecting = tokio::time::timeout(ANSWER, self.connect(address)).await;
        let silent = || "no answer within 2 s: the node is paused, or a firewall is in between";
        let channel = connecting.map_err(|_| silent())??;
        let client = AdminClient::new(channel.clone());
        let mut client = client.max_decoding_message_size(ANSWER_BYTES_MAX);
        let hello = tokio::time::timeout(ANSWER, client.hello(HelloRequest {})).await;
        let hello = hello.map_err(|_| silent())?.map_err(|status| {
            let cause = cause(&status);
            match address {
                // Said of a node that runs, this is about the certificate.
                Address::Tcp { .. } if status.source().is_some() => {
                    format!("{cause}; is the certificate an operator's of this cluster?")
                }
                Address::Tcp { .. } | Address::Unix(_) => cause,
            }
        })?;
        Ok(Reached {
            client,
            channel,
            hello: hello.into_inner(),
        })
    }

    async fn connect(&self, address: &Address) -> Result<Channel, String> {
        let io = match address {
            Address::Unix(path) => Stream::Unix(unix(path).await?),
            Address::Tcp { host, port } => Stream::Tls(Box::new(self.tls(host, *port).await?)),
        };
        channel_over(io).await
    }

    async fn tls(&self, host: &str, port: u16) -> Result<TlsStream, String> {
        let tls = self.tls.as_ref().ok_or(
            "a certificate is needed: give --cert, --key and --ca, as `musterctl operator create` writes them",
        )?;
        let tcp = TcpStream::connect((host, port))
            .await
            .map_err(|error| in_words(&error))?;
        tcp.set_nodelay(true).map_err(|error| error.to_string())?;
        // Which node it is, its certificate says; the name sent along means nothing.
        let name =
            ServerName::try_from("node.muster.invalid").map_err(|error| error.to_string())?;
        tls.connect(name, tcp)
            .await
            .map_err(|error| format!("no TLS: {error}"))
    }

    /// None of the addresses answers, by their places.
    pub(crate) fn nobody(&self, tried: &[(usize, String)]) -> Failure {
        let mut text = "no node can be reached. Tried:\n".to_owned();
        for (at, cause) in tried {
            text += &format!("  {}: {cause}\n", self.addresses[*at]);
        }
        text += if self.given {
            "Next: start a node with `musterd run FILE`, or name one that runs with --address"
        } else {
            "Next: name a node with --address (unix:PATH or host:port) or in MUSTERCTL_ADDRESS; the socket is `admin.socket` in a node's configuration, by default admin.sock in its data_dir"
        };
        Failure::Unreachable(text)
    }
}

type TlsStream = tokio_rustls::client::TlsStream<TcpStream>;

enum Stream {
    Unix(UnixStream),
    Tls(Box<TlsStream>),
}

async fn unix(path: &Path) -> Result<UnixStream, String> {
    UnixStream::connect(path)
        .await
        .map_err(|error| in_words(&error))
}

/// What the system says, with what it means here.
fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such socket".to_owned(),
        io::ErrorKind::ConnectionRefused => {
            "nobody listens there: the node does not run".to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "no permission: run musterctl as root or as the user that musterd runs as".to_owned()
        }
        _ => error.to_string(),
    }
}

/// What the node said, or why the connection broke: with TLS 1.3 a certificate is refused only after
/// the handshake, and the reason is the innermost one.
pub(crate) fn cause(status: &Status) -> String {
    let mut innermost: &dyn Error = match status.source() {
        Some(source) => source,
        None => return status.message().to_owned(),
    };
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    format!("the connection broke: {innermost}")
}

async fn channel_over(stream: Stream) -> Result<Channel, String> {
    // The URI names nothing: the connection stands already. A second one is never made.
    let endpoint = Endpoint::from_static("http://node.muster.invalid");
    let channel = match stream {
        Stream::Unix(stream) => {
            endpoint
                .connect_with_connector(service_fn(once(stream)))
                .await
        }
        Stream::Tls(stream) => {
            endpoint
                .connect_with_connector(service_fn(once(stream)))
                .await
        }
    };
    channel.map_err(|error| error.to_string())
}

/// Gives a stream away, once.
fn once<S, U>(stream: S) -> impl FnMut(U) -> std::future::Ready<io::Result<TokioIo<S>>> {
    let mut stream = Some(stream);
    move |_| {
        let gone = || io::Error::new(io::ErrorKind::NotConnected, "the node closed it");
        std::future::ready(stream.take().map(TokioIo::new).ok_or_else(gone))
    }
}

fn tls(target: &Target) -> Result<Option<TlsConnector>, Failure> {
    let identity = match (&target.cert, &target.key, &target.ca) {
        (None, None, None) => return Ok(None),
        (Some(cert), Some(key), Some(ca)) => TlsIdentity {
            certificate: read(cert)?,
            key: read(key)?,
            ca: read(ca)?,
        },
        _ => {
            return Err(Failure::Usage(
                "--cert, --key and --ca belong together".to_owned(),
            ));
        }
    };
    let config = identity
        .client()
        .map_err(|error| Failure::Refused(error.to_string()))?;
    Ok(Some(TlsConnector::from(Arc::new(config))))
}

fn read(path: &PathBuf) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| Failure::file(path, &error))
}

#[cfg(test)]
#[path = "connect_test.rs"]
mod connect_test;
#[cfg(test)]
#[path = "remote_test.rs"]
mod remote_test;
