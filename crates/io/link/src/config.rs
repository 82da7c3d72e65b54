//! What a node must know to speak with the others, with defaults where there is a good one.

use crate::identity::Identity;
use muster_types::{Boot, NodeId};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::runtime::Handle;

/// Everything [`Links::start`](crate::Links::start) needs.
#[derive(Clone, Debug)]
pub struct LinkConfig {
    /// The cluster's id, as in every certificate.
    pub cluster: String,
    /// This node.
    pub node: NodeId,
    /// This process start.
    pub boot: Boot,
    /// What this program speaks and writes.
    pub versions: Versions,
    /// Where the other nodes reach this one.
    pub listen: SocketAddr,
    /// This node's certificate and key, and the CA that all peers are verified against.
    pub identity: Identity,
    /// Bounds.
    pub limits: LinkLimits,
    /// Times.
    pub timing: LinkTiming,
    /// The runtime of the raft lane and of the listener. The data lane runs on the runtime that
    /// [`Links::start`](crate::Links::start) is called on.
    pub raft_runtime: Handle,
}

/// What a program speaks and writes. Two nodes work together if each speaks a wire version that the
/// other speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The newest version of the messages inside frames.
    pub wire: u32,
    /// The oldest one it still speaks.
    pub wire_oldest: u32,
    /// The version of the data it writes into logs.
    pub data: u32,
}

impl Versions {
    /// Whether the two can talk.
    pub(crate) fn overlap(self, newest: u32, oldest: u32) -> bool {
        self.wire_oldest <= newest && oldest <= self.wire
    }
}

/// Bounds on what peers and strangers can make a node hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkLimits {
    /// Bytes of one request or response. Default 4 MiB.
    pub raft_frame_bytes: u32,
    /// Bytes of one one-way message. Default 1 MiB.
    pub data_frame_bytes: u32,
    /// Requests without response, to one node and from one node. Default 256; one more to a node
    /// is refused with [`LinkError::Full`](crate::LinkError::Full), one more from a node is not read.
    pub requests_in_flight: usize,
    /// Frames waiting for one stream. Default 65,536; one more is refused.
    pub outbox_frames: usize,
    /// Bytes waiting for one stream. Default 64 MiB; more is refused.
    pub outbox_bytes: u32,
    /// TLS handshakes going on at a time. Default 64; one more connection is closed at once.
    pub handshakes: usize,
    /// Connections of callers who are no node (those who want to join), each closed after
    /// [`LinkTiming::stranger`]. Default 32; one more is closed at once.
    pub strangers: usize,
}

impl Default for LinkLimits {
    fn default() -> Self {
        Self {
            raft_frame_bytes: 4 << 20,
            data_frame_bytes: 1 << 20,
            requests_in_flight: 256,
            outbox_frames: 65_536,
            outbox_bytes: 64 << 20,
            handshakes: 64,
            strangers: 32,
        }
    }
}

/// How often, and how long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkTiming {
    /// Each direction of a raft lane says something in each two of these. Default 50 ms.
    pub beat: Duration,
    /// A data lane beats as often, also when it says something. It only finds dead connections. Default 250 ms.
    pub data_beat: Duration,
    /// A stream on which nothing came for so long is given up and dialled again. Default 2 s.
    pub silence: Duration,
    /// How long connecting, the TLS handshake and the exchange of hellos may take, each. Default 2 s.
    pub handshake: Duration,
    /// The wait before the second attempt to connect; it doubles. Default 20 ms.
    pub backoff_first: Duration,
    /// The longest wait between attempts. Default 1 s.
    pub backoff_last: Duration,
    /// A process that was heard within this time is alive: another one with the same id is refused.
    /// Default 500 ms, ten beats of the raft lane.
    pub alive: Duration,
    /// How long a caller who is no node may stay. Default 30 s.
    pub stranger: Duration,
}

impl Default for LinkTiming {
    fn default() -> Self {
        Self {
            beat: Duration::from_millis(50),
            data_beat: Duration::from_millis(250),
            silence: Duration::from_secs(2),
            handshake: Duration::from_secs(2),
            backoff_first: Duration::from_millis(20),
            backoff_last: Duration::from_secs(1),
            alive: Duration::from_millis(500),
            stranger: Duration::from_secs(30),
        }
    }
}
