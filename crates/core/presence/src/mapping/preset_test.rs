//! The tables of XMPP, PIDF, OpenScape and Teams as the trade wrote them down.

use super::preset::SHIPPED;
use crate::{Mapped, Mapping, NoteParts, SetAs};

/// The names of the states that the shipped rule table has.
const STATES: [&str; 12] = [
    "available",
    "busy",
    "on-the-phone",
    "in-a-meeting",
    "do-not-disturb",
    "away",
    "be-right-back",
    "extended-away",
    "out-of-office",
    "vacation",
    "working-elsewhere",
    "offline",
];

fn preset(name: &str) -> &'static Mapping {
    Mapping::preset(name).unwrap()
}

/// `word` or `word/activity`.
fn written(mapped: &Mapped) -> String {
    match &mapped.activity {
        Some(activity) => format!("{}/{activity}", mapped.word),
        None => mapped.word.clone(),
    }
}

fn to(name: &str, state: &str) -> Option<String> {
    preset(name).to_peer([state]).map(written)
}

fn from(name: &str, words: &[&str]) -> Option<String> {
    preset(name).from_peer(words.iter().copied()).map(written)
}

/// The note when the user wrote none.
fn default_note(mapped: &Mapped, until: Option<&str>) -> Option<String> {
    mapped.note(NoteParts { note: None, until })
}

#[test]
fn every_preset_parses_and_says_what_it_is_for() {
    for (name, text) in SHIPPED {
        let mapping = Mapping::parse(text).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(Mapping::preset(name), Some(&mapping));
        assert!(text.starts_with("# "), "{name}");
    }
    let names: Vec<_> = Mapping::preset_names().collect();
    assert_eq!(
        names,
        [
            "lync",
            "lync-interdomain",
            "lync-partitioned",
            "openscape",
            "pidf",
            "teams",
            "xmpp"
        ]
    );
    assert_eq!(Mapping::preset("skype"), None);
}

#[test]
fn presets_name_our_states_and_only_these_others() {
    for (name, others) in [
        ("xmpp", &[][..]),
        ("pidf", &[]),
        ("lync", &[]),
        ("lync-interdomain", &[]),
        (
            "lync-partitioned",
            &[
                "offline-in-a-meeting",
                "offline-on-the-phone",
                "offline-out-of-office",
            ],
        ),
        ("openscape", &["break", "home", "lunch", "sick"]),
        ("teams", &[]),
    ] {
        let mut states = preset(name).states();
        states.retain(|state| !STATES.contains(state));
        assert_eq!(states.into_iter().collect::<Vec<_>>(), others, "{name}");
    }
}

#[test]
fn xmpp_show_and_default_status() {
    // State, show, show for strict peers, default status.
    for (state, show, strict, status) in [
        ("available", "available", "available", None),
        ("busy", "dnd", "away", Some("Busy")),
        ("on-the-phone", "dnd", "away", Some("On the phone")),
        ("in-a-meeting", "dnd", "away", Some("In a meeting")),
        ("do-not-disturb", "dnd", "dnd", None),
        ("away", "away", "away", None),
        ("be-right-back", "away", "away", Some("Be right back")),
        ("extended-away", "xa", "xa", Some("Extended away")),
        ("out-of-office", "xa", "xa", Some("Out of office")),
        ("vacation", "xa", "xa", Some("On vacation")),
        ("offline", "unavailable", "unavailable", None),
    ] {
        let strict_table = preset("xmpp").variant("strict").unwrap();
        for (table, word) in [(preset("xmpp").general(), show), (strict_table, strict)] {
            let mapped = table.to_peer([state]).unwrap();
            assert_eq!(written(mapped), word, "{state}");
            assert_eq!(default_note(mapped, None).as_deref(), status, "{state}");
            let own = mapped.note(NoteParts {
                note: Some("back soon"),
                until: None,
            });
            assert_eq!(own.as_deref(), Some("back soon"), "{state}");
        }
    }
    assert_eq!(to("xmpp", "working-elsewhere"), None);
}

#[test]
fn xmpp_show_of_others() {
    // RFC 6121 §4.7.2.1.
    for (show, state) in [
        ("available", Some("available")),
        ("chat", Some("available")),
        ("away", Some("away")),
        ("dnd", Some("do-not-disturb")),
        ("xa", Some("extended-away")),
        ("unavailable", Some("offline")),
        ("invisible", None),
    ] {
        assert_eq!(from("xmpp", &[show]).as_deref(), state, "{show}");
    }
}

