//! `muster-floor`: the least that a server can cost. One thread that takes whoever comes and writes ready frames.
//!
//! It speaks as much XMPP as `muster-load` needs and checks nothing: any password is right, everybody has the same number
//! of contacts in a ring (as `muster-load` plans them), nothing is parsed beyond the end of an element. What a real server
//! takes more than this is the price of being one.
//!
//! ```text
//! door (one task a connection) --element--> hall --ready frame--> seats of the contacts --one write a wake-up--> socket
//! ```

mod door;
mod hall;
mod words;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Parser;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::LocalSet;
use tokio_rustls::TlsAcceptor;

use hall::Hall;

/// Connections that may wait to be taken: a storm comes at once.
const BACKLOG: u32 = 8192;

/// Writes ready frames to whoever connects: the floor that servers are compared with
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Options {
    /// Where plain connections come
    #[arg(long, value_name = "IP:PORT")]
    listen: SocketAddr,
    /// Where connections under TLS come
    #[arg(long, value_name = "IP:PORT", requires_all = ["cert", "key"])]
    listen_tls: Option<SocketAddr>,
    /// Certificate chain (PEM)
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Users, numbered from 1 behind any name
    #[arg(long, value_name = "N")]
    users: usize,
    /// Contacts of each user, in a ring; an even number
    #[arg(long, value_name = "N", default_value_t = 0)]
    contacts: usize,
    /// The domain of all users
    #[arg(long, default_value = "example.com")]
    domain: String,
}

fn main() -> ExitCode {
    match work(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("muster-floor: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn work(options: &Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?;
    LocalSet::new().block_on(&runtime, serve(options))
}

async fn serve(options: &Options) -> Result<()> {
    let hall = Rc::new(Hall::new(options.users, options.contacts, &options.domain));
    let plain = listen(options.listen)?;
    let Some(at) = options.listen_tls else {
        return door::open(plain, None, hall).await;
    };
    let (Some(cert), Some(key)) = (&options.cert, &options.key) else {
        anyhow::bail!("--cert and --key are needed with --listen-tls");
    };
    let (tls, acceptor) = (listen(at)?, acceptor(cert, key)?);
    tokio::try_join!(
        door::open(plain, None, Rc::clone(&hall)),
        door::open(tls, Some(acceptor), hall)
    )
    .map(drop)
}

fn listen(at: SocketAddr) -> Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(at).with_context(|| format!("binding {at}"))?;
    socket
        .listen(BACKLOG)
        .with_context(|| format!("listening on {at}"))
}

fn acceptor(cert: &Path, key: &Path) -> Result<TlsAcceptor> {
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
        .with_context(|| format!("reading {}", cert.display()))?;
    let key =
        PrivateKeyDer::from_pem_file(key).with_context(|| format!("reading {}", key.display()))?;
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("the certificate")?;
    let mut config = config;
    config.alpn_protocols = vec![b"xmpp-client".to_vec()];
    Ok(Arc::new(config).into())
}
