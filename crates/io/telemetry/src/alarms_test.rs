use super::*;
use std::collections::BTreeSet;
use std::path::Path;
use std::{env, fs};

#[test]
fn each_alarm_has_a_name_a_meaning_and_a_remedy_of_its_own() {
    let mut names = BTreeSet::new();
    for alarm in table() {
        assert!(names.insert(alarm.name), "{} twice", alarm.name);
        let is_name = |c: char| c.is_ascii_alphanumeric();
        assert!(alarm.name.chars().all(is_name), "{}", alarm.name);
        for words in [alarm.meaning, alarm.remedy] {
            assert!(words.len() > 20, "{}: {words:?}", alarm.name);
            assert!(!words.ends_with('.'), "{}: {words:?}", alarm.name);
        }
    }
    assert!(Severity::ALL.is_sorted());
}

/// With `UPDATE=1` the page is written instead.
#[test]
fn the_page_of_alarms_is_up_to_date() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/alarms.md");
    if env::var_os("UPDATE").is_some() {
        fs::write(&page, markdown()).unwrap();
    }
    let there = fs::read_to_string(&page).unwrap_or_default();
    assert_eq!(
        there,
        markdown(),
        "docs/alarms.md is old: run `cargo xtask fix`"
    );
}
