//! A modelled log: what the machines need of Raft (leader, term, quorum, lease, transfer, members)
//! and nothing else. It stands in for the real one, which the second tier runs.
//!
//! Like the real one it asks before it votes, refuses votes while a leader was heard (or the
//! process is young), holds a lease of 80 % of what every voter waits, counted from the sending of
//! the last round that a quorum acknowledged, and answers for nothing that is not on its disk.

mod disk;
mod elect;
mod members;
mod message;
mod replicate;

use crate::Rng;
use crate::device::Device;
use crate::plan::Sabotage;
use disk::Undo;
pub(crate) use members::Members;
use message::Asks;
pub(crate) use message::{Content, Entry, Message};
use muster_types::{Instant, LogIndex, NodeId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// How long a group waits for what. All members use the same.
#[derive(Clone, Debug)]
pub struct RaftTiming {
    /// Between two beats of a leader.
    pub beat: Duration,
    /// How long a candidate waits for votes, in milliseconds. The end of the range is what every voter
    /// waits out after it heard the leader, be it to help another or to stand.
    pub election_ms: Range<u64>,
}

impl Default for RaftTiming {
    fn default() -> Self {
        Self {
            beat: Duration::from_millis(50),
            election_ms: 200..400,
        }
    }
}

impl RaftTiming {
    /// The longest election timeout.
    pub(crate) const fn election_max(&self) -> Duration {
        Duration::from_millis(self.election_ms.end)
    }

    const fn lease(&self, sabotage: Option<Sabotage>) -> Duration {
        match sabotage {
            Some(Sabotage::LongLease) => Duration::from_millis(self.election_ms.end * 10),
            _ => Duration::from_millis(self.election_ms.end * 8 / 10),
        }
    }
}

/// What an operation on a log may use: the node's time, chance and disk.
pub(crate) struct Cx<'a> {
    pub(crate) now: Instant,
    pub(crate) rng: &'a mut Rng,
    pub(crate) device: &'a mut Device,
}

/// How long a leader that hands over waits until it takes the hand-over for failed.
const TRANSFER: Duration = Duration::from_millis(1_500);

/// What a leader knows.
#[derive(Debug)]
struct Lead {
    /// When a quorum had to answer last; at first, when it began to lead.
    followed_at: Instant,
    /// How many entries each member has like us, on its disk.
    equal: BTreeMap<NodeId, usize>,
    /// How many entries each member was sent.
    next: BTreeMap<NodeId, usize>,
    acked: BTreeMap<NodeId, Instant>,
    beat_at: Instant,
    last_beat: Instant,
    /// Something was written since the last round.
    eager: bool,
    /// Something was committed since the last round.
    tell_commit: bool,
    /// It hands over until then; it neither beats nor writes any more, whatever comes of it.
    transfer: Option<Instant>,
    /// It has begun a change of voters, and completes it.
    changes: bool,
}

#[derive(Debug)]
enum Part {
    Follower,
    Candidate { dry: bool, votes: BTreeSet<NodeId> },
    Leader(Lead),
}

/// One member of one group.
#[derive(Debug)]
pub(crate) struct Raft<C> {
    me: NodeId,
    timing: RaftTiming,
    sabotage: Option<Sabotage>,
    // On disk, as soon as nothing of it is left in `unsynced`:
    term: u64,
    voted: Option<NodeId>,
    log: Vec<Entry<C>>,
    unsynced: VecDeque<(u64, Undo<C>)>,
    // In memory:
    members: Members,
    /// How many entries there are up to the one that has these members.
    members_at: usize,
    commit: usize,
    taken: usize,
    part: Part,
    /// When the leader was heard last; the start counts too. `None` when that leader hands over.
    heard: Option<Instant>,
    stands_at: Instant,
    out: VecDeque<(NodeId, Message<C>)>,
    /// What may be said when the disk has caught up.
    waiting: VecDeque<(u64, NodeId, Message<C>)>,
    transferred: Option<bool>,
    /// Until when no other can lead, as of the last answer.
    lease: Instant,
    /// What the leader had committed when it was first heard.
    heard_commit: Option<usize>,
}

impl<C> Raft<C> {
    /// A member with a log that everybody has from the beginning.
    pub(crate) fn new(
        me: NodeId,
        timing: RaftTiming,
        sabotage: Option<Sabotage>,
        log: Vec<Content<C>>,
    ) -> Self {
        let log: Vec<_> = log
            .into_iter()
            .map(|content| Entry { term: 0, content })
            .collect();
        let mut raft = Self {
            me,
            timing,
            sabotage,
            term: 0,
            voted: None,
            commit: log.len(),
            log,
            unsynced: VecDeque::new(),
            members: Members::default(),
            members_at: 0,
            taken: 0,
            part: Part::Follower,
            heard: None,
            stands_at: Instant::ZERO,
            out: VecDeque::new(),
            waiting: VecDeque::new(),
            transferred: None,
            lease: Instant::ZERO,
            heard_commit: None,
        };
        raft.look_up_members();
        raft
    }

