//! The roster of the user that asks (RFC 6121 §2).

use crate::committed::refusal;
use crate::cx::Cx;
use crate::iq::Query;
use crate::rosters::Asked;
use crate::serving::{Progress, Serving};
use muster_envelope::ToNode;
use muster_roster::{Roster, RosterSet, encode_result, parse_roster_set};
use muster_slot::{Refusal, UserChange};
use muster_stanza::{ElementRef, ErrorType, Stanza, StanzaCondition, StanzaError};
use muster_types::{BareJid, SessionId};

impl Serving {
    pub(crate) fn roster_query(
        &mut self,
        cx: &mut Cx<'_>,
        query: &Query<'_>,
        payload: &ElementRef<'_>,
    ) -> Progress {
        match (query.own, query.set) {
            (true, false) => self.roster_get(cx, query, payload),
            (true, true) => self.roster_set(cx, query, payload),
            // RFC 6121 §2.3.3 asks for `forbidden` where a client changes another's roster.
            (false, true) => query.refuse(cx, StanzaCondition::Forbidden),
            (false, false) => query.refuse(cx, StanzaCondition::NotAllowed),
        }
    }

    /// Answers, at once or when it is the user's turn.
    fn roster_get(
        &mut self,
        cx: &mut Cx<'_>,
        query: &Query<'_>,
        payload: &ElementRef<'_>,
    ) -> Progress {
        if !self.hears(query.session) {
            // What a client that has gone left behind.
            return Progress::Done;
        }
        let roster = cx.state.roster(&query.user);
        let known = payload.attr("ver");
        let is_news = |roster: &&Roster| !roster.is_known(known.as_deref());
        if let Some(roster) = roster.filter(is_news)
            && !self.rosters.take_turn(cx.now, &query.user, roster)
        {
            self.rosters.wait(Asked {
                user: query.user.clone(),
                session: query.session,
                serial: query.serial,
                iq: query.iq.clone(),
            });
            return Progress::Committing;
        }
        self.answer_roster(cx, query.session, &query.user, query.iq);
        Progress::Done
    }

    /// Answers with the roster, or with an empty result when the client's version is current
    /// (§2.6.3). From then on the session gets pushes (§2.2).
    pub(crate) fn answer_roster(
        &mut self,
        cx: &mut Cx<'_>,
        id: SessionId,
        user: &BareJid,
        iq: &Stanza,
    ) {
        if let Some(session) = self.sessions.session_mut(id) {
            session.interested = true;
            self.feeds.update(cx, &self.sessions, &self.sight, id);
        }
        cx.tell_node(id.node, ToNode::Interested { session: id });
        let payload = iq.payload();
        let known = payload.as_ref().and_then(|payload| payload.attr("ver"));
        let empty = Roster::default();
        let roster = cx.state.roster(user).unwrap_or(&empty);
        let reply = match encode_result(roster, known.as_deref()) {
            Some(content) => iq.result_with(content),
            None => iq.result(),
        };
        cx.deliver([id], &reply);
    }

    fn roster_set(
        &mut self,
        cx: &mut Cx<'_>,
        query: &Query<'_>,
        payload: &ElementRef<'_>,
    ) -> Progress {
        let change = match parse_roster_set(payload, &cx.config.limits) {
            Ok(RosterSet::Edit(edit)) if edit.contact == query.user => {
                return query.refuse(cx, StanzaCondition::NotAllowed);
            }
            Ok(RosterSet::Edit(edit)) if self.is_one_too_many(cx, &query.user, &edit.contact) => {
                let limit = cx.world.bounds().contacts;
                let error = refusal(&Refusal::RosterFull { limit });
                return query.reply(cx, &query.iq.error(&error));
            }
            Ok(RosterSet::Edit(edit)) => UserChange::RosterSet(edit),
            Ok(RosterSet::Remove(contact)) => {
                let contact_slot = cx.world.slot_of(&contact);
                UserChange::RosterRemove {
                    contact,
                    contact_slot,
                }
            }
            Err(wrong) => {
                let error = StanzaError::new(wrong.condition()).with_type(ErrorType::Modify);
                return query.reply(cx, &query.iq.error(&error.with_text(wrong.to_string())));
            }
        };
        self.commit(cx, query, change)
    }
}
