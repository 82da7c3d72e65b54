//! The rule table: which of the things that are said about a user wins. Data, not code: the shipped
//! table is `default.toml`, an operator's own is checked by [`Rules::read`] before it is taken.
//!
//! ```text
//! [[state]]               what a user can be, the strongest first
//! name = "lunch"          `a-z`, `0-9`, `-`, `_`, `.`; at most 32 bytes
//! like = "away"           takes show and status of that state where it has none itself
//! show = "away"           available, chat, away, xa, dnd or unavailable
//! status = "At lunch"     what watchers read when the source gives no note
//!
//! [[rule]]                the first that fits wins
//! name = "at lunch"
//! when = ["manual.lunch"] all of these hold; the first one names the source that wins
//! unless = ["phone.dnd"]  none of these holds
//! state = "lunch"         or "said": what the winning source (manual or app) says
//! ```
//!
//! Conditions: `policy.sharing-off|not-licensed`, `devices.none|any|active|idle|long-idle|dnd`, `phone.on-hook|off-hook|ringing|dnd`,
//! `calendar.free|tentative|busy|out-of-office|working-elsewhere`, and `manual.` or `app.` with a
//! state of the table or `any`. The last rule has no conditions: it is the default.

mod condition;
mod error;
mod table;

pub use condition::{DeviceState, Facts, Group};
pub use error::RulesError;

use crate::source::{Name, words};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// Most bytes of a table.
pub const RULES_BYTES_MAX: usize = 65_536;
/// Most states: each is a bit, and one bit stands for any of them.
pub const STATES_MAX: usize = 60;
/// Most rules.
pub const RULES_MAX: usize = 256;

words! {
    /// How XMPP clients show a state (RFC 6121 §4.7.2.1).
    Show {
        /// No `<show/>`.
        Available = "available",
        /// Wants to chat.
        Chat = "chat",
        /// Away for a short time.
        Away = "away",
        /// Away for a longer time.
        ExtendedAway = "xa",
        /// Do not disturb.
        DoNotDisturb = "dnd",
        /// Watchers see the user as if it had no client.
        Unavailable = "unavailable",
    }
}

impl Show {
    /// The text of `<show/>`; `None` where there is none.
    pub const fn element(self) -> Option<&'static str> {
        match self {
            Self::Available | Self::Unavailable => None,
            Self::Chat | Self::Away | Self::ExtendedAway | Self::DoNotDisturb => Some(self.label()),
        }
    }
}

/// What a user can be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct State {
    /// Its name.
    pub name: Name,
    /// How XMPP clients show it.
    pub show: Show,
    /// What watchers read when the source gives no note.
    pub status: Option<String>,
    /// The states it is like, the nearest first.
    pub like: Vec<Name>,
}

/// One line of the table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// Its name.
    pub name: String,
    pub(crate) when: Facts,
    unless: Facts,
    /// What it makes of the user; `None` for what the winning source says.
    state: Option<usize>,
    /// Whose word it takes.
    pub group: Group,
}

impl Rule {
    /// Whether it makes of the user what the winning source says.
    pub(crate) const fn takes_over(&self) -> bool {
        self.state.is_none()
    }
}

/// A checked table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rules {
    states: Vec<State>,
    by_name: BTreeMap<Name, usize>,
    rules: Vec<Rule>,
    /// A user's meetings begin and end up to this much later, each user's by its own measure, so that
    /// not all of them change at once.
    pub calendar_spread: Duration,
    /// A client that says it has not been used for so long is idle, whatever else it says; zero: never.
    pub idle_after: Duration,
    /// The same for long.
    pub long_idle_after: Duration,
}

/// What everything that is said about a user amounts to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Composed<'a> {
    /// What the user is.
    pub state: &'a State,
    /// The rule that won.
    pub rule: &'a Rule,
}

impl Rules {
    /// The shipped table.
    pub fn shipped() -> Arc<Self> {
        static SHIPPED: LazyLock<Arc<Rules>> =
            LazyLock::new(|| Arc::new(Rules::read(SHIPPED_TEXT).expect("a test reads it")));
        Arc::clone(&SHIPPED)
    }

    /// Reads and checks a table.
    ///
    /// # Errors
    /// What is wrong with it, in words for the operator who wrote it.
    pub fn read(text: &str) -> Result<Self, RulesError> {
        table::read(text)
    }

    /// A state by its name.
    pub fn state(&self, name: &Name) -> Option<&State> {
        self.by_name.get(name).and_then(|id| self.states.get(*id))
    }

    /// The states, the strongest first.
    pub fn states(&self) -> &[State] {
        &self.states
    }

    pub(crate) fn id(&self, name: &Name) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The first rule that fits. Pure, and without allocation.
    pub fn compose(&self, facts: &Facts) -> Composed<'_> {
        let fits = |rule: &&Rule| facts.contains(&rule.when) && !facts.intersects(&rule.unless);
        // The last one has no conditions, so there always is one that fits.
        let rule = self.rules.iter().find(fits);
        let rule = rule.unwrap_or(&self.rules[self.rules.len() - 1]);
        let said = || facts.strongest(rule.group, &rule.when);
        let state = rule.state.or_else(said).unwrap_or_default();
        let state = &self.states[state.min(self.states.len() - 1)];
        Composed { state, rule }
    }
}

/// The shipped table as text: what an operator begins an own one with.
pub const SHIPPED_TEXT: &str = include_str!("default.toml");
