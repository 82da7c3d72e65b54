//! IM forking: a chat goes to every client until one of them has answered, then to that one.

use muster_types::{BareJid, Instant, ResourcePart};
use std::collections::BTreeMap;
use std::time::Duration;

/// Conversations of one user that may be tied to a client at a time. One more unties the one that
/// would end soonest.
const CHATS_PER_USER: usize = 256;

struct Chat {
    resource: ResourcePart,
    until: Instant,
}

/// Which client of a user has answered which contact.
pub(crate) struct Forks {
    by_user: BTreeMap<BareJid, BTreeMap<BareJid, Chat>>,
    /// How long a conversation stays tied without a message.
    lock: Duration,
}

impl Forks {
    pub(crate) const fn new(lock: Duration) -> Self {
        Self {
            by_user: BTreeMap::new(),
            lock,
        }
    }

    /// A client of `user` wrote to `contact`.
    pub(crate) fn answered(
        &mut self,
        now: Instant,
        user: &BareJid,
        resource: ResourcePart,
        contact: BareJid,
    ) {
        let chats = self.by_user.entry(user.clone()).or_default();
        if chats.len() >= CHATS_PER_USER && !chats.contains_key(&contact) {
            chats.retain(|_, chat| chat.until > now);
            let soonest = chats
                .iter()
                .min_by_key(|(_, chat)| chat.until)
                .map(|(contact, _)| contact.clone());
            if let Some(soonest) = soonest.filter(|_| chats.len() >= CHATS_PER_USER) {
                chats.remove(&soonest);
            }
        }
        chats.insert(
            contact,
            Chat {
                resource,
                until: now + self.lock,
            },
        );
    }

    /// The client that a message of `contact` to `user` goes to alone. The message keeps the
    /// conversation tied.
    pub(crate) fn continued(
        &mut self,
        now: Instant,
        user: &BareJid,
        contact: &BareJid,
    ) -> Option<ResourcePart> {
        let chats = self.by_user.get_mut(user)?;
        if chats.get(contact)?.until <= now {
            chats.remove(contact);
            return None;
        }
        let chat = chats.get_mut(contact)?;
        chat.until = now + self.lock;
        Some(chat.resource.clone())
    }

    /// The client sent presence or left: its conversations go to every client again.
    pub(crate) fn untie(&mut self, user: &BareJid, resource: &ResourcePart) {
        if let Some(chats) = self.by_user.get_mut(user) {
            chats.retain(|_, chat| chat.resource != *resource);
            if chats.is_empty() {
                self.by_user.remove(user);
            }
        }
    }
}
