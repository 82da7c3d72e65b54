//! Programs on nodes follow users: what everything that is said about a user comes to, told whenever it
//! changes. A node asks again before its lease is over, and asks every new owner; nothing of this is copied
//! to the peer.
//!
//! ```text
//! a client, a source, a rule, the time -> Sight::touched -> composed -> another? -> each node that follows
//! ```
//!
//! Unknown is never unavailable: a new owner tells nobody that a user has no client, who was told otherwise
//! by the one before, until it is certain.

use crate::cx::Cx;
use crate::serving::Serving;
use muster_envelope::{Answer, Composed, FOLLOW_LEASE};
use muster_presence::rules::Rules;
use muster_presence::source::Policies;
use muster_presence::{Explanation, Version};
use muster_types::{BareJid, Instant, NodeId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Users of a slot that are followed, by whichever nodes; each takes about half a kilobyte.
const FOLLOWED_MAX: usize = 50_000;
/// Users in one answer.
const USERS_PER_ANSWER: usize = 200;

/// What each node is to be told.
type News = BTreeMap<NodeId, Vec<(BareJid, Option<Composed>)>>;

/// Who is followed from where.
#[derive(Default)]
pub(crate) struct Followers {
    users: BTreeMap<BareJid, Followed>,
    due: BTreeSet<(Instant, BareJid)>,
    /// How often something new was told: one count for all users, so that no number of a user comes back
    /// after it was followed no more for a while.
    last: u64,
    rules: Option<Arc<Rules>>,
    /// How much was known of the users' clients when followers were last told.
    picture: (bool, bool),
}

/// One user.
struct Followed {
    nodes: BTreeMap<NodeId, Follower>,
    seq: u64,
    presence: Explanation,
    policies: Policies,
    due: Option<Instant>,
}

/// One node that follows it.
struct Follower {
    until: Instant,
    /// What the node has.
    told: Option<Version>,
}

impl Followers {
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// When the user is to be looked at again, whatever happens until then.
    fn set_due(&mut self, user: &BareJid, change: Option<Instant>) {
        let Some(followed) = self.users.get_mut(user) else {
            return;
        };
        let leases = followed.nodes.values().map(|follower| follower.until);
        let due = leases.chain(change).min();
        let before = std::mem::replace(&mut followed.due, due);
        if before != due {
            self.due.extend(due.map(|due| (due, user.clone())));
            if let Some(before) = before {
                self.due.remove(&(before, user.clone()));
            }
        }
    }
}

impl Serving {
    /// A node follows users, or follows them no more. Those that are no users of this slot are left to its
    /// next try: it may know the directory better.
    pub(crate) fn on_follow(
        &mut self,
        cx: &mut Cx<'_>,
        from: NodeId,
        users: Vec<(BareJid, Option<Version>)>,
        no_more: Vec<BareJid>,
    ) {
        for user in no_more {
            self.unfollow(&user, |node, _| node == from);
        }
        let mut refused = News::new();
        let until = cx.now + FOLLOW_LEASE;
        for (user, told) in users {
            if cx.world.slot_of(&user) != Some(cx.config.slot) {
                continue;
            }
            let count = self.followers.users.len();
            if count >= FOLLOWED_MAX && !self.followers.users.contains_key(&user) {
                refused.entry(from).or_default().push((user, None));
                continue;
            }
            let followed = self.followers.users.entry(user.clone());
            let followed = followed.or_insert_with(|| Followed {
                nodes: BTreeMap::new(),
                seq: 0,
                presence: Explanation::default(),
                policies: Policies::default(),
                due: None,
            });
            followed.nodes.insert(from, Follower { until, told });
            self.sight.followed.insert(user.clone());
            self.sight.touched.insert(user);
        }
        send(cx, refused);
    }

    fn unfollow(&mut self, user: &BareJid, ends: impl Fn(NodeId, &Follower) -> bool) {
        let Some(followed) = self.followers.users.get_mut(user) else {
            return;
        };
        followed
            .nodes
            .retain(|node, follower| !ends(*node, follower));
        if !followed.nodes.is_empty() {
            return;
        }
        if let Some(due) = followed.due {
            self.followers.due.remove(&(due, user.clone()));
        }
        self.followers.users.remove(user);
        self.sight.followed.remove(user);
    }

    /// Tells those who follow what has changed since they were last told.
    pub(crate) fn tell_followers(&mut self, cx: &mut Cx<'_>) {
        let picture = (self.picture.is_settled(), self.picture.is_certain());
        if std::mem::replace(&mut self.followers.picture, picture) != picture {
            self.sight.touched = self.sight.followed.clone();
        }
        if self.sight.touched.is_empty() || !self.picture.is_settled() {
            return;
        }
        let mut news = News::new();
        let rules = cx.world.rules();
        for user in std::mem::take(&mut self.sight.touched) {
            self.tell_followers_of(cx, &rules, &user, &mut news);
        }
        send(cx, news);
    }

    fn tell_followers_of(&mut self, cx: &Cx<'_>, rules: &Rules, user: &BareJid, news: &mut News) {
        let portrait = self.portrait(cx, user);
        let Some(followed) = self.followers.users.get_mut(user) else {
            return;
        };
        let mut presence = portrait.explain(cx.now, rules);
        presence.said.clear();
        if followed.seq == 0 || followed.presence != presence {
            self.followers.last += 1;
            followed.seq = self.followers.last;
            followed.presence = presence;
        }
        followed.policies = portrait.policies();
        let version = Version {
            epoch: cx.epoch,
            seq: followed.seq,
        };
        let seems_gone = portrait.is_empty() && !self.picture.is_certain();
        for (node, follower) in &mut followed.nodes {
            let held = seems_gone && follower.told.is_some_and(|told| told.epoch != cx.epoch);
            if follower.told == Some(version) || held {
                continue;
            }
            follower.told = Some(version);
            let presence = followed.presence.clone();
            let composed = Composed { version, presence };
            let news = news.entry(*node).or_default();
            news.push((user.clone(), Some(composed)));
        }
        let change = portrait.next_change(cx.now, rules);
        self.followers.set_due(user, change);
    }

    /// Other rules may be in force, or the administrator may have decided otherwise about users.
    pub(crate) fn obey_followed(&mut self, cx: &Cx<'_>) {
        let rules = cx.world.rules();
        let known = self.followers.rules.replace(Arc::clone(&rules));
        let same_rules = known.is_some_and(|known| Arc::ptr_eq(&known, &rules));
        let users =
            self.followers.users.iter().filter(|(user, followed)| {
                !same_rules || followed.policies != cx.world.policies(user)
            });
        let touched: Vec<_> = users.map(|(user, _)| user.clone()).collect();
        self.sight.touched.extend(touched);
    }

    /// Meetings begin and end, clients are idle, nodes ask no more.
    pub(crate) fn wake_followers(&mut self, cx: &Cx<'_>) {
        while let Some((due, user)) = self.followers.due.first().cloned()
            && due <= cx.now
        {
            self.followers.due.pop_first();
            if let Some(followed) = self.followers.users.get_mut(&user) {
                followed.due = None;
            }
            self.unfollow(&user, |_, follower| follower.until <= cx.now);
            if self.followers.users.contains_key(&user) {
                self.sight.touched.insert(user);
            }
        }
    }
}

fn send(cx: &mut Cx<'_>, news: News) {
    for (node, users) in news {
        for part in users.chunks(USERS_PER_ANSWER) {
            cx.answer(node, 0, Answer::Followed(part.to_vec()));
        }
    }
}
