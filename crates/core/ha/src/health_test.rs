use crate::Hearing;
use crate::health::{Health, Seen, log_interval};
use muster_types::Instant;
use std::time::Duration;

const ALIVE: Hearing = Hearing::Alive { breaks: 0 };

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn at(s: u64) -> Instant {
    Instant::ZERO + secs(s)
}

fn seen(logged: u64) -> Seen {
    Seen {
        changes: 1,
        logged: secs(logged),
        home: ALIVE,
        backup: ALIVE,
    }
}

#[test]
fn the_count_runs_begins_again_and_goes_on() {
    let silent = Hearing::Silent { last: at(0) };
    let returned = Hearing::Alive { breaks: 1 };
    for (what, second, third, accrued) in [
        ("it runs", seen(0), seen(0), 20),
        (
            "a change begins it again",
            Seen {
                changes: 2,
                ..seen(0)
            },
            Seen {
                changes: 2,
                ..seen(0)
            },
            10,
        ),
        (
            "silence begins it again",
            Seen {
                home: silent,
                ..seen(0)
            },
            Seen {
                home: returned,
                ..seen(0)
            },
            0,
        ),
        (
            "the backup's too",
            Seen {
                backup: silent,
                ..seen(0)
            },
            Seen {
                backup: returned,
                ..seen(0)
            },
            0,
        ),
        (
            "a gap between two looks too",
            Seen {
                home: returned,
                ..seen(0)
            },
            Seen {
                home: returned,
                ..seen(0)
            },
            10,
        ),
        ("what was logged before counts", seen(300), seen(300), 310),
        (
            "what is logged meanwhile does not count twice",
            seen(5),
            seen(5),
            20,
        ),
    ] {
        let mut health = Health::new(seen(0));
        health.observe(at(100), seen(0));
        health.observe(at(110), second);
        health.observe(at(120), third);
        assert_eq!(health.accrued(at(120)), secs(accrued), "{what}");
    }
}

#[test]
fn a_node_not_heard_yet_is_no_missed_beat() {
    let mut health = Health::new(seen(60));
    health.observe(
        at(0),
        Seen {
            home: Hearing::Never,
            ..seen(60)
        },
    );
    assert_eq!(health.reaches(secs(61)), None);
    health.observe(at(5), seen(60));
    assert_eq!(health.accrued(at(10)), secs(65));
    assert_eq!(health.reaches(secs(65)), Some(at(10)));
}

#[test]
fn a_reset_in_the_log_is_followed() {
    let mut health = Health::new(seen(60));
    health.observe(at(0), seen(60));
    health.observe(at(10), seen(0));
    assert_eq!(health.accrued(at(10)), Duration::ZERO);
}

#[test]
fn the_count_is_logged_each_minute_or_thirty_times() {
    for (delay, interval) in [
        (secs(1800), secs(60)),
        (secs(86_400), secs(60)),
        (secs(60), secs(2)),
        (secs(1), Duration::from_millis(100)),
    ] {
        assert_eq!(log_interval(delay), interval);
    }
}
