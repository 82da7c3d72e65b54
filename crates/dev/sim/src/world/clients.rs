//! Clients as the world sees them: connections, what is sent and delivered, what that promises.

use super::{CLIENT_LATENCY, Event, LATE, MARGIN, World};
use crate::Violation;
use crate::client::{Act, Asked, Stage};
use crate::invariants::{permission, unavailable};
use crate::plan::Operation;
use muster_cluster::Role;
use muster_router::{BindAnswer, Input, Output};
use muster_stanza::{Element, IqType, Kind, PresenceType, Stanza};
use muster_types::{Bare, SessionId};
use std::time::Duration;

impl World {
    pub(super) fn client_of(&self, session: SessionId) -> Option<usize> {
        self.clients
            .iter()
            .position(|client| client.session() == Some(session))
    }

    /// The connection of a client is gone, whether it knows or not.
    pub(super) fn missing(&mut self, client: usize) {
        let one = &self.clients[client];
        if let Some(session) = one.session().filter(|_| one.available) {
            // On a node that its owner has lost, it was missing before.
            let since = self.lost_since(session.node, &one.user());
            self.truth.missing(since.unwrap_or(self.now), &one.jid);
        }
    }

    pub(super) fn lose_session(&mut self, session: SessionId) {
        if let Some(client) = self.client_of(session) {
            self.cut_off(client);
        }
    }

    pub(super) fn cut_off(&mut self, client: usize) {
        self.missing(client);
        let jid = self.clients[client].jid.clone();
        self.note(|| format!("{jid} is cut off"));
        let until = self.now + self.rng.millis(50..1000);
        self.clients[client].cut_off(until);
    }

