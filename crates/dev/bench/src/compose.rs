//! What all sources of a user amount to.

use crate::{Workload, address, encode, repeat};
use muster_presence::rules::{DeviceState, Facts, Group, Rules};
use muster_presence::source::{CalendarState, PhoneState, Report, Says, Source, Span};
use muster_presence::{Presentity, Publication};
use muster_stanza::Stanza;
use muster_types::{Epoch, Instant, NodeId, ResourcePart, Timestamp};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

const HERE: NodeId = NodeId(1);
/// Half an hour each, with half an hour between; the first one is over when the workload begins.
const MEETINGS: u64 = 8;
/// Compositions in a run, and looks at the rules.
const TIMES: u64 = 10;
const LOOKS: u64 = 1000;

pub(crate) const CHANGE: Workload = Workload {
    name: "compose-change",
    does: "takes another choice of a user with three clients, a calendar, two telephone lines and an application, and \
           composes the user anew",
    unit: "composition",
    units: TIMES,
    prepare: || {
        let mut user = User::prepare();
        Box::new(move || repeat(TIMES, || user.choose()))
    },
};

pub(crate) const AGAIN: Workload = Workload {
    name: "compose-again",
    does: "composes the same user anew, as a timer does, when nothing has changed",
    unit: "composition",
    units: TIMES,
    prepare: || {
        let mut user = User::prepare();
        user.choose();
        Box::new(move || repeat(TIMES, || user.wake()))
    },
};

pub(crate) const PLAIN: Workload = Workload {
    name: "compose-plain",
    does: "takes another presence of a user with one client and nothing else, and makes of it what watchers see",
    unit: "composition",
    units: TIMES,
    prepare: || {
        let mut compose = plain();
        Box::new(move || repeat(TIMES, &mut compose))
    },
};

pub(crate) const RULES: Workload = Workload {
    name: "compose-rules",
    does: "only looks up the rule that wins among such facts, with two phones that say different things in turn",
    unit: "composition",
    units: LOOKS,
    prepare: || {
        let mut look = look_up();
        Box::new(move || repeat(LOOKS, &mut look))
    },
};

fn at(minutes: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(60 * minutes)
}

/// What one source says: a word, from one minute to another.
fn report(source: &str, spans: &[(&str, u64, Option<u64>)]) -> Report<Instant> {
    let source: Source = source.parse().expect("the name of a source");
    let span = |(word, begins, ends): &(&str, u64, Option<u64>)| Span {
        says: Says::read(&source, word).expect("a word of this source"),
        note: None,
        begins: at(*begins),
        ends: ends.map(at),
        until: ends.map(|ends| Timestamp(ends * 60_000)),
    };
    let spans = spans.iter().map(span).collect();
    Report { source, spans }
}

struct User {
    presentity: Presentity,
    rules: Arc<Rules>,
    choices: [Report<Instant>; 2],
    now: Instant,
    runs: usize,
}

impl User {
    fn prepare() -> Self {
        let mut presentity = Presentity::new(Epoch::NONE);
        for (serial, show) in (1..).zip(["", "<show>away</show>", "<show>xa</show>"]) {
            let presence = encode::presence().with_content(format!("{show}<priority>1</priority>"));
            presentity.publish(resource(serial), publication(serial, presence));
        }
        let meetings: Vec<_> = (0..MEETINGS)
            .map(|number| ("busy", 60 * number, Some(60 * number + 30)))
            .collect();
        for (source, spans) in [
            ("calendar/work", &meetings[..]),
            ("phone/desk", &[("on-hook", 0, None)][..]),
            ("phone/mobile", &[("off-hook", 0, None)][..]),
            ("app/call", &[("on-the-phone", 0, Some(1000))][..]),
        ] {
            presentity.report(report(source, spans));
        }
        Self {
            presentity,
            rules: Rules::shipped(),
            choices: ["busy", "be-right-back"]
                .map(|word| report("manual", &[(word, 0, Some(1000))])),
            now: at(70),
            runs: 0,
        }
    }

    /// The user chooses something else; watchers are to see it.
    fn choose(&mut self) -> u64 {
        self.runs += 1;
        let choice = self.choices[self.runs % self.choices.len()].clone();
        self.presentity.report(choice);
        let recomposed = self.presentity.recompose(self.now, black_box(&self.rules));
        u64::from(recomposed.before.is_some())
    }

    /// A timer has fired; watchers see the same as before.
    fn wake(&mut self) -> u64 {
        let recomposed = self.presentity.recompose(self.now, black_box(&self.rules));
        u64::from(recomposed.before.is_none() && recomposed.next.is_some())
    }
}

fn plain() -> impl FnMut() -> u64 {
    let rules = Rules::shipped();
    let mut presentity = Presentity::new(Epoch::NONE);
    let presences = ["<show>away</show>", "<priority>1</priority>"]
        .map(|content| encode::presence().with_content(content));
    let mut runs = 0;
    move || {
        runs += 1;
        let presence: &Stanza = black_box(&presences[runs % presences.len()]);
        presentity.publish(resource(1), publication(1, presence.clone()));
        let recomposed = presentity.recompose(at(70), &rules);
        let shown = presentity.overlay().shown(presence);
        u64::from(recomposed.before.is_none() && black_box(shown) == *presence)
    }
}

/// What the user above comes to; without the choice, which would win.
fn look_up() -> impl FnMut() -> u64 {
    let rules = Rules::shipped();
    let mut facts = Facts::nothing();
    facts.device(DeviceState::Active);
    facts.device(DeviceState::LongIdle);
    facts.calendar(CalendarState::Busy);
    facts.app(rules.states().len() - 1);
    let mut on_the_phone = facts;
    facts.phone(PhoneState::OnHook);
    on_the_phone.phone(PhoneState::OffHook);
    let mut runs = 0;
    move || {
        runs += 1;
        let (facts, group) = match runs % 2 {
            0 => (&facts, Group::Calendar),
            _ => (&on_the_phone, Group::Phone),
        };
        let composed = rules.compose(black_box(facts));
        u64::from(black_box(composed).rule.group == group)
    }
}

fn publication(serial: u64, presence: Stanza) -> Publication {
    let publication = Publication::new(address::session(HERE, serial), presence);
    publication.with_idle(at(70), Timestamp(70 * 60_000), Duration::ZERO)
}

fn resource(serial: u64) -> ResourcePart {
    ResourcePart::new(&format!("client-{serial}"))
        .expect("letters and digits are a resource")
        .into_owned()
}
