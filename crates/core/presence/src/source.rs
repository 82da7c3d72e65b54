//! What may say something about a user beside the user's devices, and what each may say.

use crate::rules::Group;
use muster_types::{Instant, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Most bytes of a name within a source, and of a state's name.
const NAME_BYTES_MAX: usize = 32;
/// Most bytes of a note.
pub const NOTE_BYTES_MAX: usize = 256;
/// Most spans of one report: a week of meetings, half an hour each.
pub const SPANS_MAX: usize = 64;
/// Most sources of one user.
pub const SOURCES_MAX: usize = 32;
/// The longest life of what a source says, and how far ahead it may say it.
pub const LIFETIME_MAX: Duration = Duration::from_secs(31 * 86_400);

/// A word of `a-z`, `0-9`, `-`, `_` and `.`, at most 32 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Box<str>);

impl Name {
    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
        if word.is_empty() || word.len() > NAME_BYTES_MAX || !word.chars().all(allowed) {
            return Err(format!(
                "{word:?} is no name: use 1 to {NAME_BYTES_MAX} of a-z, 0-9, '-', '_' and '.'"
            ));
        }
        Ok(Self(word.into()))
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::try_from(word.to_owned())
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0.into()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who says it. One user has one manual choice, and any number of the others (at most
/// [`SOURCES_MAX`] in all).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Source {
    /// The user's own choice: `manual`.
    Manual,
    /// A line of a phone: `phone/NAME`.
    Phone(Name),
    /// A calendar: `calendar/NAME`.
    Calendar(Name),
    /// Another application: `app/NAME`.
    App(Name),
}

impl Source {
    /// What rules call its kind.
    pub const fn group(&self) -> Group {
        match self {
            Self::Manual => Group::Manual,
            Self::Phone(_) => Group::Phone,
            Self::Calendar(_) => Group::Calendar,
            Self::App(_) => Group::App,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manual => f.write_str("manual"),
            Self::Phone(name) => write!(f, "phone/{name}"),
            Self::Calendar(name) => write!(f, "calendar/{name}"),
            Self::App(name) => write!(f, "app/{name}"),
        }
    }
}

impl FromStr for Source {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word.split_once('/') {
            None if word == "manual" => Ok(Self::Manual),
            Some(("phone", name)) => name.parse().map(Self::Phone),
            Some(("calendar", name)) => name.parse().map(Self::Calendar),
            Some(("app", name)) => name.parse().map(Self::App),
            None | Some(_) => Err(format!(
                "{word:?} is no source: use manual, phone/NAME, calendar/NAME or app/NAME"
            )),
        }
    }
}

/// A set of words, each with its meaning.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$about])* $variant,)+ }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word for people, rules and the API.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }
    };
}
pub(crate) use words;

words! {
    /// What a line of a phone says.
    PhoneState {
        /// Nobody speaks.
        OnHook = "on-hook",
        /// A call.
        OffHook = "off-hook",
        /// Somebody calls.
        Ringing = "ringing",
        /// No call is wanted.
        DoNotDisturb = "dnd",
    }
}

words! {
    /// What a calendar says.
    CalendarState {
        /// Nothing is entered.
        Free = "free",
        /// Something may take place.
        Tentative = "tentative",
        /// A meeting.
        Busy = "busy",
        /// Not at work.
        OutOfOffice = "out-of-office",
        /// At work, but not here.
        WorkingElsewhere = "working-elsewhere",
    }
}

words! {
    /// What the administrator has decided about a user. It stands with the account, and is no source that
    /// publishes.
    Policy {
        /// Nobody may see the user's presence.
        SharingOff = "sharing-off",
        /// The user may not take part in presence.
        NotLicensed = "not-licensed",
    }
}

/// All that is decided about one user.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Policies(u8);

impl Policies {
    /// With or without one of them.
    #[must_use]
    pub const fn with(self, policy: Policy, on: bool) -> Self {
        let bit = 1 << policy as u8;
        Self(if on { self.0 | bit } else { self.0 & !bit })
    }

    /// Whether nothing is decided.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that are decided.
    pub fn iter(self) -> impl Iterator<Item = Policy> {
        let all = Policy::ALL.iter().copied();
        all.filter(move |policy| self.0 & 1 << *policy as u8 != 0)
    }
}

/// What a source says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Says {
    /// Of a phone.
    Phone(PhoneState),
    /// Of a calendar.
    Calendar(CalendarState),
    /// Of a manual choice or an application: a state of the rule table.
    State(Name),
}

impl Says {
    /// Reads the word of a source. Whether the rule table has such a state is not looked at.
    ///
    /// # Errors
    /// A sentence with the words there are.
    pub fn read(source: &Source, word: &str) -> Result<Self, String> {
        fn find<T: Copy>(
            all: &[T],
            label: fn(T) -> &'static str,
            word: &str,
            what: &str,
        ) -> Result<T, String> {
            let known = all.iter().copied().find(|one| label(*one) == word);
            known.ok_or_else(|| {
                let words: Vec<_> = all.iter().map(|one| label(*one)).collect();
                format!(
                    "{word:?} is nothing a {what} says: use {}",
                    words.join(", ")
                )
            })
        }
        match source {
            Source::Phone(_) => {
                find(PhoneState::ALL, PhoneState::label, word, "phone").map(Self::Phone)
            }
            Source::Calendar(_) => {
                find(CalendarState::ALL, CalendarState::label, word, "calendar").map(Self::Calendar)
            }
            Source::Manual | Source::App(_) => word.parse().map(Self::State),
        }
    }

