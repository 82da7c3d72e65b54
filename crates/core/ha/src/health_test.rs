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
        vouches: true,
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
            0,
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

/// `logged` seconds are in the log and the backup is heard, having fallen silent once.
fn returned(logged: u64) -> Seen {
    Seen {
        backup: Hearing::Alive { breaks: 1 },
        ..seen(logged)
    }
}

#[test]
fn what_was_lost_does_not_come_back_from_the_log() {
    let mut health = Health::new(seen(60));
    health.observe(at(0), seen(60));
    // The missed beat is not in the log yet, and what another counted before it still comes.
    for (second, logged) in [(10, 60), (11, 60), (12, 120)] {
        health.observe(at(second), returned(logged));
        assert_eq!(health.accrued(at(second)), Duration::ZERO);
        assert!(health.is_lost(), "{second}");
        assert_eq!(health.reaches(secs(121)), None);
    }
    let begun = Seen {
        changes: 2,
        ..returned(0)
    };
    health.observe(at(13), begun);
    assert!(!health.is_lost());
    assert_eq!(health.accrued(at(20)), secs(7));
}

#[test]
fn silence_that_goes_on_voids_what_another_counts_meanwhile() {
    let silent = |logged| Seen {
        backup: Hearing::Silent { last: at(0) },
        ..seen(logged)
    };
    let mut health = Health::new(silent(0));
    health.observe(at(1), silent(0));
    assert!(!health.is_lost(), "nothing was counted");
    health.observe(at(60), silent(60));
    assert!(health.is_lost());
}

#[test]
fn a_third_node_takes_the_word_of_those_who_vouch() {
    let third = |logged| Seen {
        vouches: false,
        ..returned(logged)
    };
    let mut health = Health::new(seen(60));
    health.observe(at(0), seen(60));
    health.observe(at(10), third(60));
    assert!(health.is_lost());
    health.observe(at(20), third(120));
    assert!(!health.is_lost());
    assert_eq!(health.accrued(at(25)), secs(125));
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
