//! What is a table and what is not, and that the shipped one is the field's.

use crate::rules::{DeviceState, Facts, RULES_BYTES_MAX, Rules, RulesError, SHIPPED_TEXT, Show};
use crate::source::{CalendarState, PhoneState, Policies, Policy};

const STATES: &str =
    "[[state]]\nname = 'away'\nshow = 'away'\n[[state]]\nname = 'here'\nshow = 'available'\n";
const DEFAULT: &str = "[[rule]]\nname = 'default'\nstate = 'here'\n";

fn refused(text: &str) -> String {
    Rules::read(text).unwrap_err().to_string()
}

fn with_states(states: &str) -> String {
    refused(&format!("{STATES}{states}{DEFAULT}"))
}

fn with_rule(rule: &str) -> String {
    refused(&format!(
        "{STATES}[[rule]]\nname = 'mine'\n{rule}\n{DEFAULT}"
    ))
}

#[test]
fn a_table_with_a_loop_an_unknown_word_or_no_default_is_refused_with_the_reason() {
    let looped = "[[state]]\nname = 'x'\nlike = 'y'\n[[state]]\nname = 'y'\nlike = 'x'\n";
    for (why, part) in [
        (with_states(looped), "in a loop: x -> y -> x"),
        (with_states("[[state]]\nname = 'x'\nlike = 'x'\n"), "x -> x"),
        (
            with_states("[[state]]\nname = 'x'\nlike = 'nobody'\n"),
            "no such state",
        ),
        (
            with_states("[[state]]\nname = 'x'\nshow = 'dnd'\nstatus = \"a\\nb\"\n"),
            "one line",
        ),
        (
            with_states("[[state]]\nname = 'x'\n"),
            "neither show nor like",
        ),
        (
            with_states("[[state]]\nname = 'x'\nshow = 'gone'\n"),
            "\"gone\" is none",
        ),
        (
            with_states("[[state]]\nname = 'X y'\nshow = 'dnd'\n"),
            "\"X y\" is no name",
        ),
        (
            with_states("[[state]]\nname = 'said'\nshow = 'dnd'\n"),
            "has a meaning",
        ),
        (
            with_states("[[state]]\nname = 'here'\nshow = 'dnd'\n"),
            "two states",
        ),
        (with_states("[[state]]\nname = 'x'\nshwo = 'dnd'\n"), "shwo"),
        (
            with_rule("when = ['weather.rain']\nstate = 'here'"),
            "weather.rain",
        ),
        (
            with_rule("when = ['devices.asleep']\nstate = 'here'"),
            "devices.asleep",
        ),
        (
            with_rule("when = ['app.lunch']\nstate = 'here'"),
            "app.lunch",
        ),
        (
            with_rule("unless = ['manual']\nstate = 'here'"),
            "\"manual\"",
        ),
        (
            with_rule("when = ['phone.dnd']\nstate = 'lunch'"),
            "leads to \"lunch\"",
        ),
        (
            with_rule("when = ['phone.dnd', 'app.any']\nstate = 'said'"),
            "begin `when`",
        ),
        (with_rule("state = 'here'"), "no rule after it"),
        (refused(STATES), "0 rules"),
        (refused(DEFAULT), "0 states"),
        (
            refused(&format!("calendar-spread = 60\n{STATES}{DEFAULT}")),
            "0 to 59",
        ),
        (
            refused(&format!(
                "{STATES}[[rule]]\nname = 'x'\nwhen = ['phone.dnd']\nstate = 'here'"
            )),
            "end with one that has none",
        ),
        (refused("what?"), "cannot be read"),
    ] {
        assert!(why.contains(part), "{part}: {why}");
    }
    let long = "#".repeat(RULES_BYTES_MAX + 1);
    assert_eq!(Rules::read(&long), Err(RulesError::TooLong(long.len())));
    let many = "[[state]]\nname = 'x'\nshow = 'dnd'\n".repeat(61);
    assert_eq!(
        Rules::read(&format!("{many}{DEFAULT}")),
        Err(RulesError::HowMany(61, 1))
    );
}

#[test]
fn a_state_takes_what_it_lacks_from_the_one_it_is_like() {
    let text = format!(
        "{STATES}[[state]]\nname = 'lunch'\nlike = 'break'\n\
         [[state]]\nname = 'break'\nlike = 'away'\nstatus = 'A break'\n{DEFAULT}"
    );
    let rules = Rules::read(&text).unwrap();
    let lunch = rules.state(&"lunch".parse().unwrap()).unwrap();
    assert_eq!(
        (lunch.show, lunch.status.as_deref()),
        (Show::Away, Some("A break"))
    );
    let like: Vec<_> = lunch.like.iter().map(|name| name.as_str()).collect();
    assert_eq!(like, ["break", "away"]);
}

