//! XEP-0191: Blocking Command, and what else follows from whom a user lets in.

use crate::cx::Cx;
use crate::iq::Query;
use crate::message::bounce;
use crate::proposal::Purpose;
use crate::serving::{Progress, Serving};
use muster_envelope::{Answer, ToNode};
use muster_roster::{
    Access, AccessChange, AccessList, Permission, Roster, SubscriptionStanza, Whom,
};
use muster_slot::UserChange;
use muster_stanza::{ElementRef, IqType, Kind, PresenceType, Stanza, StanzaCondition, Writer, ns};
use muster_types::{Bare, BareJid, Jid, LogIndex, NodeId, SessionId};

/// A user's rules changed, as the log tells it.
#[derive(Clone, Debug)]
pub(crate) struct AccessNews {
    pub(crate) user: BareJid,
    pub(crate) changes: Vec<AccessChange>,
    pub(crate) at: LogIndex,
}

impl Serving {
    /// The user's own list: read, added to, taken from (§3).
    pub(crate) fn blocking(
        &mut self,
        cx: &mut Cx<'_>,
        query: &Query<'_>,
        payload: &ElementRef<'_>,
    ) -> Progress {
        if !query.own {
            return query.refuse(cx, StanzaCondition::Forbidden);
        }
        let rules = match (query.set, payload.name()) {
            (false, "blocklist") => {
                let access = cx.state.access(&query.user);
                let blocked = access.into_iter().flat_map(AccessList::blocked);
                let list = encode("blocklist", blocked);
                return query.reply(cx, &query.iq.result_with(list));
            }
            (true, "block") => blocked(query, payload),
            (true, "unblock") => unblocked(cx, query, payload),
            _ => Err(StanzaCondition::BadRequest),
        };
        match rules {
            Ok(rules) => self.commit(cx, query, UserChange::AccessSet(rules)),
            Err(condition) => query.refuse(cx, condition),
        }
    }

    /// Who was blocked sees the user go, and the other way round; who is not blocked any more sees it
    /// again (§3.2, §3.3).
    pub(crate) fn on_access_changed(&mut self, cx: &mut Cx<'_>, news: &AccessNews) {
        let user = &news.user;
        for node in self.nodes_of(user) {
            tell_access(cx, node, user);
        }
        let now = cx.state.permission(user);
        let list = now.access.cloned().unwrap_or_default();
        let list = list.before(&news.changes);
        let before = Permission {
            access: Some(&list),
            ..now
        };
        let items = now.roster.into_iter().flat_map(Roster::items);
        let changed =
            items.filter(|item| before.blocks(&item.contact) != now.blocks(&item.contact));
        let changed: Vec<_> = changed
            .map(|item| (&item.contact, item.subscription, now.blocks(&item.contact)))
            .collect();
        for (contact, subscription, blocked) in changed {
            match (subscription.seen_by_contact(), blocked) {
                (true, true) => self.sight.withdraw(cx, user, contact),
                (true, false) => self.grant(cx, user, contact),
                (false, _) => (),
            }
            if subscription.sees_contact() {
                self.tell_sight(cx, user, contact, !blocked);
            }
        }
        self.obey_rules_of(
            cx,
            user,
            &|cx, watcher| {
                answer_to(cx, Some(&list), watcher, cx.world.auto_authorise()) == Access::Allow
            },
            &|watcher| before.sees(watcher),
        );
        self.approve_pending(cx, user);
        let interested = self.sessions.interested(user);
        self.push_blocking(cx, news, &interested);
    }

