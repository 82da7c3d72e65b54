//! A TLS connection that holds buffers only while bytes are in flight.
//!
//! ```text
//! socket --bytes--> incoming --records--> plain --> reader
//! socket <-bytes--- outgoing <--records------------ writer
//! ```
//!
//! An idle connection holds its keys and nothing else: what a buffered connection of the library keeps
//! to read the next record into, 4 KiB, is a quarter of what an idle session may take.

use crate::domains::ALPN_HTTP2;
use crate::overheard::{self, Overheard};
use rustls::ServerConfig;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, WriteTraffic};
use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Bytes taken from the socket at once: a little more than a client's stanza.
const READ_BYTES: usize = 4_096;
/// Bytes of the user of the connection that are encrypted at once: four records.
const WRITE_BYTES: usize = 1 << 16;
/// Bytes that a record takes besides what it carries, at most, and a message to change keys.
const RECORD_OVERHEAD: usize = 64;
/// Bytes of the largest record's content.
const RECORD_BYTES: usize = 1 << 14;
/// Bytes of unfinished records that a client may have sent: a handshake may be split over many.
const INCOMING_MAX: usize = 1 << 16;

type Traffic<'a> = WriteTraffic<'a, ServerConnectionData>;

/// The server's side of a TLS connection.
pub struct TlsSocket {
    tcp: TcpStream,
    tls: UnbufferedServerConnection,
    /// The beginning of a record.
    incoming: Vec<u8>,
    /// What the reader has not taken, and how much of it it has.
    plain: Vec<u8>,
    taken: usize,
    /// Records for the socket, and how many of their bytes it took.
    outgoing: Vec<u8>,
    sent: usize,
    /// The client has said that it sends nothing more.
    ended: bool,
    /// We have said so.
    closed: bool,
    /// What the client sent made no sense: the library is not asked for anything any more but what it
    /// wants to say of that.
    failed: bool,
}

impl TlsSocket {
    /// Does the handshake and tells what the library said in the course of it.
    pub(crate) async fn accept(
        tcp: TcpStream,
        config: Arc<ServerConfig>,
    ) -> io::Result<(Self, Overheard)> {
        let tls = UnbufferedServerConnection::new(config).map_err(invalid)?;
        let mut socket = Self {
            tcp,
            tls,
            incoming: Vec::new(),
            plain: Vec::new(),
            taken: 0,
            outgoing: Vec::new(),
            sent: 0,
            ended: false,
            closed: false,
            failed: false,
        };
        let mut overheard = Overheard::default();
        while socket.tls.is_handshaking() {
            let heard = std::future::poll_fn(|cx| socket.poll_handshake(cx)).await?;
            overheard.add(heard);
        }
        std::future::poll_fn(|cx| socket.poll_send(cx)).await?;
        Ok((socket, overheard))
    }

    /// Whether both ends agreed to speak HTTP/2.
    pub fn speaks_http2(&self) -> bool {
        self.tls.alpn_protocol() == Some(ALPN_HTTP2)
    }

    /// The state of the connection.
    pub(crate) const fn tls(&self) -> &UnbufferedServerConnection {
        &self.tls
    }

    /// One step of the handshake.
    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Overheard>> {
        ready!(self.poll_send(cx))?;
        // Whatever was said on this thread and not taken is of another connection.
        drop(overheard::take());
        let took = ready!(self.poll_take(cx));
        let heard = overheard::take();
        if took.is_err() {
            // The client is told why, if it still listens.
            let _ = self.poll_send(cx)?;
        }
        match took? {
            0 => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            _ => Poll::Ready(Ok(heard)),
        }
    }

