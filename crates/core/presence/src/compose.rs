//! What everything that is said about a user amounts to, and why.

use crate::Publication;
use crate::overlay::Overlay;
use crate::rules::{Composed, DeviceState, Facts, Group, Rule, Rules, Show};
use crate::source::{Policies, Policy, Report, Says, Source, Span};
use muster_stanza::{Stanza, ns};
use muster_types::{Instant, ResourcePart, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What an explanation calls the administrator.
const POLICY: &str = "policy";
/// The state of the shipped table that a client's "do not disturb" is like.
const DO_NOT_DISTURB: &str = "do-not-disturb";

/// What the sources of one user beside its clients say.
pub(crate) type Reports = BTreeMap<Source, Report<Instant>>;

/// One user's composed presence, in words.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Explanation {
    /// The state, by its name in the rule table.
    pub state: String,
    /// How XMPP clients show it.
    pub show: String,
    /// What watchers read with it; `None` when clients win: each keeps its own.
    pub status: Option<String>,
    /// Until when, if what won has an end.
    pub until: Option<Timestamp>,
    /// The states that this one is like, the nearest first.
    pub like: Vec<String>,
    /// The rule that won.
    pub rule: String,
    /// Everything that is said, clients first.
    pub said: Vec<Said>,
}

/// What one source says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Said {
    /// The source; a client as `device/RESOURCE`.
    pub source: String,
    /// What it says.
    pub says: String,
    /// What people are told with it.
    pub note: Option<String>,
    /// Until when, if the source gave an end.
    pub until: Option<Timestamp>,
    /// Whether the rule that won asks for this.
    pub won: bool,
    /// What else is to be known: that it has not begun, for example.
    pub remark: Option<String>,
}

/// What a client's presence says.
pub(crate) fn device_state(stanza: &Stanza) -> DeviceState {
    let show = stanza.child("show", ns::CLIENT).map(|show| show.text());
    match show.as_deref().map(str::trim) {
        Some("away") => DeviceState::Idle,
        Some("xa") => DeviceState::LongIdle,
        Some("dnd") => DeviceState::DoNotDisturb,
        Some(_) | None => DeviceState::Active,
    }
}

impl Facts {
    /// Adds what a source says; nothing if it names a state that the table does not have (any more).
    fn add(&mut self, rules: &Rules, source: &Source, says: &Says) {
        match (source, says) {
            (_, Says::Phone(state)) => self.phone(*state),
            (_, Says::Calendar(state)) => self.calendar(*state),
            (source, Says::State(name)) => match (rules.id(name), source) {
                (None, _) => (),
                (Some(id), Source::Manual) => self.manual(id),
                (Some(id), Source::Phone(_) | Source::Calendar(_) | Source::App(_)) => self.app(id),
            },
        }
    }
}

/// What a client's "do not disturb" is as a choice of its user, with what the client says of it; `None` where the
/// table has no such state.
pub(crate) fn chosen_by(device: &Publication, rules: &Rules) -> Option<Report<Instant>> {
    let named = rules
        .states()
        .iter()
        .find(|state| state.name.as_str() == DO_NOT_DISTURB);
    let shown = || {
        rules
            .states()
            .iter()
            .find(|state| state.show == Show::DoNotDisturb)
    };
    let state = named.or_else(shown)?;
    let note = device.stanza.child("status", ns::CLIENT);
    let note = note.map(|status| status.text());
    let span = Span {
        says: Says::State(state.name.clone()),
        note: note.filter(|note| !note.is_empty()),
        begins: Instant::ZERO,
        ends: None,
        until: None,
    };
    Some(Report {
        source: Source::Manual,
        spans: vec![span],
    })
}

/// Whether a choice is to be seen by nobody.
pub(crate) fn hides(rules: &Rules, says: &Says) -> bool {
    match says {
        Says::State(name) => rules
            .state(name)
            .is_some_and(|state| state.show == Show::Unavailable),
        Says::Phone(_) | Says::Calendar(_) => false,
    }
}

/// A choice in whose place there is what a client says.
pub(crate) fn replaced(choice: &Report<Instant>) -> impl Iterator<Item = Said> {
    choice.spans.iter().map(|span| Said {
        source: choice.source.to_string(),
        says: span.says.label().to_owned(),
        note: span.note.clone(),
        until: span.until,
        won: false,
        remark: Some("a client that says \"do not disturb\" chooses for the user".to_owned()),
    })
}

/// Everything that holds at `now`.
fn facts<'a>(
    rules: &Rules,
    now: Instant,
    devices: impl Iterator<Item = &'a Publication>,
    (policies, reports): (Policies, &Reports),
) -> Facts {
    let mut facts = Facts::nothing();
    facts.policies(policies);
    devices.for_each(|device| facts.device(device.state_at(now, rules)));
    for report in reports.values() {
        for span in report.current(now) {
            facts.add(rules, &report.source, &span.says);
        }
    }
    facts
}