    /// Tells clients what was blocked and what not any more (§3.2, §3.3).
    ///
    /// DEVIATION: those that have asked for the roster, not only those that have asked for the list: that is
    /// what a new owner knows of them.
    pub(crate) fn push_blocking(&self, cx: &mut Cx<'_>, news: &AccessNews, sessions: &[SessionId]) {
        let block = |access: Option<Access>| access == Some(Access::Block);
        let jids = |blocks: bool| {
            let changes = news.changes.iter();
            let changes = changes.filter(|change| block(change.before) != block(change.after));
            let changes = changes.filter(|change| block(change.after) == blocks);
            let jid = |change: &AccessChange| match &change.whom {
                Whom::Jid(jid) => Some(jid.clone()),
                Whom::Everybody => None,
            };
            changes.filter_map(jid).collect::<Vec<_>>()
        };
        let (blocked, unblocked) = (jids(true), jids(false));
        for (name, jids) in [("block", blocked), ("unblock", unblocked)] {
            if jids.is_empty() {
                continue;
            }
            let push = Stanza::iq(IqType::Set, format!("{name}{}", news.at.0))
                .with_content(encode(name, jids.iter()));
            for id in sessions {
                if let Some(session) = self.sessions.session(*id) {
                    cx.deliver([*id], &push.clone().with_to(session.jid.clone()));
                }
            }
        }
    }

    /// To who is blocked the user looks as if it were not there (§3.2): a message or a question comes back,
    /// everything else is dropped; but that a client has gone which was shown by directed presence is passed on
    /// without a word.
    pub(crate) fn keep_out(&self, cx: &mut Cx<'_>, session: SessionId, stanza: Stanza) {
        match stanza.kind {
            Kind::Message(_) | Kind::Iq(IqType::Get | IqType::Set) => {
                bounce(cx, session, &stanza, StanzaCondition::ServiceUnavailable);
            }
            Kind::Presence(presence @ PresenceType::Unavailable) => {
                let bare = stanza.with_content(Vec::new());
                self.directed_presence(cx, &bare, presence);
            }
            Kind::Iq(IqType::Result | IqType::Error) | Kind::Presence(_) => (),
        }
    }

    /// A node asks for an operator or a program: what the rules are, after some are set. Nothing is said
    /// while they are not committed; the node asks again.
    pub(crate) fn ask_access(
        &mut self,
        cx: &mut Cx<'_>,
        node: NodeId,
        ask: u64,
        user: BareJid,
        set: Rules,
    ) -> Option<Answer> {
        if cx.world.slot_of(&user) != Some(cx.config.slot) {
            return Some(Answer::NoAccount);
        }
        if self.proposals.is_asked(node, ask) {
            return None;
        }
        if set.is_empty() {
            let access = cx.state.access(&user).cloned();
            return Some(Answer::Access(access.unwrap_or_default()));
        }
        let change = UserChange::AccessSet(set);
        let (of, user) = (user.clone(), user);
        let purpose = Purpose::Asked { node, ask, user };
        // Where the log takes no more, nobody is answered either.
        let _ = self.proposals.propose(cx, &of, change, purpose);
        None
    }

    /// Grants a request for a user who has said so, or where an operator has. Whether it did.
    pub(crate) fn approve(&mut self, cx: &mut Cx<'_>, user: &BareJid, request: &Stanza) -> bool {
        let Some(contact) = request.from.as_ref().map(Bare::bare) else {
            return false;
        };
        let contact_slot = cx.world.slot_of(&contact);
        let access = cx.state.access(user);
        let answer = answer_to(cx, access, &contact, cx.world.auto_authorise());
        let is_full =
            || self.has_all_watchers(cx, user) || self.is_one_too_many(cx, user, &contact);
        if answer != Access::Allow || is_full() {
            return false;
        }
        let kind = SubscriptionStanza::Subscribed;
        let stanza = Stanza::presence(kind.presence_type())
            .with_from(Jid::from(user.clone()))
            .with_to(Jid::from(contact.clone()));
        let change = UserChange::Subscription {
            kind,
            contact,
            contact_slot,
            stanza,
        };
        let purpose = Purpose::Approval {
            user: user.clone(),
            request: request.clone(),
        };
        self.proposals.propose(cx, user, change, purpose).is_ok()
    }

    /// The same for all requests that wait: who answers them may have changed.
    fn approve_pending(&mut self, cx: &mut Cx<'_>, user: &BareJid) {
        for request in cx.state.pending_in(user) {
            self.approve(cx, user, request);
        }
    }

