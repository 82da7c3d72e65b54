//! The driver of one client's connection: socket, framer, stream machine and outbox.

use crate::clients::{Clients, Doors, LiveSession};
use crate::outbox::{Order, Outbox, Taken};
use crate::router::FromClient;
use crate::shared::wall;
use futures_util::FutureExt;
use muster_net::Socket;
use muster_router::{BindAnswer as RouterAnswer, Input as RouterInput};
use muster_sasl::{Lookup, SaslCondition};
use muster_stanza::{Framer, FramerLimits, StreamCondition, StreamError};
use muster_stream::{BindAnswer, C2s, End, Input, Output, Security};
use muster_telemetry::{counter, metrics};
use muster_types::{BareJid, Limits, Machine, SessionId};
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// Bytes taken from the socket at once; on the stack, so an idle client holds none.
const READ_BYTES: usize = 8_192;
/// A client that has so many bytes unread of us is not read either.
const UNREAD_MAX: usize = 65_536;
/// A client that reads nothing for so long although we have something for it is gone.
const STALL: Duration = Duration::from_secs(30);
/// The same for a client for which too much waits.
const CROWDED_STALL: Duration = Duration::from_secs(5);
/// How long the last words of a stream may take.
const FAREWELL: Duration = Duration::from_secs(2);

pub(crate) struct Connection {
    clients: Arc<Clients>,
    address: IpAddr,
    security: Security,
    framer: Framer,
    stream: C2s,
    session: SessionId,
    outbox: Arc<Outbox>,
    /// Bytes for the socket, and how many of them it took.
    unsent: Vec<u8>,
    sent: usize,
    /// TLS holds bytes back that the socket had no room for.
    unflushed: bool,
    /// The router knows the session.
    attached: bool,
    jid_known: bool,
    closing: Option<End>,
    start_tls: bool,
}

/// What the socket did.
enum Io {
    Read(usize),
    Wrote(usize),
}

impl Connection {
    pub(crate) fn new(clients: Arc<Clients>, address: IpAddr, security: Security) -> Self {
        let limits = clients.shared.config().limits.limits();
        let framer = fresh_framer(&limits);
        let mut seed = [0; 32];
        // Without randomness from the system no login is safe: such a stream is closed below.
        let seeded = getrandom::fill(&mut seed).is_ok();
        let config = Arc::new(clients.stream_config(security));
        let stream = C2s::new(clients.shared.clock.now(), config, seed);
        Self {
            session: clients.next_session(),
            clients,
            address,
            security,
            framer,
            stream,
            outbox: Arc::default(),
            unsent: Vec::new(),
            sent: 0,
            unflushed: false,
            attached: false,
            jid_known: false,
            closing: (!seeded)
                .then(|| End::Error(StreamError::new(StreamCondition::InternalServerError))),
            start_tls: false,
        }
    }

    /// In a box, or the task would have room for it twice: as it is given, and as it is used.
    pub(crate) async fn run(mut self: Box<Self>, stream: TcpStream) {
        let Some(socket) = Box::pin(self.secure(stream)).await else {
            return;
        };
        // Whatever goes wrong here, the router is told that nothing comes from this client any more.
        let talked = AssertUnwindSafe(self.talk(socket)).catch_unwind().await;
        let graceful = match &talked {
            Ok(outcome) => {
                tracing::debug!(session = %self.session, ?outcome, "client connection ended");
                outcome.as_ref().is_ok_and(End::is_graceful)
            }
            Err(_) => {
                tracing::error!(session = %self.session, "a client's connection ended by a fault of this server");
                false
            }
        };
        self.leave(graceful).await;
    }

    /// Nothing is for this client any more: the router is told, once.
    async fn leave(&mut self, graceful: bool) {
        if std::mem::take(&mut self.attached) {
            let session = self.session;
            self.tell(FromClient::Said(
                RouterInput::Ended { session, graceful },
                None,
            ))
            .await;
            self.tell(FromClient::Detach(session)).await;
            self.clients.session_down(session);
        }
    }

