//! The doors for clients: listeners, and TLS with a certificate for each hosted domain.
//!
//! ```text
//! Listener::bind -> accept -> Socket::Plain --(StartTls: start_tls)--> Socket::Tls + TlsFacts
//!                                           --(Direct: accept_direct)--^
//! ```
//!
//! What is said on a connection is the business of `muster_stream`; here are only its bytes.

mod certificate;
#[cfg(test)]
mod certificate_test;
mod channel;
mod domains;
#[cfg(test)]
mod fixture;
mod listener;
#[cfg(test)]
mod listener_test;
mod overheard;
mod socket;
#[cfg(test)]
mod socket_test;
mod tls;

pub use certificate::{CertificateError, CertificateFiles};
pub use domains::{CertificateInfo, TlsDomains, TlsError};
pub use listener::{BindCause, BindError, Listener, ListenerConfig, is_gone};
pub use socket::Socket;
pub use tls::TlsSocket;
