//! Sessions come and go: resource binding (RFC 6120 §7), unbinding, and the grace between.

use crate::OwnerEvent;
use crate::blocking::tell_known_access;
use crate::cx::Cx;
use crate::serving::Serving;
use crate::sessions::{Session, Standing};
use crate::sight::unavailable;
use muster_envelope::{BindOutcome, ToNode};
use muster_stanza::Stanza;
use muster_types::{Bare as _, BareJid, FullJid, Instant, ResourcePart, SessionId};

impl Serving {
    pub(crate) fn on_bind(
        &mut self,
        cx: &mut Cx<'_>,
        session: SessionId,
        user: BareJid,
        resource: ResourcePart,
    ) {
        if cx.world.is_barred(&user) {
            let outcome = BindOutcome::NoAccount;
            cx.tell_node(session.node, ToNode::Bound { session, outcome });
        } else if cx.world.slot_of(&user) == Some(cx.config.slot) {
            let outcome = self.bind(cx, session, &user, resource);
            cx.tell_node(session.node, ToNode::Bound { session, outcome });
            tell_known_access(cx, session.node, &user);
        } else {
            self.bind_later(cx, session, user, resource);
        }
    }

    fn bind(
        &mut self,
        cx: &mut Cx<'_>,
        id: SessionId,
        user: &BareJid,
        resource: ResourcePart,
    ) -> BindOutcome {
        if let Some(bound) = self.sessions.session(id) {
            let jid = bound.jid.clone();
            // Its node has not got the answer, so it does not announce it. A part of the node may ask again while
            // another one is still announcing.
            self.answer_for(id);
            self.revive(cx, id);
            return BindOutcome::Bound(jid);
        }
        let surplus = if self.sessions.at(user, &resource).is_some() {
            None
        } else {
            match self.room(cx, user) {
                Some(surplus) => surplus,
                None => return BindOutcome::TooMany,
            }
        };
        let jid = user.with_resource(&resource);
        let session = Session {
            id,
            jid: jid.clone(),
            interested: false,
            standing: Standing::Live,
        };
        self.enter(cx, session);
        if let Some(surplus) = surplus {
            self.end(cx, surplus);
        }
        BindOutcome::Bound(jid)
    }

    /// Whether the user may have one session more, and which one then ends early: clients that are
    /// expected back do not count, but of those there are never more than the limit either.
    fn room(&self, cx: &Cx<'_>, user: &BareJid) -> Option<Option<SessionId>> {
        let limit = cx.config.limits.sessions_per_user;
        let (expected, here): (Vec<_>, Vec<_>) = self
            .sessions
            .of_user(user)
            .partition(|session| session.standing.is_expected());
        if here.len() >= limit {
            return None;
        }
        let surplus = expected.first().filter(|_| expected.len() >= limit);
        Some(surplus.map(|session| session.id))
    }

    /// Enters a session under its address. The newer wins: a session that had the address ends.
    pub(crate) fn enter(&mut self, cx: &mut Cx<'_>, session: Session) {
        let (id, jid) = (session.id, session.jid.clone());
        let displaced = self.sessions.insert(session);
        if let Some(old) = displaced {
            self.displace(cx, old);
        }
        self.feeds.update(cx, &self.sessions, &self.sight, id);
        cx.event(OwnerEvent::SessionUp { session: id, jid });
    }

    /// A newer session has taken the address. What watchers see stays for the grace time, because
    /// it is most likely the same client that comes back.
    fn displace(&mut self, cx: &mut Cx<'_>, old: SessionId) {
        let Some(session) = self.sessions.session(old) else {
            return;
        };
        if !session.standing.is_expected() {
            cx.tell_node(old.node, ToNode::Replaced { session: old });
        }
        let user = session.jid.bare();
        self.lose(cx, old);
        self.forget_asked(cx, &user, old);
    }

