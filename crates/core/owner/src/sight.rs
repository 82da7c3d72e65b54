//! Who sees whom: presentities, their watchers, and the batches that go out. Permission is asked
//! from the roster each time something is sent.

use crate::cx::Cx;
use muster_envelope::{PresenceBatch, ResourcePresence, ToNode};
use muster_presence::{Presentity, Publication, Watchers};
use muster_roster::Roster;
use muster_stanza::{PresenceType, Stanza};
use muster_types::{BareJid, Epoch, FullJid, NodeId, ResourcePart, SessionId};
use std::collections::BTreeMap;

/// The presence of the slot's users and who wants to see it.
pub(crate) struct Sight {
    epoch: Epoch,
    presentities: BTreeMap<BareJid, Presentity>,
    pub(crate) watchers: Watchers,
}

/// Whether `watcher` may see `user` (RFC 6121 §4.2.2: subscription `from` or `both`, and the user
/// itself always).
pub(crate) fn may_see(cx: &Cx<'_>, user: &BareJid, watcher: &BareJid) -> bool {
    permits(cx.state.roster(user), user, watcher)
}

fn permits(roster: Option<&Roster>, user: &BareJid, watcher: &BareJid) -> bool {
    let item = || roster?.item(watcher);
    watcher == user || item().is_some_and(|item| item.subscription.seen_by_contact())
}

/// The presence the server sends for a client that is gone (RFC 6121 §4.5.2).
pub(crate) fn unavailable(jid: &FullJid) -> Stanza {
    Stanza::presence(PresenceType::Unavailable).with_from(jid.clone())
}

impl Sight {
    pub(crate) fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            presentities: BTreeMap::new(),
            watchers: Watchers::default(),
        }
    }

    pub(crate) fn presentity(&self, user: &BareJid) -> Option<&Presentity> {
        self.presentities.get(user)
    }

    pub(crate) fn presentity_mut(&mut self, user: &BareJid) -> &mut Presentity {
        self.presentities
            .entry(user.clone())
            .or_insert_with(|| Presentity::new(self.epoch))
    }

    /// Whether there is anything of a user to show.
    pub(crate) fn is_seen(&self, user: &BareJid) -> bool {
        self.presentity(user)
            .is_some_and(|presentity| !presentity.is_empty())
    }

    /// The publication of a session, if it still stands.
    pub(crate) fn published_by(&self, jid: &FullJid, session: SessionId) -> Option<&Publication> {
        let publication = self
            .presentity(&jid.to_bare())?
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
        let roster = cx.state.roster(user);
        for (node, watchers) in self.watchers.of(user) {
            let watchers: Vec<BareJid> = watchers
                .iter()
                .filter(|watcher| permits(roster, user, watcher) && !waits(node, watcher))
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
    fn show(&mut self, cx: &mut Cx<'_>, user: &BareJid, node: NodeId, watchers: Vec<BareJid>) {
        if let Some(batch) = self.answer(user, watchers, false) {
            cx.tell_node(node, ToNode::Presence(batch));
        }
    }

    /// All there is, for some watchers on one node who are allowed to see it. With `full`, what they
    /// were shown before and is not there any more becomes unavailable.
    pub(crate) fn answer(
        &mut self,
        user: &BareJid,
        watchers: Vec<BareJid>,
        full: bool,
    ) -> Option<PresenceBatch> {
        let presentity = self.presentity_mut(user);
        let resources: Vec<ResourcePresence> = presentity
            .publications()
            .map(|(resource, publication)| ResourcePresence {
                resource: resource.clone(),
                stanza: publication.stanza.clone(),
            })
            .collect();
        if watchers.is_empty() || (resources.is_empty() && !full) {
            return None;
        }
        let (presentity, version) = (user.clone(), presentity.version());
        Some(PresenceBatch {
            presentity,
            version,
            resources,
            full,
            watchers,
        })
    }

    /// A contact may see the user from now on: it is shown everything on the nodes that asked.
    pub(crate) fn grant(&mut self, cx: &mut Cx<'_>, user: &BareJid, contact: &BareJid) {
        let nodes = self.watchers.nodes_of(user, contact);
        if nodes.is_empty() {
            return;
        }
        self.presentity_mut(user).touch();
        for node in nodes {
            self.show(cx, user, node, vec![contact.clone()]);
        }
    }

    /// A contact may not see the user any more: every resource becomes unavailable to it
    /// (RFC 6121 §3.2.2), whatever it was shown.
    pub(crate) fn withdraw(&mut self, cx: &mut Cx<'_>, user: &BareJid, contact: &BareJid) {
        for node in self.watchers.nodes_of(user, contact) {
            self.hide(cx, user, node, contact);
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
        let resources = presentity
            .publications()
            .map(|(resource, _)| ResourcePresence {
                resource: resource.clone(),
                stanza: unavailable(&user.with_resource(resource)),
            })
            .collect();
        let (presentity, version) = (user.clone(), presentity.version());
        let watchers = vec![contact.clone()];
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
