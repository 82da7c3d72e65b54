//! Frames over a socket. Reading and writing go on together, in one task, so neither can hold up the other.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use muster_stanza::{Element, Frame, Framer, FramerLimits, ns};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use super::error::{SessionError, condition};
use super::socket::Socket;

/// What a server may send: a roster of some thousand contacts is one element.
const LIMITS: FramerLimits = FramerLimits {
    element_bytes: 4 * 1024 * 1024,
    depth: 64,
    attributes: 64,
};
/// Bytes of one read. They are on the stack, so an idle connection holds no buffer.
const READ_BYTES: usize = 16 * 1024;
/// Bytes that may wait to be written. More means that the server has stopped reading.
const OUT_BYTES_MAX: usize = 1024 * 1024;

/// One connection.
pub(super) struct Wire {
    socket: Socket,
    framer: Framer,
    out: BytesMut,
    /// Whether TLS may hold back what was written.
    unflushed: bool,
}

impl Wire {
    pub(super) fn new(socket: Socket) -> Self {
        Self {
            socket,
            framer: Framer::new(LIMITS),
            out: BytesMut::new(),
            unflushed: false,
        }
    }

    /// The plain connection below, for STARTTLS; `None` when it is under TLS already. Unread bytes are dropped
    /// (RFC 6120 §5.4.3.3).
    pub(super) fn into_plain(self) -> Option<TcpStream> {
        match self.socket {
            Socket::Plain(tcp) => Some(tcp),
            Socket::Tls(_) => None,
        }
    }

    /// A new stream begins, after SASL.
    pub(super) fn restart(&mut self) {
        self.framer.restart();
    }

    /// Adds to what goes out with the next [`frame`](Self::frame) or [`flush`](Self::flush).
    ///
    /// # Errors
    /// When too much waits already.
    pub(super) fn queue(&mut self, bytes: &[u8]) -> Result<(), SessionError> {
        if self.out.len() > OUT_BYTES_MAX {
            return Err(SessionError::Blocked(self.out.len()));
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    /// The next frame; writes meanwhile. Nothing is lost when the future is dropped.
    pub(super) async fn frame(&mut self) -> Result<Frame, SessionError> {
        loop {
            let frame = self.framer.next_frame();
            if let Some(frame) = frame.map_err(SessionError::Unreadable)? {
                return Ok(frame);
            }
            poll_fn(|cx| self.poll_exchange(cx)).await?;
        }
    }

    /// The next element; a stream error and the end of the stream are errors. Nothing is lost when the future is
    /// dropped.
    pub(super) async fn element(&mut self) -> Result<Element, SessionError> {
        match self.frame().await? {
            Frame::Element(element) if element.is("error", ns::STREAMS) => {
                Err(SessionError::Stream(condition(element.children())))
            }
            Frame::Element(element) => Ok(element),
            Frame::Close => Err(SessionError::Closed),
            Frame::Open(_) => Err(SessionError::Unexpected {
                wanted: "an element",
                found: "a stream header".to_owned(),
            }),
        }
    }

    /// Writes what waits.
    pub(super) async fn flush(&mut self) -> Result<(), SessionError> {
        poll_fn(|cx| self.poll_out(cx))
            .await
            .map_err(SessionError::Lost)
    }

    /// Ends the connection in order; errors do not matter any more.
    pub(super) async fn shutdown(&mut self) {
        self.socket.shutdown().await.ok();
    }

    /// Writes what it can and is ready when something was read.
    fn poll_exchange(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SessionError>> {
        if let Poll::Ready(Err(error)) = self.poll_out(cx) {
            return Poll::Ready(Err(SessionError::Lost(error)));
        }
        let mut room = [MaybeUninit::uninit(); READ_BYTES];
        let mut room = ReadBuf::uninit(&mut room);
        match Pin::new(&mut self.socket).poll_read(cx, &mut room) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(SessionError::Lost(error))),
            Poll::Ready(Ok(())) if room.filled().is_empty() => {
                Poll::Ready(Err(SessionError::Closed))
            }
            Poll::Ready(Ok(())) => {
                self.framer.push(room.filled());
                Poll::Ready(Ok(()))
            }
        }
    }

    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            match Pin::new(&mut self.socket).poll_write(cx, &self.out) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => {
                    self.out.advance(written);
                    self.unflushed = true;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        if self.unflushed {
            std::task::ready!(Pin::new(&mut self.socket).poll_flush(cx))?;
            self.unflushed = false;
            // An idle connection holds no memory for what it once wrote.
            self.out = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}