#[test]
fn pidf_basic_and_activity() {
    // State, basic/activity, whether a note is added.
    for (state, words, note) in [
        ("available", "open", None),
        ("busy", "open/busy", None),
        ("on-the-phone", "open/on-the-phone", None),
        ("in-a-meeting", "open/meeting", None),
        ("do-not-disturb", "open/busy", Some("Do not disturb")),
        ("away", "open/away", None),
        ("be-right-back", "open/away", Some("Be right back")),
        ("extended-away", "open/away", Some("Extended away")),
        ("out-of-office", "closed/vacation", Some("Out of office")),
        ("vacation", "closed/vacation", Some("On vacation")),
        ("offline", "closed", None),
    ] {
        let mapped = preset("pidf").to_peer([state]).unwrap();
        assert_eq!(written(mapped), words, "{state}");
        assert_eq!(default_note(mapped, None).as_deref(), note, "{state}");
    }
    assert_eq!(to("pidf", "working-elsewhere"), None);
}

#[test]
fn pidf_of_others() {
    for (words, state) in [
        (&["open"][..], Some("available")),
        (&["open/busy", "open"], Some("busy")),
        (&["open/on-the-phone", "open"], Some("on-the-phone")),
        (&["open/meeting", "open"], Some("in-a-meeting")),
        (&["open/away", "open"], Some("away")),
        (&["open/vacation", "open"], Some("vacation")),
        (&["open/lunch", "open"], Some("available")),
        (&["closed"], Some("offline")),
        (&["closed/vacation", "closed"], Some("vacation")),
        (&["closed/on-the-phone", "closed"], Some("offline")),
        (&["open/lunch"], None),
    ] {
        assert_eq!(from("pidf", words).as_deref(), state, "{words:?}");
    }
}

#[test]
fn openscape_myportal_to_office_communicator() {
    // S000: myPortal, our state, OC, default note; an individual note is allowed except for Office.
    for (myportal, state, oc, note) in [
        ("Office", "available", "Available", None),
        (
            "Meeting",
            "in-a-meeting",
            "Busy",
            Some("Meeting til: 14:30"),
        ),
        ("Sick", "sick", "Away", Some("Sick til: 14:30")),
        ("Break", "break", "Away", Some("Break til: 14:30")),
        (
            "Vacation",
            "vacation",
            "Away",
            Some("Out of Office til: 14:30"),
        ),
        ("Lunch", "lunch", "Away", Some("Lunch til: 14:30")),
        ("Home", "home", "Away", Some("Home til: 14:30")),
        (
            "Do not disturb",
            "do-not-disturb",
            "Busy",
            Some("Do not disturb til: 14:30"),
        ),
    ] {
        let mapped = preset("openscape").to_peer([state]).unwrap();
        assert_eq!(written(mapped), oc, "{myportal}");
        let until = Some("14:30");
        assert_eq!(default_note(mapped, until).as_deref(), note, "{myportal}");
        assert_eq!(default_note(mapped, None), None, "{myportal}");
        let individual = mapped.note(NoteParts {
            note: Some("call my deputy"),
            until,
        });
        let allowed = (myportal != "Office").then_some("call my deputy");
        assert_eq!(individual.as_deref(), allowed, "{myportal}");
    }
    assert_eq!(to("openscape", "away"), None);
    assert_eq!(to("openscape", "offline"), None);
}

#[test]
fn openscape_office_communicator_to_myportal() {
    // S000: OC, myPortal, our state; notes are not carried.
    for (oc, myportal, state) in [
        ("Available", "Office", "available"),
        ("Busy", "Office", "available"),
        ("Do not Disturb", "DND", "do-not-disturb"),
        ("Be right back", "Out of Office", "out-of-office"),
    ] {
        let mapped = preset("openscape").from_peer([oc]).unwrap();
        assert_eq!(written(mapped), state, "{oc} {myportal}");
        let carried = mapped.note(NoteParts {
            note: Some("until noon"),
            until: Some("12:00"),
        });
        assert_eq!(carried, None, "{oc}");
    }
    assert_eq!(from("openscape", &["Away"]), None);
    assert_eq!(from("openscape", &["Offline"]), None);
}

