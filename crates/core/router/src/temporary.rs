//! Temporary subscriptions: a session sees another user for a while without a roster entry.
//!
//! ```text
//! client  -- command (XEP-0050) -->  this node  -- WatchTemporarily -->  owner of the contact
//!         <-- answer, presence  --              <-- Temporary, Presence --
//! ```
//!
//! The owner of the contact decides who sees it, each time something is sent. Until when is known here: the lease is
//! the session's, and is announced to a new owner of the contact with all other interests.

use crate::Router;
use crate::session::User;
use crate::timer::Timer;
use muster_envelope::{TemporaryOutcome, ToOwner, WatchRequest};
use muster_stanza::ErrorDetail::BadPayload;
use muster_stanza::{ErrorType, IqType, Stanza, StanzaCondition, StanzaError, ns};
use muster_types::{Bare as _, BareJid, FullJid, Instant, Jid, SessionId, SlotId, SortedMap};
use muster_xep::command::{self, Step};
use muster_xep::temporary::{self, NODE, Request};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A command that the owner of the contact has not answered.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Without its content.
    pub(crate) command: Stanza,
    pub(crate) lifetime: Duration,
    pub(crate) slot: SlotId,
}

/// What is asked, and when leases end.
#[derive(Debug, Default)]
pub(crate) struct Temporary {
    asked: BTreeMap<SessionId, BTreeMap<BareJid, Asked>>,
    pub(crate) due: BTreeSet<(Instant, SessionId, Arc<BareJid>)>,
}

impl Temporary {
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.due.first().map(|(at, ..)| *at)
    }

    pub(crate) fn is_asked(&self, id: SessionId, contact: &BareJid) -> bool {
        let asked = self.asked.get(&id);
        asked.is_some_and(|asked| asked.contains_key(contact))
    }

    /// Whether nobody sees anybody for a while, or has asked to: as a rule.
    pub(crate) fn is_empty(&self) -> bool {
        self.asked.is_empty() && self.due.is_empty()
    }

    /// Forgets all that a session asked.
    pub(crate) fn take_all(&mut self, id: SessionId) -> BTreeMap<BareJid, Asked> {
        self.asked.remove(&id).unwrap_or_default()
    }

    fn take(&mut self, id: SessionId, contact: &BareJid) -> Option<Asked> {
        let of_session = self.asked.get_mut(&id)?;
        let asked = of_session.remove(contact);
        if of_session.is_empty() {
            self.asked.remove(&id);
        }
        asked
    }

    /// All that waits for the owner of a slot.
    fn of_slot(&self, slot: SlotId) -> Vec<(SessionId, BareJid)> {
        let all = self.asked.iter();
        let all = all.flat_map(|(id, asked)| asked.iter().map(move |one| (*id, one)));
        let of_slot = all.filter(|(_, (_, asked))| asked.slot == slot);
        of_slot
            .map(|(id, (contact, _))| (id, contact.clone()))
            .collect()
    }
}

/// For how long sessions of one user see others: by contact, when each ends. Whom a session has asked to see is here
/// too, without an end: what is said to the owner of the contact after the ask must not undo it.
pub(crate) type Leases = SortedMap<Arc<BareJid>, SortedMap<SessionId, Instant>>;

impl User {
    /// The sessions that see this presence, if not all of them do; none while there is only an ask.
    pub(crate) fn lessees(&self, from: &FullJid) -> Option<&SortedMap<SessionId, Instant>> {
        if self.leases.is_empty() {
            return None;
        }
        let contact = from.bare();
        let leases = self.leases.get(&contact)?;
        (!self.contacts.contains_key(&contact)).then_some(leases)
    }
}

/// Whether a request to the user's own account is the command.
pub(crate) fn is_command(iq: &Stanza) -> bool {
    let command = iq.payload().filter(|_| iq.iq_type() == Some(IqType::Set));
    command.is_some_and(|command| {
        command.is("command", ns::COMMANDS) && command.attr("node").as_deref() == Some(NODE)
    })
}

