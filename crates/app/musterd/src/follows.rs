//! Whose composed presence programs on this node follow, and what is known of it.
//!
//! ```text
//! event stream -- follow --> Follows -- Question::Follow --> the user's owner, here or over a link
//!              <-- watch --          <-- Answer::Followed -- whenever it changes
//! ```
//!
//! Each user is a register that any number of streams look at. An owner is asked when the first of them
//! comes, when there is another owner or the link to it is new, and again long before its lease is over,
//! with what is known: so nothing that gets lost stays lost.

use crate::shared::Shared;
use muster_admin::{FollowRefused, Following};
use muster_envelope::{Answer, Composed, Envelope, FOLLOW_LEASE, Question, ToOwner};
use muster_presence::Version;
use muster_types::{BareJid, Epoch, NodeId, SlotId};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// Users that this node follows.
const USERS_MAX: usize = 10_000;
/// Users in one question: some 50 KB with long addresses.
const USERS_PER_QUESTION: usize = 200;
/// How often owners are asked again.
const RENEWAL: Duration = Duration::from_secs(10);
/// How often it is looked whether that is due.
const LOOK: Duration = Duration::from_secs(1);

type Newest = Option<Result<Composed, FollowRefused>>;

/// Who serves a user.
type Owner = (SlotId, NodeId, Epoch);

/// All users that are followed here.
#[derive(Default)]
pub(crate) struct Follows {
    table: Mutex<Table>,
    /// Rings when there is something to ask.
    bell: Notify,
}

#[derive(Default)]
struct Table {
    users: BTreeMap<BareJid, Entry>,
    /// Followed no more, and of whom the owner has not been told so.
    ended: BTreeMap<BareJid, Owner>,
}

struct Entry {
    newest: watch::Sender<Newest>,
    streams: usize,
    /// Who was asked, and when.
    asked: Option<(Owner, Instant)>,
}

impl Entry {
    fn known(&self) -> Option<Version> {
        match &*self.newest.borrow() {
            Some(Ok(composed)) => Some(composed.version),
            Some(Err(_)) | None => None,
        }
    }
}

/// What one owner is asked.
#[derive(Default)]
struct Ask {
    users: Vec<(BareJid, Option<Version>)>,
    no_more: Vec<BareJid>,
}

impl Follows {
    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing under the lock panics half way through a change.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something happened to owners or links.
    pub(crate) fn ring(&self) {
        self.bell.notify_one();
    }

    /// The link to a node is new: what it told meanwhile is lost.
    pub(crate) fn node_up(&self, node: NodeId) {
        for entry in self.table().users.values_mut() {
            if entry.asked.is_some_and(|((_, asked, _), _)| asked == node) {
                entry.asked = None;
            }
        }
        self.ring();
    }

    /// An owner has told something. What is older than what is known is dropped.
    pub(crate) fn news(&self, users: Vec<(BareJid, Option<Composed>)>) {
        let table = self.table();
        for (user, told) in users {
            let Some(entry) = table.users.get(&user) else {
                continue;
            };
            let told = told.ok_or(FollowRefused);
            let known = entry.known();
            let is_news = match &told {
                Ok(composed) => known.is_none_or(|known| known < composed.version),
                Err(FollowRefused) => known.is_none(),
            };
            if is_news {
                entry.newest.send_replace(Some(told));
            }
        }
    }

    fn end(&self, user: &BareJid) {
        let mut table = self.table();
        let Some(entry) = table.users.get_mut(user) else {
            return;
        };
        entry.streams -= 1;
        if entry.streams == 0 {
            let asked = table.users.remove(user).and_then(|entry| entry.asked);
            if let Some((owner, _)) = asked {
                table.ended.insert(user.clone(), owner);
                self.ring();
            }
        }
    }

    /// What is to be asked now, by owner.
    fn due(&self, shared: &Shared, now: Instant) -> BTreeMap<Owner, Ask> {
        let state = shared.cluster_state();
        let mut asks: BTreeMap<Owner, Ask> = BTreeMap::new();
        let mut table = self.table();
        for (user, owner) in std::mem::take(&mut table.ended) {
            if !table.users.contains_key(&user) {
                asks.entry(owner).or_default().no_more.push(user);
            }
        }
        for (user, entry) in &mut table.users {
            let Some(slot) = state.account_slot(user) else {
                continue;
            };
            let Some((node, epoch)) = shared.owner_of(slot) else {
                continue;
            };
            let owner = (slot, node, epoch);
            let again = |(asked, at): (Owner, Instant)| asked != owner || now >= at + RENEWAL;
            if entry.asked.is_none_or(again) {
                // In another slot numbers begin anew.
                if entry.asked.is_some_and(|((asked, ..), _)| asked != slot) {
                    entry.newest.send_replace(None);
                }
                entry.asked = Some((owner, now));
                let known = entry.known();
                asks.entry(owner)
                    .or_default()
                    .users
                    .push((user.clone(), known));
            }
        }
        asks
    }

    fn is_empty(&self) -> bool {
        let table = self.table();
        table.users.is_empty() && table.ended.is_empty()
    }
}

/// Follows a user for one stream.
pub(crate) fn follow(shared: &Arc<Shared>, user: &BareJid) -> Option<Following> {
    let mut table = shared.follows.table();
    if table.users.len() >= USERS_MAX && !table.users.contains_key(user) {
        return None;
    }
    let entry = table.users.entry(user.clone()).or_insert_with(|| Entry {
        newest: watch::Sender::new(None),
        streams: 0,
        asked: None,
    });
    entry.streams += 1;
    let newest = entry.newest.subscribe();
    drop(table);
    shared.follows.ring();
    let guard = Guard(Arc::clone(shared), user.clone());
    Some(Following {
        newest,
        until_dropped: Box::new(guard),
    })
}

/// One stream's interest in one user.
struct Guard(Arc<Shared>, BareJid);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.follows.end(&self.1);
    }
}

/// Asks owners, as long as the node runs.
pub(crate) async fn drive(shared: Arc<Shared>) {
    loop {
        if shared.follows.is_empty() {
            shared.follows.bell.notified().await;
        } else {
            // Which of the two it was makes no difference.
            let _ = tokio::time::timeout(LOOK, shared.follows.bell.notified()).await;
        }
        for ((slot, node, epoch), ask) in shared.follows.due(&shared, Instant::now()) {
            for question in questions(ask) {
                let body = ToOwner::Ask { ask: 0, question };
                let envelope = Envelope::ToOwner { slot, epoch, body };
                // A link that is full is asked over again in time: leases are six times as long.
                let _ = shared.send_asked(node, envelope).await;
            }
        }
    }
}

const _: () = assert!(FOLLOW_LEASE.as_secs() >= 6 * RENEWAL.as_secs());

fn questions(ask: Ask) -> Vec<Question> {
    let users = ask.users.chunks(USERS_PER_QUESTION);
    let no_more = ask.no_more.chunks(USERS_PER_QUESTION);
    let users = users.map(|users| Question::Follow {
        users: users.to_vec(),
        no_more: Vec::new(),
    });
    let ended = no_more.map(|no_more| Question::Follow {
        users: Vec::new(),
        no_more: no_more.to_vec(),
    });
    ended.chain(users).collect()
}

/// Takes an answer to what was asked; gives back what is something else.
pub(crate) fn taken(follows: &Follows, answer: Answer) -> Option<Answer> {
    match answer {
        Answer::Followed(users) => {
            follows.news(users);
            None
        }
        other => Some(other),
    }
}

#[cfg(test)]
#[path = "follows_test.rs"]
mod follows_test;
