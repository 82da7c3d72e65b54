//! Simple clients: they log in, publish presence, chat, keep rosters, subscribe, are cut off and
//! come back under the same resource.

use crate::Rng;
use muster_stanza::{IqType, Kind, MessageType, PresenceType, Stanza, ns};
use muster_types::{Bare as _, BareJid, FullJid, Instant, Jid, ResourcePart, SessionId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// After so long without an answer a client gives its connection up.
const PATIENCE: Duration = Duration::from_secs(3);

/// How far a client has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    /// Not connected; it connects at this time.
    Off { until: Instant },
    /// It waits for its resource.
    Binding { session: SessionId, since: Instant },
    /// It is logged in.
    On { session: SessionId },
}

/// What an unanswered IQ was for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Asked {
    /// Something of which nothing is checked.
    Other,
    /// A contact got this name; names are counted.
    Name { contact: BareJid, count: u64 },
    /// The server was asked for a sign of life; the answer acknowledges these messages.
    Ping { messages: Vec<(BareJid, String)> },
}

/// What a client wants to do.
#[derive(Debug)]
pub(crate) enum Act {
    /// Connect to any node.
    Connect,
    /// Send a stanza.
    Send(Stanza),
    /// End the connection; come back after the pause.
    Leave { graceful: bool, pause: Duration },
}

/// One client of one user.
#[derive(Debug)]
pub(crate) struct Client {
    /// Its address, which it asks for at every login.
    pub(crate) jid: FullJid,
    /// How far it has come.
    pub(crate) stage: Stage,
    /// Whether it has published available presence on this connection.
    pub(crate) available: bool,
    /// Whom it sees available.
    pub(crate) sees: BTreeMap<FullJid, String>,
    /// The other users.
    pub(crate) others: Vec<BareJid>,
    /// Users without a client, who get messages.
    pub(crate) sleepers: Vec<BareJid>,
    /// Whether it has been logged in before.
    pub(crate) was_bound: bool,
    /// The messages it got.
    pub(crate) got: BTreeSet<String>,
    asked: BTreeMap<String, (Asked, Instant)>,
    unacknowledged: Vec<(BareJid, String)>,
    next_act: Instant,
    count: u64,
}

impl Client {
    /// A client that logs in at `until`.
    pub(crate) fn new(
        jid: FullJid,
        until: Instant,
        others: Vec<BareJid>,
        sleepers: Vec<BareJid>,
    ) -> Self {
        Self {
            jid,
            stage: Stage::Off { until },
            available: false,
            sees: BTreeMap::new(),
            others,
            sleepers,
            was_bound: false,
            got: BTreeSet::new(),
            asked: BTreeMap::new(),
            unacknowledged: Vec::new(),
            next_act: until,
            count: 0,
        }
    }

    /// The user.
    pub(crate) fn user(&self) -> BareJid {
        // `to_bare` formats the parts anew.
        self.jid.clone().into_bare()
    }

    /// The resource it asks for.
    pub(crate) fn resource(&self) -> ResourcePart {
        self.jid.resource().to_owned()
    }

    /// The session, while it has one.
    pub(crate) const fn session(&self) -> Option<SessionId> {
        match self.stage {
            Stage::Off { .. } => None,
            Stage::Binding { session, .. } | Stage::On { session } => Some(session),
        }
    }

    /// The connection is gone.
    pub(crate) fn cut_off(&mut self, until: Instant) {
        self.stage = Stage::Off { until };
        self.available = false;
        self.sees.clear();
        self.asked.clear();
        self.unacknowledged.clear();
    }

    /// It is logged in.
    pub(crate) fn bound(&mut self, now: Instant, session: SessionId) -> Vec<Act> {
        self.stage = Stage::On { session };
        self.was_bound = true;
        self.next_act = now;
        let query = format!("<query xmlns='{}'/>", ns::ROSTER);
        let roster = self.ask(now, IqType::Get, query, Asked::Other);
        vec![Act::Send(roster), Act::Send(self.publish())]
    }