    pub(crate) fn on_unbind(&mut self, cx: &mut Cx<'_>, id: SessionId, graceful: bool) {
        self.late_binds.forget(id);
        let Some(jid) = self.sessions.session(id).map(|session| session.jid.clone()) else {
            return;
        };
        let (user, resource) = (jid.bare(), jid.resource().to_owned());
        if self
            .sessions
            .at(&user, &resource)
            .is_none_or(|session| session.id != id)
        {
            // It was replaced; what it published lives on in its successor.
            return;
        }
        if !graceful {
            self.lose(cx, id);
            return self.forget_asked(cx, &user, id);
        }
        self.mailbox.left(cx, &mut self.proposals, id);
        self.end(cx, id);
        // The client came back, said nothing and left: what it published before ends with it.
        let presentity = self.sight.presentity(&user);
        let earlier = presentity.and_then(|presentity| presentity.publication(&resource));
        if let Some(earlier) = earlier.map(|publication| publication.session) {
            self.end(cx, earlier);
        }
    }

    /// The client was cut off. If watchers see it, it is expected back.
    pub(crate) fn lose(&mut self, cx: &mut Cx<'_>, id: SessionId) {
        let Some(session) = self.sessions.session_mut(id) else {
            return;
        };
        let jid = session.jid.clone();
        self.mailbox.lost(id);
        let (user, resource) = (jid.bare(), jid.resource().to_owned());
        self.forks.untie(&user, &resource);
        if self.sight.published_by(&jid, id).is_none() {
            self.end(cx, id);
            return;
        }
        let until = self.grace.start(id, cx.now + cx.config.limits.grace);
        session.standing = Standing::Expected { until };
        self.sight
            .presentity_mut(&user)
            .set_expected(&resource, id, true);
        self.feeds.update(cx, &self.sessions, &self.sight, id);
        cx.event(OwnerEvent::SessionExpected { session: id, jid });
    }

    /// A session that was given up gives a sign of life.
    pub(crate) fn revive(&mut self, cx: &mut Cx<'_>, id: SessionId) {
        let given_up = self
            .sessions
            .session(id)
            .filter(|session| session.standing != Standing::Live);
        let Some(jid) = given_up.map(|session| session.jid.clone()) else {
            return;
        };
        let (user, resource) = (jid.bare(), jid.resource().to_owned());
        if self
            .sessions
            .at(&user, &resource)
            .is_none_or(|session| session.id != id)
        {
            return;
        }
        if let Some(session) = self.sessions.session_mut(id) {
            session.standing = Standing::Live;
        }
        self.grace.cancel(id);
        self.sight
            .presentity_mut(&user)
            .set_expected(&resource, id, false);
        self.feeds.update(cx, &self.sessions, &self.sight, id);
        cx.event(OwnerEvent::SessionUp { session: id, jid });
    }

    /// Nobody is said to be gone before every node has announced: who came back meanwhile may be on
    /// any, and so may those who are to be told.
    pub(crate) fn wake_grace(&mut self, cx: &mut Cx<'_>) {
        if !self.picture.is_settled() {
            return;
        }
        while let Some(id) = self.grace.expire(cx.now) {
            self.end(cx, id);
        }
    }

    pub(crate) fn grace_deadline(&self) -> Option<Instant> {
        self.grace.deadline().filter(|_| self.picture.is_settled())
    }

    /// Ends a session: if watchers still see it, they are told that it is unavailable.
    pub(crate) fn end(&mut self, cx: &mut Cx<'_>, id: SessionId) {
        self.grace.cancel(id);
        let Some(session) = self.sessions.remove(id) else {
            return;
        };
        self.mailbox.lost(id);
        let jid = session.jid.clone();
        self.forks.untie(&jid.bare(), &session.resource());
        if self.sight.published_by(&jid, id).is_some() {
            self.retract(cx, &jid, &unavailable(&jid));
        }
        self.feeds.gone(cx, id);
        let user = jid.bare();
        self.forget_choice(cx, &user);
        cx.event(OwnerEvent::SessionDown { session: id, jid });
        self.forget_asked(cx, &user, id);
    }

    /// Takes back what a resource published and tells everybody who saw it.
    pub(crate) fn retract(&mut self, cx: &mut Cx<'_>, jid: &FullJid, stanza: &Stanza) {
        let (user, resource) = (jid.bare(), jid.resource().to_owned());
        if self
            .sight
            .presentity_mut(&user)
            .retract(&resource)
            .is_some()
        {
            self.sight.tell(cx, &user, &resource, stanza);
            self.recompose(cx, &user);
        }
    }
}