    /// Takes bytes from the socket and the records out of them; answers how many bytes.
    fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = [MaybeUninit::uninit(); READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut buffer))?;
        let bytes = buffer.filled_mut();
        let count = bytes.len();
        if count == 0 {
            return Poll::Ready(Ok(0));
        }
        if self.failed {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        if self.incoming.is_empty() {
            let done = self.process(bytes)?;
            self.incoming.extend_from_slice(&bytes[done..]);
        } else {
            self.incoming.extend_from_slice(bytes);
            self.process_incoming()?;
        }
        if self.incoming.len() > INCOMING_MAX {
            self.failed = true;
            return Poll::Ready(Err(invalid("a handshake of too many bytes")));
        }
        Poll::Ready(Ok(count))
    }

    fn process_incoming(&mut self) -> io::Result<()> {
        let mut bytes = std::mem::take(&mut self.incoming);
        let done = self.process(&mut bytes)?;
        if done < bytes.len() {
            bytes.drain(..done);
            self.incoming = bytes;
        }
        Ok(())
    }

    /// Hands records to the library; answers how many bytes are done with. After an error it is not to be
    /// called again: the library counts on bytes that are gone.
    fn process(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let done = self.process_records(bytes);
        if done.is_err() {
            self.failed = true;
            self.queue_alert();
        }
        done
    }

    fn process_records(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        loop {
            let status = self.tls.process_tls_records(&mut bytes[done..]);
            done += status.discard;
            match status.state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(invalid)?;
                        self.plain.extend_from_slice(record.payload);
                        done += record.discard;
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    append(&mut self.outgoing, 0, |space| Ok(data.encode(space)?))?;
                }
                // It is in `outgoing`, which goes out before anything else does.
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => self.ended = true,
                Ok(ConnectionState::Closed) => {
                    self.ended = true;
                    return Ok(bytes.len());
                }
                Ok(ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_)) => {
                    return Ok(done);
                }
                // Early data is not accepted; a state of a later release is none we asked for.
                Ok(other) => return Err(invalid(format!("unexpected state {other:?}"))),
                Err(error) => return Err(invalid(error)),
            }
        }
    }

    /// After an error: what the client is to be told of it.
    fn queue_alert(&mut self) {
        // As long as the library has something to say it looks at no bytes.
        while self.tls.wants_write()
            && let Ok(ConnectionState::EncodeTlsData(mut data)) =
                self.tls.process_tls_records(&mut []).state
        {
            let queued = append(&mut self.outgoing, 0, |space| Ok(data.encode(space)?));
            if queued.is_err() {
                return;
            }
        }
    }

    /// Makes records of what `write` writes, in the only state in which the library takes anything.
    fn encrypt(
        &mut self,
        room: usize,
        write: impl Fn(&mut Traffic<'_>, &mut [u8]) -> Result<usize, EncryptError>,
    ) -> io::Result<()> {
        if self.failed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.process_incoming()?;
        // A record may have begun to come: the library counts on seeing its bytes again.
        let state = self.tls.process_tls_records(&mut self.incoming).state;
        let Ok(ConnectionState::WriteTraffic(mut traffic)) = state else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        append(&mut self.outgoing, room, |space| {
            Ok(write(&mut traffic, space)?)
        })
    }

    /// Writes all records there are.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.outgoing.len() {
            let unsent = &self.outgoing[self.sent..];
            match ready!(Pin::new(&mut self.tcp).poll_write(cx, unsent))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.sent += count,
            }
        }
        self.outgoing = Vec::new();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for TlsSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let socket = self.get_mut();
        while socket.plain.is_empty() && !socket.ended {
            let took = ready!(socket.poll_take(cx));
            // An answer to a change of keys, or what is wrong. One task reads and writes.
            let sent = socket.poll_send(cx);
            if took? > 0 {
                if let (true, Poll::Ready(Err(error))) = (socket.plain.is_empty(), sent) {
                    return Poll::Ready(Err(error));
                }
            } else {
                // The end without a word may be somebody's who cuts the connection (RFC 8446 §6.1).
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
        let rest = &socket.plain[socket.taken..];
        let count = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..count]);
        socket.taken += count;
        if socket.taken == socket.plain.len() {
            socket.plain = Vec::new();
            socket.taken = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TlsSocket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let socket = self.get_mut();
        ready!(socket.poll_send(cx))?;
        let bytes = &bytes[..bytes.len().min(WRITE_BYTES)];
        let room = bytes.len() + (bytes.len() / RECORD_BYTES + 2) * RECORD_OVERHEAD;
        socket.encrypt(room, |traffic, space| traffic.encrypt(bytes, space))?;
        // Taken, whether or not the socket has room for all of it: the rest goes by a flush.
        let _ = socket.poll_send(cx)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_send(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = self.get_mut();
        if !std::mem::replace(&mut socket.closed, true) && !socket.failed {
            socket.encrypt(RECORD_OVERHEAD, |traffic, space| {
                traffic.queue_close_notify(space)
            })?;
        }
        ready!(socket.poll_send(cx))?;
        Pin::new(&mut socket.tcp).poll_shutdown(cx)
    }
}

impl fmt::Debug for TlsSocket {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("TlsSocket").finish_non_exhaustive()
    }
}

/// Why nothing was written.
enum Lack {
    /// So many bytes are needed.
    Room(usize),
    Sense(io::Error),
}

impl From<EncodeError> for Lack {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::InsufficientSize(size) => Self::Room(size.required_size),
            EncodeError::AlreadyEncoded => Self::Sense(invalid(error)),
        }
    }
}

impl From<EncryptError> for Lack {
    fn from(error: EncryptError) -> Self {
        match error {
            EncryptError::InsufficientSize(size) => Self::Room(size.required_size),
            EncryptError::EncryptExhausted => Self::Sense(invalid(error)),
        }
    }
}

/// Lets `write` write behind `bytes`: into `room` bytes at first, into more if it wants them.
fn append(
    bytes: &mut Vec<u8>,
    mut room: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Lack>,
) -> io::Result<()> {
    let at = bytes.len();
    loop {
        bytes.resize(at + room, 0);
        match write(&mut bytes[at..]) {
            Ok(count) => {
                bytes.truncate(at + count);
                return Ok(());
            }
            Err(Lack::Room(needed)) if needed > room => room = needed,
            Err(lack) => {
                bytes.truncate(at);
                return Err(match lack {
                    Lack::Room(_) => io::ErrorKind::WriteZero.into(),
                    Lack::Sense(error) => error,
                });
            }
        }
    }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
