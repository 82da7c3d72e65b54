//! Who belongs to a group, and how that changes: as with the real log. Learners come and go by one
//! entry. New voters come by two: with the first, a majority of the old and a majority of the new have
//! to agree on everything; with the second, of the new alone.

use super::{Content, Cx, Part, Raft};
use muster_ha::MemberStep;
use muster_types::NodeId;
use std::collections::BTreeSet;

/// A learner that lags no more than this may become a voter.
const NEARLY: usize = 100;
/// A group has no more voters than this.
const VOTERS_MAX: usize = 7;

/// The members of a group.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Members {
    /// Whose majority decides.
    pub(crate) voters: BTreeSet<NodeId>,
    /// While voters change: those of before, whose majority has to agree too.
    pub(crate) outgoing: BTreeSet<NodeId>,
    /// Who follows only.
    pub(crate) learners: BTreeSet<NodeId>,
}

fn is_majority(votes: &BTreeSet<NodeId>, of: &BTreeSet<NodeId>) -> bool {
    votes.intersection(of).count() * 2 > of.len()
}

impl Members {
    /// Those, while nothing changes.
    pub(crate) fn of(wanted: muster_ha::Members) -> Self {
        Self {
            voters: wanted.voters,
            outgoing: BTreeSet::new(),
            learners: wanted.learners,
        }
    }

    /// Those who have a vote, be it among the old or the new ones.
    pub(crate) fn electors(&self) -> impl Iterator<Item = &NodeId> {
        self.voters.union(&self.outgoing)
    }

    /// Whether a node has a vote.
    pub(super) fn elect(&self, node: NodeId) -> bool {
        self.voters.contains(&node) || self.outgoing.contains(&node)
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &NodeId> {
        self.electors().chain(&self.learners)
    }

    /// Whether a node belongs to them.
    pub(crate) fn has(&self, node: NodeId) -> bool {
        self.elect(node) || self.learners.contains(&node)
    }

    /// Whether these votes decide.
    pub(crate) fn agree(&self, votes: &BTreeSet<NodeId>) -> bool {
        let old_agree = self.outgoing.is_empty() || is_majority(votes, &self.outgoing);
        is_majority(votes, &self.voters) && old_agree
    }

    /// Whether a single node decides.
    pub(super) fn are_decided_by_one(&self) -> bool {
        self.voters.len() == 1 && self.outgoing.is_empty()
    }

    /// What a majority has at least, of the old voters too while they change.
    pub(super) fn quorum<T: Copy + Ord>(&self, of: impl Fn(&NodeId) -> Option<T>) -> Option<T> {
        let among = |voters: &BTreeSet<NodeId>| {
            debug_assert!(voters.len() <= VOTERS_MAX, "no group has more voters");
            // Who has nothing comes first.
            let mut values = [None; VOTERS_MAX];
            let values = &mut values[..voters.len()];
            for (value, voter) in values.iter_mut().zip(voters) {
                *value = of(voter);
            }
            values.sort_unstable();
            let at = values.len().checked_sub(voters.len() / 2 + 1)?;
            values[at]
        };
        let new = among(&self.voters)?;
        if self.outgoing.is_empty() {
            return Some(new);
        }
        Some(new.min(among(&self.outgoing)?))
    }

    /// What a step makes of them.
    fn after(&self, step: MemberStep, wanted: &muster_ha::Members) -> Self {
        let mut next = self.clone();
        match step {
            MemberStep::Complete => return self.completed(),
            MemberStep::AddLearner(node) => drop(next.learners.insert(node)),
            MemberStep::ChangeVoters => {
                next.outgoing = std::mem::replace(&mut next.voters, wanted.voters.clone());
                next.learners.retain(|node| !wanted.voters.contains(node));
            }
            MemberStep::RemoveLearners(gone) => next.learners.retain(|node| !gone.contains(node)),
        }
        next
    }

    /// The second step of a change of voters: who has no vote any more goes on following.
    fn completed(&self) -> Self {
        let follow = self.outgoing.difference(&self.voters).copied();
        Self {
            voters: self.voters.clone(),
            outgoing: BTreeSet::new(),
            learners: self.learners.iter().copied().chain(follow).collect(),
        }
    }
}

impl<C> Raft<C> {
    /// The members as the log has them last, committed or not.
    pub(super) fn look_up_members(&mut self) {
        let has = |entry: &super::Entry<C>| matches!(entry.content, Content::Members(_));
        let last = self.log.iter().rposition(has);
        self.members_at = last.map_or(0, |at| at + 1);
        let members = last.and_then(|at| match &self.log[at].content {
            Content::Members(members) => Some(members.clone()),
            Content::Blank | Content::Command(_) => None,
        });
        let members = members.unwrap_or_default();
        if members != self.members {
            self.members = members;
            self.renew();
        }
    }

    /// Who belongs to the group.
    pub(crate) const fn members(&self) -> &Members {
        &self.members
    }

    /// Whether no change of voters is under way, and the last change of members is committed.
    pub(crate) fn is_settled(&self) -> bool {
        self.members.outgoing.is_empty() && self.members_at <= self.commit
    }

    /// Begins a group that nobody has begun, with this node as its only voter.
    pub(crate) fn initialize(&mut self, cx: &mut Cx<'_>) {
        if self.log.is_empty() {
            let members = Members {
                voters: BTreeSet::from([self.me]),
                ..Members::default()
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

    /// As the leader: one step towards `wanted`, as `musterd/membership.rs` does it. `alive` are those in
    /// contact, this node included.
    pub(crate) fn align(
        &mut self,
        cx: &mut Cx<'_>,
        wanted: &muster_ha::Members,
        alive: &BTreeSet<NodeId>,
    ) {
        let is_so = self.members.voters == wanted.voters
            && self.members.learners == wanted.learners
            && self.members.outgoing.is_empty();
        if is_so || !self.may_change() {
            return;
        }
        let now = muster_ha::Members {
            voters: self.members.electors().copied().collect(),
            learners: self.members.learners.clone(),
        };
        let joint = !self.members.outgoing.is_empty();
        let near = |node: &NodeId| self.is_near(*node);
        let Some(step) = muster_ha::member_step(&now, joint, wanted, alive, near) else {
            return;
        };
        let begins = step == MemberStep::ChangeVoters;
        self.write(cx, Content::Members(self.members.after(step, wanted)));
        if let Part::Leader(lead) = &mut self.part {
            lead.changes = begins;
        }
    }

    /// As the leader that has begun a change of voters: its second step, when the first is committed.
    pub(super) fn complete_change(&mut self, cx: &mut Cx<'_>) {
        let begun = matches!(&self.part, Part::Leader(lead) if lead.changes);
        if begun && !self.members.outgoing.is_empty() && self.may_change() {
            self.write(cx, Content::Members(self.members.completed()));
        }
    }

    /// Whether it leads and the last change is committed, and an entry of its own too.
    pub(crate) fn may_change(&self) -> bool {
        // One that commits alone may lose again what it has committed.
        let last = self.commit.checked_sub(1).and_then(|at| self.log.get(at));
        let own = last.is_some_and(|entry| entry.term == self.term);
        self.may_write() && own && self.members_at <= self.commit
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
