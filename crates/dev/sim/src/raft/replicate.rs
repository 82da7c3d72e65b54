//! From the leader's log to the others'.

use super::message::Append;
use super::{Content, Cx, Entry, Message, Part, Raft, Undo};
use muster_types::{Instant, NodeId};

/// Entries in one message.
const BATCH: usize = 64;

impl<C> Raft<C> {
    /// As the leader: a beat to everybody, or what was written since the last one.
    pub(super) fn send_round(&mut self, cx: &Cx<'_>) {
        let Part::Leader(lead) = &mut self.part else {
            return;
        };
        let beat = lead.beat_at <= cx.now;
        let tell = std::mem::take(&mut lead.tell_commit);
        lead.eager = false;
        if beat {
            lead.beat_at = cx.now + self.timing.beat;
            lead.last_beat = cx.now;
        }
        let lone = self.members.are_decided_by_one();
        for to in self.members.all().filter(|node| **node != self.me) {
            let equal = lead.equal.get(to).copied().unwrap_or(self.commit);
            let sent = lead.next.get(to).copied().unwrap_or(equal);
            // A beat repeats what was not acknowledged.
            let before = if beat { equal } else { sent.max(equal) }.min(self.log.len());
            let end = self.log.len().min(before + BATCH);
            if !beat && !tell && end == before {
                continue;
            }
            lead.next.insert(*to, end);
            let append = Append {
                term: self.term,
                sent: cx.now,
                before,
                before_term: before.checked_sub(1).map_or(0, |at| self.log[at].term),
                entries: self.log[before..end].to_vec(),
                commit: self.commit,
            };
            self.out.push_back((*to, Message::Append(append)));
        }
        if lone {
            self.renew();
        }
    }

    pub(super) fn take_append(&mut self, cx: &mut Cx<'_>, from: NodeId, append: Append<C>) {
        let Append {
            term,
            sent,
            before,
            before_term,
            entries,
            commit,
        } = append;
        if term < self.term {
            return self
                .out
                .push_back((from, Message::Outdated { term: self.term }));
        }
        self.adopt(cx, term);
        self.part = Part::Follower;
        self.lease = Instant::ZERO;
        self.hear(cx.now, cx.rng);
        self.heard_commit.get_or_insert(commit);
        let equal = self.append(cx, before, before_term, entries);
        self.commit = self.commit.max(commit.min(equal));
        // The beat is answered at once, for what is on the disk; the rest when it is.
        let on_disk = equal.min(self.synced_length());
        let answer = |equal| Message::Appended { term, sent, equal };
        self.out.push_back((from, answer(on_disk)));
        if on_disk < equal {
            self.say_when_synced(from, answer(equal));
        }
    }

    /// How much is equal to the leader's log afterwards.
    fn append(
        &mut self,
        cx: &mut Cx<'_>,
        before: usize,
        before_term: u64,
        entries: Vec<Entry<C>>,
    ) -> usize {
        let known = |at: usize| self.log.get(at - 1).map(|entry| entry.term);
        let fits = before <= self.commit || known(before) == Some(before_term);
        if !fits || before > self.log.len() {
            return self.commit;
        }
        let equal = before + entries.len();
        let differs = (before..)
            .zip(&entries)
            .find(|(at, entry)| self.log.get(*at).is_none_or(|own| own.term != entry.term));
        let Some((from, _)) = differs else {
            return equal;
        };
        let cuts = from < self.log.len();
        if cuts {
            let old = self.log.split_off(from);
            self.note(cx, Undo::Restore(from, old));
        } else {
            self.note(cx, Undo::Cut(from));
        }
        self.log.extend(entries.into_iter().skip(from - before));
        let changes = |entry: &Entry<C>| matches!(entry.content, Content::Members(_));
        if cuts || self.log[from..].iter().any(changes) {
            self.look_up_members();
        }
        equal
    }

    pub(super) fn appended(&mut self, from: NodeId, sent: Instant, equal: usize) {
        let Part::Leader(lead) = &mut self.part else {
            return;
        };
        let last = lead.equal.entry(from).or_default();
        *last = equal.max(*last);
        let acked = lead.acked.entry(from).or_default();
        *acked = sent.max(*acked);
        self.renew();
        let Part::Leader(lead) = &mut self.part else {
            return;
        };
        let behind = lead
            .next
            .get(&from)
            .is_some_and(|next| *next < self.log.len());
        lead.eager |= behind && equal >= lead.next.get(&from).copied().unwrap_or_default();
        self.count();
    }

    /// As the leader: commits what a majority has on its disks. Only entries of the own term commit
    /// by counting (Raft §5.4.2).
    pub(super) fn count(&mut self) {
        if self.commit == self.log.len() {
            return;
        }
        let own = self.synced_length();
        let Part::Leader(lead) = &mut self.part else {
            return;
        };
        let has = |node: &NodeId| {
            let has = if *node == self.me {
                Some(own)
            } else {
                lead.equal.get(node).copied()
            };
            Some(has.unwrap_or_default())
        };
        let Some(everywhere) = self.members.quorum(has) else {
            return;
        };
        let of_own_term = everywhere
            .checked_sub(1)
            .is_some_and(|at| self.log[at].term == self.term);
        if of_own_term && everywhere > self.commit {
            self.commit = everywhere;
            (lead.tell_commit, lead.eager) = (true, true);
            if self.is_settled() && !self.members.voters.contains(&self.me) {
                self.part = Part::Follower;
                self.lease = Instant::ZERO;
            }
        }
    }
}
