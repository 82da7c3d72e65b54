//! What is going on: the nodes, the people, and the round, as clients and cluster tell it.

use super::client::News;
use crate::quickstart::files::NodeLayout;
use muster_admin::proto::StatusResponse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// One node.
pub(super) struct NodeView {
    pub(super) name: &'static str,
    pub(super) witness: bool,
    /// As the cluster calls it.
    pub(super) state: String,
    /// Killed, and not started again.
    pub(super) dead: bool,
}

/// One user.
pub(super) struct Person {
    pub(super) name: String,
    pub(super) jid: String,
    pub(super) home: String,
    /// The node that serves it; empty while nobody does.
    pub(super) served_by: String,
    /// Whether it is away, without a client: messages wait for it.
    pub(super) away: bool,
    /// The node that its client is connected to.
    pub(super) client_at: Option<&'static str>,
    /// Whether a message of its is on its way.
    writes: bool,
    /// Its first answer after the kill.
    answered: Option<Instant>,
}

/// One kill and what followed.
#[derive(Default)]
pub(super) struct Round {
    pub(super) number: u32,
    killed: Option<Instant>,
    /// The users that the killed node had served.
    hit: BTreeSet<usize>,
    acknowledged: BTreeSet<String>,
    read: BTreeSet<String>,
    /// The one who was away has come back and read everything.
    pub(super) has_read: bool,
    /// How often a watcher was told that somebody is gone, who was not.
    pub(super) false_unavailable: u32,
    /// What happened, with the time since the kill.
    pub(super) timeline: Vec<(Duration, String)>,
}

impl Round {
    pub(super) fn new(number: u32) -> Self {
        Self {
            number,
            ..Self::default()
        }
    }
}

/// All of it.
pub(super) struct Scene {
    pub(super) nodes: Vec<NodeView>,
    pub(super) people: Vec<Person>,
    pub(super) round: Round,
    pub(super) rounds: u32,
    /// What the demo is doing now.
    pub(super) now: String,
    /// The group's users survive the next failure.
    pub(super) protected: bool,
    /// What a watcher sees of a contact: (watcher, contact's address).
    sees: BTreeMap<(usize, String), bool>,
    /// Why a client was not let in the last time.
    refused: String,
}

impl Scene {
    pub(super) fn new(nodes: &[NodeLayout], people: Vec<Person>, rounds: u32) -> Self {
        let view = |node: &NodeLayout| NodeView {
            name: node.name,
            witness: node.witness,
            state: String::new(),
            dead: false,
        };
        Self {
            nodes: nodes.iter().map(view).collect(),
            people,
            round: Round::default(),
            rounds,
            now: String::new(),
            protected: false,
            sees: BTreeMap::new(),
            refused: String::new(),
        }
    }

    /// Takes note of what was told.
    pub(super) fn hear(&mut self, news: News) {
        match news {
            News::Served { who, node, at } => self.served(who, node, at),
            News::Lost { who } => self.lost(who),
            News::Writes { who } => self.people[who].writes = true,
            News::Answered { who, safe } => {
                self.people[who].writes = false;
                self.round.acknowledged.extend(safe);
            }
            News::Refused { who, why } => {
                self.refused = format!("{}: {why}", self.people[who].name);
            }
            News::Sees {
                watcher,
                contact,
                online,
            } => self.seen(watcher, contact, online),
            News::Read(id) => drop(self.round.read.insert(id)),
            News::HasRead => self.round.has_read = true,
            News::Status(status) => self.look(&status),
        }
    }

    fn served(&mut self, who: usize, node: &'static str, at: Instant) {
        self.people[who].client_at = Some(node);
        let Some(killed) = self.round.killed else {
            return;
        };
        let person = &mut self.people[who];
        if person.answered.replace(at).is_none() {
            let took = at.saturating_duration_since(killed);
            let what = if self.round.hit.contains(&who) {
                format!("{node} answers {}: taken over", person.name)
            } else {
                format!("{}'s client is back, at {node}", person.name)
            };
            self.round.timeline.push((took, what));
        }
    }

    fn lost(&mut self, who: usize) {
        let person = &mut self.people[who];
        // What was on its way may be safe or not: nobody says.
        person.writes = false;
        // The ends of those who were cut off are no news.
        if person.client_at.take().is_some() {
            let name = &person.name;
            let what = format!("the connection of {name} ended");
            self.tell(what);
        }
    }

    fn seen(&mut self, watcher: usize, contact: String, online: bool) {
        let before = self.sees.insert((watcher, contact.clone()), online);
        if before == Some(true) && !online {
            self.round.false_unavailable += 1;
            let who = &self.people[watcher].name;
            self.tell(format!("{who} is told that {contact} is gone, WRONGLY"));
        }
    }