    fn publish(&mut self) -> Stanza {
        if !self.available {
            // An unavailable client is told nothing, so what it saw is out of date.
            self.sees.clear();
        }
        self.available = true;
        self.count += 1;
        let status = format!("<status>{}</status>", self.count);
        Stanza::presence(PresenceType::Available).with_content(status.into_bytes())
    }

    fn ask(&mut self, now: Instant, kind: IqType, content: String, asked: Asked) -> Stanza {
        self.count += 1;
        let id = format!("q{}", self.count);
        self.asked.insert(id.clone(), (asked, now));
        Stanza::iq(kind, id).with_content(content.into_bytes())
    }

    /// What it wants to do now. In the end it only keeps its connection.
    pub(crate) fn think(&mut self, now: Instant, rng: &mut Rng, calm: bool) -> Vec<Act> {
        match self.stage {
            Stage::Off { until } if until <= now => vec![Act::Connect],
            Stage::Binding { since, .. } if now.since(since) > PATIENCE * 2 => {
                vec![Act::Leave {
                    graceful: false,
                    pause: rng.millis(50..500),
                }]
            }
            Stage::Off { .. } | Stage::Binding { .. } => Vec::new(),
            Stage::On { .. } if self.is_out_of_patience(now) => {
                vec![Act::Leave {
                    graceful: false,
                    pause: rng.millis(50..500),
                }]
            }
            Stage::On { .. } if now < self.next_act => Vec::new(),
            Stage::On { .. } => {
                self.next_act = now + rng.millis(500..6000);
                if calm {
                    self.ping(now)
                } else {
                    self.act(now, rng)
                }
            }
        }
    }

    fn is_out_of_patience(&self, now: Instant) -> bool {
        self.asked
            .values()
            .any(|(_, since)| now.since(*since) > PATIENCE)
    }

    fn act(&mut self, now: Instant, rng: &mut Rng) -> Vec<Act> {
        match rng.below(100) {
            0..35 => self.write(now, rng),
            35..60 => self.rename(now, rng),
            60..75 => vec![Act::Send(self.publish())],
            75..84 => self.subscribe(rng, PresenceType::Subscribe),
            84..87 => self.subscribe(rng, PresenceType::Unsubscribe),
            87..89 => self.subscribe(rng, PresenceType::Unsubscribed),
            89..92 => {
                self.available = false;
                vec![Act::Send(Stanza::presence(PresenceType::Unavailable))]
            }
            92..95 => vec![Act::Leave {
                graceful: false,
                pause: rng.millis(50..3000),
            }],
            // It does not come back before others are told that it has gone.
            95..96 => vec![Act::Leave {
                graceful: false,
                pause: rng.millis(20_000..70_000),
            }],
            96..98 => vec![Act::Leave {
                graceful: true,
                pause: rng.millis(100..20_000),
            }],
            98..99 => self.block(now, rng),
            _ => self.ping(now),
        }
    }

    fn write(&mut self, now: Instant, rng: &mut Rng) -> Vec<Act> {
        let asleep = rng.chance(40);
        let to = if asleep {
            rng.pick(&self.sleepers)
        } else {
            rng.pick(&self.others)
        };
        let Some(to) = to.cloned() else {
            return Vec::new();
        };
        self.count += 1;
        let id = format!("{}-m{}", self.jid, self.count);
        let message = Stanza::message(MessageType::Chat)
            .with_to(to.clone())
            .with_id(id.clone())
            .with_content("<body>hello</body>");
        if asleep {
            self.unacknowledged.push((to, id));
        }
        let mut acts = vec![Act::Send(message)];
        if rng.chance(60) {
            acts.extend(self.ping(now));
        }
        acts
    }

