//! Clients for whom there is no room: what they are told, and how often the operator is.

use muster_stanza::{StreamCondition, StreamError, ns};
use muster_stream::Security;
use muster_telemetry::{counter, metrics};
use muster_types::Instant;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Clients that are being told why at a time; more are closed without a word.
const TOLD_AT_A_TIME: usize = 64;
/// How long one may take to hear it.
const HEARING: Duration = Duration::from_secs(1);
/// Between two warnings.
const QUIET: Duration = Duration::from_secs(60);

/// Why a client is turned away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reason {
    /// There are as many as the node takes.
    Full,
    /// So many came before it that it would wait for so long.
    TooMany(Duration),
}

impl Reason {
    fn words(self) -> String {
        match self {
            Self::Full => "this server has all the clients it can take".into(),
            Self::TooMany(wait) => format!(
                "too many clients came before: try again in {} seconds",
                wait.as_secs()
            ),
        }
    }
}

/// Turns clients away.
pub(super) struct Refusals {
    places: Arc<Semaphore>,
    warning: Mutex<Warning>,
}

impl Default for Refusals {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(TOLD_AT_A_TIME)),
            warning: Mutex::default(),
        }
    }
}

impl Refusals {
    /// Ends a connection, with `resource-constraint` (RFC 6120 §4.9.3.17) where that can be said
    /// without a TLS handshake: those are what an overloaded node must save.
    pub(super) fn refuse(
        &self,
        stream: TcpStream,
        security: Security,
        now: Instant,
        reason: Reason,
    ) {
        counter!(metrics::CLIENTS_REFUSED).increment(1);
        let warning = {
            let mut warning = self.warning.lock().unwrap_or_else(PoisonError::into_inner);
            warning.note(now)
        };
        if let Some(clients) = warning {
            tracing::warn!(
                clients,
                ?reason,
                "clients turned away: there are as many as this node takes (c2s.clients_max, open files), or too many came at once"
            );
        }
        match security {
            Security::Direct => {}
            Security::StartTls | Security::Plaintext => self.tell(stream, reason),
        }
    }

    fn tell(&self, stream: TcpStream, reason: Reason) {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            tokio::spawn(async move {
                // Whoever does not hear it in time finds the connection closed.
                let _ = tokio::time::timeout(HEARING, last_words(stream, reason)).await;
                drop(place);
            });
        }
    }
}

/// At most one warning a minute, with the number of clients since the one before.
#[derive(Default)]
struct Warning {
    clients: u64,
    last: Option<Instant>,
}

impl Warning {
    fn note(&mut self, now: Instant) -> Option<u64> {
        self.clients += 1;
        if self.last.is_some_and(|last| now.since(last) < QUIET) {
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.clients))
    }
}

async fn last_words(mut stream: TcpStream, reason: Reason) -> std::io::Result<()> {
    stream.write_all(&error_stream(reason)).await?;
    stream.shutdown().await?;
    // Bytes that nobody read when a socket is closed make the system take back what was written.
    let mut ignored = [0; 512];
    while stream.read(&mut ignored).await? > 0 {}
    Ok(())
}

/// A stream that is nothing but its error. RFC 6120 §4.9.1.2.
fn error_stream(reason: Reason) -> Vec<u8> {
    let mut id = [0; 8];
    // Nothing depends on the id of a stream that ends here.
    let _ = getrandom::fill(&mut id);
    let id = u64::from_ne_bytes(id);
    let error = StreamError::new(StreamCondition::ResourceConstraint).with_text(reason.words());
    let head = format!(
        "<?xml version='1.0'?><stream:stream xmlns='{}' xmlns:stream='{}' id='{id:016x}' \
         version='1.0' xml:lang='en'>",
        ns::CLIENT,
        ns::STREAMS
    );
    [head.as_bytes(), &error.encode(), b"</stream:stream>"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[test]
    fn one_warning_a_minute_counts_all() {
        let at = |seconds: u64| Instant::from_nanos(seconds * 1_000_000_000);
        let mut warning = Warning::default();
        for (now, warns) in [
            (at(100), Some(1)),
            (at(101), None),
            (at(159), None),
            (at(160), Some(3)),
            (at(161), None),
            (at(300), Some(2)),
        ] {
            assert_eq!(warning.note(now), warns, "{now:?}");
        }
    }

    #[tokio::test]
    async fn who_is_turned_away_is_told_why_where_no_handshake_is_needed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let refusals = Refusals::default();
        let later = Reason::TooMany(Duration::from_secs(31));
        for (security, reason, told) in [
            (Security::StartTls, Reason::Full, true),
            (Security::Plaintext, Reason::Full, true),
            (Security::Plaintext, later, true),
            (Security::Direct, Reason::Full, false),
        ] {
            let mut client = TcpStream::connect(address).await.unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            if told {
                client
                    .write_all(b"<stream:stream to='example.com'>")
                    .await
                    .unwrap();
            }
            refusals.refuse(stream, security, Instant::ZERO, reason);
            let mut heard = String::new();
            client.read_to_string(&mut heard).await.unwrap();
            let words =
                heard.contains("<resource-constraint ") && heard.ends_with("</stream:stream>");
            assert_eq!(words, told, "{security:?}: {heard}");
            let time = heard.contains("try again in 31 seconds");
            assert_eq!(time, reason == later, "{heard}");
        }
    }
}
