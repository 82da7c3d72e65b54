//! How a mapping is read, and what is refused.

use crate::{Mapping, MappingError, NoteParts, SetAs};

/// Our own state of a word of the peer, and what the peer says beside it.
fn ours<'m>(mapping: &'m Mapping, words: &[&str]) -> Option<(&'m str, Option<&'m str>)> {
    let mapped = mapping.from_peer(words.iter().copied())?;
    Some((&mapped.word, mapped.activity.as_deref()))
}

fn refused(text: &str) -> String {
    Mapping::parse(text).unwrap_err().to_string()
}

#[test]
fn the_most_special_state_that_is_listed_wins() {
    let mapping = Mapping::parse("[to]\nbusy = \"Busy\"\nlunch = \"Away\"").unwrap();
    for (states, word) in [
        (&["busy"][..], Some("Busy")),
        (&["lunch", "busy"], Some("Away")),
        (&["brunch", "lunch", "busy"], Some("Away")),
        (&["deep-work", "busy"], Some("Busy")),
        (&["deep-work"], None),
        (&["Busy"], None),
        (&[], None),
    ] {
        let mapped = mapping.to_peer(states.iter().copied());
        assert_eq!(mapped.map(|m| m.word.as_str()), word, "{states:?}");
    }
}

#[test]
fn the_most_special_word_that_is_listed_wins() {
    let mapping = Mapping::parse(
        "[from]\n\"Busy/InACall\" = \"on-the-phone\"\nBusy = \"busy\"\nBusyIdle = \"busy/idle\"",
    )
    .unwrap();
    for (words, state) in [
        (&["Busy/InACall", "Busy"][..], Some(("on-the-phone", None))),
        (&["Busy/InAMeeting", "Busy"], Some(("busy", None))),
        (&["BusyIdle"], Some(("busy", Some("idle")))),
        (&["busyidle"], Some(("busy", Some("idle")))),
        (&["Busy/InAMeeting"], None),
        (&["Busy/"], None),
        (&[], None),
    ] {
        assert_eq!(ours(&mapping, words), state, "{words:?}");
    }
}

#[test]
fn a_direction_is_never_derived_from_the_other() {
    let mapping = Mapping::parse("[to]\nbusy = \"Busy\"\n[from]\nAway = \"away\"").unwrap();
    assert_eq!(mapping.from_peer(["Busy"]), None);
    assert_eq!(mapping.to_peer(["away"]), None);
}

#[test]
fn a_variant_stands_alone() {
    let mapping = Mapping::parse(
        "[to]\nbusy = \"dnd\"\naway = \"away\"\n[variants.strict.to]\nbusy = \"away\"",
    )
    .unwrap();
    let strict = mapping.variant("strict").unwrap();
    assert_eq!(strict.to_peer(["busy"]).unwrap().word, "away");
    assert_eq!(strict.to_peer(["away"]), None);
    assert_eq!(mapping.to_peer(["busy"]).unwrap().word, "dnd");
    assert_eq!(mapping.variant("other"), None);
    assert_eq!(mapping.variants().collect::<Vec<_>>(), ["strict"]);
    let states: Vec<_> = mapping.states().into_iter().collect();
    assert_eq!(states, ["away", "busy"]);
}

