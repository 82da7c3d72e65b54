//! One announcement of a node from those of its shards.
//!
//! What a node does not announce it does not have: the first part questions all of its sessions, and with the last one
//! those are lost that were not named. So only one shard's part may be the first, and only one's the last.
//!
//! All shards see the same order of [inputs that make them announce](crate::Split::InOrder), so the n-th
//! announcement of a slot is the same one in each of them, however far one is ahead.

use muster_envelope::Announcement;
use muster_types::{LogIndex, ShardId, Shards, SlotId};
use std::collections::BTreeMap;

/// How far the shards of a node are with what they announce.
#[derive(Debug)]
pub struct Announcing {
    shards: Shards,
    slots: BTreeMap<SlotId, Rounds>,
}

/// The announcements to the owners of one slot.
#[derive(Debug)]
struct Rounds {
    /// How many each shard has begun.
    begun: Vec<u64>,
    /// The newest.
    newest: u64,
    /// How many shards are done with it.
    done: usize,
    /// What is to be said with its last part: where the shard is that has heard least.
    heard: Option<LogIndex>,
}

impl Announcing {
    /// Of a node that has announced nothing yet.
    pub const fn new(shards: Shards) -> Self {
        let slots = BTreeMap::new();
        Self { shards, slots }
    }

    /// Whether a part has to be [merged](Self::merge) before it is sent. Of the others nothing is kept.
    pub const fn concerns(part: &Announcement) -> bool {
        part.first || part.last
    }

    /// Makes a shard's part one of the node's. Between this and sending it no part of another shard may be merged:
    /// the first has to go before all others, and the last after them.
    pub fn merge(&mut self, shard: ShardId, slot: SlotId, part: &mut Announcement) {
        let shards = self.shards.count();
        let rounds = self.slots.entry(slot).or_insert_with(|| Rounds {
            begun: vec![0; shards],
            newest: 0,
            done: 0,
            heard: None,
        });
        let Some(begun) = rounds.begun.get_mut(usize::from(shard.0)) else {
            return;
        };
        if part.first {
            *begun += 1;
            part.first = *begun > rounds.newest;
            if part.first {
                // Whoever is not done with the one before need not be: its owner is told all of it again, or is
                // none any more.
                (rounds.newest, rounds.done, rounds.heard) = (*begun, 0, None);
            }
        }
        if part.last && *begun == rounds.newest {
            rounds.done += 1;
            rounds.heard = [rounds.heard, part.heard].into_iter().flatten().min();
            part.last = rounds.done == shards;
            part.heard = rounds.heard;
        } else {
            part.last = false;
        }
    }
}
