//! The roster of the user that asks (RFC 6121 §2).

use crate::committed::refusal;
use crate::cx::Cx;
use crate::iq::Query;
use crate::serving::{Progress, Serving};
use muster_envelope::ToNode;
use muster_roster::{Roster, RosterSet, encode_result, parse_roster_set};
use muster_slot::{Refusal, UserChange};
use muster_stanza::{ElementRef, ErrorType, StanzaCondition, StanzaError};

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

    /// Answers with the roster, or with an empty result when the client's version is current
    /// (§2.6.3). From then on the session gets pushes (§2.2).
    fn roster_get(
        &mut self,
        cx: &mut Cx<'_>,
        query: &Query<'_>,
        payload: &ElementRef<'_>,
    ) -> Progress {
        let id = query.session;
        if let Some(session) = self.sessions.session_mut(id) {
            session.interested = true;
            self.feeds.update(cx, &self.sessions, &self.sight, id);
        }
        cx.tell_node(id.node, ToNode::Interested { session: id });
        let known = payload.attr("ver");
        let empty = Roster::default();
        let roster = cx.state.roster(&query.user).unwrap_or(&empty);
        let reply = match encode_result(roster, known.as_deref()) {
            Some(content) => query.iq.result_with(content),
            None => query.iq.result(),
        };
        query.reply(cx, &reply)
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
