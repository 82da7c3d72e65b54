//! Who sees whom: presentities, their watchers, and the batches that go out. Permission is asked
//! from the roster and the user's rules each time something is sent.

use crate::cx::Cx;
use crate::temporary::{Temporary, lets_in};
use muster_envelope::{PresenceBatch, ResourcePresence, ToNode};
use muster_presence::{Overlay, Presentity, Publication, Watchers};
use muster_stanza::{PresenceType, Stanza};
use muster_types::{Bare as _, BareJid, Epoch, FullJid, NodeId, ResourcePart, SessionId};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

/// The presence of the slot's users and who wants to see it.
pub(crate) struct Sight {
    epoch: Epoch,
    presentities: BTreeMap<BareJid, Presentity>,
    pub(crate) watchers: Watchers,
    pub(crate) temporary: Temporary,
    /// Whom programs follow, and which of them may have changed since they were last looked at.
    pub(crate) followed: BTreeSet<BareJid>,
    pub(crate) touched: BTreeSet<BareJid>,
}

/// Whether the roster of `user` lets `watcher` see it.
pub(crate) fn may_see(cx: &Cx<'_>, user: &BareJid, watcher: &BareJid) -> bool {
    cx.state.permission(user).sees(watcher)
}

/// The presence the server sends for a client that is gone (RFC 6121 §4.5.2).
pub(crate) fn unavailable(jid: &FullJid) -> Stanza {
    Stanza::presence(PresenceType::Unavailable).with_from(jid.clone())
}

/// A client's news as watchers see it.
fn shown(overlay: &Overlay, stanza: &Stanza) -> Stanza {
    match stanza.presence_type() {
        Some(PresenceType::Available) => overlay.shown(stanza),
        _ => stanza.clone(),
    }
}