    fn look(&mut self, status: &StatusResponse) {
        for view in &mut self.nodes {
            let told = status.nodes.iter().find(|node| node.name == view.name);
            view.state = match told {
                _ if view.dead => "killed".to_owned(),
                Some(node) if !node.reachable => "starting".to_owned(),
                Some(node) if view.witness => format!("{}, votes only", node.state),
                Some(node) => node.state.clone(),
                None => String::new(),
            };
        }
        self.protected = status.protection.iter().all(|group| group.protected);
        for slot in &status.slots {
            let dead = self.nodes.iter().any(|n| n.dead && n.name == slot.owner);
            let owner = if dead { "" } else { slot.owner.as_str() };
            let users = self.people.iter_mut().filter(|one| one.home == slot.home);
            let mut moved = false;
            for user in users.filter(|user| user.served_by != owner) {
                moved = true;
                owner.clone_into(&mut user.served_by);
            }
            if moved && !owner.is_empty() && self.round.killed.is_some() {
                let home = &slot.home;
                self.tell(if owner == home {
                    format!("{home} serves its users again; they stay connected where they are")
                } else {
                    format!("{owner} says that it serves {home}'s users")
                });
            }
        }
    }

    /// Adds to the round's timeline.
    pub(super) fn tell(&mut self, what: String) {
        let since = self.round.killed.map_or(Duration::ZERO, |at| at.elapsed());
        self.round.timeline.push((since, what));
    }

    /// A node is killed now.
    pub(super) fn kill(&mut self, name: &'static str, at: Instant) {
        for node in self.nodes.iter_mut().filter(|node| node.name == name) {
            node.dead = true;
            "killed".clone_into(&mut node.state);
        }
        self.round.killed = Some(at);
        let mut cut_off = Vec::new();
        for (who, person) in self.people.iter_mut().enumerate() {
            person.answered = None;
            if person.served_by == name {
                person.served_by.clear();
                self.round.hit.insert(who);
            }
            if person.client_at == Some(name) {
                person.client_at = None;
                cut_off.push(person.name.clone());
            }
        }
        let cut_off = cut_off.join(", ");
        let what = format!("kill -9 node {name}; cut off: {cut_off}");
        self.round.timeline.push((Duration::ZERO, what));
    }

    /// A killed node was started again.
    pub(super) fn restart(&mut self, name: &str) {
        for node in self.nodes.iter_mut().filter(|node| node.name == name) {
            node.dead = false;
            "starting".clone_into(&mut node.state);
        }
        self.tell(format!("node {name} is started again"));
    }

    /// The people who have a client.
    pub(super) fn clients(&self) -> impl Iterator<Item = &Person> {
        self.people.iter().filter(|person| !person.away)
    }

    /// Every client has a node that answers it.
    pub(super) fn all_connected(&self) -> bool {
        self.clients().all(|person| person.client_at.is_some())
    }

    /// No message is on its way.
    pub(super) fn is_quiet(&self) -> bool {
        self.people.iter().all(|person| !person.writes)
    }

    /// Every client sees every other one online.
    pub(super) fn all_seen(&self) -> bool {
        let others = self.clients().count() - 1;
        self.clients()
            .all(|person| self.watchers_of(person) == others)
    }

    /// Every user is served by somebody.
    pub(super) fn all_served(&self) -> bool {
        self.people
            .iter()
            .all(|person| !person.served_by.is_empty())
    }

    /// Every user is served at home, and the next failure would be survived.
    pub(super) fn all_home(&self) -> bool {
        self.protected
            && self
                .people
                .iter()
                .all(|person| person.served_by == person.home)
    }

    /// How many see this one online.
    pub(super) fn watchers_of(&self, person: &Person) -> usize {
        let online =
            |((_, contact), online): &(&(usize, String), &bool)| **online && *contact == person.jid;
        self.sees.iter().filter(online).count()
    }

    /// The times from the kill to the first answer to a user of the killed node, and until every
    /// client was back; nothing before that.
    pub(super) fn takeover(&self) -> Option<(Duration, Duration)> {
        let killed = self.round.killed?;
        let people = || self.people.iter().enumerate();
        let hit = people().filter(|(who, _)| self.round.hit.contains(who));
        let first = hit.filter_map(|(_, person)| person.answered).min()?;
        let last = people().filter_map(|(_, person)| person.answered).max()?;
        Some((first - killed, last - killed))
    }

    pub(super) fn acknowledged(&self) -> &BTreeSet<String> {
        &self.round.acknowledged
    }

    /// Messages that were acknowledged and not read.
    pub(super) fn unread(&self) -> usize {
        let Round {
            acknowledged, read, ..
        } = &self.round;
        acknowledged.difference(read).count()
    }

    /// Why somebody was not let in the last time, as the end of a sentence.
    pub(super) fn refusal(&self) -> String {
        if self.refused.is_empty() {
            String::new()
        } else {
            format!(" (the last refusal: {})", self.refused)
        }
    }
}

impl Person {
    pub(super) fn new(jid: String, home: String, away: bool) -> Self {
        Self {
            name: jid.split('@').next().unwrap_or_default().to_owned(),
            jid,
            served_by: home.clone(),
            home,
            away,
            client_at: None,
            writes: false,
            answered: None,
        }
    }
}

#[cfg(test)]
#[path = "scene_test.rs"]
mod scene_test;
