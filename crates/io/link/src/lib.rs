//! Node to node: mutually authenticated TLS, one long gRPC stream for each lane and dialling node,
//! heartbeats, and the cluster's own certificate authority.
//!
//! ```text
//!            node 1                                   node 2
//!  Links::request -> outbox -> raft lane ==TLS==> Handler::raft -> response back on the same stream
//!  Links::send    -> outbox -> data lane ==TLS==> Handler::data
//!                     each direction beats when it has nothing to say, so silence means trouble
//! ```
//!
//! Every node dials every other one, so a pair of nodes has four connections: two lanes each way.
//! The lanes are apart so that a heartbeat never queues behind bulk; the raft lane and its sockets
//! live on a runtime of their own ([`LinkConfig::raft_runtime`]).
//!
//! # What `send` promises
//!
//! Messages to one node arrive in the order of [`Links::send`], each at most once, without gaps, up to some
//! message; what follows it is lost. When that can have happened the sender hears [`Handler::lost`] and,
//! once a new connection stands, [`Handler::hello`]: everything sent before that `hello` may be lost
//! and whatever still matters has to be said again. Messages of an older connection are never
//! delivered after those of a newer one.
//!
//! When the direct data lane to a node is down, messages to it go by way of a third node that reaches both,
//! under the same promises; the sender hears `lost` and `hello` when the way changes. Only messages do:
//! requests and beats never take another way.
//!
//! # Who is believed
//!
//! A node is who its certificate says ([`node_name`]). The dialler asks for the name of the node it
//! wants, the listener reads the name of the caller, and both refuse another cluster, a node that is
//! no peer ([`Links::set_peers`]), versions that cannot work together, and a second living process
//! with the same id. On the way through a third node, that node's word is taken for who the sender is: the
//! cluster's nodes trust each other with their messages.

mod accept;
mod backoff;
mod config;
mod dial;
mod error;
mod fingerprint;
mod handler;
mod identity;
mod inbound;
mod join;
mod lane;
mod links;
mod name;
mod outbox;
mod peer;
mod pending;
mod pinned;
mod pki;
mod relay;
mod seal;
mod service;
mod shared;
mod token;
mod wire;

#[cfg(test)]
mod tests;

pub use config::{LinkConfig, LinkLimits, LinkTiming, Versions};
pub use error::LinkError;
pub use fingerprint::Fingerprint;
pub use futures_util::future::BoxFuture;
pub use handler::{Handler, Hello};
pub use identity::Identity;
pub use join::{JoinError, JoinRequest, JoinResponse, Role, join};
pub use links::Links;
pub use name::{NameError, node_name};
pub use peer::{Beat, PeerStatus};
pub use pki::{ClusterCa, Issued, NodeKey, PkiError, certificate_expiry};
pub use seal::{SealError, seal, unseal};
pub use token::{JoinToken, TokenError};
