//! XEP-0163: Personal Eventing Protocol. Each account is a service of XEP-0060: its user publishes, those who may
//! read a node read it here, and who is notified stands in [`pep_news`](crate::pep_news).

use crate::choice::CHOICE;
use crate::cx::Cx;
use crate::iq::Query;
use crate::pep_request::{self, ACCESS_MODEL, Asks, FIXED, Request};
use crate::serving::{Progress, Serving};
use crate::sight::may_see;
use muster_presence::Overlay;
use muster_slot::{AccessModel, PepEdit, PepNode, PepNodes, UserChange};
use muster_stanza::{ElementRef, ErrorDetail, Stanza, StanzaCondition, StanzaError, Writer, ns};
use muster_types::{Bare, BareJid};

/// What of XEP-0060 an account serves, as service discovery names it.
pub(crate) const FEATURES: [&str; 17] = [
    "http://jabber.org/protocol/pubsub#access-open",
    "http://jabber.org/protocol/pubsub#access-presence",
    "http://jabber.org/protocol/pubsub#access-whitelist",
    "http://jabber.org/protocol/pubsub#auto-create",
    "http://jabber.org/protocol/pubsub#auto-subscribe",
    "http://jabber.org/protocol/pubsub#config-node",
    "http://jabber.org/protocol/pubsub#delete-nodes",
    "http://jabber.org/protocol/pubsub#filtered-notifications",
    "http://jabber.org/protocol/pubsub#item-ids",
    "http://jabber.org/protocol/pubsub#last-published",
    "http://jabber.org/protocol/pubsub#persistent-items",
    "http://jabber.org/protocol/pubsub#presence-notifications",
    "http://jabber.org/protocol/pubsub#presence-subscribe",
    "http://jabber.org/protocol/pubsub#publish",
    "http://jabber.org/protocol/pubsub#publish-options",
    "http://jabber.org/protocol/pubsub#retract-items",
    "http://jabber.org/protocol/pubsub#retrieve-items",
];

/// How near somebody is to a user.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Nearness {
    /// It is the user.
    Own,
    /// It sees the user's presence.
    Contact,
    /// It does not.
    Stranger,
    /// The user shows itself to nobody.
    Hidden,
}

impl Nearness {
    /// Whether it may read a node.
    pub(crate) const fn reads(self, model: AccessModel) -> bool {
        match (self, model) {
            (Self::Own, _)
            | (Self::Contact, AccessModel::Presence | AccessModel::Open)
            | (Self::Stranger, AccessModel::Open) => true,
            (Self::Contact, AccessModel::Whitelist)
            | (Self::Stranger, AccessModel::Presence | AccessModel::Whitelist)
            | (Self::Hidden, _) => false,
        }
    }
}

impl Serving {
    /// A request to the service of an account.
    pub(crate) fn pubsub(
        &mut self,
        cx: &mut Cx<'_>,
        query: &Query<'_>,
        payload: &ElementRef<'_>,
    ) -> Progress {
        let request = match pep_request::read(query, payload, &cx.config.limits) {
            Ok(request) => request,
            Err(error) => return query.fail(cx, &error),
        };
        let Request { node, asks } = request;
        match asks {
            Asks::Items { ids } => self.items(cx, query, &node, &ids),
            // What follows is the user's alone, as owner of the nodes (XEP-0060 §4.1).
            Asks::Configuration | Asks::Edit(_) | Asks::Nothing if !query.own => {
                query.refuse(cx, StanzaCondition::Forbidden)
            }
            Asks::Nothing => query.reply(cx, &query.iq.result()),
            Asks::Configuration => configuration(cx, query, &node),
            Asks::Edit(edit) if node == CHOICE => self.edit_choice(cx, query, edit),
            Asks::Edit(edit) => {
                let reply = match &edit {
                    PepEdit::Publish { id, .. } => query.iq.result_with(published(&node, id)),
                    PepEdit::Retract { .. } | PepEdit::Configure { .. } | PepEdit::Delete => {
                        query.iq.result()
                    }
                };
                self.commit_with(cx, query, UserChange::Pep { node, edit }, reply)
            }
        }
    }

    /// XEP-0060 §6.5.
    fn items(&self, cx: &mut Cx<'_>, query: &Query<'_>, node: &str, ids: &[String]) -> Progress {
        let nearness = self.nearness_of_asker(cx, query);
        let choice = || self.choice_item(cx, &query.user);
        let (model, item) = if node == CHOICE {
            let item = choice().map(|payload| (pep_request::CURRENT.to_owned(), payload));
            (Some(AccessModel::Whitelist), item)
        } else {
            let known = cx.state.pep(&query.user).and_then(|nodes| nodes.get(node));
            let item = known.and_then(|known| Some((known.id.clone(), known.payload.clone()?)));
            (known.map(|known| known.access), item)
        };
        let readable = model.is_some_and(|model| nearness.reads(model));
        if !readable {
            return query.fail(cx, &unreadable(nearness, model));
        }
        let item = item.filter(|(id, _)| ids.is_empty() || ids.contains(id));
        let mut out = Writer::new();
        out.start("pubsub").attr("xmlns", ns::PUBSUB);
        out.start("items").attr("node", node);
        if let Some((id, payload)) = item {
            out.start("item").attr("id", &id).raw(&payload).end();
        }
        query.reply(cx, &query.iq.result_with(out.finish()))
    }

    fn nearness_of_asker(&self, cx: &Cx<'_>, query: &Query<'_>) -> Nearness {
        let asker = query.iq.from.as_ref().map(Bare::bare);
        match asker {
            Some(asker) => self.nearness(cx, &query.user, &asker),
            None => Nearness::Stranger,
        }
    }