    /// The process starts (again): the disk is all it has. `applied` entries are in its state.
    /// For one election it helps nobody, because it may have promised to before.
    pub(crate) fn start(&mut self, now: Instant, rng: &mut Rng, applied: usize) {
        (self.commit, self.taken) = (applied, applied);
        self.part = Part::Follower;
        (self.transferred, self.heard_commit) = (None, None);
        self.lease = Instant::ZERO;
        self.out.clear();
        self.waiting.clear();
        self.look_up_members();
        self.hear(now, rng);
    }

    fn hear(&mut self, now: Instant, rng: &mut Rng) {
        self.heard = Some(now);
        let later = rng.millis(0..self.timing.election_ms.start);
        self.stands_at = now + self.timing.election_max() + later;
    }

    /// Whether this member leads, as far as it knows.
    pub(crate) const fn is_leading(&self) -> bool {
        matches!(self.part, Part::Leader(_))
    }

    /// Until when no other can lead; the beginning of time when this one does not.
    pub(crate) const fn lease(&self) -> Instant {
        self.lease
    }

    /// Works the lease out anew. A leader that has no vote, or soon has none, has no lease.
    fn renew(&mut self) {
        self.lease = Instant::ZERO;
        let Part::Leader(lead) = &mut self.part else {
            return;
        };
        let acked = |node: &NodeId| {
            if *node == self.me {
                // Its own word is as good as its last round.
                Some(lead.last_beat)
            } else {
                lead.acked.get(node).copied()
            }
        };
        let Some(acked) = self.members.quorum(acked) else {
            return;
        };
        lead.followed_at = acked.max(lead.followed_at);
        if lead.transfer.is_none() && self.members.voters.contains(&self.me) {
            self.lease = acked + self.timing.lease(self.sabotage);
        }
    }

    /// While leading: the other voters whose logs equal ours.
    pub(crate) fn caught_up(&self) -> Vec<NodeId> {
        let Part::Leader(lead) = &self.part else {
            return Vec::new();
        };
        let others = self.members.electors().filter(|node| **node != self.me);
        others
            .filter(|node| lead.equal.get(node) == Some(&self.log.len()))
            .copied()
            .collect()
    }

    /// Writes a command, if this member leads; whether it will be committed is another matter.
    pub(crate) fn propose(&mut self, cx: &mut Cx<'_>, command: C) -> bool {
        let may = self.may_write();
        if may {
            self.write(cx, Content::Command(Arc::new(command)));
        }
        may
    }

    const fn may_write(&self) -> bool {
        matches!(&self.part, Part::Leader(lead) if lead.transfer.is_none())
    }

    /// As the leader: one more entry.
    fn write(&mut self, cx: &mut Cx<'_>, content: Content<C>) {
        let term = self.term;
        let at = self.log.len();
        let members = matches!(content, Content::Members(_));
        self.log.push(Entry { term, content });
        self.note(cx, Undo::Cut(at));
        if members {
            self.look_up_members();
        }
        if let Part::Leader(lead) = &mut self.part {
            lead.eager = true;
        }
        if self.sabotage == Some(Sabotage::CommitAlone) && cx.now < self.lease() {
            self.commit = self.log.len();
        }
        self.count();
    }

