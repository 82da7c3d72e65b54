//! What rules ask for, as sets of bits: whether a rule fits is a few instructions.

use super::{RulesError, STATES_MAX};
use crate::source::{CalendarState, Name, PhoneState, Policies, Policy, words};

words! {
    /// What kind of source a condition is about.
    Group {
        /// The user's clients.
        Devices = "devices",
        /// The user's own choice.
        Manual = "manual",
        /// The user's lines.
        Phone = "phone",
        /// The user's calendars.
        Calendar = "calendar",
        /// Other applications.
        App = "app",
        /// The administrator.
        Policy = "policy",
    }
}

words! {
    /// What the user's clients say.
    DeviceState {
        /// Available, or ready to chat.
        Active = "active",
        /// Away.
        Idle = "idle",
        /// Away for a longer time.
        LongIdle = "long-idle",
        /// Do not disturb.
        DoNotDisturb = "dnd",
    }
}

const DEVICES: u32 = 2;
const PHONE: u32 = DEVICES + DeviceState::ALL.len() as u32;
const CALENDAR: u32 = PHONE + PhoneState::ALL.len() as u32;
const POLICY: u32 = CALENDAR + CalendarState::ALL.len() as u32;
/// Stands for any state.
const ANY: u64 = 1 << STATES_MAX;

/// A set of things that are said; also what a rule asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Facts {
    fixed: u32,
    manual: u64,
    apps: u64,
}

impl Facts {
    /// Nobody is there and nothing is said.
    pub const fn nothing() -> Self {
        Self {
            fixed: 1,
            manual: 0,
            apps: 0,
        }
    }

    /// A client says this.
    pub const fn device(&mut self, state: DeviceState) {
        self.fixed = (self.fixed & !1) | 1 << 1 | 1 << (DEVICES + state as u32);
    }

    /// A line says this.
    pub const fn phone(&mut self, state: PhoneState) {
        self.fixed |= 1 << (PHONE + state as u32);
    }

    /// A calendar says this.
    pub const fn calendar(&mut self, state: CalendarState) {
        self.fixed |= 1 << (CALENDAR + state as u32);
    }

    /// The administrator has decided these.
    pub fn policies(&mut self, policies: Policies) {
        for policy in policies.iter() {
            self.fixed |= 1 << (POLICY + policy as u32);
        }
    }

    /// The user chose this state of the table.
    pub const fn manual(&mut self, state: usize) {
        self.manual |= ANY | 1 << state;
    }

    /// An application says this state of the table.
    pub const fn app(&mut self, state: usize) {
        self.apps |= ANY | 1 << state;
    }

    pub(crate) const fn contains(&self, asked: &Self) -> bool {
        self.fixed & asked.fixed == asked.fixed
            && self.manual & asked.manual == asked.manual
            && self.apps & asked.apps == asked.apps
    }

    pub(crate) const fn intersects(&self, asked: &Self) -> bool {
        self.fixed & asked.fixed != 0
            || self.manual & asked.manual != 0
            || self.apps & asked.apps != 0
    }

    const fn states(&self, group: Group) -> u64 {
        match group {
            Group::Manual => self.manual,
            Group::App => self.apps,
            Group::Devices | Group::Phone | Group::Calendar | Group::Policy => 0,
        }
    }

    /// The strongest state that sources of a group say, of those that were asked for.
    pub(crate) const fn strongest(&self, group: Group, asked: &Self) -> Option<usize> {
        let (said, asked) = (self.states(group) & !ANY, asked.states(group) & !ANY);
        let of = if asked == 0 { said } else { said & asked };
        if of == 0 {
            None
        } else {
            Some(of.trailing_zeros() as usize)
        }
    }

    /// Adds what a condition asks for. Says whose word it is.
    pub(crate) fn ask(
        &mut self,
        rule: &str,
        condition: &str,
        state: impl Fn(&Name) -> Option<usize>,
    ) -> Result<Group, RulesError> {
        let unknown = || RulesError::UnknownCondition {
            rule: rule.to_owned(),
            condition: condition.to_owned(),
        };
        let (group, word) = condition.split_once('.').ok_or_else(unknown)?;
        let groups = Group::ALL.iter().copied();
        let mut groups = groups.filter(|known| known.label() == group);
        let group = groups.next().ok_or_else(unknown)?;
        let of_table = || match word.parse() {
            Ok(name) => state(&name).map(|id| 1 << id).ok_or_else(unknown),
            Err(_) => Err(unknown()),
        };
        let any_or = |id: Result<u64, RulesError>| if word == "any" { Ok(ANY) } else { id };
        match group {
            Group::Manual => self.manual |= any_or(of_table())?,
            Group::App => self.apps |= any_or(of_table())?,
            Group::Devices | Group::Phone | Group::Calendar | Group::Policy => {
                self.fixed |= fixed(group, word).ok_or_else(unknown)?;
            }
        }
        Ok(group)
    }
}

fn fixed(group: Group, word: &str) -> Option<u32> {
    fn at<T: Copy>(all: &[T], label: fn(T) -> &'static str, word: &str) -> Option<u32> {
        let at = all.iter().position(|one| label(*one) == word);
        at.and_then(|at| u32::try_from(at).ok())
    }
    let bit = match (group, word) {
        (Group::Devices, "none") => Some(0),
        (Group::Devices, "any") => Some(1),
        (Group::Devices, _) => {
            at(DeviceState::ALL, DeviceState::label, word).map(|at| DEVICES + at)
        }
        (Group::Phone, _) => at(PhoneState::ALL, PhoneState::label, word).map(|at| PHONE + at),
        (Group::Calendar, _) => {
            at(CalendarState::ALL, CalendarState::label, word).map(|at| CALENDAR + at)
        }
        (Group::Policy, _) => at(Policy::ALL, Policy::label, word).map(|at| POLICY + at),
        (Group::Manual | Group::App, _) => None,
    };
    bit.map(|bit| 1 << bit)
}
