//! A modelled log: what the machines need of Raft (leader, term, quorum, lease, transfer) and
//! nothing else. It stands in for the real one, whose own tests are elsewhere.
//!
//! Like the real one it asks before it votes, refuses votes while a leader was heard (or the
//! process is young), and holds a lease of 80 % of the shortest election, counted from the sending
//! of the last round that a quorum acknowledged.

use crate::Rng;
use muster_types::{Instant, LogIndex, NodeId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const BEAT: Duration = Duration::from_millis(50);
const ELECTION_MS: std::ops::Range<u64> = 200..400;
const ELECTION_MIN: Duration = Duration::from_millis(ELECTION_MS.start);
const ELECTION_MAX: Duration = Duration::from_millis(ELECTION_MS.end);
const LEASE: Duration = Duration::from_millis(ELECTION_MS.start * 8 / 10);
const TRANSFER: Duration = Duration::from_secs(1);

/// One entry and the term it was written in.
type Entry<C> = (u64, Arc<C>);

/// What the members say to each other.
#[derive(Clone, Debug)]
pub(crate) enum Message<C> {
    /// From the leader: a beat, with what the follower lacks.
    Append {
        term: u64,
        sent: Instant,
        /// How many entries stand before `entries`, and the term of the last of them.
        before: usize,
        before_term: u64,
        entries: Vec<Entry<C>>,
        commit: usize,
    },
    /// The answer: how many entries are equal to the leader's.
    Appended {
        term: u64,
        sent: Instant,
        equal: usize,
    },
    /// A candidate asks (first whether it might win, then for the vote).
    Ask {
        term: u64,
        dry: bool,
        length: usize,
        last_term: u64,
        /// Set when the leader wants this election; void afterwards.
        until: Option<Instant>,
    },
    /// It may have the vote.
    Grant { term: u64, dry: bool },
    /// The sender knows a higher term.
    Outdated { term: u64 },
    /// From the leader: stand for election, unless it is too late.
    TakeOver { term: u64, until: Instant },
}

/// What a leader knows.
#[derive(Debug)]
struct Lead {
    since: Instant,
    equal: BTreeMap<NodeId, usize>,
    acked: BTreeMap<NodeId, Instant>,
    beat_at: Instant,
    /// While others may be elected on this leader's own wish, and the rounds sent till then count
    /// for no lease.
    transfer: Option<Instant>,
    counts_from: Instant,
}

#[derive(Debug)]
enum Part {
    Follower,
    Candidate {
        dry: bool,
        votes: BTreeSet<NodeId>,
        until: Option<Instant>,
    },
    Leader(Lead),
}

/// One member of one group.
#[derive(Debug)]
pub(crate) struct Raft<C> {
    me: NodeId,
    voters: Vec<NodeId>,
    // On disk:
    term: u64,
    voted: Option<NodeId>,
    log: Vec<Entry<C>>,
    // In memory:
    commit: usize,
    taken: usize,
    part: Part,
    /// When the leader was heard last; the start counts too.
    heard: Instant,
    patience: Duration,
    out: Vec<(NodeId, Message<C>)>,
    transferred: Option<bool>,
}

impl<C> Raft<C> {
    /// A member with a log that everybody has from the beginning.
    pub(crate) fn new(me: NodeId, voters: Vec<NodeId>, log: Vec<C>) -> Self {
        let log: Vec<_> = log
            .into_iter()
            .map(|command| (0, Arc::new(command)))
            .collect();
        let commit = log.len();
        Self {
            me,
            voters,
            term: 0,
            voted: None,
            log,
            commit,
            taken: 0,
            part: Part::Follower,
            heard: Instant::ZERO,
            patience: ELECTION_MAX,
            out: Vec::new(),
            transferred: None,
        }
    }

    /// The process starts (again): the disk is all it has. `applied` entries are in its state.
    pub(crate) fn start(&mut self, now: Instant, rng: &mut Rng, applied: usize) {
        (self.commit, self.taken) = (applied, applied);
        self.part = Part::Follower;
        self.transferred = None;
        self.out.clear();
        self.hear(now, rng);
    }

    fn hear(&mut self, now: Instant, rng: &mut Rng) {
        self.heard = now;
        self.patience = rng.millis(ELECTION_MS);
    }

    /// Whether this member leads, as far as it knows.
    pub(crate) const fn is_leading(&self) -> bool {
        matches!(self.part, Part::Leader(_))
    }

    /// Until when no other can lead; the beginning of time when this one does not.
    pub(crate) fn lease(&self) -> Instant {
        match &self.part {
            Part::Leader(lead) => self
                .quorum_acked(lead)
                .map_or(Instant::ZERO, |at| at + LEASE),
            Part::Follower | Part::Candidate { .. } => Instant::ZERO,
        }
    }

    /// When the last round was sent that a quorum has acknowledged.
    fn quorum_acked(&self, lead: &Lead) -> Option<Instant> {
        let mut acked: Vec<_> = lead.acked.values().copied().collect();
        acked.sort_unstable();
        // With our own vote, so many others make a quorum.
        let others = self.voters.len() / 2;
        (others > 0)
            .then(|| acked.len().checked_sub(others).map(|at| acked[at]))
            .flatten()
    }

    /// While leading: the other voters whose logs equal ours.
    pub(crate) fn caught_up(&self) -> Vec<NodeId> {
        let Part::Leader(lead) = &self.part else {
            return Vec::new();
        };
        let equal = |(_, equal): &(&NodeId, &usize)| **equal == self.log.len();
        lead.equal
            .iter()
            .filter(equal)
            .map(|(node, _)| *node)
            .collect()
    }

    /// Writes a command, if this member leads; whether it will be committed is another matter.
    pub(crate) fn propose(&mut self, command: C) -> bool {
        let may = matches!(&self.part, Part::Leader(lead) if lead.transfer.is_none());
        if may {
            self.log.push((self.term, Arc::new(command)));
            self.replicate_soon();
        }
        may
    }

    /// A bug on purpose: takes what it wrote for committed without asking anybody.
    pub(crate) fn commit_alone(&mut self, now: Instant) {
        if now < self.lease() {
            self.commit = self.log.len();
        }
    }

    fn replicate_soon(&mut self) {
        if let Part::Leader(lead) = &mut self.part {
            lead.beat_at = Instant::ZERO;
        }
    }

    /// Hands the leadership to `to`; the outcome shows in [`transferred`](Self::transferred).
    pub(crate) fn transfer(&mut self, now: Instant, to: NodeId) {
        let (term, length) = (self.term, self.log.len());
        match &mut self.part {
            Part::Leader(lead) if lead.equal.get(&to) == Some(&length) => {
                let until = now + TRANSFER;
                lead.transfer = Some(until);
                lead.counts_from = until;
                lead.acked.clear();
                self.out.push((to, Message::TakeOver { term, until }));
            }
            Part::Leader(_) | Part::Follower | Part::Candidate { .. } => {
                self.transferred = Some(false);
            }
        }
    }

    /// What came of the last transfer, once.
    pub(crate) const fn transferred(&mut self) -> Option<bool> {
        self.transferred.take()
    }

    /// The next committed entry that the state has not got.
    pub(crate) fn take_committed(&mut self) -> Option<(LogIndex, Arc<C>)> {
        if self.taken >= self.commit {
            return None;
        }
        let command = Arc::clone(&self.log[self.taken].1);
        self.taken += 1;
        Some((LogIndex(u64::try_from(self.taken).ok()?), command))
    }

    /// How many entries the state has got.
    pub(crate) const fn applied(&self) -> usize {
        self.taken
    }

    /// What is to be sent.
    pub(crate) fn take_out(&mut self) -> Vec<(NodeId, Message<C>)> {
        std::mem::take(&mut self.out)
    }

    /// Time passes.
    pub(crate) fn tick(&mut self, now: Instant, rng: &mut Rng) {
        match &mut self.part {
            Part::Leader(lead) => {
                if lead.transfer.is_some_and(|until| until <= now) {
                    lead.transfer = None;
                    self.transferred = Some(false);
                }
                let (beat_due, begun) = (lead.beat_at <= now, lead.since.max(lead.counts_from));
                let alone_since = begun.max(self.lease());
                if now.since(alone_since) > ELECTION_MAX * 2 {
                    self.follow(now, rng);
                } else if beat_due {
                    self.beat(now);
                }
            }
            Part::Follower | Part::Candidate { .. } => {
                if now.since(self.heard) >= self.patience {
                    self.stand(now, rng, true, None);
                }
            }
        }
    }

    fn beat(&mut self, now: Instant) {
        let Part::Leader(lead) = &mut self.part else {
            return;
        };
        lead.beat_at = now + BEAT;
        for to in self.voters.iter().filter(|node| **node != self.me) {
            let before = lead
                .equal
                .get(to)
                .copied()
                .unwrap_or(self.commit)
                .min(self.log.len());
            let before_term = before.checked_sub(1).map_or(0, |at| self.log[at].0);
            let entries = self.log[before..].to_vec();
            let (term, commit) = (self.term, self.commit);
            let body = Message::Append {
                term,
                sent: now,
                before,
                before_term,
                entries,
                commit,
            };
            self.out.push((*to, body));
        }
    }

    fn follow(&mut self, now: Instant, rng: &mut Rng) {
        if let Part::Leader(Lead {
            transfer: Some(_), ..
        }) = &self.part
        {
            self.transferred = Some(true);
        }
        self.part = Part::Follower;
        self.hear(now, rng);
    }

    fn adopt(&mut self, now: Instant, rng: &mut Rng, term: u64) {
        if term > self.term {
            (self.term, self.voted) = (term, None);
            self.follow(now, rng);
        }
    }

    fn stand(&mut self, now: Instant, rng: &mut Rng, dry: bool, until: Option<Instant>) {
        self.hear(now, rng);
        if !dry {
            self.term += 1;
            self.voted = Some(self.me);
        }
        let term = if dry { self.term + 1 } else { self.term };
        let votes = BTreeSet::from([self.me]);
        self.part = Part::Candidate { dry, votes, until };
        let (length, last_term) = self.end();
        for to in self.voters.iter().filter(|node| **node != self.me) {
            let ask = Message::Ask {
                term,
                dry,
                length,
                last_term,
                until,
            };
            self.out.push((*to, ask));
        }
    }

    fn end(&self) -> (usize, u64) {
        (self.log.len(), self.log.last().map_or(0, |(term, _)| *term))
    }

    /// Takes a message.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        from: NodeId,
        message: Message<C>,
    ) {
        match message {
            Message::Append {
                term,
                sent,
                before,
                before_term,
                entries,
                commit,
            } => {
                if term < self.term {
                    return self.out.push((from, Message::Outdated { term: self.term }));
                }
                self.adopt(now, rng, term);
                self.part = Part::Follower;
                self.hear(now, rng);
                let equal = self.append(before, before_term, entries);
                self.commit = self.commit.max(commit.min(equal));
                self.out
                    .push((from, Message::Appended { term, sent, equal }));
            }
            Message::Appended { term, sent, equal } if term == self.term => {
                self.appended(from, sent, equal);
            }
            Message::Ask {
                term,
                dry,
                length,
                last_term,
                until,
            } => {
                self.asked(now, rng, from, (term, dry, until), (length, last_term));
            }
            Message::Grant { term, dry } => self.granted(now, rng, from, term, dry),
            Message::TakeOver { term, until } if term == self.term && now < until => {
                self.stand(now, rng, false, Some(until));
            }
            Message::Outdated { term } => self.adopt(now, rng, term),
            Message::Appended { .. } | Message::TakeOver { .. } => {}
        }
    }

    /// How much is equal to the leader's log afterwards.
    fn append(&mut self, before: usize, before_term: u64, entries: Vec<Entry<C>>) -> usize {
        let fits = before == 0
            || before <= self.commit
            || self
                .log
                .get(before - 1)
                .is_some_and(|(term, _)| *term == before_term);
        if !fits || before > self.log.len() {
            return self.commit;
        }
        let equal = before + entries.len();
        for (at, entry) in (before..).zip(entries) {
            if self.log.get(at).is_some_and(|(term, _)| *term != entry.0) {
                self.log.truncate(at);
            }
            if at == self.log.len() {
                self.log.push(entry);
            }
        }
        equal
    }

    fn appended(&mut self, from: NodeId, sent: Instant, equal: usize) {
        let majority = self.voters.len() / 2;
        let Part::Leader(lead) = &mut self.part else {
            return;
        };
        lead.equal.insert(from, equal);
        if sent >= lead.counts_from {
            let acked = lead.acked.entry(from).or_default();
            *acked = sent.max(*acked);
        }
        let mut lengths: Vec<_> = lead.equal.values().copied().collect();
        lengths.sort_unstable();
        let Some(at) = lengths.len().checked_sub(majority) else {
            return;
        };
        let everywhere = lengths[at];
        let own = everywhere
            .checked_sub(1)
            .is_some_and(|at| self.log[at].0 == self.term);
        // Only entries of the own term commit by counting. Raft §5.4.2.
        if own && everywhere > self.commit {
            self.commit = everywhere;
            self.replicate_soon();
        } else if equal < self.log.len() {
            self.replicate_soon();
        }
    }

    fn asked(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        from: NodeId,
        (term, dry, until): (u64, bool, Option<Instant>),
        (length, last_term): (usize, u64),
    ) {
        let loyal = now.since(self.heard) < ELECTION_MIN || self.is_leading();
        let (own_length, own_term) = self.end();
        if term < self.term || until.map_or(loyal, |until| now >= until) {
            return;
        }
        let is_complete = (last_term, length) >= (own_term, own_length);
        if dry {
            if is_complete {
                self.out.push((from, Message::Grant { term, dry }));
            }
            return;
        }
        self.adopt(now, rng, term);
        if is_complete && self.voted.is_none_or(|voted| voted == from) {
            self.voted = Some(from);
            self.hear(now, rng);
            self.out.push((from, Message::Grant { term, dry }));
        }
    }

    fn granted(&mut self, now: Instant, rng: &mut Rng, from: NodeId, term: u64, dry: bool) {
        let own_term = if dry { self.term + 1 } else { self.term };
        let Part::Candidate {
            dry: asked_dry,
            votes,
            until,
        } = &mut self.part
        else {
            return;
        };
        if term != own_term || dry != *asked_dry {
            return;
        }
        votes.insert(from);
        if votes.len() * 2 <= self.voters.len() {
            return;
        }
        if dry {
            let until = *until;
            return self.stand(now, rng, false, until);
        }
        self.part = Part::Leader(Lead {
            since: now,
            equal: BTreeMap::new(),
            acked: BTreeMap::new(),
            beat_at: now,
            transfer: None,
            counts_from: now,
        });
        self.beat(now);
    }
}
