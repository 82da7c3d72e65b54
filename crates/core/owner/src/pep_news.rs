//! XEP-0163 §4: who is notified. Contacts that see the user's presence, and the user's own clients: whichever of
//! their clients asks for the node by its capabilities. That the nodes of the clients know
//! ([`ToNode::Item`]), so one message a node is enough.
//!
//! What is told is soft. A node says what it heard last when there is a new owner, and is told what changed
//! since; a client that comes is told what there is.

use crate::cx::Cx;
use crate::pep::Nearness;
use crate::pep_request::CURRENT;
use crate::serving::Serving;
use muster_envelope::{AskItems, ItemNews, ToNode};
use muster_slot::{AccessModel, PepChange, PepNode, SlotState};
use muster_stanza::{MessageType, Stanza, Writer, ns};
use muster_types::{BareJid, LogIndex, NodeId, Timestamp};

/// About how many bytes one message to a node may have; one item may be larger.
const MESSAGE_BYTES: usize = 65_536;

/// Who is told.
pub(crate) type Told<'a> = &'a dyn Fn(NodeId, &BareJid) -> bool;

impl Serving {
    /// A node of a user's account changed.
    pub(crate) fn on_pep_changed(
        &mut self,
        cx: &mut Cx<'_>,
        (user, node): (&BareJid, &str),
        change: PepChange,
        at: LogIndex,
    ) {
        self.items_up_to = at;
        let told = match change {
            PepChange::Deleted(model) => Some((model, deletion(user, node, at))),
            PepChange::Published | PepChange::Retracted => found(cx.state, user, node)
                .map(|known| (known.access, of_node(user, (node, known), None))),
        };
        if let Some((model, news)) = told {
            self.tell_item(cx, user, model, &news, &|_, _| true);
        }
    }

    /// Tells those who may read a node, where they watch the user.
    pub(crate) fn tell_item(
        &self,
        cx: &mut Cx<'_>,
        user: &BareJid,
        model: AccessModel,
        news: &ItemNews,
        told: Told<'_>,
    ) {
        let permission = cx.state.permission(user);
        let contacts_read = model != AccessModel::Whitelist && !self.is_hidden(cx, user);
        let may_read =
            |watcher: &BareJid| watcher == user || contacts_read && permission.sees(watcher);
        for (node, watchers) in self.sight.watchers.of(user) {
            let watchers = watchers.iter().filter(|watcher| told(node, watcher));
            let watchers: Vec<_> = watchers
                .filter(|watcher| may_read(watcher))
                .cloned()
                .collect();
            if !watchers.is_empty() {
                let news = news.clone();
                cx.tell_node(node, ToNode::Item { news, watchers });
            }
        }
    }

    /// Somebody may see the user from now on, where it watches it already.
    pub(crate) fn tell_items(&self, cx: &mut Cx<'_>, user: &BareJid, told: Told<'_>) {
        let Some(nodes) = cx.state.pep(user) else {
            return;
        };
        for (name, node) in nodes.iter().filter(|(_, node)| node.payload.is_some()) {
            let news = of_node(user, (name, node), Some(node.at));
            self.tell_item(cx, user, node.access, &news, told);
        }
    }

    /// A node of the cluster has announced what it heard last: what changed since.
    pub(crate) fn tell_items_after(&self, cx: &mut Cx<'_>, heard: LogIndex, to: NodeId) {
        let state = cx.state;
        let changed = state.pep_after(heard);
        let mut changed: Vec<_> = changed
            .filter_map(|(user, name)| Some((user, name, found(state, user, name)?)))
            .collect();
        // In the order of the log: if the link breaks, the node has heard everything up to where it did.
        changed.sort_by_key(|(_, _, node)| node.changed);
        for (user, name, node) in changed {
            let news = of_node(user, (name, node), Some(node.at));
            self.tell_item(cx, user, node.access, &news, &|node, _| node == to);
        }
    }

    /// A client wants to know what there is (§4.3.3, last item).
    pub(crate) fn on_ask_items(&self, cx: &mut Cx<'_>, asked: &AskItems) {
        let mut answer = Vec::new();
        let mut bytes = 0;
        let session = asked.session;
        let mut add = |cx: &mut Cx<'_>, news: ItemNews| {
            let size = news.message.content.len() + 64;
            if bytes > 0 && bytes + size > MESSAGE_BYTES {
                bytes = 0;
                let (news, up_to) = (std::mem::take(&mut answer), None);
                cx.tell_node(
                    session.node,
                    ToNode::Items {
                        session,
                        news,
                        up_to,
                    },
                );
            }
            bytes += size;
            answer.push(news);
        };
        for user in &asked.contacts {
            let nearness = self.nearness(cx, user, &asked.watcher);
            if nearness == Nearness::Stranger {
                continue;
            }
            for name in &asked.nodes {
                let known = found(cx.state, user, name)
                    .filter(|node| node.payload.is_some() && nearness.reads(node.access));
                if let Some(node) = known {
                    add(cx, of_node(user, (name, node), Some(node.at)));
                } else if nearness == Nearness::Own
                    && let Some(news) = self.chosen(cx, user, name)
                {
                    add(cx, news);
                }
            }
        }
        let (news, up_to) = (answer, Some(self.items_up_to));
        cx.tell_node(
            session.node,
            ToNode::Items {
                session,
                news,
                up_to,
            },
        );
    }
}

fn found<'a>(state: &'a SlotState, user: &BareJid, node: &str) -> Option<&'a PepNode> {
    state.pep(user)?.get(node)
}

/// What a node holds, or that its item was taken back. With `since`, it is no news.
fn of_node(user: &BareJid, (name, node): (&str, &PepNode), since: Option<Timestamp>) -> ItemNews {
    let PepNode { id, payload, .. } = node;
    news(user, name, (id, payload.as_deref()), since, node.changed)
}

/// The news of a node: its item, or that there is none (XEP-0060 §7.1.2.1, §7.2.2.1).
pub(crate) fn news(
    user: &BareJid,
    node: &str,
    (id, payload): (&str, Option<&[u8]>),
    since: Option<Timestamp>,
    at: LogIndex,
) -> ItemNews {
    let mut out = Writer::new();
    out.start("event").attr("xmlns", ns::PUBSUB_EVENT);
    out.start("items").attr("node", node);
    match payload {
        Some(payload) => out.start("item").attr("id", id).raw(payload).end(),
        None => out.start("retract").attr("id", id).end(),
    };
    out.end().end();
    if let Some(since) = since {
        // XEP-0203, as XEP-0060 §7.1.2.1 has it.
        out.start("delay").attr("xmlns", ns::DELAY);
        out.attr("from", user.as_str());
        out.attr("stamp", &since.to_string()).end();
    }
    message(user, node, out.finish(), at)
}

/// XEP-0060 §8.4.2.
fn deletion(user: &BareJid, node: &str, at: LogIndex) -> ItemNews {
    let mut out = Writer::new();
    out.start("event").attr("xmlns", ns::PUBSUB_EVENT);
    out.start("delete").attr("node", node);
    message(user, node, out.finish(), at)
}

fn message(user: &BareJid, node: &str, content: Vec<u8>, at: LogIndex) -> ItemNews {
    ItemNews {
        node: node.to_owned(),
        message: Stanza::message(MessageType::Headline)
            .with_from(user.clone())
            .with_content(content),
        at,
    }
}

/// The news of a node whose one item has no id of its own.
pub(crate) fn news_of_current(user: &BareJid, node: &str, payload: Option<&[u8]>) -> ItemNews {
    news(user, node, (CURRENT, payload), None, LogIndex::default())
}
