//! A client's own presence (RFC 6121 §4) and presence directed at one of our users (§4.6).

use crate::cx::Cx;
use crate::serving::Serving;
use crate::sessions::Session;
use crate::takeover::same_presence;
use muster_envelope::ToNode;
use muster_presence::{Publication, Published};
use muster_roster::Roster;
use muster_slot::SlotState;
use muster_stanza::{PresenceType, Stanza};
use muster_types::{Bare, BareJid, NodeId, SessionId};
use std::time::Duration;

/// How the owner hears of a presence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Said {
    /// The client says it now.
    Now,
    /// It said so this long ago: its node tells a new owner.
    Announced(Duration),
}

impl Serving {
    pub(crate) fn on_publish(
        &mut self,
        cx: &mut Cx<'_>,
        id: SessionId,
        presence: Stanza,
        said: Said,
    ) {
        self.revive(cx, id);
        let Some(session) = self.sessions.session(id).cloned() else {
            return;
        };
        let (user, resource) = (session.jid.bare(), session.resource());
        if self
            .sessions
            .at(&user, &resource)
            .is_none_or(|current| current.id != id)
        {
            return;
        }
        let stanza = Stanza {
            to: None,
            from: Some(session.jid.clone().into()),
            ..presence
        };
        match stanza.presence_type() {
            Some(PresenceType::Available) => self.available(cx, &session, stanza, said),
            Some(PresenceType::Unavailable) => self.unavailable(cx, &session, &stanza),
            Some(
                PresenceType::Subscribe
                | PresenceType::Subscribed
                | PresenceType::Unsubscribe
                | PresenceType::Unsubscribed
                | PresenceType::Probe
                | PresenceType::Error,
            )
            | None => (),
        }
    }

    /// Initial presence (§4.2) or a later one (§4.4).
    fn available(&mut self, cx: &mut Cx<'_>, session: &Session, stanza: Stanza, said: Said) {
        let (user, resource) = (session.jid.bare(), session.resource());
        let publication = Publication::new(session.id, stanza.clone());
        let (announced, ago) = match said {
            Said::Now => (false, Duration::ZERO),
            Said::Announced(ago) => (true, ago),
        };
        let publication = publication.with_idle(cx.now, cx.world.wall, ago);
        let takes = publication.priority >= 0;
        let presentity = self.sight.presentity_mut(&user);
        let earlier = presentity.publication(&resource);
        // A client that was expected back and says what it said before: watchers see no difference.
        let again =
            earlier.is_some_and(|known| known.expected && same_presence(&known.stanza, &stanza));
        let earlier = earlier.map(|publication| publication.session);
        let published = presentity.publish(resource.clone(), publication);
        let shown_anew = self.recompose(cx, &user);
        if let Some(earlier) = earlier.filter(|earlier| *earlier != session.id) {
            // Its publication is replaced, so nobody is told that it has gone.
            self.end(cx, earlier);
        }
        self.forks.untie(&user, &resource);
        self.feeds
            .update(cx, &self.sessions, &self.sight, session.id);
        let picture = &self.picture;
        let waits = |node: NodeId, watcher: &BareJid| {
            announced && picture.will_answer(&user, node, watcher)
        };
        let manner = if again {
            ToNode::answer
        } else {
            ToNode::Presence
        };
        if !shown_anew {
            self.sight
                .tell_unless(cx, &user, &resource, &stanza, manner, &waits);
        }
        let began_to_take = match published {
            Published::Initial { .. } => {
                if !announced {
                    self.send_contacts(cx, session.id, &user);
                }
                self.deliver_requests(cx, session, &user);
                takes
            }
            Published::Changed { before } => takes && before < 0,
        };
        if began_to_take {
            self.mailbox
                .hand_over(cx, &mut self.proposals, &user, session.id);
        }
    }

    /// The client stays connected but is not to be seen (§4.5).
    fn unavailable(&mut self, cx: &mut Cx<'_>, session: &Session, stanza: &Stanza) {
        self.forks.untie(&session.jid.bare(), &session.resource());
        self.mailbox.left(cx, &mut self.proposals, session.id);
        let presentity = self.sight.presentity(&session.jid.bare());
        let shown = presentity.and_then(|presentity| presentity.publication(&session.resource()));
        let shown = shown.map(|publication| publication.session);
        self.retract(cx, &session.jid, stanza);
        if shown.is_some() {
            // Also to the resource that sent it (§4.5.2): its node shows it nothing any more.
            let own = stanza.clone().with_to(session.jid.bare());
            cx.deliver([session.id], &own);
        }
        match shown {
            Some(earlier) if earlier != session.id => self.end(cx, earlier),
            Some(_) | None => self
                .feeds
                .update(cx, &self.sessions, &self.sight, session.id),
        }
    }

