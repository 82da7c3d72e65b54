//! Settings of the whole cluster.

use crate::Refusal;
use muster_types::{Fork, ROSTER_ITEMS_MAX, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Which node becomes a new account's home (domain facts A7).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum AssignmentMode {
    /// Spread equally over the nodes of the groups.
    #[default]
    Balanced,
    /// All to the first node of a group; the second is a spare.
    ActiveStandby,
    /// Nobody is assigned by itself: each account names its home.
    None,
}

impl AssignmentMode {
    /// The word for people and the API.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Balanced => "balanced",
            Self::ActiveStandby => "active-standby",
            Self::None => "none",
        }
    }
}

/// A time of each day, UTC, from one minute of the day to before another; over midnight if that comes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DayWindow {
    /// Minutes from midnight, below 1,440.
    pub from: u16,
    /// The same, and another one.
    pub to: u16,
}

impl DayWindow {
    /// Minutes of a day.
    pub const DAY: u16 = 1_440;

    /// Whether it is that time.
    pub fn holds(self, at: Timestamp) -> bool {
        let minute = at.0 / 60_000 % u64::from(Self::DAY);
        let (from, to) = (u64::from(self.from), u64::from(self.to));
        if from < to {
            (from..to).contains(&minute)
        } else {
            minute >= from || minute < to
        }
    }

    const fn is_one(self) -> bool {
        self.from < Self::DAY && self.to < Self::DAY && self.from != self.to
    }
}

/// What an operator can set for the whole cluster.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// Which node becomes a new account's home.
    pub assignment: AssignmentMode,
    /// Whether users go home by themselves.
    pub fallback_auto: bool,
    /// How long the recovered node must be healthy before they do.
    pub fallback_delay: Duration,
    /// How long a node that has not been heard is still taken for alive. Nodes far from each other wait
    /// longer: the longest election timeout of their profile.
    pub peer_timeout: Duration,
    /// How long a silent peer is waited for, on top of `peer_timeout`, before its slot is taken.
    pub suspect_after: Duration,
    /// The same for a peer that was never heard since this node started.
    pub init_timeout: Duration,
    /// Which clients get a message to the bare JID.
    pub fork: Fork,
    /// Whether a request to see a user of this cluster is granted to another one without asking.
    pub auto_authorise: bool,
    /// How many contacts a user may have; 0 for as many as a roster holds ([`ROSTER_ITEMS_MAX`]).
    pub contacts_max: u32,
    /// How many users may see a user, of whom each is in its roster; 0 as for contacts.
    pub watchers_max: u32,
    /// Whether a client's "do not disturb" counts as its user's own choice: for all of its clients.
    pub dnd_is_manual: bool,
    /// When users may go home by themselves; at any time if nothing is set.
    pub fallback_window: Option<DayWindow>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            assignment: AssignmentMode::Balanced,
            fallback_auto: true,
            fallback_delay: Duration::from_secs(30 * 60),
            peer_timeout: Duration::from_millis(500),
            suspect_after: Duration::ZERO,
            init_timeout: Duration::from_secs(3),
            fork: Fork::default(),
            auto_authorise: false,
            contacts_max: 200,
            watchers_max: 200,
            dnd_is_manual: false,
            fallback_window: None,
        }
    }
}

impl Settings {
    /// The field's classic timing (domain facts A2): profile `compat`.
    pub fn compat() -> Self {
        Self {
            peer_timeout: Duration::from_secs(15),
            suspect_after: Duration::from_secs(60),
            init_timeout: Duration::from_secs(120),
            ..Self::default()
        }
    }
}

/// One change of the settings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Setting {
    /// Sets [`Settings::assignment`].
    Assignment(AssignmentMode),
    /// Sets [`Settings::fallback_auto`].
    FallbackAuto(bool),
    /// Sets [`Settings::fallback_delay`]: 1 s to 7 days.
    FallbackDelay(Duration),
    /// Sets [`Settings::peer_timeout`]: 200 ms to 5 minutes.
    PeerTimeout(Duration),
    /// Sets [`Settings::suspect_after`]: 0 to 1 hour.
    SuspectAfter(Duration),
    /// Sets [`Settings::init_timeout`]: 100 ms to 1 hour.
    InitTimeout(Duration),
    /// Sets [`Settings::fork`].
    Fork(Fork),
    /// Sets [`Settings::auto_authorise`].
    AutoAuthorise(bool),
    /// Sets [`Settings::contacts_max`]: at most [`ROSTER_ITEMS_MAX`].
    ContactsMax(u32),
    /// Sets [`Settings::watchers_max`]: at most [`ROSTER_ITEMS_MAX`].
    WatchersMax(u32),
    /// Sets [`Settings::dnd_is_manual`].
    DndIsManual(bool),
    /// Sets [`Settings::fallback_window`].
    FallbackWindow(Option<DayWindow>),
}

