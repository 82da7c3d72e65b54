use super::*;
use serde_json::json;

const COLUMNS: &[Column] = &[
    ("NAME", "name"),
    ("UP", "reachable"),
    ("SERVED BY", "owner"),
    ("AGE", "since"),
];

fn nodes() -> Answer {
    // A moment that has not come yet: its age is none.
    let soon = "9999-01-01T00:00:00.000Z";
    let a = json!({"name": "a", "reachable": true, "owner": null, "since": ""});
    let b = json!({"name": "berlin", "reachable": false, "owner": "a", "since": soon});
    Answer::list(COLUMNS, vec![a, b])
}

#[test]
fn a_table_is_aligned() {
    let expected = "NAME    UP   SERVED BY  AGE\n\
                    a       yes  -          -\n\
                    berlin  no   a          0s\n";
    assert_eq!(nodes().format(Format::Table), expected);
}

#[test]
fn json_is_what_programs_read() {
    let text = nodes().format(Format::Json);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value[1]["name"], "berlin");
    assert!(text.ends_with("]\n"));
}

#[test]
fn yaml_nests_blocks() {
    let value = json!({
        "name": "a: b",
        "nodes": ["a", "b"],
        "none": [],
        "slots": [{"id": "s1", "voters": [1, 2]}, {"id": "s2", "owner": null}],
        "deep": {"on": true},
        "1": {}
    });
    let expected = "\"1\": {}\n\
                    deep:\n  \"on\": true\n\
                    name: \"a: b\"\n\
                    nodes:\n  - \"a\"\n  - \"b\"\n\
                    none: []\n\
                    slots:\n  - id: \"s1\"\n    voters:\n      - 1\n      - 2\n  \
                    - id: \"s2\"\n    owner: null\n";
    assert_eq!(Answer::new("", value).format(Format::Yaml), expected);
}

#[test]
fn what_comes_from_outside_does_not_move_the_cursor() {
    let answer = Answer::object(json!({"name": "a\u{1b}[2J\nb"}));
    assert_eq!(
        answer.format(Format::Table),
        "name:  a\u{fffd}[2J\u{fffd}b\n"
    );
}