    /// Hands the leadership to `to`, a voter that has all, while voters do not change; the outcome shows
    /// in [`transferred`](Self::transferred).
    pub(crate) fn transfer(&mut self, now: Instant, to: NodeId) {
        let (term, length) = (self.term, self.log.len());
        let may = self.is_settled() && self.members.voters.contains(&to);
        match &mut self.part {
            Part::Leader(lead) if may && lead.equal.get(&to) == Some(&length) => {
                lead.transfer = Some(now + TRANSFER);
                let others = self.members.electors().filter(|node| **node != self.me);
                let message = |node: &NodeId| (*node, Message::TakeOver { term, to });
                self.out.extend(others.map(message));
                self.lease = Instant::ZERO;
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

    /// The next committed command that the state has not got.
    pub(crate) fn take_committed(&mut self) -> Option<(LogIndex, Arc<C>)> {
        while self.taken < self.commit {
            self.taken += 1;
            if let Content::Command(command) = &self.log[self.taken - 1].content {
                let index = LogIndex(u64::try_from(self.taken).ok()?);
                return Some((index, Arc::clone(command)));
            }
        }
        None
    }

    /// The commands among the first `count` entries.
    pub(crate) fn commands(&self, count: usize) -> impl Iterator<Item = (LogIndex, &Arc<C>)> {
        (1..)
            .zip(&self.log[..count])
            .filter_map(|(at, entry)| match &entry.content {
                Content::Command(command) => Some((LogIndex(at), command)),
                Content::Blank | Content::Members(_) => None,
            })
    }

    /// Whether everything is applied that was committed when this member first met its leader.
    pub(crate) fn has_caught_up(&self) -> bool {
        match self.heard_commit {
            Some(commit) => self.taken >= commit,
            None => {
                self.is_leading() && self.commit > 0 && self.log[self.commit - 1].term == self.term
            }
        }
    }

    /// How many entries the state has got.
    pub(crate) const fn applied(&self) -> usize {
        self.taken
    }

    /// How many entries there are.
    pub(crate) const fn length(&self) -> usize {
        self.log.len()
    }

    /// How many messages are to be sent.
    pub(crate) fn to_send(&self) -> usize {
        self.out.len()
    }

    /// The next message to be sent.
    pub(crate) fn send_next(&mut self) -> Option<(NodeId, Message<C>)> {
        self.out.pop_front()
    }

    /// When something is due.
    pub(crate) fn deadline(&self) -> Instant {
        match &self.part {
            Part::Leader(lead) => match lead.transfer {
                Some(until) => until,
                None if lead.eager => Instant::ZERO,
                None => lead.beat_at.min(self.steps_down_at(lead)),
            },
            Part::Follower | Part::Candidate { .. } => self.stands_at,
        }
    }

    /// Time passes, or there is something to send.
    pub(crate) fn wake(&mut self, cx: &mut Cx<'_>) {
        match &mut self.part {
            Part::Leader(lead) => {
                if let Some(until) = lead.transfer {
                    if until <= cx.now {
                        self.part = Part::Follower;
                        self.lease = Instant::ZERO;
                        self.hear(cx.now, cx.rng);
                        self.transferred = Some(false);
                    }
                    return;
                }
                self.complete_change(cx);
                if let Part::Leader(lead) = &self.part
                    && (lead.eager || lead.beat_at <= cx.now)
                {
                    self.send_round(cx);
                }
                if let Part::Leader(lead) = &self.part
                    && self.steps_down_at(lead) <= cx.now
                {
                    self.follow(cx.now, cx.rng);
                }
            }
            Part::Follower | Part::Candidate { .. } => {
                if self.stands_at <= cx.now {
                    self.stand(cx, Asks::Dry);
                }
            }
        }
    }

    /// When a leader whom no quorum answers gives up.
    fn steps_down_at(&self, lead: &Lead) -> Instant {
        lead.followed_at + self.timing.election_max() * 3
    }

    fn follow(&mut self, now: Instant, rng: &mut Rng) {
        if let Part::Leader(Lead {
            transfer: Some(_), ..
        }) = &self.part
        {
            self.transferred = Some(true);
        }
        self.part = Part::Follower;
        self.lease = Instant::ZERO;
        self.hear(now, rng);
    }

    fn adopt(&mut self, cx: &mut Cx<'_>, term: u64) {
        if term > self.term {
            self.note(cx, Undo::Vote(self.term, self.voted));
            (self.term, self.voted) = (term, None);
            self.follow(cx.now, cx.rng);
        }
    }

    /// Takes a message.
    pub(crate) fn receive(&mut self, cx: &mut Cx<'_>, from: NodeId, message: Message<C>) {
        match message {
            Message::Append(append) => self.take_append(cx, from, append),
            Message::Appended { term, sent, equal } if term == self.term => {
                self.appended(from, sent, equal);
            }
            Message::Ask(asks, candidacy) => self.asked(cx, from, asks, candidacy),
            Message::Grant { term, dry } => self.granted(cx, from, term, dry),
            Message::TakeOver { term, to } if term == self.term && !self.is_leading() => {
                // The leader itself releases everybody from waiting for it.
                self.heard = None;
                if to == self.me {
                    self.stand(cx, Asks::Handed);
                }
            }
            Message::Outdated { term } if term > self.term && self.is_leading() => {
                self.adopt(cx, term);
                // Nobody has to wait for it any more, itself included.
                self.heard = None;
            }
            Message::Outdated { .. } | Message::Appended { .. } | Message::TakeOver { .. } => {}
        }
    }
}