/// One thing that is said.
#[derive(Clone, Copy)]
enum Say {
    Device(DeviceState),
    Manual(&'static str),
    App(&'static str),
    Phone(PhoneState),
    Calendar(CalendarState),
    Decided(Policy),
}

fn composed(rules: &Rules, said: &[Say]) -> String {
    let mut facts = Facts::nothing();
    let id = |name: &str| rules.id(&name.parse().unwrap()).unwrap();
    for say in said {
        match *say {
            Say::Device(state) => facts.device(state),
            Say::Manual(name) => facts.manual(id(name)),
            Say::App(name) => facts.app(id(name)),
            Say::Phone(state) => facts.phone(state),
            Say::Calendar(state) => facts.calendar(state),
            Say::Decided(policy) => facts.policies(Policies::default().with(policy, true)),
        }
    }
    rules.compose(&facts).state.name.to_string()
}

#[test]
fn the_shipped_table_is_that_of_the_field() {
    use Say::{App, Calendar, Device, Manual, Phone};
    let rules = Rules::read(SHIPPED_TEXT).unwrap();
    let (here, idle) = (Device(DeviceState::Active), Device(DeviceState::Idle));
    let long = Device(DeviceState::LongIdle);
    let dnd = Device(DeviceState::DoNotDisturb);
    let (call, line_dnd) = (Phone(PhoneState::OffHook), Phone(PhoneState::DoNotDisturb));
    let meeting = Calendar(CalendarState::Busy);
    let away = Calendar(CalendarState::OutOfOffice);
    // In the order of the domain's list: each case also holds what would win further down.
    for (said, state) in [
        (&[call, meeting, Manual("do-not-disturb")][..], "offline"),
        (&[], "offline"),
        (
            &[here, Manual("available"), Say::Decided(Policy::NotLicensed)],
            "offline",
        ),
        (
            &[here, call, App("busy"), Say::Decided(Policy::SharingOff)],
            "offline",
        ),
        (&[App("busy")], "busy"),
        (
            &[here, Manual("do-not-disturb"), call, meeting],
            "do-not-disturb",
        ),
        (&[dnd, Manual("offline"), call], "offline"),
        (&[dnd, Manual("available"), call], "available"),
        (&[dnd, line_dnd, call], "do-not-disturb"),
        (&[here, Manual("available"), call, meeting], "available"),
        (&[here, Manual("vacation"), line_dnd], "vacation"),
        (&[here, line_dnd, meeting], "do-not-disturb"),
        (
            &[
                here,
                call,
                Phone(PhoneState::OnHook),
                App("in-a-meeting"),
                meeting,
            ],
            "on-the-phone",
        ),
        (
            &[here, App("in-a-meeting"), App("busy"), away],
            "in-a-meeting",
        ),
        (&[here, App("busy"), meeting, away], "busy"),
        (&[here, meeting, away], "in-a-meeting"),
        (&[here, away], "out-of-office"),
        (&[here, idle, long], "available"),
        (
            &[
                here,
                Calendar(CalendarState::Free),
                Calendar(CalendarState::Tentative),
            ],
            "available",
        ),
        (
            &[
                here,
                Calendar(CalendarState::WorkingElsewhere),
                Phone(PhoneState::Ringing),
            ],
            "available",
        ),
        (&[idle, App("available")], "available"),
        (&[idle, long], "away"),
        (&[long], "extended-away"),
        (&[App("be-right-back"), App("away")], "be-right-back"),
    ] {
        assert_eq!(composed(&rules, said), state);
    }
}

#[test]
fn what_an_operator_orders_otherwise_wins_otherwise() {
    let text = format!(
        "{STATES}[[rule]]\nname = 'quiet'\nwhen = ['app.away']\nunless = ['phone.off-hook']\nstate = 'said'\n{DEFAULT}"
    );
    let rules = Rules::read(&text).unwrap();
    assert_eq!(
        composed(&rules, &[Say::App("away"), Say::App("here")]),
        "away"
    );
    let called = [Say::App("away"), Say::Phone(PhoneState::OffHook)];
    assert_eq!(composed(&rules, &called), "here");
}
