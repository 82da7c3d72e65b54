//! The cluster's settings as `name=value`.

use crate::duration::{parse_duration, show_duration};
use muster_cluster::{AssignmentMode, DayWindow, Setting, Settings};
use muster_types::Fork;

/// One setting.
pub(crate) struct Known {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) show: fn(&Settings) -> String,
    read: fn(&str) -> Result<Setting, String>,
}

/// All of them, in the order they are listed.
pub(crate) const KNOWN: &[Known] = &[
    Known {
        name: "assignment",
        help: "which node becomes a new user's home: balanced, active-standby (all to a group's first node) or none",
        show: |settings| settings.assignment.label().to_owned(),
        read: |value| assignment(value).map(Setting::Assignment),
    },
    Known {
        name: "fallback-auto",
        help: "whether users go home by themselves when their node is healthy again: on or off",
        show: |settings| if settings.fallback_auto { "on" } else { "off" }.to_owned(),
        read: |value| switch(value).map(Setting::FallbackAuto),
    },
    Known {
        name: "fallback-delay",
        help: "how long a node must be healthy before its users go home, 1s to 7d",
        show: |settings| show_duration(settings.fallback_delay),
        read: |value| parse_duration(value).map(Setting::FallbackDelay),
    },
    Known {
        name: "peer-timeout",
        help: "how long a silent node is still taken for alive, 200ms to 5m",
        show: |settings| show_duration(settings.peer_timeout),
        read: |value| parse_duration(value).map(Setting::PeerTimeout),
    },
    Known {
        name: "suspect-after",
        help: "how long a silent peer is waited for on top of peer-timeout before its users are taken over, 0s to 1h",
        show: |settings| show_duration(settings.suspect_after),
        read: |value| parse_duration(value).map(Setting::SuspectAfter),
    },
    Known {
        name: "init-timeout",
        help: "the same for a peer never heard since the node started, 100ms to 1h",
        show: |settings| show_duration(settings.init_timeout),
        read: |value| parse_duration(value).map(Setting::InitTimeout),
    },
    Known {
        name: "fork",
        help: "which of a user's clients get a message to the bare address: until-answered (all, then the one that answered), all or highest (priority)",
        show: |settings| settings.fork.label().to_owned(),
        read: |value| fork(value).map(Setting::Fork),
    },
    Known {
        name: "auto-authorise",
        help: "whether a user of this cluster may see another one without the other being asked: on or off",
        show: |settings| if settings.auto_authorise { "on" } else { "off" }.to_owned(),
        read: |value| switch(value).map(Setting::AutoAuthorise),
    },
    Known {
        name: "contacts-max",
        help: "how many contacts a user may have, 1 to 5000, 0 for as many as a roster holds (5000); who has more keeps them",
        show: |settings| settings.contacts_max.to_string(),
        read: |value| number(value).map(Setting::ContactsMax),
    },
    Known {
        name: "watchers-max",
        help: "how many others may see a user, 1 to 5000, 0 for as many as a roster holds (5000); who has more keeps them",
        show: |settings| settings.watchers_max.to_string(),
        read: |value| number(value).map(Setting::WatchersMax),
    },
    Known {
        name: "dnd-is-manual",
        help: "whether do not disturb, said by one of a user's clients, counts as the user's own choice and is shown for all of them: on or off",
        show: |settings| if settings.dnd_is_manual { "on" } else { "off" }.to_owned(),
        read: |value| switch(value).map(Setting::DndIsManual),
    },
    Known {
        name: "fallback-window",
        help: "when users may go home by themselves: always, or a time of each day in UTC such as 22:00-05:00",
        show: |settings| {
            settings
                .fallback_window
                .map_or_else(|| "always".to_owned(), show_window)
        },
        read: |value| window(value).map(Setting::FallbackWindow),
    },
];

/// All settings with their values, as they can be set.
pub fn show_settings(settings: &Settings) -> Vec<(&'static str, String)> {
    let show = |known: &Known| (known.name, (known.show)(settings));
    KNOWN.iter().map(show).collect()
}

/// Reads `name=value` words. `profile=default` and `profile=compat` stand for the four times.
///
/// # Errors
/// A sentence naming the word that is wrong.
pub(crate) fn parse(words: &[String]) -> Result<Vec<Setting>, String> {
    let mut settings = Vec::new();
    for word in words {
        let (name, value) = word
            .split_once('=')
            .ok_or_else(|| format!("{word:?} is no setting: write it as name=value"))?;
        let (name, value) = (name.trim(), value.trim());
        if name == "profile" {
            settings.extend(profile(value)?);
            continue;
        }
        let known = KNOWN
            .iter()
            .find(|known| known.name == name)
            .ok_or_else(|| {
                let names: Vec<_> = KNOWN.iter().map(|known| known.name).collect();
                format!(
                    "there is no setting {name:?}: there are {} and profile",
                    names.join(", ")
                )
            })?;
        settings.push((known.read)(value).map_err(|why| format!("{name}: {why}"))?);
    }
    if settings.is_empty() {
        return Err("no setting given: write it as name=value".to_owned());
    }
    Ok(settings)
}