impl Router {
    /// A step of the command.
    pub(crate) fn temporary_command(&mut self, now: Instant, id: SessionId, iq: &Stanza) {
        let Some(payload) = iq.payload() else {
            return;
        };
        let form = match command::step(&payload) {
            Ok(Step::Submit(form)) => form,
            Ok(Step::Cancel) => {
                return self.deliver(now, id, iq.result_with(command::canceled(NODE)));
            }
            Ok(Step::Offer) => {
                let form = temporary::offer(self.in_force(now, id).into_iter());
                return self.deliver(now, id, iq.result_with(form));
            }
            Err(error) => return self.refuse_with(now, id, iq, &error),
        };
        match temporary::read(&form) {
            Ok(Request { contact, lifetime }) => match self.ask_for(now, id, iq, contact, lifetime)
            {
                Ok(()) => {}
                Err(error) => self.refuse_with(now, id, iq, &error),
            },
            Err(why) => self.refuse_with(now, id, iq, &command::refusal(BadPayload, &why)),
        }
    }

    fn in_force(&self, now: Instant, id: SessionId) -> Vec<(&BareJid, Duration)> {
        let session = self.sessions.get(&id);
        let user = session.and_then(|session| self.users.get(&session.user));
        let leases = user.into_iter().flat_map(|user| user.leases.iter());
        let own = leases.filter_map(|(contact, leases)| Some((&**contact, *leases.get(&id)?)));
        own.map(|(contact, ends)| (contact, ends.since(now)))
            .collect()
    }

    /// Begins, renews or ends.
    fn ask_for(
        &mut self,
        now: Instant,
        id: SessionId,
        iq: &Stanza,
        contact: BareJid,
        lifetime: Option<Duration>,
    ) -> Result<(), StanzaError> {
        let Some(session) = self.sessions.get(&id) else {
            return Ok(());
        };
        if self.temporary.is_asked(id, &contact) {
            let text = "The command before it about this user is not answered yet.";
            return Err(StanzaError::new(StanzaCondition::ResourceConstraint).with_text(text));
        }
        let Some(lifetime) = lifetime else {
            self.end_lease(id, &contact);
            let done = command::completed(NODE, "It has ended.");
            self.deliver(now, id, iq.result_with(done));
            return Ok(());
        };
        let user = session.user.clone();
        let is_available = session.is_available();
        let slot = self.may_ask(id, &user, &contact, is_available)?;
        let asked = Asked {
            command: iq.clone().with_content(Vec::new()),
            lifetime,
            slot,
        };
        let shared = self.interests.share(&contact);
        if let Some(known) = self.users.get_mut(&user) {
            known.leases.get_or_insert_with(shared, SortedMap::new);
        }
        let of_session = self.temporary.asked.entry(id).or_default();
        of_session.insert(contact.clone(), asked);
        if !self.ask_owner(id, &contact, slot) {
            let until = now + self.config.limits.owner_wait;
            self.timers.set(until, Timer::Temporary(id, contact));
        }
        Ok(())
    }

    /// Where to ask, if nothing speaks against it here.
    fn may_ask(
        &self,
        id: SessionId,
        user: &BareJid,
        contact: &BareJid,
        is_available: bool,
    ) -> Result<SlotId, StanzaError> {
        let error = |condition, text: &str| Err(StanzaError::new(condition).with_text(text));
        if contact == user {
            return Err(command::refusal(
                BadPayload,
                "A user's clients see each other anyway.",
            ));
        }
        if !is_available {
            // RFC 6121 §4.2.2: presence is for available resources.
            let text = "Presence is shown to available clients: send yours first.";
            return error(StanzaCondition::UnexpectedRequest, text);
        }
        if !self.directory.hosts(contact.domain().as_str()) {
            let text = "Only users of this server's domains can be seen for a while.";
            return error(StanzaCondition::RemoteServerNotFound, text);
        }
        if self.is_blocked(user, Some(&Jid::from(contact.clone()))) {
            return Err(crate::access::blocked());
        }
        let limit = self.config.limits.temporary;
        if self.temporary_others(id, user, contact) >= limit {
            let text = format!("A client sees {limit} users for a while at most: end one.");
            let error = StanzaError::new(StanzaCondition::ResourceConstraint);
            return Err(error.with_type(ErrorType::Cancel).with_text(text));
        }
        let slot = self.directory.account_slot(contact);
        slot.ok_or_else(|| refusal(TemporaryOutcome::Forbidden))
    }

