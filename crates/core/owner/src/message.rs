//! Messages to users of this slot.

use crate::cx::Cx;
use crate::offline::{has_body, is_worth_storing};
use crate::proposal::Purpose;
use crate::publish::sender;
use crate::route::{Address, Verdict, verdict};
use crate::serving::{Progress, Serving};
use muster_slot::UserChange;
use muster_stanza::{MessageType, Stanza, StanzaCondition, StanzaError};
use muster_types::{Bare as _, BareJid, Fork, Jid, SessionId};

impl Serving {
    pub(crate) fn route_message(
        &mut self,
        cx: &mut Cx<'_>,
        session: SessionId,
        serial: u64,
        message: Stanza,
        kind: MessageType,
    ) -> Progress {
        self.note_answer(cx, &message);
        let Some(to) = message.to.clone() else {
            return Progress::Done;
        };
        let user = to.bare();
        if cx.world.slot_of(&user) != Some(cx.config.slot) {
            bounce(cx, session, &message, StanzaCondition::ServiceUnavailable);
            return Progress::Done;
        }
        let address = self.address(&to);
        let takers = self.sight.takers(&user).next().is_some();
        match verdict(kind, address, takers) {
            Verdict::Addressed => {
                let client = to.try_as_full().ok().and_then(|full| self.here(full));
                cx.deliver(client, &message);
            }
            Verdict::Fork => {
                let clients = self.fork(cx, &user, kind, &message);
                cx.deliver(clients, &message);
            }
            Verdict::Everyone => {
                let clients: Vec<_> = self
                    .sight
                    .takers(&user)
                    .map(|(_, client)| client.session)
                    .collect();
                cx.deliver(clients, &message);
            }
            Verdict::Store if is_worth_storing(&message, kind) => {
                return self.store(cx, session, serial, message, user);
            }
            Verdict::Bounce => bounce(cx, session, &message, StanzaCondition::ServiceUnavailable),
            Verdict::Store | Verdict::Drop => (),
        }
        Progress::Done
    }

    fn address(&self, to: &Jid) -> Address {
        let Ok(full) = to.try_as_full() else {
            return Address::Bare;
        };
        let known = self
            .sessions
            .at(&full.bare(), &full.resource().to_owned())
            .is_some();
        match self.here(full) {
            Some(_) => Address::Here,
            None if known => Address::Expected,
            None => Address::Nobody,
        }
    }

    /// The clients that get a message to the bare JID (RFC 6121 §8.5.2.1.1); there is at least one.
    fn fork(
        &mut self,
        cx: &Cx<'_>,
        user: &BareJid,
        kind: MessageType,
        message: &Stanza,
    ) -> Vec<SessionId> {
        match cx.world.fork() {
            Fork::Highest => {
                let highest = self
                    .sight
                    .takers(user)
                    .max_by_key(|(_, client)| client.priority);
                return highest
                    .map(|(_, client)| client.session)
                    .into_iter()
                    .collect();
            }
            Fork::UntilAnswered if kind == MessageType::Chat => {
                let contact = sender(message);
                let tied = contact.and_then(|contact| self.forks.continued(cx.now, user, &contact));
                let one = self
                    .sight
                    .takers(user)
                    .find(|(resource, _)| tied.as_ref() == Some(resource));
                if let Some((_, client)) = one {
                    return vec![client.session];
                }
            }
            Fork::UntilAnswered | Fork::All => (),
        }
        self.sight
            .takers(user)
            .map(|(_, client)| client.session)
            .collect()
    }

    /// A client of one of our users wrote to a contact: the conversation goes on with that client.
    pub(crate) fn note_answer(&mut self, cx: &Cx<'_>, message: &Stanza) {
        let (Some(from), Some(to)) = (&message.from, &message.to) else {
            return;
        };
        let Ok(from) = from.try_as_full() else { return };
        let ours = || cx.world.slot_of(&from.bare()) == Some(cx.config.slot);
        let chat = message.message_type() == Some(MessageType::Chat) && has_body(message);
        if cx.world.fork() == Fork::UntilAnswered && chat && ours() {
            let resource = from.resource().to_owned();
            self.forks
                .answered(cx.now, &from.bare(), resource, to.bare());
        }
    }

    fn store(
        &mut self,
        cx: &mut Cx<'_>,
        session: SessionId,
        serial: u64,
        message: Stanza,
        user: BareJid,
    ) -> Progress {
        let change = UserChange::OfflineStore(message.clone());
        let purpose = Purpose::Store {
            session,
            serial,
            message: message.clone(),
            user: user.clone(),
        };
        match self.proposals.propose(cx, &user, change, purpose) {
            Ok(()) => Progress::Committing,
            Err(_) => {
                bounce(cx, session, &message, StanzaCondition::ResourceConstraint);
                Progress::Done
            }
        }
    }

    /// A message was stored. A client may have come in the meantime.
    pub(crate) fn stored(&mut self, cx: &mut Cx<'_>, user: &BareJid) {
        let taker = self
            .sight
            .takers(user)
            .max_by_key(|(_, client)| client.priority);
        if let Some(client) = taker.map(|(_, client)| client.session) {
            self.mailbox
                .hand_over(cx, &mut self.proposals, user, client);
        }
    }
}

/// Tells the sender that its stanza came to nothing, unless it is an error itself.
pub(crate) fn bounce(
    cx: &mut Cx<'_>,
    session: SessionId,
    stanza: &Stanza,
    condition: StanzaCondition,
) {
    if !stanza.is_error() {
        cx.deliver([session], &stanza.error(&StanzaError::new(condition)));
    }
}