#[test]
fn a_note_is_the_first_template_whose_parts_are_given() {
    let mapping = Mapping::parse(
        r#"[to]
        plain = "Away"
        none = { word = "Away", note = [] }
        fixed = { word = "Away", note = ["Gone"] }
        full = { word = "Away", note = ["{note} (til {until})", "{note}", "Til {until}", "Gone"] }
        until = { word = "Away", note = ["Lunch til: {until}"] }"#,
    )
    .unwrap();
    let (note, until) = (Some("in {until}"), Some("13:00"));
    for (state, note, until, text) in [
        ("plain", note, until, Some("in {until}")),
        ("plain", None, until, None),
        ("plain", Some(" "), until, None),
        ("none", note, until, None),
        ("fixed", note, until, Some("Gone")),
        ("fixed", None, None, Some("Gone")),
        ("full", note, until, Some("in {until} (til 13:00)")),
        ("full", note, None, Some("in {until}")),
        ("full", Some(""), until, Some("Til 13:00")),
        ("full", None, Some(""), Some("Gone")),
        ("until", note, until, Some("Lunch til: 13:00")),
        ("until", note, None, None),
    ] {
        let mapped = mapping.to_peer([state]).unwrap();
        let got = mapped.note(NoteParts { note, until });
        assert_eq!(got.as_deref(), text, "{state} {note:?} {until:?}");
    }
}

#[test]
fn numbers_are_found_up_to_the_edges_of_their_range() {
    let mapping =
        Mapping::parse("[from]\n\"18000-\" = \"offline\"\n\"7\" = \"busy\"\n\"10-19\" = \"away\"")
            .unwrap();
    for (word, state) in [
        ("6", None),
        ("7", Some("busy")),
        ("8", None),
        ("9", None),
        ("10", Some("away")),
        ("0010", Some("away")),
        ("19", Some("away")),
        ("20", None),
        ("17999", None),
        ("18000", Some("offline")),
        ("4294967295", Some("offline")),
        ("4294967296", None),
        ("+10", None),
        ("-10", None),
        ("10-19", None),
        ("18000-", None),
        ("", None),
    ] {
        let got = ours(&mapping, &[word]).map(|(state, _)| state);
        assert_eq!(got, state, "{word:?}");
    }
}

#[test]
fn the_example_of_the_module_is_a_mapping() {
    let (_, example) = include_str!("mapping.rs").split_once("```toml\n").unwrap();
    let (example, _) = example.split_once("//! ```").unwrap();
    let mapping = Mapping::parse(&example.replace("//! ", "").replace("//!", "")).unwrap();
    assert_eq!(ours(&mapping, &["5999"]), Some(("available", Some("idle"))));
    assert!(mapping.variant("strict").is_some());
}

#[test]
fn how_a_word_may_be_set_is_told() {
    let mapping = Mapping::parse(
        "[to]\naway = \"Away\"\nbusy = { word = \"Busy/Busy\", set-as = [\"preferred\"] }",
    )
    .unwrap();
    assert_eq!(mapping.to_peer(["away"]).unwrap().set_as, []);
    let busy = mapping.to_peer(["busy"]).unwrap();
    assert_eq!(busy.set_as, [SetAs::Preferred]);
    assert_eq!(
        (&*busy.word, busy.activity.as_deref()),
        ("Busy", Some("Busy"))
    );
}

#[test]
fn what_is_not_in_the_form_is_refused_with_its_line() {
    for (text, line, problem) in [
        ("[to\n", "line 1", "unclosed table"),
        ("[too]\nbusy = \"Busy\"", "line 1", "unknown field `too`"),
        (
            "[variants.strict.too]\nbusy = \"Busy\"",
            "line 1",
            "unknown field `too`",
        ),
        (
            "[to]\nbusy = { word = \"Busy\", notes = [] }",
            "line 2",
            "unknown field `notes`",
        ),
        (
            "[to]\nbusy = { note = [] }",
            "line 2",
            "missing field `word`",
        ),
        (
            "[to]\nbusy = { word = \"Busy\", set-as = [\"favourite\"] }",
            "line 2",
            "unknown variant `favourite`",
        ),
        (
            "[to]\nbusy = 6500",
            "line 2",
            "expected a word, or { word = \"...\", note = [\"...\"] }",
        ),
        (
            "[to]\nbusy = \"Busy\"\nbusy = \"Away\"",
            "line 3",
            "duplicate key",
        ),
        (
            "[from]\nBusy = \"busy\"\n\"Busy\" = \"away\"",
            "line 3",
            "duplicate key",
        ),
        ("[to]\nbusy = \"\"", "line 2", "\"\" is no word"),
        ("[to]\nbusy = \"Busy/\"", "line 2", "\"Busy/\" is no word"),
        (
            "[to]\nbusy = { word = \" Busy\" }",
            "line 2",
            "\" Busy\" is no word",
        ),
        (
            "[to]\nbusy = { word = \"Busy\", note = [\" \"] }",
            "line 2",
            "a note is empty: leave it out",
        ),
        (
            "[to]\nbusy = { word = \"Busy\", note = [\"til {time}\"] }",
            "line 2",
            "nothing fills {time} in a note: there are {note} and {until}",
        ),
        (
            "[to]\nbusy = { word = \"Busy\", note = [\"til {until\"] }",
            "line 2",
            "the note \"til {until\" has a brace without its other half",
        ),
        (
            "[to]\nbusy = { word = \"Busy\", note = [\"til until}\"] }",
            "line 2",
            "the note \"til until}\" has a brace without its other half",
        ),
    ] {
        let said = refused(text);
        assert!(
            said.contains(line) && said.contains(problem),
            "{text}\n{said}"
        );
    }
}

