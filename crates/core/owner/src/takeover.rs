//! From one owner to the next: what the warm copy and the nodes' announcements say of sessions,
//! and what becomes of the sessions of a node that is lost or comes back.

use crate::blocking::tell_known_access;
use crate::cx::Cx;
use crate::publish::{Said, seen_by};
use crate::serving::Serving;
use crate::sessions::{Session, Standing};
use crate::sight::unavailable;
use crate::warm::{Copied, WarmCopy};
use crate::{Output, OwnerEvent};
use muster_envelope::{AnnouncedSession, Announcement, ToNode, contacts_digest};
use muster_presence::{Idle, Publication};
use muster_stanza::Stanza;
use muster_types::{Bare as _, Boot, NodeId, SessionId};
use std::collections::BTreeSet;
use std::time::Duration;

impl Serving {
    /// Takes over what the copy knows, and lets everybody know who serves.
    pub(crate) fn open(&mut self, cx: &mut Cx<'_>, copy: WarmCopy) {
        // Who is expected by an outdated copy may have been back with another owner, and its time is another.
        let anew = (!copy.is_current()).then(|| cx.now + cx.config.limits.grace);
        // Clients that were expected back come first, so that the ones that took their places win.
        let Copied { sessions, reports } = copy.into_copied();
        let (expected, here): (Vec<_>, Vec<_>) = sessions
            .into_iter()
            .partition(|(_, session)| session.expected.is_some());
        for (id, warm) in expected.into_iter().chain(here) {
            let standing = match warm.expected {
                Some(until) => Standing::Expected {
                    until: anew.unwrap_or(until),
                },
                None if cx.world.may_live(id.node, id.boot) => Standing::Presumed,
                None => Standing::Expected {
                    until: cx.now + cx.config.limits.grace,
                },
            };
            let session = Session {
                id,
                jid: warm.jid,
                interested: warm.interested,
                standing,
            };
            self.restore(session, warm.presence, warm.idle);
        }
        let mut reported: BTreeSet<_> = cx.world.restricted(cx.config.slot).into_keys().collect();
        for ((user, _), report) in reports {
            self.sight.presentity_mut(&user).report(report);
            reported.insert(user);
        }
        for user in reported {
            // Nobody is told: whoever saw the user is answered by this owner anyway.
            self.compose(cx, &user);
            self.note_choice(cx, &user);
        }
        self.obey_rules(cx);
        self.obey_auto_authorise(cx);
        cx.out.push_back(Output::Broadcast(cx.opened()));
        cx.event(OwnerEvent::Opened {
            slot: cx.config.slot,
            epoch: cx.epoch,
            warm: self.picture.complete,
            sessions: self.sessions.all().count(),
        });
        self.feeds.set_peers(cx, &self.sessions, &self.sight);
        self.outbox.open(cx);
        self.obey_accounts(cx);
        self.settle_if_announced(cx);
    }

    fn restore(&mut self, session: Session, presence: Option<Stanza>, idle: Option<Idle>) {
        let (id, expected) = (session.id, session.standing.is_expected());
        if let Some(stanza) = presence {
            let publication = Publication {
                expected,
                idle,
                ..Publication::new(id, stanza)
            };
            let (user, resource) = (session.jid.bare(), session.resource());
            let presentity = self.sight.presentity_mut(&user);
            let earlier = presentity
                .publication(&resource)
                .map(|publication| publication.session);
            presentity.publish(resource, publication);
            if let Some(earlier) = earlier {
                self.grace.cancel(earlier);
                self.sessions.remove(earlier);
            }
        } else if expected {
            // Nobody sees it, so nobody waits for it.
            return;
        }
        if let Standing::Expected { until } = session.standing {
            self.grace.start(id, until);
        }
        self.sessions.insert(session);
    }

    /// A node says which of its sessions and watchers concern this slot.
    pub(crate) fn on_announce(
        &mut self,
        cx: &mut Cx<'_>,
        from: NodeId,
        announcement: Announcement,
    ) {
        let Announcement {
            sessions,
            watches,
            heard,
            first,
            last,
        } = announcement;
        if first {
            self.question(from);
            self.sight.temporary.forget_node(from);
        }
        let mut digests = Vec::new();
        for session in sessions
            .into_iter()
            .filter(|session| session.session.node == from)
        {
            digests.extend(self.announced(cx, session));
        }
        if !digests.is_empty() {
            cx.tell_node(from, ToNode::ContactsDigests(digests));
        }
        self.on_watch(cx, from, watches);
        if last {
            self.lose_questioned(cx, from);
            self.expect_presumed(cx, Some(from));
            self.picture.awaited.remove(&from);
            if let Some(heard) = heard {
                self.tell_items_after(cx, heard, from);
                self.tell_choices(cx, from);
            }
            self.go_on_all(cx);
            self.settle_if_announced(cx);
        }
    }

