//! What can go wrong on a link.

use crate::pki::PkiError;
use muster_types::NodeId;
use std::net::SocketAddr;

/// Why links could not be started, or a frame not be sent or answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The listening address cannot be had.
    #[error("cannot listen on {address} for other nodes")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The node's certificate, key or CA is unusable.
    #[error("the node's certificate, key or CA is unusable")]
    Identity(#[from] PkiError),
    /// The system gives no random numbers.
    #[error("no randomness from the system")]
    Random,
    /// The node is no peer ([`Links::set_peers`](crate::Links::set_peers)).
    #[error("{0} is no peer")]
    UnknownPeer(NodeId),
    /// No connection stands.
    #[error("not connected to {0}")]
    NotConnected(NodeId),
    /// The outbox is full, or too many requests are without response. The frame was not taken.
    #[error("too much waits for {0}")]
    Full(NodeId),
    /// The frame is larger than the lane takes.
    #[error("a frame of {bytes} bytes is over the limit of {limit}")]
    TooLarge {
        /// Its bytes.
        bytes: usize,
        /// The lane's limit.
        limit: usize,
    },
    /// No response in time. Whether the request was carried out is unknown.
    #[error("{0} did not answer in time")]
    Timeout(NodeId),
    /// The connection ended before the response. Whether the request was carried out is unknown.
    #[error("the connection to {0} ended")]
    Lost(NodeId),
}
