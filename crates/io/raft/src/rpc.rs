//! What groups say to each other, as bytes.

use crate::types::{SnapshotMeta, Types, Vote};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    VoteRequest, VoteResponse,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fmt;

/// Which log of the node. The cluster's is [`GroupId::CONTROL`], a slot's is its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupId(pub u32);

impl GroupId {
    /// The cluster's own log.
    pub const CONTROL: Self = Self(0);
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::CONTROL {
            write!(f, "control")
        } else {
            write!(f, "s{}", self.0)
        }
    }
}

impl fmt::Debug for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A request to a group on another node.
#[derive(Serialize, Deserialize)]
pub(crate) enum Request {
    Append(AppendEntriesRequest<Types>),
    Vote(VoteRequest<Types>),
    PreVote(VoteRequest<Types>),
    Transfer(TransferLeaderRequest<Types>),
    Snapshot(SnapshotPart),
    /// How far is the log committed?
    Committed,
}

/// Snapshots travel in parts; the last one installs.
#[derive(Serialize, Deserialize)]
pub(crate) struct SnapshotPart {
    pub(crate) vote: Vote,
    pub(crate) meta: SnapshotMeta,
    /// Where `data` begins in the whole.
    pub(crate) offset: u64,
    pub(crate) data: Vec<u8>,
    pub(crate) last: bool,
}

/// The answer to a [`Request`] of the same kind.
#[derive(Serialize, Deserialize)]
pub(crate) enum Response {
    Append(AppendEntriesResponse<Types>),
    Vote(VoteResponse<Types>),
    Transfer(openraft::raft::TransferLeaderResponse<Types>),
    /// `None`: the part was taken, more are to come.
    Snapshot(Option<SnapshotResponse<Types>>),
    /// The node does not run this group (yet), or not any more.
    NoSuchGroup,
    /// The group cannot answer: starting, stopping or broken.
    Failed(String),
    /// The log is committed up to here, as a quorum that still follows this leader confirms.
    Committed(u64),
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Addressed<T> {
    pub(crate) group: GroupId,
    pub(crate) body: T,
}

pub(crate) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("our own plain types always encode")
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, postcard::Error> {
    postcard::from_bytes(bytes)
}