    pub(super) fn act(&mut self, at: usize, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Connect => self.connect(at),
                Act::Send(stanza) => self.send(at, stanza),
                Act::Leave { graceful, pause } => self.leave(at, graceful, pause),
            }
        }
    }

    pub(super) fn connect(&mut self, at: usize) {
        let serving: Vec<_> = self
            .machines
            .iter()
            .filter(|m| m.role == Role::Serving)
            .map(|m| m.node)
            .collect();
        let node = self
            .rng
            .pick(&serving)
            .and_then(|id| self.nodes.get_mut(id));
        let now = self.now;
        let client = &mut self.clients[at];
        let Some(node) = node.filter(|node| node.takes_clients()) else {
            let until = now + self.rng.millis(50..500);
            client.stage = Stage::Off { until };
            return;
        };
        let session = node.new_session(&client.user());
        client.stage = Stage::Binding {
            session,
            since: now,
        };
        let generated = client.resource();
        let input = Input::Bind {
            session,
            user: client.user(),
            wanted: Some(client.resource()),
            generated,
        };
        let again = client.was_bound;
        self.schedule(
            now + CLIENT_LATENCY,
            Event::Up {
                session,
                input: Box::new(input),
            },
        );
        self.count(if again {
            Operation::Reconnect
        } else {
            Operation::Login
        });
    }

    pub(super) fn send(&mut self, at: usize, stanza: Stanza) {
        let client = &self.clients[at];
        let Some(session) = client.session() else {
            return;
        };
        let jid = client.jid.clone();
        match stanza.kind {
            Kind::Presence(PresenceType::Available) => {
                let back = self.plan.limits.grace - MARGIN;
                self.truth.published(self.now, &jid, back);
            }
            Kind::Presence(PresenceType::Unavailable) => self.truth.left(self.now, &jid),
            _ => {}
        }
        self.count_stanza(&stanza);
        if self.noisy {
            let xml = stanza.encode().to_vec();
            self.note(|| format!("{jid} -> {}", String::from_utf8_lossy(&xml)));
        }
        let stanza = stanza.with_from(jid);
        let clock = self.nodes.get(&session.node).map(|node| node.clock);
        let wall = clock.unwrap_or_default().wall(self.now);
        let input = Input::Stanza {
            session,
            stanza,
            at: wall,
        };
        self.schedule(
            self.now + CLIENT_LATENCY,
            Event::Up {
                session,
                input: Box::new(input),
            },
        );
    }

    pub(super) fn leave(&mut self, at: usize, graceful: bool, pause: Duration) {
        let Some(session) = self.clients[at].session() else {
            return;
        };
        if graceful {
            self.truth.left(self.now, &self.clients[at].jid);
        } else {
            self.missing(at);
        }
        let jid = self.clients[at].jid.clone();
        self.note_farewell(session.node, &jid);
        self.note(|| format!("{jid} leaves {graceful}"));
        self.clients[at].cut_off(self.now + pause);
        if let Some(node) = self.nodes.get_mut(&session.node) {
            node.sessions.remove(&session);
        }
        let input = Input::Ended { session, graceful };
        self.schedule(
            self.now + CLIENT_LATENCY,
            Event::Up {
                session,
                input: Box::new(input),
            },
        );
    }

    pub(super) fn hand_to_client(&mut self, output: Output) {
        match output {
            Output::Send { .. } | Output::Pause { .. } | Output::Resume { .. } => {}
            Output::End { session, error } => {
                self.note(|| format!("{session} ends: {error}"));
                self.lose_session(session);
            }
            Output::Bound { session, answer } => self.bound(session, &answer),
            Output::Deliver {
                session,
                stanza,
                to,
                ..
            } => {
                let mut bytes = Vec::new();
                stanza.write(&mut bytes, to.as_deref());
                self.deliver(session, &bytes);
            }
        }
    }

    pub(super) fn bound(&mut self, session: SessionId, answer: &BindAnswer) {
        let Some(at) = self.client_of(session) else {
            return;
        };
        let client = &mut self.clients[at];
        let jid = client.jid.clone();
        if *answer == BindAnswer::Bound(client.jid.clone()) {
            let mut acts = client.bound(self.now, session);
            if self.now < crate::plan::at(8) {
                acts.extend(client.subscribe_to_all());
            }
            self.act(at, acts);
        } else {
            self.cut_off(at);
        }
        self.note(|| format!("{jid} on {session}: {answer:?}"));
    }

    pub(super) fn deliver(&mut self, session: SessionId, bytes: &[u8]) {
        let stanza = Element::parse(bytes)
            .ok()
            .and_then(|e| Stanza::from_element(&e).ok());
        let text = || String::from_utf8_lossy(bytes).into_owned();
        let Some(stanza) = stanza else {
            return self.expect(Err(Violation::new("what is sent is a stanza", text())));
        };
        // A message handed over to a connection that has just ended counts as arrived: without
        // stream management nobody can know better.
        if let (Kind::Message(_), Some(id)) = (stanza.kind, &stanza.id) {
            self.truth.settled.insert(id.clone());
        }
        let Some(at) = self.client_of(session) else {
            return;
        };
        let jid = self.clients[at].jid.clone();
        self.note(|| format!("{jid} <- {}", text()));
        self.count_delivery(at, &stanza);
        self.check_presence(at, &stanza);
        let (acknowledged, acts) = self.clients[at].receive(&mut self.rng, &stanza);
        if let Some(acknowledged) = acknowledged {
            self.acknowledge(at, acknowledged);
        }
        self.act(at, acts);
    }

    pub(super) fn check_presence(&mut self, at: usize, stanza: &Stanza) {
        let watcher = self.clients[at].user();
        let Some(from) = stanza
            .from
            .as_ref()
            .and_then(|from| from.try_as_full().ok())
        else {
            return;
        };
        let (now, grace) = (self.now, self.grace());
        let outcome = match stanza.presence_type() {
            Some(PresenceType::Available) => {
                permission::check(&self.truth, now, LATE, &watcher, from)
            }
            Some(PresenceType::Unavailable) => {
                let unknown = self.out_of_reach_at(at, from);
                unavailable::check(&self.truth, (now, grace, LATE), unknown, &watcher, from)
            }
            _ => Ok(()),
        };
        self.expect(outcome);
    }

    /// The owner's clock may run fast; very fast only where nobody else could serve.
    fn grace(&self) -> Duration {
        let grace = self.plan.limits.grace;
        let at = self.alone_with_wrong_clock_at;
        let alone = self.is_alone_with_wrong_clock()
            || at.is_some_and(|at| self.now.since(at) <= grace + LATE);
        grace * if alone { 79 } else { 95 } / 100
    }

    pub(super) fn acknowledge(&mut self, at: usize, acknowledged: Asked) {
        match acknowledged {
            Asked::Other => {}
            Asked::Name { contact, count } => {
                let name = self
                    .truth
                    .names
                    .entry((self.clients[at].user(), contact))
                    .or_default();
                *name = count.max(*name);
            }
            Asked::Ping { messages } => {
                for (recipient, id) in messages {
                    self.truth.messages.entry(recipient).or_default().insert(id);
                }
            }
        }
    }

    fn count_stanza(&mut self, stanza: &Stanza) {
        match stanza.kind {
            Kind::Presence(PresenceType::Available | PresenceType::Unavailable) => {
                self.count(Operation::Presence);
            }
            Kind::Presence(_) => self.count(Operation::Subscription),
            Kind::Message(_) => self.count(Operation::Message),
            Kind::Iq(IqType::Set) => self.count(Operation::Roster),
            Kind::Iq(_) => {}
        }
    }

    fn count_delivery(&mut self, at: usize, stanza: &Stanza) {
        if let (Kind::Message(_), Some(id)) = (stanza.kind, &stanza.id) {
            self.stats.delivered += 1;
            self.stats.doubles += u64::from(!self.clients[at].got.insert(id.clone()));
            let user = self.clients[at].user();
            // What comes back has the address of whom it was for.
            // What was stored before is still handed over.
            let stored = stanza.child("delay", muster_stanza::ns::DELAY).is_some();
            let from = stanza.from.as_ref();
            let from = from.filter(|_| !stanza.is_error() && !stored);
            if let Some(from) = from.map(Bare::bare) {
                let outcome = permission::check_message(&self.truth, self.now, LATE, &user, &from);
                self.expect(outcome);
            }
        }
    }
}
