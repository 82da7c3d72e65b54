//! What owners say.

use crate::batch::Batch;
use crate::interest::{Interests, Show};
use crate::session::{Stage, User};
use crate::slots::Owner;
use crate::{BindAnswer, Output, Router};
use muster_envelope::{BindOutcome, Envelope, ToNode, ToOwner};
use muster_stanza::{StreamCondition, StreamError};
use muster_types::{Epoch, FullJid, Instant, SessionId, SlotId};

impl Router {
    pub(crate) fn envelope(&mut self, now: Instant, envelope: Envelope) {
        match envelope {
            Envelope::Opened {
                slot,
                epoch,
                node,
                boot,
            } => {
                self.opened(now, slot, Owner { epoch, node, boot });
            }
            Envelope::Closed { slot, epoch } => {
                if self.slots.closed(slot, epoch, now) {
                    self.owner_gone(now, slot);
                }
            }
            Envelope::ToNode { slot, epoch, body } => {
                if !self.slots.is_stale(slot, epoch) || is_message(&body) {
                    self.told(now, slot, body);
                }
            }
            Envelope::ToOwner { .. } | Envelope::ToPeer { .. } | Envelope::Answer { .. } => {}
        }
    }

    fn told(&mut self, now: Instant, slot: SlotId, body: ToNode) {
        match body {
            ToNode::Bound { session, outcome } => self.bind_answered(slot, session, outcome),
            ToNode::Deliver { sessions, stanza } => self.deliver_all(now, &sessions, &stanza),
            ToNode::Confirm { session, serial } => self.confirmed(session, slot, serial),
            ToNode::Published { session } => self.published(session),
            ToNode::Presence(batch) => self.presence(batch.into(), Interests::take),
            ToNode::Answers(batches) => {
                for batch in batches {
                    self.presence(batch.into(), Interests::take_answer);
                }
            }
            ToNode::ContactsDigests(digests) => self.compare_contacts(slot, &digests),
            ToNode::Contacts { session, contacts } => {
                self.count_contacts(now, session, contacts.len());
                self.contacts(session, contacts);
            }
            ToNode::Notice(notice) => self.notice(notice),
            ToNode::Interested { session } => {
                if let Some(session) = self.sessions.get_mut(&session) {
                    session.interested = true;
                }
            }
            ToNode::Replaced { session } => self.replaced(now, session),
            ToNode::Access { user, access } => self.access(now, &user, access),
            ToNode::Item { news, watchers } => self.item(slot, &news, &watchers),
            ToNode::Items {
                session,
                news,
                up_to,
            } => self.items(slot, session, &news, up_to),
            ToNode::Temporary {
                session,
                watcher,
                contact,
                outcome,
            } => self.temporary_answered(now, session, &watcher, &contact, outcome),
        }
    }

    /// What an owner says of presentities, for the watchers here.
    pub(crate) fn batches(
        &mut self,
        (slot, epoch): (SlotId, Epoch),
        batches: Vec<Batch>,
        answers: bool,
    ) {
        if self.slots.is_stale(slot, epoch) {
            return;
        }
        let take = match answers {
            true => Interests::take_answer,
            false => Interests::take,
        };
        for batch in batches {
            self.presence(batch, take);
        }
    }

    fn presence(&mut self, batch: Batch, take: impl FnOnce(&mut Interests, Batch) -> Vec<Show>) {
        let presentity = &batch.news.presentity;
        let here = self.users.contains_key(presentity);
        let user = here.then(|| presentity.clone());
        let shows = take(&mut self.interests, batch);
        self.show(shows);
        if let Some(user) = user {
            self.show_itself(&user);
        }
    }

    fn bind_answered(&mut self, slot: SlotId, id: SessionId, outcome: BindOutcome) {
        let stage = self.sessions.get(&id).map(|session| &session.stage);
        match (stage, outcome) {
            (Some(Stage::Binding { .. }), BindOutcome::Bound(jid)) => self.bound(id, jid),
            (Some(Stage::Binding { .. }), BindOutcome::TooMany) => {
                self.bind_refused(id, BindAnswer::TooMany);
            }
            (Some(Stage::Binding { .. }), BindOutcome::NoAccount) => {
                self.bind_refused(id, BindAnswer::NoAccount);
            }
            // Said again, or the farewell is already on its way.
            (Some(Stage::Bound(_) | Stage::Leaving { .. }), _) => {}
            // Nobody waits for it any more.
            (None, BindOutcome::Bound(_)) => {
                self.tell_owner(
                    slot,
                    ToOwner::Unbind {
                        session: id,
                        graceful: false,
                    },
                );
            }
            (None, BindOutcome::TooMany | BindOutcome::NoAccount) => {}
        }
    }

    fn bound(&mut self, id: SessionId, jid: FullJid) {
        let inherited = match self.departed.remove(&jid) {
            Some(older) => self.inherit(older),
            None => Default::default(),
        };
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        session.stage = Stage::Bound(jid.clone());
        session.directed = inherited;
        let user = &session.user;
        let entry = self
            .users
            .entry(user.clone())
            .or_insert_with(|| User::new(user));
        entry.sessions.insert(id, ());
        self.out.push_back(Output::Bound {
            session: id,
            answer: BindAnswer::Bound(jid),
        });
    }

    fn bind_refused(&mut self, session: SessionId, answer: BindAnswer) {
        self.sessions.remove(&session);
        self.out.push_back(Output::Bound { session, answer });
    }

    /// Another client took the resource (RFC 6120 §7.7.2.2): its owner knows, so no farewell.
    pub(crate) fn replaced(&mut self, now: Instant, id: SessionId) {
        let Some(jid) = self
            .sessions
            .get(&id)
            .and_then(|session| session.bound())
            .cloned()
        else {
            return;
        };
        self.leave(now, id, jid, None);
        let error = StreamError::new(StreamCondition::Conflict);
        self.out.push_back(Output::End { session: id, error });
    }
}

/// A message that a replaced owner handed over may have been confirmed to its sender: it is
/// delivered, twice at worst, rather than lost.
fn is_message(body: &ToNode) -> bool {
    match body {
        ToNode::Deliver { stanza, .. } => stanza.is_message(),
        ToNode::Bound { .. }
        | ToNode::Confirm { .. }
        | ToNode::Published { .. }
        | ToNode::Presence(_)
        | ToNode::Answers(_)
        | ToNode::ContactsDigests(_)
        | ToNode::Contacts { .. }
        | ToNode::Notice(_)
        | ToNode::Interested { .. }
        | ToNode::Replaced { .. }
        | ToNode::Item { .. }
        | ToNode::Items { .. }
        | ToNode::Temporary { .. }
        | ToNode::Access { .. } => false,
    }
}
