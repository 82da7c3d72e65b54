//! One task for each connection: reads elements, writes what waits at its seat.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use anyhow::Result;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::task::spawn_local;
use tokio_rustls::TlsAcceptor;

use crate::hall::{Hall, Seat};
use crate::words::{attr, between, element};

/// Bytes of one read; on the stack, so that an idle connection holds none.
const READ_BYTES: usize = 4096;

const HEADER: &str = "<?xml version='1.0'?><stream:stream from='floor' id='1' version='1.0' xmlns='jabber:client' \
    xmlns:stream='http://etherx.jabber.org/streams'>";
const BEFORE_LOGIN: &str = "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>\
    <mechanism>PLAIN</mechanism></mechanisms></stream:features>";
const AFTER_LOGIN: &str =
    "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>";
const SUCCESS: &str = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>";

/// Lets everybody in, for ever.
pub(crate) async fn open(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    hall: Rc<Hall>,
) -> Result<()> {
    loop {
        let (tcp, _) = listener.accept().await?;
        tcp.set_nodelay(true).ok();
        let (hall, tls) = (Rc::clone(&hall), tls.clone());
        spawn_local(async move {
            // A client that goes away has nobody to complain to.
            match tls {
                None => Client::new(tcp, hall).serve().await.ok(),
                Some(tls) => match tls.accept(tcp).await {
                    Ok(stream) => Client::new(stream, hall).serve().await.ok(),
                    Err(_) => None,
                },
            }
        });
    }
}

struct Client<S> {
    stream: S,
    hall: Rc<Hall>,
    seat: Rc<Seat>,
    input: BytesMut,
    name: String,
    user: Option<usize>,
    unflushed: bool,
}

impl<S> Drop for Client<S> {
    fn drop(&mut self) {
        if let Some(user) = self.user {
            self.hall.leave(user, &self.seat);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    fn new(stream: S, hall: Rc<Hall>) -> Self {
        Self {
            stream,
            hall,
            seat: Rc::default(),
            input: BytesMut::new(),
            name: String::new(),
            user: None,
            unflushed: false,
        }
    }

    async fn serve(mut self) -> io::Result<()> {
        while poll_fn(|cx| self.poll_exchange(cx)).await? {
            while let Some(end) = element(&self.input) {
                let element = self.input.split_to(end);
                if !self.answer(&element) {
                    return Ok(());
                }
            }
            if self.input.is_empty() {
                // An idle connection holds no memory for what it once read.
                self.input = BytesMut::new();
            }
        }
        Ok(())
    }

    /// Writes what it can and is ready when something was read; false at the end.
    fn poll_exchange(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        *self.seat.waker.borrow_mut() = Some(cx.waker().clone());
        if let Poll::Ready(Err(error)) = self.poll_out(cx) {
            return Poll::Ready(Err(error));
        }
        let mut room = [MaybeUninit::uninit(); READ_BYTES];
        let mut room = ReadBuf::uninit(&mut room);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room))?;
        self.input.extend_from_slice(room.filled());
        Poll::Ready(Ok(!room.filled().is_empty()))
    }

    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut out = self.seat.out.borrow_mut();
        while !out.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &out))?;
            out.advance(written);
            self.unflushed = true;
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.unflushed = false;
            *out = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Does what an element asks for; false at the end of the stream.
    fn answer(&mut self, element: &[u8]) -> bool {
        if element.starts_with(b"<presence") {
            if let Some(user) = self.user {
                self.hall.presence(user, element);
            }
        } else if element.starts_with(b"<message") {
            if let Some(user) = self.user {
                self.hall.message(user, element);
            }
        } else if element.starts_with(b"<iq") {
            self.answer_iq(element);
        } else if element.starts_with(b"<auth") {
            self.name = name_in(element).unwrap_or_default();
            self.say(&[SUCCESS]);
        } else if element.starts_with(b"</stream") {
            return false;
        } else if element.starts_with(b"<?xml") || element.starts_with(b"<stream:stream") {
            let features = if self.name.is_empty() {
                BEFORE_LOGIN
            } else {
                AFTER_LOGIN
            };
            self.say(&[HEADER, features]);
        }
        true
    }

    fn answer_iq(&mut self, element: &[u8]) {
        let text =
            |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        let id = text(attr(element, "id"));
        if attr(element, "type") == Some(b"result") {
            return;
        }
        if let Some(resource) = between(element, b"<resource>", b"</resource>") {
            let resource = text(Some(resource));
            let Some((user, full)) = self.hall.take_seat(&self.name, &resource, &self.seat) else {
                self.say(&[
                    "<iq type='error' id='",
                    &id,
                    "'><error type='cancel'><item-not-found \
                    xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
                ]);
                return;
            };
            self.user = Some(user);
            self.say(&[
                "<iq type='result' id='",
                &id,
                "'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>",
            ]);
            self.say(&[&full, "</jid></bind></iq>"]);
        } else if let Some(user) = self.user {
            let items = self.hall.roster(user);
            self.say(&[
                "<iq type='result' id='",
                &id,
                "'><query xmlns='jabber:iq:roster'>",
                &items,
                "</query></iq>",
            ]);
        }
    }

    fn say(&self, parts: &[&str]) {
        let parts: Vec<_> = parts.iter().map(|part| part.as_bytes()).collect();
        self.seat.push(&parts);
    }
}

/// The user's name in a PLAIN message (RFC 4616): authzid NUL authcid NUL passwd.
fn name_in(auth: &[u8]) -> Option<String> {
    let data = between(auth, b">", b"<")?;
    let plain = BASE64_STANDARD.decode(data).ok()?;
    let name = plain.split(|b| *b == 0).nth(1)?;
    String::from_utf8(name.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_logs_in_and_is_answered() {
        let hall = Rc::new(Hall::new(3, 2, "b"));
        let (near, _far) = tokio::io::duplex(4096);
        let mut client = Client::new(near, hall);
        let mut said = |element: &str| {
            let goes_on = client.answer(element.as_bytes());
            let out = client.seat.out.borrow_mut().split();
            (goes_on, String::from_utf8(out.to_vec()).unwrap())
        };
        assert!(
            said("<?xml version='1.0'?><stream:stream to='b'>")
                .1
                .contains("PLAIN")
        );
        let auth = BASE64_STANDARD.encode("\0u2\0x");
        let auth = format!("<auth xmlns='x' mechanism='PLAIN'>{auth}</auth>");
        assert_eq!(said(&auth).1, SUCCESS);
        assert!(said("<stream:stream to='b'>").1.contains("<bind"));
        let bound = said("<iq type='set' id='7'><bind><resource>r</resource></bind></iq>").1;
        assert!(
            bound.contains("id='7'") && bound.contains("<jid>u2@b/r</jid>"),
            "{bound}"
        );
        let roster = said("<iq type='get' id='8'><query xmlns='jabber:iq:roster'/></iq>").1;
        assert!(
            roster.contains("jid='u1@b'") && roster.contains("jid='u3@b'"),
            "{roster}"
        );
        assert!(!said("</stream:stream>").0);
    }
}
