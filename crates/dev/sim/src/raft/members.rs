//! Who belongs to a group. Voters change one at a time, and only when the change before is
//! committed: then the majorities of before and after have a member in common.

use super::{Content, Cx, Part, Raft};
use muster_types::{Instant, NodeId};
use std::collections::BTreeSet;

/// A learner that lags no more than this may become a voter.
const NEARLY: usize = 100;

/// The members of a group.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Members {
    /// Whose majority decides.
    pub(crate) voters: BTreeSet<NodeId>,
    /// Who follows only.
    pub(crate) learners: BTreeSet<NodeId>,
}

impl Members {
    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &NodeId> {
        self.voters.union(&self.learners)
    }

    /// What a majority of the voters has at least.
    pub(super) fn quorum<T: Ord>(&self, of: impl Fn(&NodeId) -> Option<T>) -> Option<T> {
        let mut values: Vec<_> = self.voters.iter().filter_map(of).collect();
        values.sort_unstable();
        let at = values.len().checked_sub(self.voters.len() / 2 + 1)?;
        values.into_iter().nth(at)
    }
}

impl<C> Raft<C> {
    /// The members as the log has them last, committed or not.
    pub(super) fn look_up_members(&mut self) {
        let members = self
            .log
            .iter()
            .rev()
            .find_map(|entry| match &entry.content {
                Content::Members(members) => Some(members),
                Content::Blank | Content::Command(_) => None,
            });
        let members = members.cloned().unwrap_or_default();
        if members != self.members {
            self.members = members;
            self.renew();
        }
    }

    /// Who belongs to the group.
    pub(crate) const fn members(&self) -> &Members {
        &self.members
    }

    /// Begins a group that nobody has begun, with this node as its only voter.
    pub(crate) fn initialize(&mut self, cx: &mut Cx<'_>) {
        if self.log.is_empty() {
            let voters = BTreeSet::from([self.me]);
            let members = Members {
                voters,
                learners: BTreeSet::new(),
            };
            self.log.push(super::Entry {
                term: 0,
                content: Content::Members(members),
            });
            self.note(cx, super::Undo::Cut(0));
            self.look_up_members();
            self.stands_at = cx.now;
        }
    }

    /// As the leader: one step towards `wanted`. True when the group is as wanted.
    pub(crate) fn align(&mut self, cx: &mut Cx<'_>, wanted: &Members) -> bool {
        if !self.may_write() || !self.may_change() || wanted.voters.is_empty() {
            return false;
        }
        match self.next_step(cx.now, wanted) {
            Some(members) => {
                self.write(cx, Content::Members(members));
                false
            }
            None => self.members == *wanted,
        }
    }

    /// Whether the last change is committed, and an entry of this leader too (Raft's single-server
    /// changes are safe only then).
    fn may_change(&self) -> bool {
        let pending = self.log[self.commit..]
            .iter()
            .any(|entry| matches!(entry.content, Content::Members(_)));
        let own = self.commit > 0 && self.log[self.commit - 1].term == self.term;
        !pending && own
    }

    fn next_step(&self, now: Instant, wanted: &Members) -> Option<Members> {
        let mut next = self.members.clone();
        let known: BTreeSet<_> = self.members.all().copied().collect();
        if let Some(missing) = wanted.all().find(|node| !known.contains(node)) {
            next.learners.insert(*missing);
            return Some(next);
        }
        let mut lacking = wanted.voters.difference(&self.members.voters);
        if let Some(node) = lacking.find(|node| self.is_near(**node)) {
            next.learners.remove(node);
            next.voters.insert(*node);
            return Some(next);
        }
        // Nobody leaves before everybody who is to vote does, and answers.
        let mut all = wanted.voters.iter();
        if !all.all(|node| self.members.voters.contains(node) && self.answers(now, *node)) {
            return None;
        }
        // The dead go first: they must not be counted on when few are left.
        let surplus = self.members.voters.difference(&wanted.voters);
        if let Some(node) = surplus.min_by_key(|node| self.answers(now, **node)) {
            next.voters.remove(node);
            if wanted.learners.contains(node) {
                next.learners.insert(*node);
            }
            return Some(next);
        }
        let gone = self.members.learners.difference(&wanted.learners).next()?;
        next.learners.remove(gone);
        Some(next)
    }

    /// Whether a member answered a moment ago.
    fn answers(&self, now: Instant, node: NodeId) -> bool {
        let Part::Leader(lead) = &self.part else {
            return false;
        };
        let acked = lead.acked.get(&node);
        node == self.me || acked.is_some_and(|at| now.since(*at) < self.timing.election_max() * 2)
    }

    /// While leading: whether a member lags so little that it may vote.
    pub(crate) fn is_near(&self, node: NodeId) -> bool {
        let Part::Leader(lead) = &self.part else {
            return false;
        };
        let equal = lead.equal.get(&node);
        node == self.me || equal.is_some_and(|equal| equal + NEARLY >= self.log.len())
    }
}