fn profile(value: &str) -> Result<[Setting; 4], String> {
    let all = match value {
        "default" => Settings::default(),
        "compat" => Settings::compat(),
        _ => return Err(format!("profile: {value:?} is none: use default or compat")),
    };
    Ok([
        Setting::FallbackDelay(all.fallback_delay),
        Setting::PeerTimeout(all.peer_timeout),
        Setting::SuspectAfter(all.suspect_after),
        Setting::InitTimeout(all.init_timeout),
    ])
}

/// As it can be set.
pub(crate) fn show_window(window: DayWindow) -> String {
    let time = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
    format!("{}-{}", time(window.from), time(window.to))
}

fn window(value: &str) -> Result<Option<DayWindow>, String> {
    if value == "always" {
        return Ok(None);
    }
    let time = |text: &str| {
        let (hours, minutes) = text.trim().split_once(':')?;
        let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
        (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
    };
    let read = value.split_once('-').and_then(|(from, to)| {
        let (from, to) = (time(from)?, time(to)?);
        Some(DayWindow { from, to })
    });
    read.map(Some)
        .ok_or_else(|| format!("{value:?} is no time of day: use always, or HH:MM-HH:MM in UTC"))
}

fn assignment(value: &str) -> Result<AssignmentMode, String> {
    [
        AssignmentMode::Balanced,
        AssignmentMode::ActiveStandby,
        AssignmentMode::None,
    ]
    .into_iter()
    .find(|mode| mode.label() == value)
    .ok_or_else(|| format!("{value:?} is none: use balanced, active-standby or none"))
}

fn fork(value: &str) -> Result<Fork, String> {
    Fork::ALL
        .into_iter()
        .find(|fork| fork.label() == value)
        .ok_or_else(|| format!("{value:?} is none: use until-answered, all or highest"))
}

fn number(value: &str) -> Result<u32, String> {
    value
        .parse()
        .map_err(|_| format!("{value:?} is no number from 0 on"))
}

fn switch(value: &str) -> Result<bool, String> {
    match value {
        "on" | "true" | "yes" => Ok(true),
        "off" | "false" | "no" => Ok(false),
        _ => Err(format!("{value:?} is neither on nor off")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_is_shown_can_be_set() {
        for settings in [Settings::default(), Settings::compat()] {
            for (name, value) in show_settings(&settings) {
                let word = format!("{name}={value}");
                assert!(parse(std::slice::from_ref(&word)).is_ok(), "{word}");
            }
        }
    }

    #[test]
    fn settings_are_read() {
        for (word, expected) in [
            (
                "assignment=active-standby",
                Setting::Assignment(AssignmentMode::ActiveStandby),
            ),
            ("fallback-auto = off", Setting::FallbackAuto(false)),
            ("fork=highest", Setting::Fork(Fork::Highest)),
            ("auto-authorise=on", Setting::AutoAuthorise(true)),
            ("contacts-max=500", Setting::ContactsMax(500)),
            ("watchers-max=0", Setting::WatchersMax(0)),
            ("dnd-is-manual=on", Setting::DndIsManual(true)),
            ("fallback-window=always", Setting::FallbackWindow(None)),
            (
                "fallback-window=22:30-05:00",
                Setting::FallbackWindow(Some(DayWindow {
                    from: 1_350,
                    to: 300,
                })),
            ),
            (
                "fallback-delay=5s",
                Setting::FallbackDelay(Duration::from_secs(5)),
            ),
        ] {
            assert_eq!(parse(&[word.to_owned()]), Ok(vec![expected]), "{word}");
        }
        let compat = parse(&["profile=compat".to_owned()]).unwrap();
        assert!(compat.contains(&Setting::PeerTimeout(Duration::from_secs(15))));
    }

    #[test]
    fn a_wrong_setting_is_named() {
        for (word, part) in [
            ("fallback-delay", "name=value"),
            ("fallback=1s", "there is no setting"),
            ("fallback-delay=soon", "fallback-delay: \"soon\""),
            ("assignment=random", "balanced"),
            ("fallback-auto=maybe", "neither on nor off"),
            ("fork=lowest", "until-answered"),
            ("contacts-max=many", "no number"),
            ("watchers-max=-1", "no number"),
            ("profile=fast", "compat"),
        ] {
            let why = parse(&[word.to_owned()]).unwrap_err();
            assert!(why.contains(part), "{word}: {why}");
        }
    }
}
