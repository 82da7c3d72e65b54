//! IQs to users of this slot: forwarded to a client, or answered on the user's behalf
//! (RFC 6121 §8.5).

use crate::ad_hoc::described;
use crate::cx::Cx;
use crate::message::bounce;
use crate::pep;
use crate::proposal::Purpose;
use crate::publish::sender;
use crate::serving::{Progress, Serving};
use crate::sight::may_see;
use muster_slot::UserChange;
use muster_stanza::{ElementRef, IqType, Stanza, StanzaCondition, Writer, ns};
use muster_types::{Bare, BareJid, SessionId};
use muster_xep::{AccountInfo, answer_account};

/// A query to an account, with what every answer needs.
pub(crate) struct Query<'a> {
    /// The session that asks.
    pub(crate) session: SessionId,
    /// Its number.
    pub(crate) serial: u64,
    /// The whole IQ.
    pub(crate) iq: &'a Stanza,
    /// Whether it changes something.
    pub(crate) set: bool,
    /// The account asked.
    pub(crate) user: BareJid,
    /// Whether the user itself asks.
    pub(crate) own: bool,
}

impl Query<'_> {
    pub(crate) fn refuse(&self, cx: &mut Cx<'_>, condition: StanzaCondition) -> Progress {
        bounce(cx, self.session, self.iq, condition);
        Progress::Done
    }

    pub(crate) fn reply(&self, cx: &mut Cx<'_>, reply: &Stanza) -> Progress {
        cx.deliver([self.session], reply);
        Progress::Done
    }
}

impl Serving {
    /// An IQ from somebody to one of our users.
    ///
    /// DEVIATION: it reaches a client by its full JID also without shared presence (RFC 6121 §8.5.3.1
    /// would have it refused), as with the other servers of the field; who knows a full JID got it
    /// from the client.
    pub(crate) fn route_iq(
        &mut self,
        cx: &mut Cx<'_>,
        session: SessionId,
        serial: u64,
        iq: &Stanza,
    ) -> Progress {
        let Some(to) = &iq.to else {
            return Progress::Done;
        };
        match to.try_as_full() {
            Ok(full) => {
                match self.here(full) {
                    Some(client) => cx.deliver([client], iq),
                    None if is_question(iq) => {
                        bounce(cx, session, iq, StanzaCondition::ServiceUnavailable);
                    }
                    None => (),
                }
                Progress::Done
            }
            Err(user) => {
                let own = sender(iq).as_ref() == Some(user);
                self.account_iq(cx, session, serial, iq, user.clone(), own)
            }
        }
    }

    /// An IQ of one of our users to itself (to its bare JID, or without `to`).
    pub(crate) fn own_iq(
        &mut self,
        cx: &mut Cx<'_>,
        session: SessionId,
        serial: u64,
        iq: &Stanza,
    ) -> Progress {
        let Some(user) = sender(iq) else {
            return Progress::Done;
        };
        self.account_iq(cx, session, serial, iq, user, true)
    }

    fn account_iq(
        &mut self,
        cx: &mut Cx<'_>,
        session: SessionId,
        serial: u64,
        iq: &Stanza,
        user: BareJid,
        own: bool,
    ) -> Progress {
        // Results and errors that nobody waits for are dropped: for example of roster pushes.
        let (Some(payload), true) = (iq.payload(), is_question(iq)) else {
            return Progress::Done;
        };
        let set = iq.iq_type() == Some(IqType::Set);
        let query = Query {
            session,
            serial,
            iq,
            set,
            user,
            own,
        };
        if cx.world.slot_of(&query.user) != Some(cx.config.slot) {
            return query.refuse(cx, StanzaCondition::ServiceUnavailable);
        }
        match (payload.namespace(), payload.name()) {
            (ns::ROSTER, "query") => self.roster_query(cx, &query, &payload),
            (ns::BLOCKING, _) => self.blocking(cx, &query, &payload),
            (ns::VCARD, "vCard") => self.vcard(cx, &query, &payload),
            (ns::PRIVATE, "query") => self.private(cx, &query, &payload),
            (ns::COMMANDS, "command") => self.command(cx, &query, &payload),
            (ns::PUBSUB | ns::PUBSUB_OWNER, "pubsub") => self.pubsub(cx, &query, &payload),
            (ns::PING, _) => self.describe(cx, &query, true),
            (ns::DISCO_INFO | ns::DISCO_ITEMS, _) => {
                let node = || self.node_described(cx, &query, &payload);
                match described(&query, &payload).or_else(node) {
                    Some(content) => query.reply(cx, &query.iq.result_with(content)),
                    None => self.describe(cx, &query, false),
                }
            }
            _ => query.refuse(cx, StanzaCondition::ServiceUnavailable),
        }
    }

