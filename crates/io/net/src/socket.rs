//! A client's connection, in the clear or not: the driver reads and writes either alike.

use crate::domains::{TlsDomains, TlsError, Way};
use crate::tls::TlsSocket;
use muster_stream::TlsFacts;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A client's connection.
#[derive(Debug)]
pub enum Socket {
    /// In the clear.
    Plain(TcpStream),
    /// Protected.
    Tls(Box<TlsSocket>),
}

impl Socket {
    /// Makes a connection that is TLS from its first byte. The client decides how long it takes:
    /// bound its time; dropping the future closes the connection.
    ///
    /// # Errors
    /// [`TlsError::Handshake`]; the connection is closed.
    pub async fn accept_direct(
        stream: TcpStream,
        domains: &TlsDomains,
    ) -> Result<(Self, TlsFacts), TlsError> {
        let (stream, facts) = domains.handshake(stream, Way::Direct).await?;
        Ok((Self::Tls(Box::new(stream)), facts))
    }

    /// Makes a plain connection TLS, after `<proceed/>` was flushed. `unread` is how many bytes
    /// the framer holds behind `<starttls/>`: there must be none. The client decides how long it
    /// takes, as in [`accept_direct`](Self::accept_direct).
    ///
    /// # Errors
    /// [`TlsError`]; the connection is closed.
    pub async fn start_tls(
        self,
        domains: &TlsDomains,
        unread: usize,
    ) -> Result<(Self, TlsFacts), TlsError> {
        let Self::Plain(stream) = self else {
            return Err(TlsError::Already);
        };
        if unread > 0 {
            return Err(TlsError::Injected { bytes: unread });
        }
        let (stream, facts) = domains.handshake(stream, Way::StartTls).await?;
        Ok((Self::Tls(Box::new(stream)), facts))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
