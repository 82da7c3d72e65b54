//! What `top` knows, folded from what nodes answer and tell. It knows no terminal and no clock.

use super::keys::Key;
use super::orders::{Deed, Order};
use super::rates::{Rate, Sessions};
use crate::command::watch::Told;
use crate::command::watch::sources::{Source, Sources};
use crate::output::printable;
use muster_admin::proto::{Alarm, Node, Session, Slot, StatusResponse};
use muster_types::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Events that are kept: more than any terminal has lines.
const EVENTS_MAX: usize = 200;
/// The kind of event of which there may be thousands a second.
const SESSION: &str = "session";
/// A backup's state: who names it means the users of its peer.
const BACKUP: &str = "Running in Backup Mode";

/// A moment, by two clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Since `top` was started.
    pub(super) up: Duration,
    /// The time of day.
    pub(super) day: Timestamp,
}

/// What is heard of an address, by its place.
pub(super) enum News {
    /// The cluster as the node there sees it.
    Status(usize, Box<StatusResponse>),
    /// The sessions on it.
    Sessions(usize, Vec<Session>),
    /// It does not answer, and why.
    Gone(usize, String),
    /// What `musterctl watch` would print.
    Told(Told),
    /// What a node has said to an order: that it is carried out, or why not.
    Answer(Order, Result<String, String>),
}

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Happening {
    /// The time of day, in UTC.
    pub(super) at: String,
    pub(super) kind: String,
    pub(super) text: String,
    /// How many more of its kind stood before it in the same second.
    pub(super) more: usize,
}

/// What keys mean now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    Look,
    /// An order waits for a yes.
    Confirm(Order),
    Help,
}

/// What was ordered last, and what became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// There is no answer yet.
    Waiting(Order),
    Done(Order, String),
    Refused(Order, String),
}

/// What a key leads to outside.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Effect {
    None,
    Quit,
    Order(Order),
}

/// How many sessions a node has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Count {
    /// The node is not among those asked, or has not said yet.
    Unknown,
    Now(usize),
    /// What it said last; it does not answer any more.
    Stale(usize),
}

/// What one address has answered.
#[derive(Default)]
struct Answered {
    status: Option<(Duration, Box<StatusResponse>)>,
    /// The node's id, and the sessions on it.
    sessions: Option<(u32, Sessions)>,
}

/// Everything that can be shown.
pub(super) struct State {
    addresses: Vec<String>,
    /// Whether an operator has named the addresses.
    is_given: bool,
    interval: Duration,
    sources: Sources,
    answered: Vec<Answered>,
    /// Of which log how much there is, by slot.
    logs: BTreeMap<u32, Rate>,
    events: VecDeque<Happening>,
    selected: u32,
    mode: Mode,
    /// With the time of day.
    outcome: Option<(String, Outcome)>,
}

impl State {
    pub(super) fn new(addresses: Vec<String>, is_given: bool, interval: Duration) -> Self {
        Self {
            sources: Sources::new(addresses.len()),
            answered: addresses.iter().map(|_| Answered::default()).collect(),
            addresses,
            is_given,
            interval,
            logs: BTreeMap::new(),
            events: VecDeque::new(),
            selected: 0,
            mode: Mode::Look,
            outcome: None,
        }
    }

    /// Takes in what was heard.
    pub(super) fn hear(&mut self, now: Moment, news: News) {
        match news {
            News::Status(at, status) => {
                self.sources.here(at, Source::from(status.as_ref()));
                self.answered[at].status = Some((now.up, status));
                self.choose(now);
                if self.sources.main() == Some(at) {
                    self.look_at_logs(now);
                    self.keep_selected();
                }
            }
            News::Sessions(at, list) => {
                let answered = &mut self.answered[at];
                let Some((_, status)) = &answered.status else {
                    return;
                };
                let node = status.answered_by;
                let known = answered.sessions.take().filter(|(of, _)| *of == node);
                let (_, mut sessions) = known.unwrap_or_else(|| (node, Sessions::default()));
                sessions.note(now.up, list);
                answered.sessions = Some((node, sessions));
            }
            News::Gone(at, cause) => {
                self.sources.gone(at, cause);
                self.choose(now);
            }
            News::Told(told) => self.keep(now, told),
            News::Answer(order, answer) => {
                let outcome = match answer {
                    Ok(text) => Outcome::Done(order, text),
                    Err(why) => Outcome::Refused(order, why),
                };
                self.outcome = Some((clock(&now.day.to_string()), outcome));
            }
        }
    }

    /// Asks another node if there is a better one now, and says so.
    fn choose(&mut self, now: Moment) {
        let before = self.sources.main();
        self.sources.choose();
        if self.sources.main() == before {
            return;
        }
        // Other nodes have other copies of the logs: their lengths are not compared.
        self.logs.clear();
        if let (Some(_), Some(asked)) = (before, self.asked()) {
            let text = format!("asking {asked} now");
            self.keep(now, Told::Note(text));
        }
    }

