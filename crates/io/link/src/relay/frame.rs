//! The frames of relayed lanes.

use crate::wire::{Frame, FrameKind, node_id};
use bytes::Bytes;
use muster_types::NodeId;

/// Which half of its way a frame is on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    /// To the carrier, for this node.
    To(NodeId),
    /// From the carrier, which got it from this node.
    From(NodeId),
}

pub(crate) fn relay(kind: FrameKind, way: Way, serial: u64, body: Bytes) -> Frame {
    let (to, from) = match way {
        Way::To(node) => (node.0, 0),
        Way::From(node) => (0, node.0),
    };
    Frame {
        serial,
        kind: kind.into(),
        body,
        to: to.into(),
        from: from.into(),
        ..Frame::default()
    }
}

/// Says that a relayed lane is over.
pub(crate) fn close(way: Way, serial: u64, reason: &str) -> Frame {
    let reason = Bytes::copy_from_slice(reason.as_bytes());
    relay(FrameKind::RelayClose, way, serial, reason)
}

/// Reads which half a frame is on; `None` if it says neither or both.
pub(crate) fn way(frame: &Frame) -> Option<Way> {
    match (frame.to, frame.from) {
        (to, 0) => node_id(to).map(Way::To),
        (0, from) => node_id(from).map(Way::From),
        (_, _) => None,
    }
}
