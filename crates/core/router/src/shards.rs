//! Several routers on one node, each for the sessions of some users: a shard a core.
//!
//! ```text
//! links, owners here -- envelope --> split: whom does it concern? --> inbox of each such shard
//! what all shards must see in one order (InOrder) ----------------> inbox of every shard
//! ```
//!
//! A shard is a whole [`Router`](crate::Router) that never hears of the others: what it watches is kept under its
//! own users, here and at the owners. To other nodes all shards are one node; see [`Announcing`](crate::Announcing).

use crate::{Batch, Input};
use muster_envelope::{Envelope, Notice, PresenceBatch, ToNode};
use muster_types::{BareJid, Epoch, SessionId, ShardId, Shards, SlotId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where an envelope goes.
#[derive(Debug)]
pub enum Split {
    /// To these shards; between two of them there is no order.
    Parts(Vec<(ShardId, Input)>),
    /// To all shards, in the same order as all such inputs and [`Input::NodeUp`] and [`Input::NodeLost`]: by these they
    /// know the owners of slots, and which announcements belong together.
    InOrder(Input),
}

/// Cuts an envelope into what each shard has to know of it.
pub fn split(shards: Shards, envelope: Envelope) -> Split {
    match envelope {
        Envelope::Opened { .. } | Envelope::Closed { .. } => {
            Split::InOrder(Input::Envelope(envelope))
        }
        Envelope::ToNode { slot, epoch, body } => Split::Parts(told(shards, slot, epoch, body)),
        // Not for routers.
        Envelope::ToOwner { .. } | Envelope::ToPeer { .. } | Envelope::Answer { .. } => {
            Split::Parts(Vec::new())
        }
    }
}

fn told(shards: Shards, slot: SlotId, epoch: Epoch, body: ToNode) -> Vec<(ShardId, Input)> {
    let input = |(shard, body)| {
        let envelope = Envelope::ToNode { slot, epoch, body };
        (shard, Input::Envelope(envelope))
    };
    let parts = match (body, shards) {
        (ToNode::Presence(batch), _) => {
            return batches(shards, (slot, epoch), vec![batch], false);
        }
        (ToNode::Answers(all), _) => return batches(shards, (slot, epoch), all, true),
        (body, Shards::ONE) => vec![(ShardId(0), body)],
        (body, _) => match concerned(shards, &body) {
            Some(shard) => vec![(shard, body)],
            None => parts(shards, body),
        },
    };
    parts.into_iter().map(input).collect()
}

/// The one shard that a message is for, if it is for one.
fn concerned(shards: Shards, body: &ToNode) -> Option<ShardId> {
    match body {
        ToNode::Bound { session, .. }
        | ToNode::Confirm { session, .. }
        | ToNode::Published { session }
        | ToNode::Contacts { session, .. }
        | ToNode::Interested { session }
        | ToNode::Replaced { session }
        | ToNode::Items { session, .. }
        | ToNode::Temporary { session, .. } => Some(shards.of_session(*session)),
        ToNode::Notice(Notice::Sees { user, .. } | Notice::SeesNoMore { user, .. })
        | ToNode::Access { user, .. } => Some(shards.of_user(user)),
        ToNode::Deliver { .. }
        | ToNode::Presence(_)
        | ToNode::Answers(_)
        | ToNode::ContactsDigests(_)
        | ToNode::Item { .. } => None,
    }
}

fn parts(shards: Shards, body: ToNode) -> Vec<(ShardId, ToNode)> {
    match body {
        ToNode::Deliver { sessions, stanza } => {
            let sessions = by_session(shards, sessions, |session| *session);
            let part = |sessions| {
                let stanza = stanza.clone();
                ToNode::Deliver { sessions, stanza }
            };
            each(sessions, part)
        }
        ToNode::ContactsDigests(digests) => {
            let digests = by_session(shards, digests, |(session, _)| *session);
            each(digests, ToNode::ContactsDigests)
        }
        ToNode::Item { news, watchers } => {
            // Also those without a watcher: each shard says what it has heard of last.
            let mut watchers = by_user(shards, watchers);
            let part = |shard| {
                let (news, watchers) = (news.clone(), watchers.remove(&shard));
                let watchers = watchers.unwrap_or_default();
                (shard, ToNode::Item { news, watchers })
            };
            shards.all().map(part).collect()
        }
        ToNode::Bound { .. }
        | ToNode::Confirm { .. }
        | ToNode::Published { .. }
        | ToNode::Contacts { .. }
        | ToNode::Notice(_)
        | ToNode::Interested { .. }
        | ToNode::Presence(_)
        | ToNode::Answers(_)
        | ToNode::Replaced { .. }
        | ToNode::Access { .. }
        | ToNode::Items { .. }
        | ToNode::Temporary { .. } => Vec::new(),
    }
}

fn each<T>(
    parts: impl IntoIterator<Item = (ShardId, T)>,
    body: impl FnMut(T) -> ToNode,
) -> Vec<(ShardId, ToNode)> {
    let mut body = body;
    let parts = parts.into_iter();
    parts.map(|(shard, part)| (shard, body(part))).collect()
}

/// The same news for each shard's watchers.
fn batches(
    shards: Shards,
    (slot, epoch): (SlotId, Epoch),
    batches: Vec<PresenceBatch>,
    answers: bool,
) -> Vec<(ShardId, Input)> {
    let mut parts = vec![Vec::new(); shards.count()];
    for batch in batches {
        let cut = Batch::from(batch).cut(shards);
        for (part, batch) in parts.iter_mut().zip(cut) {
            part.extend(batch);
        }
    }
    let parts = shards.all().zip(parts);
    let parts = parts.filter(|(_, batches)| !batches.is_empty());
    let input = |batches| Input::Presence {
        slot,
        epoch,
        batches,
        answers,
    };
    parts.map(|(shard, part)| (shard, input(part))).collect()
}

fn by_user(shards: Shards, users: Vec<Arc<BareJid>>) -> BTreeMap<ShardId, Vec<Arc<BareJid>>> {
    let mut by_shard: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for user in users {
        let shard = shards.of_user(&user);
        by_shard.entry(shard).or_default().push(user);
    }
    by_shard
}

fn by_session<T>(
    shards: Shards,
    all: Vec<T>,
    session: impl Fn(&T) -> SessionId,
) -> BTreeMap<ShardId, Vec<T>> {
    let mut by_shard: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for one in all {
        let shard = shards.of_session(session(&one));
        by_shard.entry(shard).or_default().push(one);
    }
    by_shard
}