    fn look_at_logs(&mut self, now: Moment) {
        let Some(status) = self.sources.main().and_then(|at| self.status_at(at)) else {
            return;
        };
        let ends: Vec<_> = status
            .slots
            .iter()
            // A node that has no copy of a log does not know its end.
            .filter(|slot| slot.last_log > 0)
            .map(|slot| (slot.id, slot.last_log))
            .collect();
        self.logs
            .retain(|slot, _| ends.iter().any(|(id, _)| id == slot));
        for (slot, end) in ends {
            self.logs.entry(slot).or_default().note(now.up, end);
        }
    }

    /// The first node is selected until somebody selects another, and when that is gone.
    fn keep_selected(&mut self) {
        let nodes = self.status().map_or(&[][..], |status| &status.nodes);
        if !nodes.iter().any(|node| node.id == self.selected) {
            self.selected = nodes.first().map_or(0, |node| node.id);
        }
    }

    fn keep(&mut self, now: Moment, told: Told) {
        let (at, kind, text) = match told {
            Told::Event(event) => (event.at, event.kind, event.text),
            Told::Note(text) => (now.day.to_string(), "note".to_owned(), text),
        };
        let happening = Happening {
            at: clock(&at),
            kind: printable(&kind),
            text: printable(&text),
            more: 0,
        };
        // When many clients come or go, what happens to nodes has to stay on the screen.
        let is_same = |last: &Happening| {
            (&last.at, &last.kind) == (&happening.at, &happening.kind) && last.kind == SESSION
        };
        match self.events.back_mut() {
            Some(last) if is_same(last) => {
                let more = last.more + 1;
                *last = Happening { more, ..happening };
            }
            _ => self.events.push_back(happening),
        }
        while self.events.len() > EVENTS_MAX {
            self.events.pop_front();
        }
    }

    /// Takes in a key.
    pub(super) fn press(&mut self, now: Moment, key: Key) -> Effect {
        match (key, std::mem::replace(&mut self.mode, Mode::Look)) {
            (Key::Quit, _) => Effect::Quit,
            (Key::Yes, Mode::Confirm(order)) => {
                let waiting = Outcome::Waiting(order.clone());
                self.outcome = Some((clock(&now.day.to_string()), waiting));
                Effect::Order(order)
            }
            // Whatever else is pressed leaves things as they are.
            (_, Mode::Confirm(_) | Mode::Help) => Effect::None,
            (Key::Leave, Mode::Look) => Effect::Quit,
            (Key::Select(by), Mode::Look) => {
                self.select(by);
                Effect::None
            }
            (Key::Order(deed), Mode::Look) => {
                self.ask_for(deed);
                Effect::None
            }
            (Key::Help, Mode::Look) => {
                self.mode = Mode::Help;
                Effect::None
            }
            (Key::Yes | Key::Other, Mode::Look) => {
                self.outcome
                    .take_if(|(_, outcome)| !matches!(outcome, Outcome::Waiting(_)));
                Effect::None
            }
        }
    }

    fn select(&mut self, by: isize) {
        let nodes = self.status().map_or(&[][..], |status| &status.nodes);
        let at = nodes.iter().position(|node| node.id == self.selected);
        let last = nodes.len().saturating_sub(1);
        let to = at.unwrap_or_default().saturating_add_signed(by).min(last);
        self.selected = nodes.get(to).map_or(0, |node| node.id);
    }

    fn ask_for(&mut self, deed: Deed) {
        // One at a time: what the second is about is clear only after the first.
        if matches!(self.outcome, Some((_, Outcome::Waiting(_)))) {
            return;
        }
        let Some((status, node)) = self.status().zip(self.selected()) else {
            return;
        };
        let is_peer = |other: &&Node| other.group == node.group && other.id != node.id;
        let home = match deed {
            Deed::Fallback if node.state == BACKUP => status.nodes.iter().find(is_peer),
            Deed::Fallback | Deed::Failover => None,
        };
        self.mode = Mode::Confirm(Order {
            deed,
            node: node.name.clone(),
            home: home.unwrap_or(node).name.clone(),
        });
    }

    /// The cluster as the node asked sees it, or saw it last.
    pub(super) fn status(&self) -> Option<&StatusResponse> {
        self.status_at(self.sources.main()?)
    }

    fn status_at(&self, at: usize) -> Option<&StatusResponse> {
        let (_, status) = self.answered.get(at)?.status.as_ref()?;
        Some(status)
    }

    /// How old what is shown is.
    pub(super) fn age(&self, now: Moment) -> Duration {
        let answered = self.sources.main().and_then(|at| self.answered.get(at));
        let heard = answered.and_then(|answered| answered.status.as_ref());
        heard.map_or(Duration::ZERO, |(heard, _)| now.up.saturating_sub(*heard))
    }