    /// How near `other` is to a user. Whoever is hidden, by the administrator or by choice, is hidden here too.
    pub(crate) fn nearness(&self, cx: &Cx<'_>, user: &BareJid, other: &BareJid) -> Nearness {
        if other == user {
            Nearness::Own
        } else if !cx.world.policies(user).is_empty() {
            Nearness::Hidden
        } else if may_see(cx, user, other) {
            Nearness::Contact
        } else {
            Nearness::Stranger
        }
    }

    /// Whether nothing is said of a user by itself. Who has hidden itself is answered for like somebody who is
    /// offline: a refusal would tell that it is not.
    pub(crate) fn is_hidden(&self, cx: &Cx<'_>, user: &BareJid) -> bool {
        // Without a client nobody is shown anything anyway, whoever else says something of the user.
        let chosen = self.sight.presentity(user).is_some_and(|presentity| {
            !presentity.is_empty() && presentity.overlay() == &Overlay::Hidden
        });
        chosen || !cx.world.policies(user).is_empty()
    }

    /// The nodes that whoever asks may read.
    pub(crate) fn readable_nodes<'a>(&self, cx: &Cx<'a>, query: &Query<'_>) -> Vec<&'a str> {
        let nearness = self.nearness_of_asker(cx, query);
        let nodes = cx
            .state
            .pep(&query.user)
            .into_iter()
            .flat_map(PepNodes::iter);
        let nodes = nodes.filter(|(_, node)| nearness.reads(node.access));
        let mut nodes: Vec<_> = nodes.map(|(name, _)| name.as_str()).collect();
        if query.own && self.choice_item(cx, &query.user).is_some() {
            nodes.push(CHOICE);
        }
        nodes
    }

    /// Discovery of one node (XEP-0060 §5.3, §5.5); `None` where there is none that the asker may read.
    pub(crate) fn node_described(
        &self,
        cx: &Cx<'_>,
        query: &Query<'_>,
        payload: &ElementRef<'_>,
    ) -> Option<Vec<u8>> {
        let node = payload.attr("node").filter(|_| !query.set)?;
        self.readable_nodes(cx, query)
            .contains(&&*node)
            .then_some(())?;
        let known = cx
            .state
            .pep(&query.user)
            .and_then(|nodes| nodes.get(&*node));
        let mut out = Writer::new();
        out.start("query").attr("xmlns", payload.namespace());
        out.attr("node", &node);
        if payload.namespace() == ns::DISCO_INFO {
            out.start("identity").attr("category", "pubsub");
            out.attr("type", "leaf").end();
            for feature in [ns::PUBSUB, ns::DISCO_INFO, ns::DISCO_ITEMS] {
                out.start("feature").attr("var", feature).end();
            }
        } else {
            let id = match known {
                Some(node) => node.payload.as_ref().map(|_| node.id.as_str()),
                None => Some(pep_request::CURRENT),
            };
            if let Some(id) = id {
                out.start("item").attr("jid", query.user.as_str());
                out.attr("name", id).end();
            }
        }
        Some(out.end().finish())
    }
}

impl Query<'_> {
    /// Answers with an error.
    pub(crate) fn fail(&self, cx: &mut Cx<'_>, error: &StanzaError) -> Progress {
        let reply: Stanza = self.iq.error(error);
        self.reply(cx, &reply)
    }
}

/// Why somebody may not read a node (XEP-0060 §6.5.9). To a stranger nodes that are there look like those that are
/// not.
fn unreadable(nearness: Nearness, model: Option<AccessModel>) -> StanzaError {
    match (nearness, model) {
        (Nearness::Stranger | Nearness::Hidden, _) => {
            StanzaError::new(StanzaCondition::NotAuthorized)
                .with_detail(ErrorDetail::PresenceSubscriptionRequired)
        }
        (Nearness::Contact, Some(_)) => {
            StanzaError::new(StanzaCondition::NotAllowed).with_detail(ErrorDetail::ClosedNode)
        }
        (Nearness::Own | Nearness::Contact, _) => StanzaError::new(StanzaCondition::ItemNotFound),
    }
}

pub(crate) fn published(node: &str, id: &str) -> Vec<u8> {
    let mut out = Writer::new();
    out.start("pubsub").attr("xmlns", ns::PUBSUB);
    out.start("publish").attr("node", node);
    out.start("item").attr("id", id).end();
    out.finish()
}

/// XEP-0060 §8.2.2.
fn configuration(cx: &mut Cx<'_>, query: &Query<'_>, node: &str) -> Progress {
    if node == CHOICE {
        return query.refuse(cx, StanzaCondition::NotAllowed);
    }
    let known: Option<&PepNode> = cx.state.pep(&query.user).and_then(|nodes| nodes.get(node));
    let Some(known) = known else {
        return query.refuse(cx, StanzaCondition::ItemNotFound);
    };
    let mut out = Writer::new();
    out.start("pubsub").attr("xmlns", ns::PUBSUB_OWNER);
    out.start("configure").attr("node", node);
    out.start("x").attr("xmlns", ns::DATA).attr("type", "form");
    out.start("field").attr("var", "FORM_TYPE");
    out.attr("type", "hidden").leaf("value", ns::PUBSUB_CONFIG);
    out.end();
    out.start("field").attr("var", ACCESS_MODEL);
    out.attr("type", "list-single");
    for model in [
        AccessModel::Presence,
        AccessModel::Whitelist,
        AccessModel::Open,
    ] {
        out.start("option").leaf("value", model.label()).end();
    }
    out.leaf("value", known.access.label()).end();
    for (var, values) in FIXED {
        out.start("field").attr("var", var);
        out.attr("type", "text-single").leaf("value", values[0]);
        out.end();
    }
    query.reply(cx, &query.iq.result_with(out.finish()))
}
