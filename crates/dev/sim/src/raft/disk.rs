//! What a member's disk has: everything it wrote, less what a crash takes back because it was not
//! synced.

use super::{Cx, Entry, Message, Raft};
use crate::plan::Sabotage;
use muster_types::NodeId;

/// How to take a write back.
#[derive(Debug)]
pub(super) enum Undo<C> {
    /// Term and vote were these.
    Vote(u64, Option<NodeId>),
    /// The log was so long.
    Cut(usize),
    /// These entries stood at the end, from there.
    Restore(usize, Vec<Entry<C>>),
}

impl<C> Raft<C> {
    /// Takes note of a write.
    pub(super) fn note(&mut self, cx: &mut Cx<'_>, undo: Undo<C>) {
        let ticket = cx.device.write(cx.now, cx.rng);
        self.unsynced.push_back((ticket, undo));
    }

    /// Sends a message when everything written so far is on the disk.
    pub(super) fn say_when_synced(&mut self, to: NodeId, message: Message<C>) {
        match self.unsynced.back() {
            Some((ticket, _)) if !self.lies() => self.waiting.push_back((*ticket, to, message)),
            Some(_) | None => self.out.push_back((to, message)),
        }
    }

    /// A bug on purpose: what is written is taken for synced, and never is.
    fn lies(&self) -> bool {
        self.sabotage == Some(Sabotage::Unsynced)
    }

    /// How many entries are on the disk.
    pub(super) fn synced_length(&self) -> usize {
        if self.lies() {
            return self.log.len();
        }
        let begins = |(_, undo): &(u64, Undo<C>)| match undo {
            Undo::Cut(at) | Undo::Restore(at, _) => Some(*at),
            Undo::Vote(..) => None,
        };
        let first = self.unsynced.iter().filter_map(begins).min();
        first.unwrap_or(self.log.len())
    }

    /// The disk has everything up to `ticket`.
    pub(crate) fn synced(&mut self, ticket: u64) {
        if self.lies() || self.unsynced.is_empty() && self.waiting.is_empty() {
            return;
        }
        while self.unsynced.front().is_some_and(|(at, _)| *at <= ticket) {
            self.unsynced.pop_front();
        }
        while let Some((at, _, _)) = self.waiting.front()
            && *at <= ticket
        {
            let said = self.waiting.pop_front();
            self.out.extend(said.map(|(_, to, message)| (to, message)));
        }
        self.count();
    }

    /// The process dies; of what was not synced, that up to `ticket` has reached the disk. True when
    /// entries that were applied are lost by that: the state on the disk is older too.
    pub(crate) fn crash(&mut self, ticket: u64) -> bool {
        let ticket = if self.lies() { 0 } else { ticket };
        let mut shortest = self.log.len();
        while let Some((at, undo)) = self.unsynced.pop_back() {
            if at <= ticket {
                break;
            }
            match undo {
                Undo::Vote(term, voted) => (self.term, self.voted) = (term, voted),
                Undo::Cut(length) => {
                    shortest = shortest.min(length);
                    self.log.truncate(length);
                }
                Undo::Restore(from, entries) => {
                    shortest = shortest.min(from);
                    self.log.truncate(from);
                    self.log.extend(entries);
                }
            }
        }
        self.unsynced.clear();
        self.waiting.clear();
        self.out.clear();
        let lost = self.taken > shortest;
        self.taken = self.taken.min(shortest);
        lost
    }
}
