//! A bound session: elements in and out, IQs with their answers.

use std::time::Duration;

use muster_stanza::{Element, Writer, ns};
use tokio::time::timeout;

use super::error::{SessionError, condition};
use super::wire::Wire;

/// How long to wait for the server's side of the end of a stream.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// One bound client.
pub(crate) struct Session {
    wire: Wire,
    jid: String,
    iqs: u64,
}

impl Session {
    pub(super) const fn new(wire: Wire, jid: String) -> Self {
        Self { wire, jid, iqs: 0 }
    }

    /// The full JID.
    pub(crate) fn jid(&self) -> &str {
        &self.jid
    }

    /// The next element, stream errors taken out. Requests of the server (roster pushes, pings) are answered before
    /// they are handed out. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// When the stream or the connection ends.
    pub(crate) async fn next(&mut self) -> Result<Element, SessionError> {
        let element = self.wire.element().await?;
        if let Some(answer) = answer_to(&element) {
            self.wire.queue(&answer)?;
        }
        Ok(element)
    }

    /// Adds to what goes out with the next `next` or `flush`.
    ///
    /// # Errors
    /// When the server has stopped reading.
    pub(crate) fn queue(&mut self, bytes: &[u8]) -> Result<(), SessionError> {
        self.wire.queue(bytes)
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// When the connection ends.
    pub(crate) async fn flush(&mut self) -> Result<(), SessionError> {
        self.wire.flush().await
    }

    /// Queues an IQ (`type` get or set) with this payload and answers its id.
    ///
    /// # Errors
    /// When the server has stopped reading.
    pub(crate) fn queue_iq(
        &mut self,
        kind: &str,
        to: Option<&str>,
        payload: &[u8],
    ) -> Result<String, SessionError> {
        self.iqs += 1;
        let id = format!("q{}", self.iqs);
        let mut out = Writer::new();
        out.start("iq")
            .attr("type", kind)
            .attr("id", &id)
            .attr_opt("to", to);
        out.raw(payload);
        self.wire.queue(&out.finish())?;
        Ok(id)
    }

    /// Sends an IQ and waits for its result; what comes before it is dropped.
    ///
    /// # Errors
    /// When the stream ends, or the answer is an error.
    pub(crate) async fn ask(
        &mut self,
        kind: &str,
        to: Option<&str>,
        payload: &[u8],
    ) -> Result<Element, SessionError> {
        let id = self.queue_iq(kind, to, payload)?;
        loop {
            let element = self.next().await?;
            if let Some(answer) = answer_with(&element, &id) {
                return answer.map(|()| element);
            }
        }
    }

    /// Asks for the roster.
    ///
    /// # Errors
    /// See [`ask`](Self::ask).
    pub(crate) async fn roster(&mut self) -> Result<Element, SessionError> {
        self.ask("get", None, b"<query xmlns='jabber:iq:roster'/>")
            .await
    }

    /// Ends the stream in order.
    pub(crate) async fn close(mut self) {
        let goodbye = async {
            self.wire.queue(b"</stream:stream>")?;
            while self.next().await.is_ok() {}
            Ok::<_, SessionError>(())
        };
        timeout(CLOSE_PATIENCE, goodbye).await.ok();
        timeout(CLOSE_PATIENCE, self.wire.shutdown()).await.ok();
    }
}

/// Whether the element answers the IQ of this id; an error answer is an error.
pub(super) fn answer_with(element: &Element, id: &str) -> Option<Result<(), SessionError>> {
    if element.name() != "iq" || element.attr("id").as_deref() != Some(id) {
        return None;
    }
    match element.attr("type").as_deref() {
        Some("result") => Some(Ok(())),
        Some("error") => {
            let error = element.child("error", ns::CLIENT);
            let condition = error.map_or_else(String::new, |error| condition(error.children()));
            Some(Err(SessionError::IqError(condition)))
        }
        Some(_) | None => None,
    }
}

/// What a server's request gets: roster pushes and pings a result, the rest `service-unavailable` (RFC 6120 §8.4).
fn answer_to(element: &Element) -> Option<Vec<u8>> {
    if element.name() != "iq" || !matches!(element.attr("type").as_deref(), Some("get" | "set")) {
        return None;
    }
    let known = element
        .children()
        .any(|child| child.is("query", ns::ROSTER) || child.is("ping", ns::PING));
    let mut out = Writer::new();
    out.start("iq")
        .attr("type", if known { "result" } else { "error" });
    out.attr_opt("id", element.attr("id").as_deref());
    out.attr_opt("to", element.attr("from").as_deref());
    if !known {
        out.start("error").attr("type", "cancel");
        out.start("service-unavailable").attr("xmlns", ns::STANZAS);
    }
    Some(out.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(xml: &str) -> Element {
        Element::parse(xml.as_bytes()).unwrap()
    }

    #[test]
    fn requests_are_answered_by_their_kind() {
        for (request, answer) in [
            (
                "<iq type='set' id='p1'><query xmlns='jabber:iq:roster'><item jid='a@b'/></query></iq>",
                Some("<iq type='result' id='p1'/>"),
            ),
            (
                "<iq type='get' id='2' from='b'><ping xmlns='urn:xmpp:ping'/></iq>",
                Some("<iq type='result' id='2' to='b'/>"),
            ),
            (
                "<iq type='get' id='3' from='b'><query xmlns='jabber:iq:version'/></iq>",
                Some(
                    "<iq type='error' id='3' to='b'><error type='cancel'>\
                     <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
                ),
            ),
            ("<iq type='result' id='4'/>", None),
            ("<message type='set'/>", None),
        ] {
            let found = answer_to(&element(request)).map(|xml| String::from_utf8(xml).unwrap());
            assert_eq!(found.as_deref(), answer, "{request}");
        }
    }

    #[test]
    fn answers_are_told_from_other_elements() {
        for (xml, answer) in [
            ("<iq type='result' id='q1'/>", Some(None)),
            ("<iq type='result' id='q2'/>", None),
            ("<iq type='get' id='q1'/>", None),
            ("<message id='q1'/>", None),
            (
                "<iq type='error' id='q1'><error type='wait'>\
                 <resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
                Some(Some("IQ error resource-constraint")),
            ),
        ] {
            let found = answer_with(&element(xml), "q1").map(|a| a.err().map(|e| e.to_string()));
            assert_eq!(found, answer.map(|a| a.map(str::to_owned)), "{xml}");
        }
    }
}
