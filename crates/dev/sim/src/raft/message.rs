//! Entries of a log, and what its members say to each other.

use super::Members;
use muster_types::Instant;
use std::sync::Arc;

/// What an entry holds.
#[derive(Debug)]
pub(crate) enum Content<C> {
    /// The first entry of a leader.
    Blank,
    /// Who belongs to the group from here on.
    Members(Members),
    /// A command for the state.
    Command(Arc<C>),
}

impl<C> Clone for Content<C> {
    fn clone(&self) -> Self {
        match self {
            Self::Blank => Self::Blank,
            Self::Members(members) => Self::Members(members.clone()),
            Self::Command(command) => Self::Command(Arc::clone(command)),
        }
    }
}

/// One entry.
#[derive(Debug)]
pub(crate) struct Entry<C> {
    /// The term it was written in.
    pub(crate) term: u64,
    pub(crate) content: Content<C>,
}

impl<C> Clone for Entry<C> {
    fn clone(&self) -> Self {
        Self {
            term: self.term,
            content: self.content.clone(),
        }
    }
}

/// From the leader: a beat, with what the follower lacks.
#[derive(Clone, Debug)]
pub(crate) struct Append<C> {
    pub(super) term: u64,
    /// On the leader's clock.
    pub(super) sent: Instant,
    /// How many entries stand before `entries`, and the term of the last of them.
    pub(super) before: usize,
    pub(super) before_term: u64,
    pub(super) entries: Vec<Entry<C>>,
    pub(super) commit: usize,
}

/// What a candidate asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asks {
    /// Whether it might win.
    Dry,
    /// For the vote.
    Vote,
    /// For the vote, because the leader hands over to it: nobody has to wait for that one any more.
    Handed,
}

/// What a candidate shows of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidacy {
    pub(super) term: u64,
    /// How many entries it has, and the term of the last of them.
    pub(super) length: usize,
    pub(super) last_term: u64,
}

/// What the members say to each other.
#[derive(Clone, Debug)]
pub(crate) enum Message<C> {
    /// From the leader.
    Append(Append<C>),
    /// The answer: how many entries are equal to the leader's, on disk. `sent` is the leader's.
    Appended {
        term: u64,
        sent: Instant,
        equal: usize,
    },
    /// A candidate asks (first whether it might win, then for the vote).
    Ask(Asks, Candidacy),
    /// It may have the vote.
    Grant { term: u64, dry: bool },
    /// The sender knows a higher term.
    Outdated { term: u64 },
    /// From the leader to all: nobody needs to wait for it any more, and `to` is to stand.
    TakeOver { term: u64, to: muster_types::NodeId },
}

impl<C> Message<C> {
    /// Whether only a leader says this.
    pub(crate) const fn is_from_leader(&self) -> bool {
        matches!(self, Self::Append(_))
    }
}