    /// A direct TLS listener speaks nothing before the handshake.
    async fn secure(&mut self, stream: TcpStream) -> Option<Socket> {
        if self.security != Security::Direct {
            return Some(Socket::Plain(stream));
        }
        let clients = Arc::clone(&self.clients);
        let handshake = Socket::accept_direct(stream, &clients.tls);
        match timeout(self.handshake_time(), handshake).await {
            Ok(Ok((socket, facts))) => {
                self.stream.handle(
                    self.clients.shared.clock.now(),
                    Input::TlsEstablished(facts),
                );
                Some(socket)
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "TLS handshake failed");
                None
            }
            Err(_) => None,
        }
    }

    fn handshake_time(&self) -> Duration {
        self.clients.stream_config(self.security).handshake_timeout
    }

    async fn talk(&mut self, mut socket: Socket) -> io::Result<End> {
        let clients = Arc::clone(&self.clients);
        let mut doors = clients.doors.clone();
        let mut told_to_stop = false;
        let mut read_at = Instant::now();
        loop {
            let idle = self.unsent.is_empty();
            self.advance().await;
            if idle {
                read_at = Instant::now();
            }
            let is_crowded = !self.unsent.is_empty() && self.outbox.is_crowded();
            if is_crowded && read_at.elapsed() >= CROWDED_STALL {
                Box::pin(self.give_up()).await;
            }
            let stalled_at = read_at + if is_crowded { CROWDED_STALL } else { STALL };
            if let Some(end) = self.closing.take() {
                // The client may be gone already; there is nobody to tell then.
                let _ = timeout(FAREWELL, Box::pin(self.farewell(&mut socket))).await;
                return Ok(end);
            }
            if self.start_tls {
                // A handshake needs much more room than what follows: it is given back.
                socket = Box::pin(self.upgrade(socket)).await?;
                continue;
            }
            let wake = self
                .stream
                .deadline()
                .map(|at| clients.shared.clock.reading(at).into());
            let outbox = Arc::clone(&self.outbox);
            tokio::select! {
                io = self.io(&mut socket) => match io? {
                    Io::Read(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Io::Read(_) => {}
                    Io::Wrote(bytes) => {
                        read_at = Instant::now();
                        self.sent += bytes;
                        if self.sent == self.unsent.len() {
                            // What was large gives its memory back.
                            self.unsent = Vec::new();
                            self.sent = 0;
                        }
                    }
                },
                () = outbox.filled() => {}
                () = tokio::time::sleep_until(wake.unwrap_or(stalled_at)), if wake.is_some() => {
                    self.stream.wake(clients.shared.clock.now());
                }
                () = tokio::time::sleep_until(stalled_at), if !self.unsent.is_empty() => {
                    if !is_crowded {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
                _ = doors.wait_for(|doors| *doors == Doors::Away), if !told_to_stop => {
                    told_to_stop = true;
                    self.end(StreamError::new(StreamCondition::SystemShutdown));
                }
            }
        }
    }

    /// Ends the stream of a client that does not read.
    async fn give_up(&mut self) {
        tracing::info!(session = %self.session, "a client that does not read what it is sent is closed");
        // What comes now is for the user's other clients, not for the farewell's two seconds.
        self.leave(false).await;
        let error = StreamError::new(StreamCondition::PolicyViolation);
        self.end(error.with_text("you do not read what is sent to you"));
        self.carry_out().await;
    }

    fn end(&mut self, error: StreamError) {
        self.stream
            .handle(self.clients.shared.clock.now(), Input::End(error));
    }

    /// Does everything that can be done without the socket.
    async fn advance(&mut self) {
        loop {
            self.carry_out().await;
            if self.closing.is_some() || self.start_tls {
                return;
            }
            if self.unsent.is_empty() || self.outbox.overflows() {
                self.empty_outbox().await;
            }
            if self.closing.is_some() || self.outbox.is_paused() || !self.stream.takes_frames() {
                return;
            }
            let now = self.clients.shared.clock.now();
            match self.framer.next_frame() {
                Ok(Some(frame)) => self.stream.handle(now, Input::Frame(frame)),
                Ok(None) => {
                    self.stream
                        .handle(now, Input::Unfinished(self.framer.buffered() > 0));
                    return self.carry_out().await;
                }
                Err(error) => self.stream.handle(now, Input::FrameError(error)),
            }
        }
    }

    async fn empty_outbox(&mut self) {
        let Taken {
            orders,
            bytes,
            stanzas,
            overflow,
        } = self.outbox.take();
        let mut last_words = None;
        for order in orders {
            match order {
                Order::Bound(answer) => self.bound(answer),
                Order::End(error) => last_words = Some(error),
            }
        }
        // The answer to the binding goes before everything that follows from it.
        self.carry_out().await;
        self.unsent.extend(bytes);
        counter!(metrics::DELIVERIES).increment(u64::try_from(stanzas).unwrap_or(u64::MAX));
        if overflow {
            Box::pin(self.give_up()).await;
        } else if let Some(error) = last_words {
            self.end(error);
            self.carry_out().await;
        }
    }

    fn bound(&mut self, answer: RouterAnswer) {
        let answer = match answer {
            RouterAnswer::Bound(jid) => {
                self.jid_known = true;
                self.clients.session_up(
                    self.session,
                    LiveSession {
                        jid: jid.clone(),
                        address: self.address,
                        tls: self.security != Security::Plaintext,
                        since: self.clients.shared.clock.now(),
                        outbox: Arc::clone(&self.outbox),
                    },
                );
                BindAnswer::Bound(jid)
            }
            RouterAnswer::TooMany => BindAnswer::TooMany,
            RouterAnswer::NoAccount => BindAnswer::NoAccount,
            RouterAnswer::TooBusy => BindAnswer::TooBusy,
        };
        self.stream
            .handle(self.clients.shared.clock.now(), Input::Bound(answer));
    }

    async fn carry_out(&mut self) {
        while let Some(output) = self.stream.poll() {
            match output {
                Output::Write(bytes) => self.unsent.extend(bytes),
                Output::StartTls => self.start_tls = true,
                Output::LookUp(account) => {
                    let lookup = self.look_up(&account);
                    if let Some(host) = self.clients.other_host(&account, self.security) {
                        self.stream
                            .handle(self.clients.shared.clock.now(), Input::OtherHost(host));
                    }
                    self.stream
                        .handle(self.clients.shared.clock.now(), Input::Account(lookup));
                }
                Output::AuthFailed { account, condition } => {
                    counter!(metrics::LOGINS, "outcome" => "failure").increment(1);
                    tracing::debug!(session = %self.session, ?condition, "login failed");
                    if condition == SaslCondition::NotAuthorized {
                        self.clients.failed(self.address, account.as_ref());
                    }
                }
                Output::Authenticated { user } => {
                    counter!(metrics::LOGINS, "outcome" => "success").increment(1);
                    self.clients.succeeded(self.address, &user);
                    let limits = self.clients.shared.config().limits.limits();
                    self.framer.set_element_bytes(limits.stanza_bytes);
                }
                Output::Restart => self.framer.restart(),
                Output::Bind {
                    user,
                    wanted,
                    generated,
                } => {
                    if !self.attached {
                        self.attached = true;
                        // Nobody else knows the id before it says the user's shard.
                        self.session = self.clients.session_of(self.session, &user);
                        let outbox = Arc::clone(&self.outbox);
                        self.tell(FromClient::Attach(self.session, outbox)).await;
                    }
                    let session = self.session;
                    let bind = RouterInput::Bind {
                        session,
                        user,
                        wanted,
                        generated,
                    };
                    self.tell(FromClient::Said(bind, None)).await;
                }
                Output::Stanza(stanza) => {
                    counter!(metrics::STANZAS_IN, "kind" => stanza.kind.element()).increment(1);
                    let (session, at) = (self.session, wall());
                    let place = self.outbox.place().await;
                    let stanza = RouterInput::Stanza {
                        session,
                        stanza,
                        at,
                    };
                    self.tell(FromClient::Said(stanza, Some(place))).await;
                }
                Output::ClientState(state) => self.outbox.client_is(state),
                Output::Close(end) => {
                    if end.condition() == Some(StreamCondition::SeeOtherHost) {
                        counter!(metrics::LOGINS, "outcome" => "redirected").increment(1);
                    }
                    self.closing = Some(end);
                }
            }
        }
    }

    fn look_up(&self, account: &BareJid) -> Lookup {
        if !self.clients.allows(self.address, account) {
            counter!(metrics::LOGINS, "outcome" => "throttled").increment(1);
            return Lookup::Throttled;
        }
        match self.clients.shared.cluster_state().account(account) {
            Some(found) => Lookup::Found {
                verifiers: found.verifiers.clone(),
                disabled: found.disabled,
            },
            None => Lookup::Absent,
        }
    }

    async fn tell(&self, said: FromClient) {
        // The router ends only with the process.
        let _ = self.clients.router.of(self.session).send(said).await;
    }

    /// Writes what waits, else reads, whichever the socket is ready for.
    async fn io(&mut self, socket: &mut Socket) -> io::Result<Io> {
        let wants_read = !self.outbox.is_paused()
            && self.stream.takes_frames()
            && self.unsent.len() - self.sent < UNREAD_MAX;
        let unsent = &self.unsent[self.sent..];
        let unflushed = &mut self.unflushed;
        let framer = &mut self.framer;
        poll_fn(|cx| {
            if !unsent.is_empty()
                && let Poll::Ready(wrote) = Pin::new(&mut *socket).poll_write(cx, unsent)
            {
                *unflushed = true;
                return Poll::Ready(wrote.map(Io::Wrote));
            }
            if *unflushed && let Poll::Ready(flushed) = Pin::new(&mut *socket).poll_flush(cx) {
                *unflushed = false;
                flushed?;
            }
            if wants_read {
                return read(socket, cx, framer);
            }
            Poll::Pending
        })
        .await
    }

    async fn upgrade(&mut self, mut socket: Socket) -> io::Result<Socket> {
        self.start_tls = false;
        let clients = Arc::clone(&self.clients);
        let unread = self.framer.buffered();
        let upgrade = async {
            socket.write_all(&self.unsent[self.sent..]).await?;
            socket.flush().await?;
            socket
                .start_tls(&clients.tls, unread)
                .await
                .map_err(io::Error::other)
        };
        let (socket, facts) = timeout(self.handshake_time(), upgrade).await??;
        self.unsent = Vec::new();
        self.sent = 0;
        self.framer = fresh_framer(&clients.shared.config().limits.limits());
        self.stream
            .handle(clients.shared.clock.now(), Input::TlsEstablished(facts));
        Ok(socket)
    }

    async fn farewell(&mut self, socket: &mut Socket) -> io::Result<()> {
        socket.write_all(&self.unsent[self.sent..]).await?;
        socket.flush().await?;
        socket.shutdown().await
    }
}

/// For a client that has not logged in.
fn fresh_framer(limits: &Limits) -> Framer {
    Framer::new(FramerLimits {
        element_bytes: limits.element_bytes_before_login,
        depth: limits.depth,
        attributes: limits.attributes,
    })
}

fn read(socket: &mut Socket, cx: &mut Context<'_>, framer: &mut Framer) -> Poll<io::Result<Io>> {
    let mut bytes = [0; READ_BYTES];
    let mut buffer = ReadBuf::new(&mut bytes);
    std::task::ready!(Pin::new(socket).poll_read(cx, &mut buffer))?;
    framer.push(buffer.filled());
    Poll::Ready(Ok(Io::Read(buffer.filled().len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of what a function's future is made of.
    fn size<A, B, F: Future>(_: impl FnOnce(A, B) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn an_idle_connection_takes_little_room() {
        let parts = [
            ("connection", size_of::<Connection>()),
            ("stream", size_of::<C2s>()),
            ("framer", size_of::<Framer>()),
            ("socket", size_of::<Socket>()),
            ("outbox", size_of::<Outbox>()),
            ("stanza", size_of::<muster_stanza::Stanza>()),
            ("said", size_of::<FromClient>()),
            ("sleep", size_of::<tokio::time::Sleep>()),
        ];
        let task = size_of::<Connection>() + size(Connection::run);
        assert!(task <= 2_688, "{task} bytes, of which {parts:?}");
    }
}