/// Whether a rule asks for this, and it leads to that state.
fn is_asked(rules: &Rules, rule: &Rule, state: &str, source: &Source, says: &Says) -> bool {
    let mut alone = Facts::default();
    alone.add(rules, source, says);
    let taken_over = match says {
        Says::State(name) => name.as_str() == state || !rule.takes_over(),
        Says::Phone(_) | Says::Calendar(_) => true,
    };
    alone.intersects(&rule.when) && taken_over
}

/// What watchers see of the user's clients; `known` is what they saw until now.
pub(crate) fn overlay<'a>(
    rules: &Rules,
    now: Instant,
    devices: impl Iterator<Item = &'a Publication>,
    (policies, reports): (Policies, &Reports),
    known: &Overlay,
) -> Overlay {
    let composed = rules.compose(&facts(rules, now, devices, (policies, reports)));
    if !policies.is_empty() {
        // No table can show what the administrator hides.
        return Overlay::Hidden;
    }
    if composed.rule.group == Group::Devices {
        return Overlay::AsItCame;
    }
    Overlay::of(composed, winner(rules, now, reports, composed), known)
}

/// The first of what is said that the rule asks for.
fn winner<'a>(
    rules: &Rules,
    now: Instant,
    reports: &'a Reports,
    composed: Composed<'_>,
) -> Option<&'a Span<Instant>> {
    let Composed { state, rule } = composed;
    let mut all = reports
        .values()
        .flat_map(|report| report.current(now).map(|span| (&report.source, span)));
    let won = all.find(|(source, span)| {
        source.group() == rule.group
            && is_asked(rules, rule, state.name.as_str(), source, &span.says)
    });
    won.map(|(_, span)| span)
}

/// Why the user is shown as it is.
pub(crate) fn explain<'a>(
    rules: &Rules,
    now: Instant,
    devices: impl Iterator<Item = (&'a ResourcePart, &'a Publication)> + Clone,
    (policies, reports): (Policies, &Reports),
) -> Explanation {
    let only = devices.clone().map(|(_, device)| device);
    let composed = rules.compose(&facts(rules, now, only, (policies, reports)));
    let Composed { state, rule } = composed;
    let device = |(resource, device): (&ResourcePart, &Publication)| {
        let mut alone = Facts::default();
        let state = device.state_at(now, rules);
        alone.device(state);
        Said {
            source: format!("device/{resource}"),
            says: state.label().to_owned(),
            note: device
                .stanza
                .child("status", ns::CLIENT)
                .map(|status| status.text()),
            until: None,
            won: alone.intersects(&rule.when),
            remark: device
                .expected
                .then(|| "its connection is lost; it is expected back".to_owned()),
        }
    };
    let mut said: Vec<Said> = devices.map(device).collect();
    said.extend(policies.iter().map(decided));
    for report in reports.values() {
        for span in &report.spans {
            let won = is_asked(rules, rule, state.name.as_str(), &report.source, &span.says);
            let idle = idle(rules, now, span);
            said.push(Said {
                source: report.source.to_string(),
                says: span.says.label().to_owned(),
                note: span.note.clone(),
                until: span.until,
                won: won && idle.is_none(),
                remark: idle,
            });
        }
    }
    if !policies.is_empty() {
        return of_administrator(said);
    }
    let winner = winner(rules, now, reports, composed);
    let note = winner.and_then(|span| span.note.clone());
    Explanation {
        state: state.name.to_string(),
        show: state.show.label().to_owned(),
        status: note
            .or_else(|| state.status.clone())
            .filter(|_| rule.group != Group::Devices),
        until: winner.and_then(|span| span.until),
        like: state.like.iter().map(ToString::to_string).collect(),
        rule: rule.name.clone(),
        said,
    }
}

fn decided(policy: Policy) -> Said {
    Said {
        source: POLICY.to_owned(),
        says: policy.label().to_owned(),
        note: None,
        until: None,
        won: true,
        remark: None,
    }
}

/// As in [`overlay`]: whatever the table says.
fn of_administrator(mut said: Vec<Said>) -> Explanation {
    said.iter_mut()
        .for_each(|said| said.won = said.source == POLICY);
    Explanation {
        state: "offline".to_owned(),
        show: Show::Unavailable.label().to_owned(),
        rule: "what the administrator has decided".to_owned(),
        said,
        ..Explanation::default()
    }
}

/// Why what is said counts for nothing.
fn idle(rules: &Rules, now: Instant, span: &Span<Instant>) -> Option<String> {
    if span.begins > now {
        let wait = span.begins.since(now).as_secs();
        return Some(format!("it begins in {wait} s"));
    }
    if span.ends.is_some_and(|ends| ends <= now) {
        return Some("it is over".to_owned());
    }
    match &span.says {
        Says::State(name) if rules.id(name).is_none() => {
            Some("the rule table has no such state".to_owned())
        }
        Says::State(_) | Says::Phone(_) | Says::Calendar(_) => None,
    }
}
