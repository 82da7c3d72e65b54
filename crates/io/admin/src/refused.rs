//! Refusals as gRPC statuses, with the names of nodes in place of their ids.

use crate::{ProposeFailure, resolve};
use muster_cluster::{ClusterState, Refusal, RowRefusal};
use muster_types::NodeId;
use tonic::{Code, Status};

/// The status of a refusal.
pub(crate) fn status(state: &ClusterState, refusal: &Refusal) -> Status {
    Status::new(code(refusal), words(state, refusal))
}

/// The status of a proposal without an outcome.
pub(crate) fn no_outcome(failure: ProposeFailure) -> Status {
    let code = match failure {
        ProposeFailure::NoQuorum => Code::Unavailable,
        ProposeFailure::Unknown => Code::Aborted,
    };
    Status::new(code, failure.to_string())
}

/// The node is in no cluster.
pub(crate) fn no_cluster() -> Status {
    Status::unavailable(
        "this node is in no cluster yet: run `musterctl cluster init` on the first node, or `musterctl cluster join TOKEN` on another",
    )
}

fn code(refusal: &Refusal) -> Code {
    use Refusal as R;
    match refusal {
        R::InvalidName { .. }
        | R::SettingOutOfRange { .. }
        | R::MoreThanARoster { .. }
        | R::Nested => Code::InvalidArgument,
        R::NoSuchNode { .. }
        | R::NoSuchGroup { .. }
        | R::NoSuchSlot { .. }
        | R::NoSuchDomain { .. }
        | R::NoSuchAccount { .. }
        | R::NoSuchApiClient { .. } => Code::NotFound,
        R::NodeExists { .. }
        | R::GroupExists { .. }
        | R::DomainExists { .. }
        | R::ApiClientExists { .. }
        | R::TokenExists => Code::AlreadyExists,
        R::NotInitialised => Code::Unavailable,
        R::TooMany { .. } => Code::ResourceExhausted,
        _ => Code::FailedPrecondition,
    }
}

fn words(state: &ClusterState, refusal: &Refusal) -> String {
    let text = refusal.to_string();
    // A name that is taken stands in the text already, and may look like an id.
    if matches!(refusal, Refusal::NodeExists { .. }) {
        text
    } else {
        with_names(state, &text)
    }
}

/// The text for a row of users.
pub(crate) fn row_words(state: &ClusterState, refusal: &RowRefusal) -> String {
    with_names(state, &refusal.to_string())
}

/// The text with "node b" for "node n2": operators know names.
fn with_names(state: &ClusterState, text: &str) -> String {
    let mut words = String::with_capacity(text.len());
    let mut after_node = false;
    for word in text.split_inclusive(' ') {
        let end = word
            .trim_end_matches(|c: char| !c.is_ascii_alphanumeric())
            .len();
        match node_id(&word[..end]).filter(|_| after_node) {
            Some(node) => words += &(resolve::name_of(state, node) + &word[end..]),
            None => words += word,
        }
        after_node = word == "node ";
    }
    words
}

fn node_id(word: &str) -> Option<NodeId> {
    word.strip_prefix('n')?.parse().ok().map(NodeId)
}
