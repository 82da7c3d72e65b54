//! What the TLS library says only in passing during a handshake: the name the client asked for, to the
//! one who chooses the certificate, and the exporter secret, to the key log.
//!
//! Both are called on the thread that hands a record to the library, before it gets an answer: that
//! thread takes what was said right after, and so it is of this connection.

use rustls::KeyLog;
use rustls::crypto::tls13::OkmBlock;
use std::cell::RefCell;

/// The key log's word for the secret that exported keys come from (RFC 8446 §7.5).
const EXPORTER_SECRET: &str = "EXPORTER_SECRET";

thread_local! {
    static SAID: RefCell<Overheard> = RefCell::default();
}

/// What was said of one connection.
#[derive(Default)]
pub(crate) struct Overheard {
    /// The name the client asked for, in lower case.
    pub(crate) server_name: Option<String>,
    /// The exporter secret, in TLS 1.3.
    pub(crate) exporter: Option<OkmBlock>,
}

impl Overheard {
    pub(crate) fn add(&mut self, more: Self) {
        self.server_name = self.server_name.take().or(more.server_name);
        self.exporter = self.exporter.take().or(more.exporter);
    }
}

/// What was said on this thread since this was asked last.
pub(crate) fn take() -> Overheard {
    SAID.take()
}

/// The client asked for this name.
pub(crate) fn server_name(name: String) {
    SAID.with_borrow_mut(|said| said.server_name = Some(name));
}

/// Keeps the exporter secret until [`take`], and nothing else.
#[derive(Debug)]
pub(crate) struct ExporterSecret;

impl KeyLog for ExporterSecret {
    fn log(&self, label: &str, _client_random: &[u8], secret: &[u8]) {
        if label == EXPORTER_SECRET {
            SAID.with_borrow_mut(|said| said.exporter = Some(OkmBlock::new(secret)));
        }
    }

    fn will_log(&self, label: &str) -> bool {
        label == EXPORTER_SECRET
    }
}