#[test]
fn a_mapping_or_a_variant_without_rows_is_refused() {
    for text in ["", "# nothing", "[to]", "[from]\n[to]", "[variants]"] {
        assert_eq!(Mapping::parse(text), Err(MappingError::Empty), "{text}");
    }
    assert_eq!(
        refused(""),
        "the mapping has no rows: write some under [to], [from] or [variants.NAME.to]"
    );
    assert_eq!(
        refused("[to]\nbusy = \"Busy\"\n[variants.strict.from]"),
        "the variant \"strict\" has no rows: write some or remove it"
    );
}

#[test]
fn words_that_differ_in_case_alone_are_doubled_in_one_direction() {
    assert_eq!(
        refused("[from]\nbusy = \"busy\"\nBUSY = \"away\""),
        "\"BUSY\" and \"busy\" are the same word of the peer: keep one of them"
    );
    Mapping::parse("[to]\nbusy = \"Busy\"\naway = \"Busy\"\n[from]\nBusy = \"busy\"").unwrap();
}

#[test]
fn a_left_side_that_is_no_word_is_refused() {
    for (text, key) in [
        ("[to]\n\"\" = \"Busy\"", "\"\""),
        ("[to]\n\"busy \" = \"Busy\"", "\"busy \""),
        ("[from]\n\"Busy/\" = \"busy\"", "\"Busy/\""),
        ("[variants.a.from]\n\"/InACall\" = \"busy\"", "\"/InACall\""),
    ] {
        assert_eq!(
            refused(text),
            format!(
                "{key} is no word: write \"word\" or \"word/activity\" without spaces around them"
            )
        );
    }
}

#[test]
fn ranges_that_are_none_or_overlap_are_refused() {
    for key in ["4499-3000", "1-2-3", "2026-11-27", "4294967296", "1--"] {
        assert_eq!(
            refused(&format!("[from]\n\"{key}\" = \"busy\"")),
            format!(
                "\"{key}\" is no range of numbers: write \"3000-4499\", \"18000-\" or \"3500\""
            )
        );
    }
    for (first, second) in [
        ("3000-4499", "4499-5999"),
        ("3000-4499", "3500"),
        ("3000-", "18000-"),
        ("3000", "3000-3001"),
        ("900-1000", "1000"),
    ] {
        for (one, other) in [(first, second), (second, first)] {
            assert_eq!(
                refused(&format!(
                    "[from]\n\"{one}\" = \"busy\"\n\"{other}\" = \"away\""
                )),
                format!(
                    "the ranges \"{first}\" and \"{second}\" overlap: no number may be in two of them"
                )
            );
        }
    }
    Mapping::parse("[from]\n\"3000-4499\" = \"available\"\n\"4500-5999\" = \"busy\"").unwrap();
}
