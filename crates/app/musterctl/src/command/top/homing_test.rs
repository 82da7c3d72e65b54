use super::*;
use crate::command::top::samples::pair;

/// What is shown of a's users in a pair with these states, ten seconds after the node has said so much of their way home.
fn homing(a: &str, b: &str, owner: &str, (left, waits): (Option<u64>, &str)) -> String {
    let mut status = pair();
    for (node, state) in status.nodes.iter_mut().zip([a, b]) {
        node.state = state.to_owned();
        node.advice = "repair it".to_owned();
    }
    let home = &mut status.nodes[0];
    home.fallback_in_ms = left.map(|seconds| seconds * 1_000);
    home.fallback_waits = waits.to_owned();
    let slot = &mut status.slots[0];
    slot.owner = owner.to_owned();
    slot.desired = if a == "Normal" { "a" } else { "b" }.to_owned();
    let slot = slot.clone();
    Homing::of(&status, &slot, Duration::from_secs(10)).to_string()
}

#[test]
fn users_go_home_when_the_node_says_so_and_the_time_goes_on_between_its_answers() {
    let backup = "Running in Backup Mode";
    for (left, waits, words) in [
        (Some(100), "", "in 1m30s"),
        (
            Some(100),
            "only at 22:00-05:00 UTC",
            "in 1m30s, only at 22:00-05:00 UTC",
        ),
        (Some(10), "", "any moment"),
        (Some(0), "held", "held"),
        (None, "fallback-auto is off", "fallback-auto is off"),
        // Not counted as healthy at this moment.
        (None, "", "a: repair it"),
    ] {
        assert_eq!(homing(FAILED_OVER, backup, "b", (left, waits)), words);
    }
}

#[test]
fn everything_else_has_its_word() {
    let backup = "Running in Backup Mode";
    let by_hand = "they stay: an operator moved them";
    for (a, b, owner, waits, words) in [
        ("Normal", "Normal", "a", "", "at home"),
        ("Normal", "Normal", "", "", "nobody serves them"),
        ("Taking Back", "Falling Back", "b", "", "moving"),
        ("Idle", backup, "b", by_hand, by_hand),
        (FAILED_OVER, "(unreachable)", "b", "", "b: repair it"),
        ("(unreachable)", backup, "b", "", "a: repair it"),
        (
            "Running in Failed Mode",
            "Running in Failed Mode",
            "b",
            "",
            "a: repair it",
        ),
    ] {
        assert_eq!(homing(a, b, owner, (None, waits)), words, "{a}, {b}");
    }
}
