//! Temporary subscriptions: a session of somebody sees a user for a while without a roster entry, if the user lets it
//! in without being asked.
//!
//! How long it lasts the session's node knows, which asks again like for contacts when there is a new owner. Who may
//! is asked here each time something is sent: when the user's rules say otherwise, the watcher sees the user go.

use crate::blocking::answer_to;
use crate::cx::Cx;
use crate::serving::Serving;
use crate::sight::may_see;
use muster_envelope::{TemporaryOutcome, ToNode, WatchRequest};
use muster_roster::{Access, Roster};
use muster_types::{BareJid, NodeId, SessionId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The watchers of one user with a temporary subscription, by node.
type OnNodes = BTreeMap<NodeId, BTreeSet<Arc<BareJid>>>;

/// Which of the watchers have a temporary subscription.
#[derive(Default)]
pub(crate) struct Temporary {
    by_contact: BTreeMap<BareJid, OnNodes>,
    /// Whether requests between users of this cluster were granted when that was looked at last.
    auto_authorise: bool,
}

impl Temporary {
    /// Notes whether a watcher on a node has one.
    pub(crate) fn note(
        &mut self,
        contact: &BareJid,
        node: NodeId,
        watcher: &Arc<BareJid>,
        has: bool,
    ) {
        if has {
            let nodes = self.by_contact.entry(contact.clone()).or_default();
            nodes.entry(node).or_default().insert(Arc::clone(watcher));
        } else {
            self.remove(contact, node, watcher);
        }
    }

    pub(crate) fn remove(&mut self, contact: &BareJid, node: NodeId, watcher: &BareJid) {
        let Some(nodes) = self.by_contact.get_mut(contact) else {
            return;
        };
        if let Some(watchers) = nodes.get_mut(&node) {
            watchers.remove(watcher);
        }
        nodes.retain(|_, watchers| !watchers.is_empty());
        if nodes.is_empty() {
            self.by_contact.remove(contact);
        }
    }

    /// Forgets what a node has: it died, or says it all again.
    pub(crate) fn forget_node(&mut self, node: NodeId) {
        self.by_contact.retain(|_, nodes| {
            nodes.remove(&node);
            !nodes.is_empty()
        });
    }

    pub(crate) fn has(&self, contact: &BareJid, node: NodeId, watcher: &BareJid) -> bool {
        let nodes = self.by_contact.get(contact);
        let watchers = nodes.and_then(|nodes| nodes.get(&node));
        watchers.is_some_and(|watchers| watchers.contains(watcher))
    }

    /// The same on any node.
    pub(crate) fn has_somewhere(&self, contact: &BareJid, watcher: &BareJid) -> bool {
        let nodes = self.by_contact.get(contact);
        let mut on = nodes.into_iter().flat_map(BTreeMap::values);
        on.any(|watchers| watchers.contains(watcher))
    }

    /// The watchers of one user on some nodes, each once.
    fn on(&self, contact: &BareJid, counts: impl Fn(NodeId) -> bool) -> BTreeSet<&Arc<BareJid>> {
        let nodes = self.by_contact.get(contact).into_iter().flatten();
        let on = nodes.filter(|(node, _)| counts(**node));
        on.flat_map(|(_, watchers)| watchers).collect()
    }

    /// All of one user.
    fn of(&self, contact: &BareJid) -> Vec<(NodeId, Arc<BareJid>)> {
        let nodes = self.by_contact.get(contact).into_iter().flatten();
        let each = |(node, watchers): (&NodeId, &BTreeSet<Arc<BareJid>>)| {
            let node = *node;
            let watchers: Vec<_> = watchers.iter().cloned().collect();
            watchers.into_iter().map(move |watcher| (node, watcher))
        };
        nodes.flat_map(each).collect()
    }
}

/// Whether a user lets somebody in without being asked.
pub(crate) fn lets_in(cx: &Cx<'_>, user: &BareJid, watcher: &BareJid) -> bool {
    let access = cx.state.access(user);
    answer_to(cx, access, watcher, cx.world.auto_authorise()) == Access::Allow
}

impl Serving {
    /// A session wants to see a user for a while. Who may not is not told why: that would tell whether there is such
    /// a user, and whom it has blocked.
    pub(crate) fn on_watch_temporarily(
        &mut self,
        cx: &mut Cx<'_>,
        from: NodeId,
        session: SessionId,
        request: WatchRequest,
    ) {
        let outcome = self.temporary_outcome(cx, &request);
        let answer = ToNode::Temporary {
            session,
            watcher: request.watcher.clone(),
            contact: request.contact.clone(),
            outcome,
        };
        cx.tell_node(from, answer);
        match outcome {
            TemporaryOutcome::Granted => self.on_watch(cx, from, vec![request]),
            TemporaryOutcome::Forbidden | TemporaryOutcome::TooMany => (),
        }
    }

    fn temporary_outcome(&self, cx: &Cx<'_>, request: &WatchRequest) -> TemporaryOutcome {
        let (user, watcher) = (&request.contact, &request.watcher);
        let is_here = cx.world.slot_of(user) == Some(cx.config.slot) && !cx.world.is_barred(user);
        let subscribed = may_see(cx, user, watcher);
        if !is_here || !subscribed && !lets_in(cx, user, watcher) {
            return TemporaryOutcome::Forbidden;
        }
        if !subscribed && self.is_one_watcher_too_many(cx, user, watcher) {
            return TemporaryOutcome::TooMany;
        }
        TemporaryOutcome::Granted
    }

    /// Whether as many see a user already, for a while or not. A watcher counts once, however many sessions of its
    /// user ask, and not beside a subscription. Whoever was seen to by a node that is dead has gone with it.
    fn is_one_watcher_too_many(&self, cx: &Cx<'_>, user: &BareJid, watcher: &BareJid) -> bool {
        let here = |node: NodeId| cx.world.alive.contains(&node);
        let temporary = self.sight.temporary.on(user, here);
        if temporary.iter().any(|known| ***known == *watcher) {
            return false;
        }
        let roster = cx.state.roster(user);
        let items = roster.into_iter().flat_map(Roster::items);
        let subscribed = items.filter(|item| item.subscription.seen_by_contact());
        let is_subscribed = |watcher: &BareJid| {
            roster.is_some_and(|roster| roster.state(watcher).seen_by_contact())
        };
        let temporary = temporary.iter().filter(|known| !is_subscribed(known));
        subscribed.count() + temporary.count() >= cx.world.bounds().watchers
    }

    /// A user's rules changed: whom they do not let in any more sees it go, whom they let in again sees it come.
    /// `before` says whom they let in, and `subscribed` who saw the user by its roster until now; to those the change
    /// of that is told elsewhere, as it is to those who see the user by its roster from now on.
    pub(crate) fn obey_rules_of(
        &mut self,
        cx: &mut Cx<'_>,
        user: &BareJid,
        before: &dyn Fn(&Cx<'_>, &BareJid) -> bool,
        subscribed: &dyn Fn(&BareJid) -> bool,
    ) {
        for (node, watcher) in self.sight.temporary.of(user) {
            if subscribed(&watcher) {
                continue;
            }
            let (saw, is_let_in) = (before(cx, &watcher), lets_in(cx, user, &watcher));
            if !saw && is_let_in {
                self.sight.show_to(cx, user, node, watcher);
            } else if saw && !is_let_in && !may_see(cx, user, &watcher) {
                self.sight.hide(cx, user, node, &watcher);
            }
        }
    }

    /// An operator may have decided otherwise about requests between users of this cluster.
    pub(crate) fn obey_auto_authorise(&mut self, cx: &mut Cx<'_>) {
        let now = cx.world.auto_authorise();
        let known = std::mem::replace(&mut self.sight.temporary.auto_authorise, now);
        if known == now {
            return;
        }
        let users: Vec<_> = self.sight.temporary.by_contact.keys().cloned().collect();
        for user in users {
            let state = cx.state;
            let access = state.access(&user);
            let before = |cx: &Cx<'_>, watcher: &BareJid| {
                answer_to(cx, access, watcher, known) == Access::Allow
            };
            let permission = state.permission(&user);
            let subscribed = |watcher: &BareJid| permission.sees(watcher);
            self.obey_rules_of(cx, &user, &before, &subscribed);
        }
    }
}
