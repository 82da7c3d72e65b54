//! How often the clients of a user with many contacts come and go. Each time the contacts are watched,
//! shown or not watched any more, for a stanza of a few bytes: what comes too fast waits, so that nobody
//! else does. Presence is a register, so only the newest of a client waits.

use crate::Router;
use crate::timer::Timer;
use muster_stanza::{PresenceType, Stanza};
use muster_types::{Instant, SessionId};
use std::time::Duration;

/// What coming or going costs for each contact: some fifty times as long as it takes.
const CONTACT: Duration = Duration::from_micros(50);
/// What all clients of a user together may run up.
const CREDIT: Duration = Duration::from_secs(1);

/// What the clients of one user have cost lately.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// When all of it is paid.
    paid: Instant,
}

impl Turns {
    /// Takes a turn, or says when there is one.
    fn take(&mut self, now: Instant, contacts: usize) -> Result<(), Instant> {
        let paid = self.paid.max(now);
        if paid > now + CREDIT {
            let excess = paid.since(now + CREDIT);
            return Err(now + excess);
        }
        let contacts = u32::try_from(contacts).unwrap_or(u32::MAX);
        self.paid = paid + CONTACT.saturating_mul(contacts);
        Ok(())
    }
}

impl Router {
    /// Gives a client's presence back if it is its turn; else it is kept until then.
    pub(crate) fn in_turn(
        &mut self,
        now: Instant,
        id: SessionId,
        presence: Stanza,
    ) -> Option<Stanza> {
        let session = self.sessions.get_mut(&id)?;
        let available = presence.presence_type() == Some(PresenceType::Available);
        if session.held.is_none() {
            let stays = session.presence.is_some() == available;
            let user = self.users.get_mut(&session.user).filter(|_| !stays);
            let turn = user.map(|user| user.turns.take(now, user.contacts.len()));
            let Some(Err(at)) = turn else {
                return Some(presence);
            };
            self.timers.set(at, Timer::Turn(id));
        }
        session.held = Some(Box::new(presence.clone()));
        if !available {
            // Whoever was sent presence is told even if the client is back by then.
            self.take_back_directed(now, id, &presence);
        }
        None
    }

    /// It is the turn of what a client said.
    pub(crate) fn turn_due(&mut self, now: Instant, id: SessionId) {
        let session = self.sessions.get_mut(&id);
        let bound = session.filter(|session| session.bound().is_some());
        if let Some(presence) = bound.and_then(|session| session.held.take()) {
            self.publish(now, id, *presence);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;

    const MANY: usize = 5_000;

    #[test]
    fn who_has_few_contacts_comes_and_goes_as_it_likes() {
        let mut turns = Turns::default();
        for _ in 0..100 {
            assert_eq!(turns.take(Instant::ZERO, 200), Ok(()));
        }
        assert_eq!(turns.take(Instant::ZERO, 200), Ok(()));
        assert!(turns.take(Instant::ZERO, 200).is_err());
    }

    #[test]
    fn who_has_many_is_given_a_few_turns_at_once_and_then_one_in_a_while() {
        let mut turns = Turns::default();
        let mut now = Instant::ZERO;
        let mut at_once = 0;
        let next = loop {
            match turns.take(now, MANY) {
                Ok(()) => at_once += 1,
                Err(at) => break at,
            }
        };
        assert_eq!(at_once, 5);
        assert_eq!(next.since(now), Duration::from_millis(250));
        for _ in 0..3 {
            now = turns.take(now, MANY).unwrap_err();
            assert_eq!(turns.take(now, MANY), Ok(()));
        }
    }

    fn bye() -> Stanza {
        unavailable().with_content("<status>bye</status>")
    }

    /// Alice has so many contacts, none of whom is known here but bob.
    fn with_contacts(talk: &mut Talk) {
        talk.send(1, available());
        let many = (0..MANY).map(|n| BareJid::new(&format!("c{n}@x")).unwrap());
        let contacts = many.chain([BareJid::new("bob@x").unwrap()]).collect();
        let session = session(1);
        talk.tell(MINE, 5, ToNode::Contacts { session, contacts });
        talk.published(1);
    }

    #[test]
    fn of_what_comes_too_fast_the_newest_is_said_in_its_turn() {
        let mut talk = Talk::with_alice();
        with_contacts(&mut talk);
        let mut said = Vec::new();
        for _ in 0..100 {
            for presence in [unavailable(), available()] {
                said.extend(talk.send(1, presence));
                said.extend(talk.published(1));
            }
        }
        let publishes = said.iter().filter(|line| line.contains("publish"));
        assert!(publishes.count() <= 5, "{said:?}");
        talk.send(1, bye());
        let later = talk.pass(1);
        assert_eq!(later[0], "n2 s1 e5 publish 1 Presence(Unavailable)");
        assert!(later[1].contains("unwatch"), "{later:?}");
        assert_eq!(talk.pass(10), EMPTY);
    }

    #[test]
    fn who_leaves_meanwhile_says_its_last_words() {
        let mut talk = Talk::with_alice();
        with_contacts(&mut talk);
        for _ in 0..10 {
            talk.send(1, unavailable());
            talk.send(1, available());
        }
        while !talk.published(1).is_empty() {}
        assert_eq!(talk.send(1, bye()), EMPTY);
        let session = session(1);
        talk.router.handle(
            talk.now,
            Input::Ended {
                session,
                graceful: true,
            },
        );
        let to_owner = |output| {
            let Output::Send { envelope, .. } = output else {
                return None;
            };
            let Envelope::ToOwner { body, .. } = envelope else {
                return None;
            };
            Some(body)
        };
        let said: Vec<_> = std::iter::from_fn(|| talk.router.poll())
            .filter_map(to_owner)
            .collect();
        let at = |what: &dyn Fn(&ToOwner) -> bool| said.iter().position(what);
        let last_words = at(&|body| {
            let ToOwner::Publish { presence, .. } = body else {
                return false;
            };
            presence.content == bye().content
        });
        let unbind = at(&|body| matches!(body, ToOwner::Unbind { .. }));
        assert!(last_words.is_some() && last_words < unbind, "{said:?}");
        assert_eq!(talk.pass(10), EMPTY);
    }
}