    /// A client that has become available gets the requests its user has not answered (§3.1.3).
    fn deliver_requests(&mut self, cx: &mut Cx<'_>, session: &Session, user: &BareJid) {
        for request in cx.state.pending_in(user) {
            let from = request.from.as_ref().map(Bare::bare);
            let blocked = from.is_some_and(|from| cx.state.permission(user).blocks(&from));
            if !blocked && !self.approve(cx, user, request) {
                cx.deliver([session.id], request);
            }
        }
    }

    /// Tells the session's node whom the user sees (RFC 6121 §4.3: the probes stay inside). The
    /// user's own clients (§4.2.2) are watched by its node anyway.
    pub(crate) fn send_contacts(&self, cx: &mut Cx<'_>, session: SessionId, user: &BareJid) {
        let contacts = seen_by(cx.state, user).cloned().collect();
        cx.tell_node(session.node, ToNode::Contacts { session, contacts });
    }

    /// A node believes something else of whom these users see.
    pub(crate) fn on_ask_contacts(&self, cx: &mut Cx<'_>, sessions: Vec<SessionId>) {
        for id in sessions {
            if let Some(session) = self.sessions.session(id) {
                self.send_contacts(cx, id, &session.jid.bare());
            }
        }
    }

    /// Presence that another user directs at one of ours. Without subscription, but wanted by its
    /// sender: it goes to the clients as it is (§4.6.4, §8.5.2.1.2, §8.5.3.1).
    pub(crate) fn directed_presence(
        &self,
        cx: &mut Cx<'_>,
        stanza: &Stanza,
        presence: PresenceType,
    ) {
        match presence {
            // Of whom the administrator shows nothing, nothing is shown this way either.
            // The user's own clients go on seeing each other.
            PresenceType::Available if is_hidden(cx, stanza) => return,
            PresenceType::Available | PresenceType::Unavailable | PresenceType::Error => (),
            // Subscription stanzas come through the outbox, probes stay inside the server.
            PresenceType::Subscribe
            | PresenceType::Subscribed
            | PresenceType::Unsubscribe
            | PresenceType::Unsubscribed
            | PresenceType::Probe => return,
        }
        let Some(to) = &stanza.to else { return };
        let clients: Vec<SessionId> = match to.try_as_full() {
            Ok(full) => self.here(full).into_iter().collect(),
            Err(bare) => self
                .sight
                .living(bare)
                .map(|(_, client)| client.session)
                .collect(),
        };
        cx.deliver(clients, stanza);
    }

    /// The session that has this address and is not just expected back.
    pub(crate) fn here(&self, jid: &muster_types::FullJid) -> Option<SessionId> {
        let session = self.sessions.at(&jid.bare(), &jid.resource().to_owned())?;
        (!session.standing.is_expected()).then_some(session.id)
    }
}

/// Whether presence goes to somebody to whom the administrator does not show its sender.
fn is_hidden(cx: &Cx<'_>, stanza: &Stanza) -> bool {
    let to = stanza.to.as_ref().map(Bare::bare);
    sender(stanza).is_some_and(|from| to.as_ref() != Some(&from) && cx.world.hides(&from))
}

/// Whom a user sees.
pub(crate) fn seen_by<'a>(
    state: &'a SlotState,
    user: &'a BareJid,
) -> impl Iterator<Item = &'a BareJid> {
    let permission = state.permission(user);
    let items = permission.roster.into_iter().flat_map(Roster::items);
    let seen = items.filter(|item| item.subscription.sees_contact());
    let seen = seen.filter(move |item| !permission.blocks(&item.contact));
    seen.map(|item| &item.contact)
}

/// The user a stanza comes from.
pub(crate) fn sender(stanza: &Stanza) -> Option<BareJid> {
    stanza.from.as_ref().map(Bare::bare)
}