    /// XEP-0054: everybody may read, the user may write. To others an account without a vCard looks
    /// like none at all (§3.1).
    fn vcard(&mut self, cx: &mut Cx<'_>, query: &Query<'_>, payload: &ElementRef<'_>) -> Progress {
        if !query.set {
            let Some(vcard) = cx.state.vcard(&query.user).map(<[u8]>::to_vec) else {
                let condition = if query.own {
                    StanzaCondition::ItemNotFound
                } else {
                    StanzaCondition::ServiceUnavailable
                };
                return query.refuse(cx, condition);
            };
            return query.reply(cx, &query.iq.result_with(vcard));
        }
        if !query.own {
            return query.refuse(cx, StanzaCondition::Forbidden);
        }
        let vcard = payload.raw_standalone();
        if vcard.len() > cx.config.limits.private_bytes {
            return query.refuse(cx, StanzaCondition::NotAcceptable);
        }
        self.commit(cx, query, UserChange::VcardSet(vcard))
    }

    /// XEP-0049: one element a query, for the user alone.
    fn private(
        &mut self,
        cx: &mut Cx<'_>,
        query: &Query<'_>,
        payload: &ElementRef<'_>,
    ) -> Progress {
        if !query.own {
            return query.refuse(cx, StanzaCondition::Forbidden);
        }
        let mut elements = payload.children();
        let (Some(element), None) = (elements.next(), elements.next()) else {
            let condition = if query.set {
                StanzaCondition::BadRequest
            } else {
                StanzaCondition::NotAcceptable
            };
            return query.refuse(cx, condition);
        };
        if element.namespace() == ns::PRIVATE {
            return query.refuse(cx, StanzaCondition::BadRequest);
        }
        let (name, namespace) = (element.name().to_owned(), element.namespace().to_owned());
        let element = element.raw_standalone();
        if query.set {
            if element.len() > cx.config.limits.private_bytes {
                return query.refuse(cx, StanzaCondition::NotAcceptable);
            }
            return self.commit(
                cx,
                query,
                UserChange::PrivateSet {
                    name,
                    namespace,
                    element,
                },
            );
        }
        // What was never stored is given back as it was asked for: empty (§2.2).
        let stored = cx
            .state
            .private(&query.user, &name, &namespace)
            .unwrap_or(&element);
        let mut content = Writer::new();
        content
            .start("query")
            .attr("xmlns", ns::PRIVATE)
            .raw(stored)
            .end();
        query.reply(cx, &query.iq.result_with(content.finish()))
    }

    /// Proposes the change; the result goes out when it is committed.
    pub(crate) fn commit(
        &mut self,
        cx: &mut Cx<'_>,
        query: &Query<'_>,
        change: UserChange,
    ) -> Progress {
        self.commit_with(cx, query, change, query.iq.result())
    }

    /// The same with another answer.
    pub(crate) fn commit_with(
        &mut self,
        cx: &mut Cx<'_>,
        query: &Query<'_>,
        change: UserChange,
        reply: Stanza,
    ) -> Progress {
        let purpose = Purpose::Answer {
            session: query.session,
            serial: query.serial,
            question: query.iq.clone(),
            reply: Some(reply),
        };
        match self.proposals.propose(cx, &query.user, change, purpose) {
            Ok(()) => Progress::Committing,
            Err(_) => query.refuse(cx, StanzaCondition::ResourceConstraint),
        }
    }

    /// What every account answers in the same way: a ping to anybody, discovery only to those who may
    /// see the user's presence (XEP-0030 §8).
    fn describe(&self, cx: &mut Cx<'_>, query: &Query<'_>, to_anybody: bool) -> Progress {
        let asker = query.iq.from.as_ref().map(Bare::bare);
        let may_see = |asker: BareJid| may_see(cx, &query.user, &asker);
        let may_ask = to_anybody || query.own || asker.is_some_and(may_see);
        let mut features = vec![ns::PRIVATE, ns::ROSTER, ns::VCARD];
        if query.own {
            features.push(ns::COMMANDS);
        }
        features.extend(pep::FEATURES);
        let account = AccountInfo {
            jid: query.user.as_str(),
            features,
            nodes: self.readable_nodes(cx, query),
        };
        match answer_account(query.iq, &account).filter(|_| may_ask) {
            Some(reply) => query.reply(cx, &reply),
            None => query.refuse(cx, StanzaCondition::ServiceUnavailable),
        }
    }
}

fn is_question(iq: &Stanza) -> bool {
    matches!(iq.iq_type(), Some(IqType::Get | IqType::Set))
}