    /// A request could not be granted: the user is asked.
    pub(crate) fn not_approved(&self, cx: &mut Cx<'_>, user: &BareJid, request: &Stanza) {
        let clients = self.sight.living(user).map(|(_, client)| client.session);
        cx.deliver(clients.collect::<Vec<_>>(), request);
    }
}

/// What becomes of a contact's request to see a user with these rules, who has decided nothing about the contact.
pub(crate) fn answer_to(
    cx: &Cx<'_>,
    access: Option<&AccessList>,
    contact: &BareJid,
    auto_authorise: bool,
) -> Access {
    let otherwise = match auto_authorise && cx.world.slot_of(contact).is_some() {
        true => Access::Allow,
        false => Access::Ask,
    };
    access.map_or(otherwise, |access| access.answer(contact, otherwise))
}

/// Tells a node whom a user lets in.
pub(crate) fn tell_access(cx: &mut Cx<'_>, node: NodeId, user: &BareJid) {
    let access = cx.state.access(user).cloned().unwrap_or_default();
    let user = user.clone();
    cx.tell_node(node, ToNode::Access { user, access });
}

/// The same where it has said anything: a node that was told nothing lets everything out.
pub(crate) fn tell_known_access(cx: &mut Cx<'_>, node: NodeId, user: &BareJid) {
    if cx
        .state
        .access(user)
        .is_some_and(|access| !access.is_empty())
    {
        tell_access(cx, node, user);
    }
}

/// Whether a stanza comes from somebody whom its recipient has blocked.
pub(crate) fn is_kept_out(cx: &Cx<'_>, stanza: &Stanza) -> bool {
    let (Some(from), Some(to)) = (&stanza.from, &stanza.to) else {
        return false;
    };
    let user = to.bare();
    let access = cx.state.access(&user);
    access.is_some_and(|access| access.blocks(from)) && from.bare() != user
}

type Rules = Vec<(Whom, Option<Access>)>;

fn blocked(query: &Query<'_>, payload: &ElementRef<'_>) -> Result<Rules, StanzaCondition> {
    let jids = items(payload)?;
    if jids.is_empty() {
        return Err(StanzaCondition::BadRequest);
    }
    // Whoever blocks itself has made a mistake.
    if jids.iter().any(|jid| jid.bare() == query.user) {
        return Err(StanzaCondition::NotAllowed);
    }
    let block = |jid| (Whom::Jid(jid), Some(Access::Block));
    Ok(jids.into_iter().map(block).collect())
}

/// Without items everything is unblocked (§3.4). Rules that do not block stay.
fn unblocked(
    cx: &Cx<'_>,
    query: &Query<'_>,
    payload: &ElementRef<'_>,
) -> Result<Rules, StanzaCondition> {
    let named = items(payload)?;
    let access = cx.state.access(&query.user);
    let blocked = access.into_iter().flat_map(AccessList::blocked);
    let gone = blocked.filter(|jid| named.is_empty() || named.contains(jid));
    Ok(gone.map(|jid| (Whom::Jid(jid.clone()), None)).collect())
}

fn items(payload: &ElementRef<'_>) -> Result<Vec<Jid>, StanzaCondition> {
    let items = payload
        .children()
        .filter(|item| item.is("item", ns::BLOCKING));
    let jid = |item: ElementRef<'_>| {
        let jid = item.attr("jid").ok_or(StanzaCondition::BadRequest)?;
        let jid = Jid::new(&jid).map_err(|_| StanzaCondition::JidMalformed)?;
        // To people it means everybody, and to a client nothing.
        let is_address = jid.as_str() != "*";
        is_address
            .then_some(jid)
            .ok_or(StanzaCondition::JidMalformed)
    };
    items.map(jid).collect()
}

fn encode<'a>(name: &str, jids: impl Iterator<Item = &'a Jid>) -> Vec<u8> {
    let mut out = Writer::new();
    out.start(name).attr("xmlns", ns::BLOCKING);
    for jid in jids {
        out.start("item").attr("jid", jid.as_str()).end();
    }
    out.end().finish()
}