    /// How many others a session sees for a while, or has asked for.
    fn temporary_others(&self, id: SessionId, user: &BareJid, contact: &BareJid) -> usize {
        let leases = self.users.get(user).into_iter();
        let leases = leases.flat_map(|user| user.leases.iter());
        let own = leases.filter(|(_, leases)| leases.contains_key(&id));
        let asked = self.temporary.asked.get(&id);
        let asked = asked.into_iter().flat_map(BTreeMap::keys);
        let all = own.map(|(contact, _)| &**contact).chain(asked);
        let others: BTreeSet<_> = all.filter(|one| *one != contact).collect();
        others.len()
    }

    fn ask_owner(&mut self, session: SessionId, contact: &BareJid, slot: SlotId) -> bool {
        let Some(watcher) = self.sessions.get(&session).map(|one| one.user.clone()) else {
            return false;
        };
        let request = WatchRequest {
            known: self.interests.version(contact, &watcher),
            contact: contact.clone(),
            watcher,
            temporary: true,
        };
        self.tell_owner(slot, ToOwner::WatchTemporarily { session, request })
    }

    /// A new owner is asked what the last one has not answered.
    pub(crate) fn ask_temporary_again(&mut self, slot: SlotId) {
        for (id, contact) in self.temporary.of_slot(slot) {
            self.ask_owner(id, &contact, slot);
        }
    }

    /// There is no owner: what waits for it will not wait for ever.
    pub(crate) fn temporary_waits(&mut self, slot: SlotId, until: Instant) {
        for (id, contact) in self.temporary.of_slot(slot) {
            self.timers.set(until, Timer::Temporary(id, contact));
        }
    }

    pub(crate) fn temporary_overdue(&mut self, now: Instant, id: SessionId, contact: &BareJid) {
        let asked = self.temporary.asked.get(&id);
        let slot = asked
            .and_then(|asked| asked.get(contact))
            .map(|one| one.slot);
        if !slot.is_some_and(|slot| self.is_overdue(now, slot)) {
            return;
        }
        if let Some(asked) = self.temporary.take(id, contact) {
            let condition = StanzaCondition::ResourceConstraint;
            self.refuse(now, id, &asked.command, condition);
            if let Some(watcher) = self.sessions.get(&id).map(|one| one.user.clone()) {
                self.let_go(&watcher, contact);
            }
        }
    }

    /// The owner of the contact has decided.
    pub(crate) fn temporary_answered(
        &mut self,
        now: Instant,
        id: SessionId,
        watcher: &BareJid,
        contact: &BareJid,
        outcome: TemporaryOutcome,
    ) {
        let asked = self.temporary.take(id, contact);
        let session = self.sessions.get(&id);
        let is_available = session.is_some_and(|session| session.is_available());
        let is_blocked = self.is_blocked(watcher, Some(&Jid::from(contact.clone())));
        match (asked, outcome) {
            // The user does not let it in any more.
            (Some(asked), TemporaryOutcome::Granted) if is_blocked => {
                self.let_go(watcher, contact);
                self.refuse_with(now, id, &asked.command, &crate::access::blocked());
            }
            (Some(asked), TemporaryOutcome::Granted) if is_available => {
                self.begin_lease(now, id, contact, asked);
            }
            (Some(asked), TemporaryOutcome::Granted) => {
                let condition = StanzaCondition::UnexpectedRequest;
                self.let_go(watcher, contact);
                self.refuse(now, id, &asked.command, condition);
            }
            (Some(asked), TemporaryOutcome::Forbidden | TemporaryOutcome::TooMany) => {
                self.end_lease(id, contact);
                self.let_go(watcher, contact);
                self.refuse_with(now, id, &asked.command, &refusal(outcome));
            }
            // The client has gone meanwhile, or the owner was asked twice.
            (None, TemporaryOutcome::Granted) => self.say_interest(watcher, contact),
            (None, TemporaryOutcome::Forbidden | TemporaryOutcome::TooMany) => {
                self.end_lease(id, contact);
            }
        }
    }
}

/// Why nobody is seen for a while. Whether there is such a user, or whom it has blocked, is not told.
fn refusal(outcome: TemporaryOutcome) -> StanzaError {
    match outcome {
        TemporaryOutcome::Granted | TemporaryOutcome::Forbidden => {
            StanzaError::new(StanzaCondition::Forbidden)
                .with_text("This user is not seen without being asked: subscribe instead.")
        }
        TemporaryOutcome::TooMany => StanzaError::new(StanzaCondition::ResourceConstraint)
            .with_text("As many as may see this user already: try again later."),
    }
}