#[test]
fn openscape_attendant_console() {
    // myAttendant user guide; from "Office" on, the lower table has the rows of the guide that the
    // short form leaves out.
    let console = preset("openscape").variant("attendant-console").unwrap();
    for (xmpp, state, shown) in [
        ("online", "available", Some("Office")),
        ("DND", "do-not-disturb", Some("Meeting")),
        ("Away", "away", Some("Gone out")),
        ("XA", "extended-away", Some("Vacation")),
        ("offline", "offline", None),
    ] {
        let mapped = console.to_peer([state]).map(written);
        assert_eq!(mapped.as_deref(), shown, "{xmpp}");
    }
    for (shown, state) in [
        ("Meeting", Some("do-not-disturb")),
        ("Sick", Some("away")),
        ("Office", Some("available")),
        ("Break", Some("away")),
        ("Gone Out", Some("away")),
        ("Lunch", Some("away")),
        ("Gone Home", Some("away")),
        ("Vacation", Some("extended-away")),
        ("Call Me", None),
    ] {
        let mapped = console.from_peer([shown]).map(written);
        assert_eq!(mapped.as_deref(), state, "{shown}");
    }
}

#[test]
fn teams_availability_and_activity() {
    use SetAs::{Preferred, Session};
    for (state, pair, set_as) in [
        (
            "available",
            "Available/Available",
            &[Session, Preferred][..],
        ),
        ("busy", "Busy/Busy", &[Preferred]),
        ("on-the-phone", "Busy/InACall", &[Session]),
        ("in-a-meeting", "Busy/InAConferenceCall", &[Session]),
        ("do-not-disturb", "DoNotDisturb/DoNotDisturb", &[Preferred]),
        ("away", "Away/Away", &[Session, Preferred]),
        ("be-right-back", "BeRightBack/BeRightBack", &[Preferred]),
        ("extended-away", "Away/Away", &[Session, Preferred]),
        ("out-of-office", "Away/Away", &[Session, Preferred]),
        ("vacation", "Away/Away", &[Session, Preferred]),
        ("offline", "Offline/OffWork", &[Preferred]),
    ] {
        let mapped = preset("teams").to_peer([state]).unwrap();
        assert_eq!(written(mapped), pair, "{state}");
        assert_eq!(mapped.set_as, set_as, "{state}");
    }
    assert_eq!(to("teams", "working-elsewhere"), None);
}

#[test]
fn teams_says_only_what_graph_takes() {
    // setPresence: the allowed pairs; setUserPreferredPresence: the allowed availabilities.
    let pairs = [
        "Available/Available",
        "Busy/InACall",
        "Busy/InAConferenceCall",
        "Away/Away",
    ];
    let preferred = [
        "Available",
        "Busy",
        "DoNotDisturb",
        "BeRightBack",
        "Away",
        "Offline",
    ];
    for state in STATES {
        let Some(mapped) = preset("teams").to_peer([state]) else {
            continue;
        };
        assert!(!mapped.set_as.is_empty(), "{state}");
        for way in &mapped.set_as {
            let taken = match way {
                SetAs::Session => pairs.contains(&written(mapped).as_str()),
                SetAs::Preferred => preferred.contains(&mapped.word.as_str()),
            };
            assert!(taken, "{state} {way:?}");
        }
    }
}

#[test]
fn teams_of_others() {
    for (words, state) in [
        (&["Available/Available", "Available"][..], Some("available")),
        (
            &["AvailableIdle/Inactive", "AvailableIdle"],
            Some("available/idle"),
        ),
        (&["Away/Away", "Away"], Some("away")),
        (
            &["BeRightBack/BeRightBack", "BeRightBack"],
            Some("be-right-back"),
        ),
        (&["Busy/Busy", "Busy"], Some("busy")),
        (&["BusyIdle/Inactive", "BusyIdle"], Some("busy/idle")),
        (
            &["DoNotDisturb/Presenting", "DoNotDisturb"],
            Some("do-not-disturb"),
        ),
        (
            &["DoNotDisturb/UrgentInterruptionsOnly", "DoNotDisturb"],
            Some("do-not-disturb"),
        ),
        (&["Offline/OffWork", "Offline"], Some("offline")),
        (&["Busy/InACall", "Busy"], Some("on-the-phone")),
        (&["Busy/InAConferenceCall", "Busy"], Some("in-a-meeting")),
        (&["Busy/InAMeeting", "Busy"], Some("in-a-meeting")),
        (&["Away/OutOfOffice", "Away"], Some("out-of-office")),
        (&["Offline/OutOfOffice", "Offline"], Some("out-of-office")),
        (&["Available/OutOfOffice", "Available"], Some("available")),
        (
            &["PresenceUnknown/PresenceUnknown", "PresenceUnknown"],
            None,
        ),
    ] {
        assert_eq!(from("teams", words).as_deref(), state, "{words:?}");
    }
}
