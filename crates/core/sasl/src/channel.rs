//! Channel binding: what both ends of one TLS connection know and nobody between them does.

/// The channel binding data of a connection, as far as its TLS version gives any. Empty without TLS.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ChannelBindings {
    /// `tls-exporter`: RFC 9266.
    pub exporter: Option<Vec<u8>>,
    /// `tls-server-end-point`: RFC 5929 §4.
    pub server_end_point: Option<Vec<u8>>,
}

impl ChannelBindings {
    /// The data of the type with that registered name, if this connection has it.
    pub fn data(&self, name: &str) -> Option<&[u8]> {
        match name {
            "tls-exporter" => self.exporter.as_deref(),
            "tls-server-end-point" => self.server_end_point.as_deref(),
            _ => None,
        }
    }

    /// The registered names of the types this connection has (XEP-0440), the better one first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        ["tls-exporter", "tls-server-end-point"]
            .into_iter()
            .filter(|name| self.data(name).is_some())
    }

    /// Whether there is nothing to bind to.
    pub const fn is_empty(&self) -> bool {
        self.exporter.is_none() && self.server_end_point.is_none()
    }
}