impl Settings {
    /// How many contacts and how many watchers a user may have. What was set before there was a limit to it
    /// counts as the limit. Where none is set the roster bounds the contacts; of watchers not all are in it.
    pub fn bounds(&self) -> (usize, usize) {
        let bound = |most: u32| usize::try_from(most.min(ROSTER_ITEMS_MAX)).unwrap_or(usize::MAX);
        let contacts = match self.contacts_max {
            0 => usize::MAX,
            most => bound(most),
        };
        let watchers = match self.watchers_max {
            0 => bound(ROSTER_ITEMS_MAX),
            most => bound(most),
        };
        (contacts, watchers)
    }

    /// Changes one setting.
    ///
    /// # Errors
    /// [`Refusal::SettingOutOfRange`], [`Refusal::MoreThanARoster`].
    pub(crate) fn change(&mut self, setting: Setting) -> Result<(), Refusal> {
        const HOUR: u64 = 3_600_000;
        match setting {
            Setting::Assignment(mode) => self.assignment = mode,
            Setting::Fork(fork) => self.fork = fork,
            Setting::AutoAuthorise(on) => self.auto_authorise = on,
            Setting::ContactsMax(most) => self.contacts_max = in_a_roster("contacts-max", most)?,
            Setting::WatchersMax(most) => self.watchers_max = in_a_roster("watchers-max", most)?,
            Setting::DndIsManual(on) => self.dnd_is_manual = on,
            Setting::FallbackWindow(window) if window.is_none_or(DayWindow::is_one) => {
                self.fallback_window = window;
            }
            Setting::FallbackWindow(_) => return Err(Refusal::NoWindow),
            Setting::FallbackAuto(on) => self.fallback_auto = on,
            Setting::FallbackDelay(to) => {
                self.fallback_delay = in_range("fallback-delay", to, 1000, 7 * 24 * HOUR)?;
            }
            Setting::PeerTimeout(to) => {
                self.peer_timeout = in_range("peer-timeout", to, 200, HOUR / 12)?;
            }
            Setting::SuspectAfter(to) => {
                self.suspect_after = in_range("suspect-after", to, 0, HOUR)?;
            }
            Setting::InitTimeout(to) => {
                self.init_timeout = in_range("init-timeout", to, 100, HOUR)?;
            }
        }
        Ok(())
    }
}

fn in_a_roster(name: &str, most: u32) -> Result<u32, Refusal> {
    if most <= ROSTER_ITEMS_MAX {
        return Ok(most);
    }
    Err(Refusal::MoreThanARoster {
        name: name.to_owned(),
        max: ROSTER_ITEMS_MAX,
    })
}

fn in_range(name: &str, to: Duration, min_ms: u64, max_ms: u64) -> Result<Duration, Refusal> {
    let range = Duration::from_millis(min_ms)..=Duration::from_millis(max_ms);
    if range.contains(&to) {
        Ok(to)
    } else {
        Err(Refusal::SettingOutOfRange {
            name: name.to_owned(),
            min: *range.start(),
            max: *range.end(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_may_go_over_midnight() {
        let at = |hour: u64, minute: u64| Timestamp((20_000 * 1_440 + hour * 60 + minute) * 60_000);
        let night = DayWindow {
            from: 22 * 60,
            to: 5 * 60,
        };
        for (hour, minute, holds) in [
            (21, 59, false),
            (22, 0, true),
            (0, 0, true),
            (4, 59, true),
            (5, 0, false),
        ] {
            assert_eq!(night.holds(at(hour, minute)), holds, "{hour}:{minute}");
        }
        let noon = DayWindow {
            from: 12 * 60,
            to: 13 * 60,
        };
        for (hour, minute, holds) in [
            (11, 59, false),
            (12, 0, true),
            (12, 59, true),
            (13, 0, false),
        ] {
            assert_eq!(noon.holds(at(hour, minute)), holds, "{hour}:{minute}");
        }
    }

    #[test]
    fn what_was_set_before_there_was_a_limit_counts_as_the_limit() {
        let settings = Settings {
            contacts_max: 100_000,
            watchers_max: u32::MAX,
            ..Settings::default()
        };
        assert_eq!(settings.bounds(), (5_000, 5_000));
    }
}
