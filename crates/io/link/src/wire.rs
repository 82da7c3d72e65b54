//! The generated protocol, and what the rest of the crate says of it.

use crate::handler::Hello;
use bytes::Bytes;
use muster_types::{Boot, NodeId};
use prost::Message;
use std::time::Duration;
use tonic::Code;

/// What `proto/muster/link/v1/link.proto` generates.
pub(crate) mod proto {
    #![allow(
        missing_docs,
        unreachable_pub,
        unused_qualifications,
        clippy::pedantic,
        clippy::allow_attributes_without_reason,
        clippy::use_self,
        clippy::or_fun_call,
        reason = "generated; the comments are in the .proto file"
    )]
    tonic::include_proto!("muster.link.v1");
}

pub(crate) use proto::{Frame, FrameKind};

/// The wire version that introduced relayed lanes.
pub(crate) const RELAY_SINCE: u32 = 2;

/// Bytes that a frame may have beside its body: serial, kind, nodes, lengths.
pub(crate) const FRAME_OVERHEAD: usize = 32;

/// One of the two streams between a dialling node and the node it dials.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lane {
    Raft,
    Data,
}

impl Lane {
    /// The ALPN protocol that tells the listener, before it has answered, which lane this is.
    pub(crate) const fn alpn(self) -> &'static [u8] {
        match self {
            Self::Raft => b"muster-raft/1",
            Self::Data => b"muster-data/1",
        }
    }
}

/// The ALPN protocol of a caller that wants to join and has no certificate yet.
pub(crate) const JOIN_ALPN: &[u8] = b"muster-join/1";

/// How a caller learns that it is refused for ever, and its data with it.
pub(crate) const FOR_EVER: Code = Code::DataLoss;

/// A sign of life, with what the sender's clock shows.
pub(crate) fn beat(clock: Duration) -> Frame {
    Frame {
        kind: FrameKind::Beat.into(),
        clock: u64::try_from(clock.as_nanos()).unwrap_or(u64::MAX),
        ..Frame::default()
    }
}

pub(crate) fn request(serial: u64, body: Bytes) -> Frame {
    Frame {
        serial,
        kind: FrameKind::Request.into(),
        body,
        ..Frame::default()
    }
}

pub(crate) fn response(serial: u64, body: Bytes) -> Frame {
    Frame {
        serial,
        kind: FrameKind::Response.into(),
        body,
        ..Frame::default()
    }
}

pub(crate) fn data(body: Bytes) -> Frame {
    Frame {
        kind: FrameKind::Data.into(),
        body,
        ..Frame::default()
    }
}

pub(crate) fn hello(hello: &proto::Hello) -> Frame {
    Frame {
        kind: FrameKind::Hello.into(),
        body: hello.encode_to_vec().into(),
        ..Frame::default()
    }
}

/// Reads the first frame of a direction.
pub(crate) fn read_hello(frame: &Frame) -> Option<proto::Hello> {
    if frame.kind() != FrameKind::Hello {
        return None;
    }
    read_hello_body(&frame.body)
}

/// Reads the body of a hello, and of what opens and accepts a relayed lane.
pub(crate) fn read_hello_body(body: &Bytes) -> Option<proto::Hello> {
    proto::Hello::decode(body.clone()).ok()
}

/// The id as the other crates have it; `None` if it is none.
pub(crate) fn node_id(id: u32) -> Option<NodeId> {
    u16::try_from(id).ok().filter(|id| *id != 0).map(NodeId)
}

impl proto::Hello {
    pub(crate) fn to_hello(&self, node: NodeId) -> Hello {
        Hello {
            node,
            boot: Boot(self.boot),
            wire_version: self.wire_version,
            wire_version_oldest: self.wire_version_oldest,
            data_version: self.data_version,
        }
    }
}
