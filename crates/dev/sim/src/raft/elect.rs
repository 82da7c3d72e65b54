//! Elections.

use super::message::{Asks, Candidacy};
use super::{Content, Cx, Lead, Members, Message, Part, Raft, Undo};
use muster_types::{Instant, NodeId};
use std::collections::{BTreeMap, BTreeSet};

impl<C> Raft<C> {
    pub(super) fn stand(&mut self, cx: &mut Cx<'_>, asks: Asks) {
        self.stands_at = cx.now + cx.rng.millis(self.timing.election_ms.clone());
        if !self.may_stand() {
            return;
        }
        let dry = asks == Asks::Dry;
        if !dry {
            self.note(cx, Undo::Vote(self.term, self.voted));
            self.term += 1;
            self.voted = Some(self.me);
        }
        let term = if dry { self.term + 1 } else { self.term };
        let votes = BTreeSet::new();
        self.part = Part::Candidate { dry, votes };
        self.lease = Instant::ZERO;
        let (length, last_term) = self.end();
        let own = Candidacy {
            term,
            length,
            last_term,
        };
        let others = self.members.electors().filter(|node| **node != self.me);
        let ask = |to: &NodeId| (*to, Message::Ask(asks, own));
        self.out.extend(others.map(ask));
        // Its own vote counts when it is on the disk, like any other's.
        let own = Message::Grant { term, dry };
        self.say_when_synced(self.me, own);
    }

    /// Who is to have no vote any more stands until that is committed: it may be the only one that knows.
    fn may_stand(&self) -> bool {
        let at = self.commit.min(self.log.len());
        let committed = self.log[..at].iter().rev();
        let mut members = committed.filter_map(|entry| match &entry.content {
            Content::Members(members) => Some(members),
            Content::Blank | Content::Command(_) => None,
        });
        let had_a_vote = |members: &Members| members.elect(self.me);
        self.members.elect(self.me) || members.next().is_some_and(had_a_vote)
    }

    fn end(&self) -> (usize, u64) {
        (
            self.log.len(),
            self.log.last().map_or(0, |entry| entry.term),
        )
    }

    pub(super) fn asked(
        &mut self,
        cx: &mut Cx<'_>,
        from: NodeId,
        asks: Asks,
        candidacy: Candidacy,
    ) {
        let (dry, term) = (asks == Asks::Dry, candidacy.term);
        let waits = |heard: Instant| cx.now.since(heard) < self.timing.election_max();
        let hands_over = matches!(&self.part, Part::Leader(lead) if lead.transfer.is_some());
        let loyal = self.heard.is_some_and(waits) || self.is_leading() && !hands_over;
        let (own_length, own_term) = self.end();
        if term < self.term || loyal && asks != Asks::Handed {
            return;
        }
        let is_complete = (candidacy.last_term, candidacy.length) >= (own_term, own_length);
        if dry {
            if is_complete {
                self.out.push_back((from, Message::Grant { term, dry }));
            }
            return;
        }
        self.adopt(cx, term);
        if is_complete && self.voted.is_none_or(|voted| voted == from) {
            if self.voted.is_none() {
                self.note(cx, Undo::Vote(self.term, None));
                self.voted = Some(from);
            }
            // A voter waits for whom it helped.
            self.hear(cx.now, cx.rng);
            self.say_when_synced(from, Message::Grant { term, dry });
        } else {
            // To have learned a term is no reason to wait.
            self.heard = None;
        }
    }

    pub(super) fn granted(&mut self, cx: &mut Cx<'_>, from: NodeId, term: u64, dry: bool) {
        let own_term = if dry { self.term + 1 } else { self.term };
        let Part::Candidate {
            dry: asked_dry,
            votes,
        } = &mut self.part
        else {
            return;
        };
        if term != own_term || dry != *asked_dry {
            return;
        }
        votes.insert(from);
        if !self.members.agree(votes) {
            return;
        }
        if dry {
            return self.stand(cx, Asks::Vote);
        }
        self.lead(cx);
    }

    fn lead(&mut self, cx: &mut Cx<'_>) {
        self.part = Part::Leader(Lead {
            equal: BTreeMap::new(),
            next: BTreeMap::new(),
            acked: BTreeMap::new(),
            beat_at: cx.now,
            last_beat: cx.now,
            eager: true,
            tell_commit: false,
            transfer: None,
            changes: false,
            followed_at: cx.now,
        });
        self.transferred = None;
        self.renew();
        self.write(cx, Content::Blank);
    }
}