    /// The alarms of all nodes that answer, with their names; the worst first.
    pub(super) fn alarms(&self) -> Vec<(&str, &Alarm)> {
        let silent = self.sources.causes();
        let answers = self.answered.iter().enumerate();
        let answers = answers.filter(|(at, _)| !silent.iter().any(|(other, _)| other == at));
        let (mut all, mut seen) = (Vec::new(), Vec::new());
        for (_, status) in answers.filter_map(|(_, answered)| answered.status.as_ref()) {
            // A node may be named by two addresses.
            if seen.contains(&status.answered_by) {
                continue;
            }
            seen.push(status.answered_by);
            let mut nodes = status.nodes.iter();
            let node = nodes.find(|node| node.id == status.answered_by);
            let name = node.map_or("?", |node| node.name.as_str());
            all.extend(status.alarms.iter().map(|alarm| (name, alarm)));
        }
        all.sort_by_key(|(_, alarm)| match alarm.severity.as_str() {
            "critical" => 0,
            "error" => 1,
            _ => 2,
        });
        all
    }

    /// For how long nothing new was heard, if that is longer than it should be.
    pub(super) fn stale(&self, now: Moment) -> Option<Duration> {
        let (heard, _) = self.answered.get(self.sources.main()?)?.status.as_ref()?;
        let silence = now.up.saturating_sub(*heard);
        let nobody = self.sources.is_empty();
        (nobody || silence > self.interval * 2 + Duration::from_secs(1)).then_some(silence)
    }

    /// Whom it asks: the node's name and its address.
    pub(super) fn asked(&self) -> Option<String> {
        let at = self.sources.main()?;
        let status = self.status_at(at)?;
        let node = status
            .nodes
            .iter()
            .find(|node| node.id == status.answered_by);
        let name = node.map_or("?", |node| node.name.as_str());
        Some(format!("node {name} at {}", self.addresses[at]))
    }

    /// Who of those named does not answer, and why.
    pub(super) fn silent(&self) -> Vec<String> {
        let causes = self.sources.causes().into_iter();
        // That there never was anything at a default address means nothing.
        let means = |at: usize| self.is_given || self.status_at(at).is_some();
        causes
            .filter(|(at, _)| means(*at))
            .map(|(at, cause)| format!("{}: {cause}", self.name_of(at)))
            .collect()
    }

    /// The node that answered at an address; the address if none did, or if it is not the only one of that
    /// node.
    fn name_of(&self, at: usize) -> String {
        let address = || self.addresses[at].clone();
        let Some(status) = self.status_at(at) else {
            return address();
        };
        let is_same = |other: &usize| {
            let other = self.status_at(*other);
            other.is_some_and(|other| other.answered_by == status.answered_by)
        };
        let node = status
            .nodes
            .iter()
            .find(|node| node.id == status.answered_by);
        match node {
            Some(node) if (0..self.answered.len()).filter(is_same).count() == 1 => {
                format!("node {}", node.name)
            }
            _ => address(),
        }
    }

    /// The sessions on a node.
    pub(super) fn sessions(&self, node: u32) -> Count {
        let silent = self.sources.causes();
        let of_node = |(at, answered): (usize, &Answered)| {
            let (of, sessions) = answered.sessions.as_ref()?;
            let is_silent = silent.iter().any(|(gone, _)| *gone == at);
            (*of == node).then_some((is_silent, sessions.len()))
        };
        let known = self.answered.iter().enumerate().filter_map(of_node);
        // Of several addresses one may answer still.
        match known.min_by_key(|(is_silent, _)| *is_silent) {
            None => Count::Unknown,
            Some((false, sessions)) => Count::Now(sessions),
            Some((true, sessions)) => Count::Stale(sessions),
        }
    }

    /// How many sessions begin and end each second on the nodes that answer, each node once.
    pub(super) fn session_rates(&self) -> Option<(f64, f64)> {
        let silent = self.sources.causes();
        let mut of_nodes = BTreeMap::new();
        for (at, answered) in self.answered.iter().enumerate() {
            if let Some((node, sessions)) = &answered.sessions
                && !silent.iter().any(|(gone, _)| *gone == at)
                && let Some(rates) = sessions.begun().zip(sessions.ended())
            {
                of_nodes.entry(*node).or_insert(rates);
            }
        }
        let add = |(begun, ended), (more, fewer)| (begun + more, ended + fewer);
        of_nodes.into_values().reduce(add)
    }

    /// By how many entries the log of a slot grows each second.
    pub(super) fn log_rate(&self, slot: u32) -> Option<f64> {
        self.logs.get(&slot)?.per_second()
    }

    /// The newest last.
    pub(super) fn events(&self) -> &VecDeque<Happening> {
        &self.events
    }

    pub(super) fn mode(&self) -> &Mode {
        &self.mode
    }

    /// What became of the last order, and at what time of day.
    pub(super) fn outcome(&self) -> Option<&(String, Outcome)> {
        self.outcome.as_ref()
    }

    /// The node that keys are about.
    pub(super) fn selected(&self) -> Option<&Node> {
        let mut nodes = self.status()?.nodes.iter();
        nodes.find(|node| node.id == self.selected)
    }

    /// Whether a slot has the users of the selected node.
    pub(super) fn is_selected(&self, slot: &Slot) -> bool {
        self.selected().is_some_and(|node| node.name == slot.home)
    }
}

/// The time of day of an RFC 3339 time.
fn clock(time: &str) -> String {
    printable(time.get(11..19).unwrap_or_default())
}

#[cfg(test)]
#[path = "state_test.rs"]
mod state_test;