    /// Returns whom the user of an available session sees, in short.
    fn announced(
        &mut self,
        cx: &mut Cx<'_>,
        announced: AnnouncedSession,
    ) -> Option<(SessionId, u64)> {
        let AnnouncedSession {
            session: id,
            jid,
            presence,
            said_ms_ago,
            interested,
            leaving,
        } = announced;
        let ago = Duration::from_millis(said_ms_ago);
        self.answer_for(id);
        let (user, resource) = (jid.bare(), jid.resource().to_owned());
        if cx.world.is_barred(&user) {
            cx.tell_node(id.node, ToNode::Replaced { session: id });
            self.end(cx, id);
            return None;
        }
        let holder = self
            .sessions
            .at(&user, &resource)
            .map(|holder| (holder.id, holder.standing));
        match holder {
            Some((holder, _)) if holder == id => self.revive(cx, id),
            // Its client has gone, and has been elsewhere since if another has its place.
            Some(_) | None if leaving => return None,
            Some((holder, Standing::Live)) if !is_newer(id, holder) => {
                cx.tell_node(id.node, ToNode::Replaced { session: id });
                return None;
            }
            Some(_) | None => {
                self.enter(
                    cx,
                    Session {
                        id,
                        jid,
                        interested,
                        standing: Standing::Live,
                    },
                );
            }
        }
        let session = self.sessions.session_mut(id)?;
        session.interested |= interested;
        let session = session.clone();
        let digest = presence
            .is_some()
            .then(|| (id, contacts_digest(seen_by(cx.state, &user))));
        tell_known_access(cx, id.node, &user);
        self.take_announced(cx, &session, presence, Said::Announced(ago));
        self.tell_recent(cx, id, &user);
        digest
    }

    /// What an announced session last said, of which something may be known.
    fn take_announced(
        &mut self,
        cx: &mut Cx<'_>,
        session: &Session,
        presence: Option<Stanza>,
        said: Said,
    ) {
        let (id, user) = (session.id, session.jid.bare());
        let known = self
            .sight
            .published_by(&session.jid, id)
            .map(|known| known.stanza.clone());
        match (known, presence) {
            (Some(known), Some(presence)) if same_presence(&known, &presence) => {
                if self
                    .sight
                    .takers(&user)
                    .any(|(_, taker)| taker.session == id)
                {
                    self.mailbox.hand_over(cx, &mut self.proposals, &user, id);
                }
            }
            (_, Some(presence)) => self.on_publish(cx, id, presence, said),
            (Some(_), None) => {
                let gone = unavailable(&session.jid);
                self.on_publish(cx, id, gone, said);
            }
            (None, None) => self.feeds.update(cx, &self.sessions, &self.sight, id),
        }
    }

    /// What the node does not announce now, it does not have: a farewell may have been lost with the
    /// link.
    fn question(&mut self, node: NodeId) {
        let live = self
            .sessions
            .of_node(node)
            .filter(|session| session.standing == Standing::Live);
        let live = live.map(|session| session.id).collect();
        self.questioned.insert(node, live);
    }

    /// Its node has just said that it has this session.
    pub(crate) fn answer_for(&mut self, id: SessionId) {
        if let Some(questioned) = self.questioned.get_mut(&id.node) {
            questioned.remove(&id);
        }
    }

    fn lose_questioned(&mut self, cx: &mut Cx<'_>, node: NodeId) {
        for id in self.questioned.remove(&node).unwrap_or_default() {
            let standing = self.sessions.session(id).map(|session| session.standing);
            if standing == Some(Standing::Live) {
                self.lose(cx, id);
            }
        }
    }

    /// Sessions of the copy that their node (or, after the wait, any node) did not announce: their
    /// clients left or were cut off while nobody listened. They are expected back like any other.
    pub(crate) fn expect_presumed(&mut self, cx: &mut Cx<'_>, node: Option<NodeId>) {
        let presumed = self.sessions.all().filter(|session| {
            session.standing == Standing::Presumed
                && node.is_none_or(|node| session.id.node == node)
        });
        for id in presumed.map(|session| session.id).collect::<Vec<_>>() {
            self.lose(cx, id);
        }
    }

    /// A node has died or lost its lease: its sessions are expected back. Its watchers stay, for
    /// the case that only the link was down.
    pub(crate) fn on_node_lost(&mut self, cx: &mut Cx<'_>, node: NodeId) {
        let here = self
            .sessions
            .of_node(node)
            .filter(|session| !session.standing.is_expected());
        for id in here.map(|session| session.id).collect::<Vec<SessionId>>() {
            self.lose(cx, id);
        }
        self.picture.awaited.remove(&node);
        self.settle_if_announced(cx);
        self.go_on_all(cx);
    }

    /// A node said hello. An earlier process of it is gone with all its sessions and watchers.
    /// Told who serves, the node announces what it has.
    pub(crate) fn on_node_up(
        &mut self,
        cx: &mut Cx<'_>,
        node: NodeId,
        boot: Boot,
        restarted: bool,
    ) {
        let earlier = self
            .sessions
            .of_node(node)
            .filter(|session| session.id.boot != boot && !session.standing.is_expected());
        for id in earlier
            .map(|session| session.id)
            .collect::<Vec<SessionId>>()
        {
            self.lose(cx, id);
        }
        self.lanes.forget_earlier_boots(node, boot);
        if restarted {
            self.sight.watchers.forget_node(node);
            self.sight.temporary.forget_node(node);
        }
        let envelope = cx.opened();
        cx.out.push_back(Output::Send { to: node, envelope });
    }
}

/// Which of two living sessions took an address later. Only sessions of one process can be
/// compared; otherwise the one known first stays.
fn is_newer(one: SessionId, than: SessionId) -> bool {
    (one.node, one.boot) == (than.node, than.boot) && one.serial > than.serial
}

/// Whether watchers would see no difference.
pub(crate) fn same_presence(known: &Stanza, announced: &Stanza) -> bool {
    known.content == announced.content
        && known.kind == announced.kind
        && known.lang == announced.lang
}
