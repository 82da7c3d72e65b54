//! From a TCP connection to a bound session: RFC 6120 §4 to §7.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use muster_stanza::{Element, Frame, Writer, ns};
use tokio::time::timeout;

use super::error::{SessionError, condition};
use super::sasl::{Credentials, authenticate};
use super::session::{Session, answer_with};
use super::socket::{Connectors, Socket, connect};
use super::wire::Wire;

/// In-band registration. XEP-0077.
const REGISTER: &str = "jabber:iq:register";

/// How the connection is protected.
#[derive(Clone)]
pub(crate) enum Protection {
    /// Not at all.
    Off,
    /// From a STARTTLS on. RFC 6120 §5.
    StartTls(Connectors),
    /// From the first byte. XEP-0368.
    Direct(Connectors),
}

/// All that one login needs to know.
pub(crate) struct Login<'a> {
    pub(crate) credentials: Credentials<'a>,
    pub(crate) resource: &'a str,
    pub(crate) tls: &'a Protection,
    pub(crate) to: SocketAddr,
    pub(crate) from: Option<IpAddr>,
    /// How long the server may take for its first answer.
    pub(crate) first_answer: Duration,
}

/// Logs in.
///
/// # Errors
/// With the step that failed.
pub(crate) async fn negotiate(login: Login<'_>) -> Result<Session, SessionError> {
    let (mut wire, features) = protect(&login).await?;
    let domain = login.credentials.user.jid.domain().as_str();
    authenticate(&mut wire, &features, &login.credentials).await?;
    wire.restart();
    let (mut wire, _) = open(wire, domain).await?;
    let jid = bind(&mut wire, login.resource).await?;
    Ok(Session::new(wire, jid))
}

/// Makes the account, by in-band registration (XEP-0077 §3.1); answers false when it is there already.
///
/// # Errors
/// With the step that failed.
pub(crate) async fn register(login: Login<'_>) -> Result<bool, SessionError> {
    let (mut wire, _) = protect(&login).await?;
    let user = login.credentials.user;
    let mut out = Writer::new();
    out.start("iq").attr("type", "set").attr("id", "register");
    out.attr("to", user.jid.domain().as_str());
    out.start("query")
        .attr("xmlns", REGISTER)
        .leaf("username", user.jid.node().map_or("", |node| node.as_str()))
        .leaf("password", &user.password);
    wire.queue(&out.finish())?;
    let made = loop {
        if let Some(answer) = answer_with(&wire.element().await?, "register") {
            break answer;
        }
    };
    wire.queue(b"</stream:stream>")?;
    wire.flush().await?;
    wire.shutdown().await;
    match made {
        Ok(()) => Ok(true),
        Err(SessionError::IqError(condition)) if condition == "conflict" => Ok(false),
        Err(error) => Err(error),
    }
}

/// Connects, protects the connection as asked for, and reads the features.
async fn protect(login: &Login<'_>) -> Result<(Wire, Element), SessionError> {
    let domain = login.credentials.user.jid.domain().as_str();
    let (wire, features) = timeout(login.first_answer, reach(login, domain))
        .await
        .map_err(|_| SessionError::Timeout(login.first_answer))??;
    match login.tls {
        Protection::Off | Protection::Direct(_) => Ok((wire, features)),
        Protection::StartTls(connectors) => {
            let tcp = start_tls(wire, &features).await?;
            let socket = Socket::secure(tcp, domain, connectors, false).await;
            open(Wire::new(socket.map_err(SessionError::Tls)?), domain).await
        }
    }
}

/// Connects and reads the features of the first stream.
async fn reach(login: &Login<'_>, domain: &str) -> Result<(Wire, Element), SessionError> {
    let tcp = connect(login.to, login.from)
        .await
        .map_err(SessionError::Connect)?;
    let socket = match login.tls {
        Protection::Off | Protection::StartTls(_) => Socket::Plain(tcp),
        Protection::Direct(connectors) => Socket::secure(tcp, domain, connectors, true)
            .await
            .map_err(SessionError::Tls)?,
    };
    open(Wire::new(socket), domain).await
}

/// Opens a stream and reads the features.
async fn open(mut wire: Wire, domain: &str) -> Result<(Wire, Element), SessionError> {
    let mut header = Vec::with_capacity(200);
    header.extend_from_slice(b"<?xml version='1.0'?><stream:stream to='");
    muster_stanza::escape_attr(&mut header, domain);
    header.extend_from_slice(
        b"' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>",
    );
    wire.queue(&header)?;
    match wire.frame().await? {
        Frame::Open(_) => {}
        Frame::Close => return Err(SessionError::Closed),
        Frame::Element(element) => {
            return Err(SessionError::unexpected("a stream header", &element));
        }
    }
    let features = wire.element().await?;
    if !features.is("features", ns::STREAMS) {
        return Err(SessionError::unexpected("stream features", &features));
    }
    Ok((wire, features))
}

async fn start_tls(
    mut wire: Wire,
    features: &Element,
) -> Result<tokio::net::TcpStream, SessionError> {
    if features.child("starttls", ns::TLS).is_none() {
        return Err(SessionError::NotOffered {
            wanted: "STARTTLS",
            offered: names(features),
        });
    }
    wire.queue(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")?;
    let answer = wire.element().await?;
    if !answer.is("proceed", ns::TLS) {
        return Err(SessionError::unexpected("proceed", &answer));
    }
    wire.into_plain().ok_or(SessionError::Closed)
}

/// Binds a resource and answers the full JID.
async fn bind(wire: &mut Wire, resource: &str) -> Result<String, SessionError> {
    let mut out = Writer::new();
    out.start("iq").attr("type", "set").attr("id", "bind");
    out.start("bind")
        .attr("xmlns", ns::BIND)
        .leaf("resource", resource);
    wire.queue(&out.finish())?;
    let answer = wire.element().await?;
    let bound = answer.child("bind", ns::BIND);
    let jid = bound.and_then(|bind| bind.child("jid", ns::BIND));
    match jid {
        Some(jid) if answer.attr("type").as_deref() == Some("result") => Ok(jid.text()),
        Some(_) | None => match answer.child("error", ns::CLIENT) {
            Some(error) => Err(SessionError::IqError(condition(error.children()))),
            None => Err(SessionError::unexpected("the bound address", &answer)),
        },
    }
}

fn names(features: &Element) -> String {
    let names: Vec<_> = features
        .children()
        .map(|child| child.name().to_owned())
        .collect();
    names.join(" ")
}
