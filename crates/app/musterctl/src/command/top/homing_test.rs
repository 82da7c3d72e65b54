use super::*;
use crate::command::top::samples::{MINUTE, NOW, pair, set};

/// The slot of a's users in a pair with these states, that changed so many minutes ago.
fn homing(a: (&str, u64), b: (&str, u64), owner: &str, settings: &[(&str, &str)]) -> String {
    let mut status = pair();
    for (node, (state, minutes)) in status.nodes.iter_mut().zip([a, b]) {
        node.state = state.to_owned();
        node.since = Timestamp(NOW.0 - minutes * MINUTE).to_string();
        node.advice = "repair it".to_owned();
    }
    for (name, value) in settings {
        set(&mut status, name, value);
    }
    let slot = &mut status.slots[0];
    slot.owner = owner.to_owned();
    slot.desired = if a.0 == "Normal" { "a" } else { "b" }.to_owned();
    let slot = slot.clone();
    Homing::of(&status, &slot, NOW).to_string()
}

#[test]
fn users_go_home_by_themselves_not_before_the_delay_has_passed_since_the_last_change() {
    let backup = "Running in Backup Mode";
    for (a, b, words) in [
        ((FAILED_OVER, 1), (backup, 20), "in 29m at the earliest"),
        ((FAILED_OVER, 20), (backup, 3), "in 27m at the earliest"),
        (
            (FAILED_OVER, 29),
            (FAILED_OVER, 29),
            "in 1m at the earliest",
        ),
        (
            (FAILED_OVER, 30),
            (backup, 40),
            "any moment, or later after a gap",
        ),
        (
            (FAILED_OVER, 90),
            (backup, 90),
            "any moment, or later after a gap",
        ),
    ] {
        assert_eq!(homing(a, b, "b", &[]), words, "{a:?}, {b:?}");
    }
    let short = [("fallback-delay", "90s")];
    let words = homing((FAILED_OVER, 1), (backup, 1), "b", &short);
    assert_eq!(words, "in 30s at the earliest");
}

#[test]
fn everything_else_has_its_word() {
    let backup = "Running in Backup Mode";
    let off = [("fallback-auto", "off")];
    for (a, b, owner, settings, words) in [
        ("Normal", "Normal", "a", &[][..], "at home"),
        ("Normal", "Normal", "", &[], "nobody serves them"),
        ("Taking Back", "Falling Back", "b", &[], "moving"),
        (IDLE, backup, "b", &[], "by hand: an operator moved them"),
        (
            FAILED_OVER,
            backup,
            "b",
            &off,
            "by hand: fallback-auto is off",
        ),
        (FAILED_OVER, "(unreachable)", "b", &[], "b: repair it"),
        ("(unreachable)", backup, "b", &[], "a: repair it"),
        (
            "Running in Failed Mode",
            "Running in Failed Mode",
            "b",
            &[],
            "a: repair it",
        ),
    ] {
        assert_eq!(homing((a, 1), (b, 1), owner, settings), words, "{a}, {b}");
    }
}