    fn ping(&mut self, now: Instant) -> Vec<Act> {
        let messages = std::mem::take(&mut self.unacknowledged);
        let content = format!("<ping xmlns='{}'/>", ns::PING);
        vec![Act::Send(self.ask(
            now,
            IqType::Get,
            content,
            Asked::Ping { messages },
        ))]
    }

    fn rename(&mut self, now: Instant, rng: &mut Rng) -> Vec<Act> {
        // One client of a user only: sets of two at the same time have no order to check.
        let names = self.jid.resource().as_str() == "desk";
        let Some(contact) = rng.pick(&self.others).filter(|_| names).cloned() else {
            return Vec::new();
        };
        let count = now.as_nanos();
        let item = format!(
            "<query xmlns='{}'><item jid='{contact}' name='{count}'/></query>",
            ns::ROSTER
        );
        vec![Act::Send(self.ask(
            now,
            IqType::Set,
            item,
            Asked::Name { contact, count },
        ))]
    }

    /// Blocks somebody, or lets everybody in again (XEP-0191).
    fn block(&mut self, now: Instant, rng: &mut Rng) -> Vec<Act> {
        let Some(contact) = rng.pick(&self.others).cloned() else {
            return Vec::new();
        };
        let command = match rng.chance(60) {
            true => format!(
                "<block xmlns='{}'><item jid='{contact}'/></block>",
                ns::BLOCKING
            ),
            false => format!("<unblock xmlns='{}'/>", ns::BLOCKING),
        };
        vec![Act::Send(self.ask(now, IqType::Set, command, Asked::Other))]
    }

    fn subscribe(&self, rng: &mut Rng, kind: PresenceType) -> Vec<Act> {
        let Some(to) = rng.pick(&self.others).cloned() else {
            return Vec::new();
        };
        vec![Act::Send(Stanza::presence(kind).with_to(to))]
    }

    /// Asks everybody: how the run begins.
    pub(crate) fn subscribe_to_all(&self) -> Vec<Act> {
        let ask =
            |to: &BareJid| Act::Send(Stanza::presence(PresenceType::Subscribe).with_to(to.clone()));
        self.others.iter().map(ask).collect()
    }

    /// Takes a stanza; answers what it acknowledges and what the client sends back.
    pub(crate) fn receive(&mut self, rng: &mut Rng, stanza: &Stanza) -> (Option<Asked>, Vec<Act>) {
        match stanza.kind {
            Kind::Iq(IqType::Result) => (self.answered(stanza), Vec::new()),
            Kind::Iq(IqType::Error) => {
                self.answered(stanza);
                (None, Vec::new())
            }
            Kind::Iq(IqType::Get | IqType::Set) => (None, vec![Act::Send(stanza.result())]),
            Kind::Presence(kind) => (None, self.presence(rng, kind, stanza)),
            Kind::Message(_) => (None, Vec::new()),
        }
    }

    fn answered(&mut self, stanza: &Stanza) -> Option<Asked> {
        let id = stanza.id.as_ref()?;
        self.asked.remove(id).map(|(asked, _)| asked)
    }

    fn presence(&mut self, rng: &mut Rng, kind: PresenceType, stanza: &Stanza) -> Vec<Act> {
        let Some(from) = stanza.from.clone() else {
            return Vec::new();
        };
        match (kind, from.try_as_full()) {
            (PresenceType::Available, Ok(full)) => {
                let status = stanza
                    .child("status", ns::CLIENT)
                    .map(|status| status.text());
                self.sees.insert(full.clone(), status.unwrap_or_default());
                Vec::new()
            }
            (PresenceType::Unavailable, Ok(full)) => {
                self.sees.remove(full);
                Vec::new()
            }
            (PresenceType::Subscribe, _) => {
                let granted = rng.chance(90);
                let answer = if granted {
                    PresenceType::Subscribed
                } else {
                    PresenceType::Unsubscribed
                };
                vec![Act::Send(
                    Stanza::presence(answer).with_to(Jid::from(from.bare())),
                )]
            }
            _ => Vec::new(),
        }
    }
}