impl Sight {
    pub(crate) fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            presentities: BTreeMap::new(),
            watchers: Watchers::default(),
            temporary: Temporary::default(),
            followed: BTreeSet::new(),
            touched: BTreeSet::new(),
        }
    }

    pub(crate) fn presentity(&self, user: &BareJid) -> Option<&Presentity> {
        self.presentities.get(user)
    }

    pub(crate) fn presentity_mut(&mut self, user: &BareJid) -> &mut Presentity {
        if self.followed.contains(user) {
            self.touched.insert(user.clone());
        }
        self.presentities
            .entry(user.clone())
            .or_insert_with(|| Presentity::new(self.epoch))
    }

    /// Whether there is anything of a user to show.
    pub(crate) fn is_seen(&self, user: &BareJid) -> bool {
        self.presentity(user)
            .is_some_and(|presentity| !presentity.is_empty())
    }

    /// The users after `last` (from the first one on, if `None`) of whom other sources than clients say
    /// something.
    pub(crate) fn reported_after(
        &self,
        last: Option<&BareJid>,
    ) -> impl Iterator<Item = (&BareJid, &Presentity)> {
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        let users = self
            .presentities
            .range::<BareJid, _>((from, Bound::Unbounded));
        users.filter(|(_, presentity)| presentity.reports().next().is_some())
    }

    /// The users of whom a client says "do not disturb".
    pub(crate) fn not_to_be_disturbed(&self) -> Vec<BareJid> {
        let all = self.presentities.iter();
        let dnd = all.filter(|(_, presentity)| presentity.says_dnd());
        dnd.map(|(user, _)| user.clone()).collect()
    }

    /// The publication of a session, if it still stands.
    pub(crate) fn published_by(&self, jid: &FullJid, session: SessionId) -> Option<&Publication> {
        let publication = self
            .presentity(&jid.bare())?
            .publication(&jid.resource().to_owned())?;
        Some(publication).filter(|publication| publication.session == session)
    }

    /// The clients of a user that are here and available.
    pub(crate) fn living(
        &self,
        user: &BareJid,
    ) -> impl Iterator<Item = (&ResourcePart, &Publication)> {
        self.presentity(user)
            .into_iter()
            .flat_map(Presentity::living)
    }

    /// The clients of a user that take messages to the bare JID.
    pub(crate) fn takers(
        &self,
        user: &BareJid,
    ) -> impl Iterator<Item = (&ResourcePart, &Publication)> {
        self.living(user)
            .filter(|(_, publication)| publication.takes_messages())
    }

    /// Whether a watcher on a node sees a user: by the user's roster, or for a while.
    pub(crate) fn sees(
        &self,
        cx: &Cx<'_>,
        user: &BareJid,
        node: NodeId,
        watcher: &BareJid,
    ) -> bool {
        may_see(cx, user, watcher) || self.is_let_in(cx, user, node, watcher)
    }

    /// Whether a watcher has a temporary subscription on a node and the user lets it in.
    fn is_let_in(&self, cx: &Cx<'_>, user: &BareJid, node: NodeId, watcher: &BareJid) -> bool {
        self.temporary.has(user, node, watcher) && lets_in(cx, user, watcher)
    }

    /// The same on any node.
    pub(crate) fn sees_for_a_while(&self, cx: &Cx<'_>, user: &BareJid, watcher: &BareJid) -> bool {
        self.temporary.has_somewhere(user, watcher) && lets_in(cx, user, watcher)
    }

    /// Sends one resource's news to every watcher, in one batch a node.
    pub(crate) fn tell(
        &self,
        cx: &mut Cx<'_>,
        user: &BareJid,
        resource: &ResourcePart,
        stanza: &Stanza,
    ) {
        self.tell_unless(cx, user, resource, stanza, ToNode::Presence, &|_, _| false);
    }

    /// The same in another manner, and not to those who will hear of it with more.
    pub(crate) fn tell_unless(
        &self,
        cx: &mut Cx<'_>,
        user: &BareJid,
        resource: &ResourcePart,
        stanza: &Stanza,
        manner: fn(PresenceBatch) -> ToNode,
        waits: &dyn Fn(NodeId, &BareJid) -> bool,
    ) {
        let Some(presentity) = self.presentity(user) else {
            return;
        };
        let permission = cx.state.permission(user);
        let hidden = presentity.overlay() == &Overlay::Hidden;
        let stanza = shown(presentity.overlay(), stanza);
        for (node, watchers) in self.watchers.of(user) {
            let watchers: Vec<Arc<BareJid>> = watchers
                .iter()
                .filter(|watcher| {
                    permission.sees(watcher) || self.is_let_in(cx, user, node, watcher)
                })
                .filter(|watcher| !waits(node, watcher))
                .filter(|watcher| !hidden || ***watcher == *user)
                .cloned()
                .collect();
            if watchers.is_empty() {
                continue;
            }
            let news = ResourcePresence {
                resource: resource.clone(),
                stanza: stanza.clone(),
            };
            cx.tell_node(
                node,
                manner(PresenceBatch {
                    presentity: user.clone(),
                    version: presentity.version(),
                    resources: vec![news],
                    full: false,
                    watchers,
                }),
            );
        }
    }

    /// Sends all there is to some watchers on one node, who are allowed to see it.
    fn show(&mut self, cx: &mut Cx<'_>, user: &BareJid, node: NodeId, watchers: Vec<Arc<BareJid>>) {
        for batch in self.answer(user, watchers, false) {
            cx.tell_node(node, ToNode::Presence(batch));
        }
    }

    /// All of a user's clients look different from now on.
    pub(crate) fn show_anew(
        &mut self,
        cx: &mut Cx<'_>,
        user: &BareJid,
        certain: bool,
        waits: &dyn Fn(NodeId, &BareJid) -> bool,
    ) {
        let presentity = self.presentity_mut(user);
        presentity.touch();
        let permission = cx.state.permission(user);
        let watchers = self.watchers.of(user).map(|(node, watchers)| {
            let sees = |watcher: &BareJid| {
                permission.sees(watcher) || self.is_let_in(cx, user, node, watcher)
            };
            let told = |watcher: &&Arc<BareJid>| sees(watcher) && !waits(node, watcher);
            (node, watchers.iter().filter(told).cloned().collect())
        });
        for (node, watchers) in watchers.collect::<Vec<(NodeId, Vec<Arc<BareJid>>)>>() {
            let batches = self.answer(user, watchers, certain);
            if !batches.is_empty() {
                cx.tell_node(node, ToNode::Answers(batches));
            }
        }
    }

    /// All there is, for some watchers on one node who are allowed to see it. With `full`, what they
    /// were shown before and is not there any more becomes unavailable. Of a hidden user only its own
    /// clients are shown anything; for everybody else it is certain that there is nothing.
    pub(crate) fn answer(
        &mut self,
        user: &BareJid,
        watchers: Vec<Arc<BareJid>>,
        full: bool,
    ) -> Vec<PresenceBatch> {
        let presentity = self.presentity_mut(user);
        let overlay = presentity.overlay();
        let resources: Vec<ResourcePresence> = presentity
            .publications()
            .map(|(resource, publication)| ResourcePresence {
                resource: resource.clone(),
                stanza: overlay.shown(&publication.stanza),
            })
            .collect();
        let (own, others): (Vec<_>, Vec<_>) = match overlay {
            Overlay::Hidden => watchers.into_iter().partition(|watcher| **watcher == *user),
            Overlay::AsItCame | Overlay::Over(_) => (watchers, Vec::new()),
        };
        let version = presentity.version();
        let batch = |watchers: Vec<Arc<BareJid>>, resources: Vec<ResourcePresence>, full: bool| {
            let says_something = !watchers.is_empty() && (full || !resources.is_empty());
            says_something.then(|| PresenceBatch {
                presentity: user.clone(),
                version,
                resources,
                full,
                watchers,
            })
        };
        let batches = [batch(own, resources, full), batch(others, Vec::new(), true)];
        batches.into_iter().flatten().collect()
    }

    /// A contact may see the user from now on: it is shown everything on the nodes that asked.
    pub(crate) fn grant(&mut self, cx: &mut Cx<'_>, user: &BareJid, contact: &BareJid) {
        let mut nodes = self.watchers.nodes_of(user, contact);
        // Where it has seen the user for a while it sees no difference.
        nodes.retain(|node| !self.is_let_in(cx, user, *node, contact));
        if nodes.is_empty() {
            return;
        }
        self.presentity_mut(user).touch();
        for node in nodes {
            self.show(cx, user, node, vec![Arc::new(contact.clone())]);
        }
    }

    /// A watcher on one node may see the user again.
    pub(crate) fn show_to(
        &mut self,
        cx: &mut Cx<'_>,
        user: &BareJid,
        node: NodeId,
        watcher: Arc<BareJid>,
    ) {
        self.presentity_mut(user).touch();
        self.show(cx, user, node, vec![watcher]);
    }

    /// A contact may not see the user any more: every resource becomes unavailable to it
    /// (RFC 6121 §3.2.2), whatever it was shown.
    pub(crate) fn withdraw(&mut self, cx: &mut Cx<'_>, user: &BareJid, contact: &BareJid) {
        for node in self.watchers.nodes_of(user, contact) {
            if !self.is_let_in(cx, user, node, contact) {
                self.hide(cx, user, node, contact);
            }
        }
    }

    /// The same on one node.
    pub(crate) fn hide(
        &mut self,
        cx: &mut Cx<'_>,
        user: &BareJid,
        node: NodeId,
        contact: &BareJid,
    ) {
        let presentity = self.presentity_mut(user);
        presentity.touch();
        let hidden = presentity.overlay() == &Overlay::Hidden;
        let resources = presentity
            .publications()
            .filter(|_| !hidden)
            .map(|(resource, _)| ResourcePresence {
                resource: resource.clone(),
                stanza: unavailable(&user.with_resource(resource)),
            })
            .collect();
        let (presentity, version) = (user.clone(), presentity.version());
        let watchers = vec![Arc::new(contact.clone())];
        cx.tell_node(
            node,
            ToNode::Presence(PresenceBatch {
                presentity,
                version,
                resources,
                full: true,
                watchers,
            }),
        );
    }
}
