//! What can be wrong with a rule table.

use super::{RULES_BYTES_MAX, RULES_MAX, STATES_MAX};
use crate::source::NOTE_BYTES_MAX;

/// Why a rule table is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RulesError {
    /// It is no TOML, or has a key that is not known.
    #[error("the table cannot be read: {0}")]
    Unreadable(String),
    /// It is too long.
    #[error("the table has {0} bytes: at most {RULES_BYTES_MAX} are taken")]
    TooLong(usize),
    /// Too much of something.
    #[error(
        "the table has {0} states and {1} rules: use 1 to {STATES_MAX} states and 1 to {RULES_MAX} rules"
    )]
    HowMany(usize, usize),
    /// A state's name.
    #[error("a state: {0}")]
    Name(String),
    /// A name that stands for something else.
    #[error("no state can be called {0:?}: the word has a meaning in rules")]
    Reserved(String),
    /// Two states of one name.
    #[error("there are two states {0:?}: remove one")]
    Doubled(String),
    /// A `show` that is none.
    #[error(
        "state {state:?}: show = {show:?} is none: use available, chat, away, xa, dnd or unavailable"
    )]
    Show {
        /// The state.
        state: String,
        /// What it says.
        show: String,
    },
    /// Neither `show` nor `like`.
    #[error("state {0:?} says neither show nor like: nobody would know how to show it")]
    NoShow(String),
    /// A text that watchers could not be shown.
    #[error("state {0:?}: its status must be one line of at most {NOTE_BYTES_MAX} bytes")]
    Status(String),
    /// `like` names no state.
    #[error("state {state:?} is like {like:?}, and there is no such state")]
    UnknownLike {
        /// The state.
        state: String,
        /// What it is like.
        like: String,
    },
    /// States that are like each other.
    #[error("states are like each other in a loop: {0}")]
    Loop(String),
    /// A condition about nothing that is known.
    #[error(
        "rule {rule:?}: there is no condition {condition:?}: use policy.sharing-off or not-licensed; devices.none, any, active, idle, long-idle \
         or dnd; phone.on-hook, off-hook, ringing or dnd; calendar.free, tentative, busy, out-of-office or \
         working-elsewhere; manual. or app. with a state of the table or any"
    )]
    UnknownCondition {
        /// The rule.
        rule: String,
        /// The condition.
        condition: String,
    },
    /// A rule leads to a state that is not in the table.
    #[error("rule {rule:?} leads to {state:?}, and there is no such state")]
    UnknownState {
        /// The rule.
        rule: String,
        /// The state.
        state: String,
    },
    /// `said` where nobody says a state.
    #[error(
        "rule {0:?}: only what manual or app says can be taken over: begin `when` with one of them"
    )]
    NothingSaid(String),
    /// The default is missing.
    #[error(
        "the last rule, {0:?}, has conditions: end with one that has none, for when no other fits"
    )]
    NoDefault(String),
    /// A rule that nothing gets past.
    #[error("rule {0:?} has no conditions, so no rule after it could ever win: make it the last")]
    Unreachable(String),
    /// A time.
    #[error("{name} = {seconds}: use 0 to {most} seconds")]
    Seconds {
        /// Which.
        name: String,
        /// What it says.
        seconds: u64,
        /// The limit.
        most: u64,
    },
}