    /// The word.
    pub fn label(&self) -> &str {
        match self {
            Self::Phone(state) => state.label(),
            Self::Calendar(state) => state.label(),
            Self::State(name) => name.as_str(),
        }
    }
}

/// What a source says for a while. `T` is a point in time: an [`Instant`] where it is kept, a
/// [`FromNow`] on the way there.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Span<T> {
    /// What it says.
    pub says: Says,
    /// What people are told with it.
    pub note: Option<String>,
    /// From when on.
    pub begins: T,
    /// Until when; `None` until it says something else.
    pub ends: Option<T>,
    /// The same as the source gave it, for people.
    pub until: Option<Timestamp>,
}

/// Milliseconds from now; less than zero is past.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct FromNow(pub i64);

impl FromNow {
    /// So many milliseconds ahead.
    pub fn ahead(millis: u64) -> Self {
        Self(i64::try_from(millis).unwrap_or(i64::MAX))
    }

    /// What `time` is at `now`, both in milliseconds on the same clock.
    pub fn between(now: u64, time: u64) -> Self {
        match time.checked_sub(now) {
            Some(ahead) => Self::ahead(ahead),
            None => Self(-Self::ahead(now - time).0),
        }
    }

    /// So many milliseconds later.
    #[must_use]
    pub fn later(self, millis: u64) -> Self {
        Self(self.0.saturating_add(Self::ahead(millis).0))
    }

    fn after(self, now: Instant) -> Instant {
        let by = Duration::from_millis(self.0.unsigned_abs());
        if self.0 < 0 { now - by } else { now + by }
    }
}

impl<T> Span<T> {
    fn at<U>(&self, time: impl Fn(&T) -> U) -> Span<U> {
        Span {
            says: self.says.clone(),
            note: self.note.clone(),
            begins: time(&self.begins),
            ends: self.ends.as_ref().map(time),
            until: self.until,
        }
    }
}

/// All that one source says: it replaces what the source said before.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Report<T> {
    /// The source.
    pub source: Source,
    /// What it says and will say; nothing takes back what it said.
    pub spans: Vec<Span<T>>,
}

impl Report<FromNow> {
    /// As it is kept from `now` on.
    pub fn kept(&self, now: Instant) -> Report<Instant> {
        self.at(|time| time.after(now))
    }

    /// As it is told so much later; what is over is left out.
    #[must_use]
    pub fn later(&self, by: Duration) -> Self {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        let mut later = self.at(|time| match time.0 {
            // That is whenever it is heard.
            0 => FromNow(0),
            ahead => FromNow(ahead.saturating_sub(by)),
        });
        later
            .spans
            .retain(|span| span.ends.is_none_or(|ends| ends.0 > 0));
        later
    }
}

impl Report<Instant> {
    /// As it is told at `now`; what is over is left out.
    pub fn told(&self, now: Instant) -> Report<FromNow> {
        let millis = |time: &Instant| {
            FromNow::ahead(u64::try_from(time.since(now).as_millis()).unwrap_or(u64::MAX))
        };
        let mut told = self.at(millis);
        told.spans.retain(|span| span.ends != Some(FromNow(0)));
        told
    }

    /// What the source says at `now`.
    pub fn current(&self, now: Instant) -> impl Iterator<Item = &Span<Instant>> {
        let lasts = move |span: &&Span<Instant>| {
            span.begins <= now && span.ends.is_none_or(|ends| now < ends)
        };
        self.spans.iter().filter(lasts)
    }

    /// When it says something else next.
    pub fn next_change(&self, now: Instant) -> Option<Instant> {
        let times = |span: &Span<Instant>| [Some(span.begins), span.ends];
        let times = self.spans.iter().flat_map(times).flatten();
        times.filter(|time| *time > now).min()
    }

    /// Whether it comes to the same from `now` on, but for the moments that it was on its way.
    pub fn says_the_same(&self, other: &Self, now: Instant) -> bool {
        const UNDERWAY: Duration = Duration::from_secs(2);
        let near = |a: Instant, b: Instant| a.since(b).max(b.since(a)) <= UNDERWAY;
        let ends = |a: Option<Instant>, b: Option<Instant>| match (a, b) {
            (Some(a), Some(b)) => near(a, b),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        let same = |(a, b): (&Span<Instant>, &Span<Instant>)| {
            let begun = a.begins <= now && b.begins <= now;
            (&a.says, &a.note, a.until) == (&b.says, &b.note, b.until)
                && (begun || near(a.begins, b.begins))
                && ends(a.ends, b.ends)
        };
        self.spans.len() == other.spans.len() && self.spans.iter().zip(&other.spans).all(same)
    }

    /// Forgets what is over. Whether anything is left.
    pub fn forget_past(&mut self, now: Instant) -> bool {
        self.spans
            .retain(|span| span.ends.is_none_or(|ends| now < ends));
        !self.spans.is_empty()
    }
}

impl<T> Report<T> {
    fn at<U>(&self, time: impl Fn(&T) -> U + Copy) -> Report<U> {
        Report {
            source: self.source.clone(),
            spans: self.spans.iter().map(|span| span.at(time)).collect(),
        }
    }
}
