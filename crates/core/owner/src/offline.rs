//! Offline messages (XEP-0160): handed to the first client that takes messages, and dropped from
//! the store once it has had the time to get them.

use crate::cx::Cx;
use crate::proposal::{Proposals, Purpose};
use muster_slot::UserChange;
use muster_stanza::{MessageType, Stanza, Writer, ns};
use muster_types::{BareJid, Instant, SessionId, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// Messages handed to a client that is cut off within this time stay in the store: they may have
/// died with its connection or its node.
const ARRIVAL: Duration = Duration::from_secs(1);

/// Messages on their way to a client.
struct Handed {
    session: SessionId,
    up_to: u64,
    /// When they count as arrived; `None` once their removal is proposed.
    due: Option<Instant>,
}

/// What was handed over and is still stored, by user.
#[derive(Default)]
pub(crate) struct Mailbox {
    handed: BTreeMap<BareJid, Handed>,
}

/// Whether a message is kept for a user without a client (XEP-0160 §3, RFC 6121 §8.5.2.2.1): all but
/// a `chat` that holds nothing but a notification of the moment (XEP-0085).
pub(crate) fn is_worth_storing(message: &Stanza, kind: MessageType) -> bool {
    match kind {
        MessageType::Normal => message.payload().is_some(),
        MessageType::Chat => message
            .children()
            .any(|child| child.namespace() != ns::CHAT_STATES && !child.is("thread", ns::CLIENT)),
        MessageType::Groupchat | MessageType::Headline | MessageType::Error => false,
    }
}

pub(crate) fn has_body(message: &Stanza) -> bool {
    message.child("body", ns::CLIENT).is_some()
}

impl Mailbox {
    /// Hands a client the messages that no other client has got.
    pub(crate) fn hand_over(
        &mut self,
        cx: &mut Cx<'_>,
        proposals: &mut Proposals,
        user: &BareJid,
        session: SessionId,
    ) {
        let after = self.handed.get(user).map_or(0, |handed| handed.up_to);
        let state = cx.state;
        let mut up_to = None;
        for (number, at, message) in state.offline(user).filter(|(number, ..)| *number > after) {
            cx.deliver([session], &delayed(message, user, at));
            up_to = Some(number);
        }
        if let Some(up_to) = up_to {
            self.take(cx, proposals, user);
            let due = Some(cx.now + ARRIVAL);
            self.handed.insert(
                user.clone(),
                Handed {
                    session,
                    up_to,
                    due,
                },
            );
        }
    }

    /// Proposes to drop what was handed over.
    fn take(&mut self, cx: &mut Cx<'_>, proposals: &mut Proposals, user: &BareJid) {
        let Some(handed) = self
            .handed
            .get_mut(user)
            .filter(|handed| handed.due.is_some())
        else {
            return;
        };
        let up_to = handed.up_to;
        let purpose = Purpose::Taken {
            user: user.clone(),
            up_to,
        };
        // If the log is too busy for it, the messages are handed over once more at the next login.
        match proposals.propose(cx, user, UserChange::OfflineTaken { up_to }, purpose) {
            Ok(()) => handed.due = None,
            Err(_) => drop(self.handed.remove(user)),
        }
    }

    /// What was handed over is dropped from the store.
    pub(crate) fn on_taken(&mut self, user: &BareJid, up_to: u64) {
        if self
            .handed
            .get(user)
            .is_some_and(|handed| handed.up_to == up_to)
        {
            self.handed.remove(user);
        }
    }

    /// The client left by itself: it has got what it was sent.
    pub(crate) fn left(&mut self, cx: &mut Cx<'_>, proposals: &mut Proposals, session: SessionId) {
        for user in self.users(|handed| handed.session == session) {
            self.take(cx, proposals, &user);
        }
    }

    /// The client was cut off: what it was just sent stays in the store.
    pub(crate) fn lost(&mut self, session: SessionId) {
        self.handed
            .retain(|_, handed| handed.session != session || handed.due.is_none());
    }

    pub(crate) fn wake(&mut self, cx: &mut Cx<'_>, proposals: &mut Proposals) {
        for user in self.users(|handed| handed.due.is_some_and(|due| due <= cx.now)) {
            self.take(cx, proposals, &user);
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.handed.values().filter_map(|handed| handed.due).min()
    }

    fn users(&self, which: impl Fn(&Handed) -> bool) -> Vec<BareJid> {
        self.handed
            .iter()
            .filter(|(_, handed)| which(handed))
            .map(|(user, _)| user.clone())
            .collect()
    }
}

/// The message with the time it was stored (XEP-0203).
fn delayed(message: &Stanza, user: &BareJid, at: Timestamp) -> Stanza {
    let mut content = Writer::new();
    content
        .raw(&message.content)
        .start("delay")
        .attr("xmlns", ns::DELAY);
    content
        .attr("from", user.domain().as_str())
        .attr("stamp", &at.to_string())
        .end();
    message.clone().with_content(content.finish())
}
