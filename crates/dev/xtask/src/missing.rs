//! What measurements say is missing: clients that were not there, presence and messages that did not come. Whoever loses work
//! has done less of it, so its figures are worth nothing.

use serde_json::Value;

/// What `muster-load` counts and what should be none, by its command, with words for it.
const UNWANTED: [(&str, &[(&str, &str)]); 5] = [
    (
        "fanout",
        &[
            ("lost", "deliveries lost"),
            ("late_or_doubled", "deliveries late or doubled"),
            ("changes_not_sent", "changes not sent"),
            ("sessions_lost", "sessions lost"),
        ],
    ),
    (
        "chat",
        &[
            ("missing", "messages missing"),
            ("misordered_or_doubled", "messages misordered or doubled"),
            ("bounced", "messages bounced"),
            ("not_sent", "messages not sent"),
            ("sessions_lost", "sessions lost"),
        ],
    ),
    ("login", &[("failed", "logins failed")]),
    (
        "idle",
        &[("failures", "logins failed"), ("lost", "sessions lost")],
    ),
    (
        "storm",
        &[
            ("failed", "logins failed"),
            ("false_unavailable", "false `unavailable`"),
        ],
    ),
];

/// What is missing by what one command of `muster-load` measured; empty when nothing and nobody is.
pub(crate) fn of(command: &str, measured: &Value) -> Vec<String> {
    let unwanted = UNWANTED.iter().filter(|(name, _)| *name == command);
    let mut found: Vec<_> = unwanted
        .flat_map(|(_, counts)| *counts)
        .map(|(field, what)| (count(&measured[*field]), what))
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if command == "storm" {
        found.extend(not_back(measured));
    }
    if let Some(then) = measured.get("then") {
        found.extend(of(command, then));
    }
    found
}

/// The same of a line of the comparison, with the server and its work.
pub(crate) fn of_line(line: &Value) -> Vec<String> {
    let text = |name: &str| line[name].as_str().unwrap_or_default();
    let (server, work) = (text("server"), text("work"));
    let tls = if line["tls"] == true { " with TLS" } else { "" };
    let found = of(work, &line["measured"]).into_iter();
    found
        .map(|what| format!("{server}, {work}{tls}: {what}"))
        .collect()
}

/// Says it, beside the results.
pub(crate) fn tell(missing: &[String]) {
    for what in missing {
        eprintln!("xtask: {what}");
    }
}

/// A number, or numbers by reason.
fn count(value: &Value) -> u64 {
    match value {
        Value::Object(reasons) => reasons.values().filter_map(Value::as_u64).sum(),
        number => number.as_u64().unwrap_or_default(),
    }
}

/// All have to come back, or all who lost their connection when a node was killed.
fn not_back(storm: &Value) -> Option<String> {
    let number = |name: &str| storm[name].as_u64();
    let (back, all) = (number("back"), number("lost").or_else(|| number("users")));
    if back.is_some() && back == all {
        return None;
    }
    let [back, all] =
        [back, all].map(|number| number.map_or_else(|| "?".to_owned(), |n| n.to_string()));
    Some(format!("{back} of {all} came back"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{of, of_line};

    #[test]
    fn what_is_missing_is_named_with_its_number() {
        let whole = json!({"users": 5, "back": 5, "failed": 0, "failures": {}});
        let killed = json!({"users": 5, "lost": 2, "back": 2, "failed": 0, "false_unavailable": 0});
        for (command, measured, expected) in [
            ("fanout", json!({"lost": 0, "then": {"lost": 0}}), vec![]),
            (
                "fanout",
                json!({"lost": 1, "sessions_lost": {"a": 2, "b": 3}, "then": {"late_or_doubled": 4}}),
                vec![
                    "1 deliveries lost",
                    "5 sessions lost",
                    "4 deliveries late or doubled",
                ],
            ),
            ("chat", json!({"missing": 0, "bounced": 0}), vec![]),
            (
                "chat",
                json!({"missing": 3, "misordered_or_doubled": 1, "not_sent": 2}),
                vec![
                    "3 messages missing",
                    "1 messages misordered or doubled",
                    "2 messages not sent",
                ],
            ),
            ("login", json!({"failed": 2}), vec!["2 logins failed"]),
            (
                "idle",
                json!({"failures": {"refused": 1}, "lost": {"eof": 2}}),
                vec!["1 logins failed", "2 sessions lost"],
            ),
            ("storm", whole, vec![]),
            ("storm", killed, vec![]),
            (
                "storm",
                json!({"users": 5, "back": 4, "failed": 1}),
                vec!["1 logins failed", "4 of 5 came back"],
            ),
            (
                "storm",
                json!({"users": 5, "lost": 2, "back": 1, "failed": 0, "false_unavailable": 7}),
                vec!["7 false `unavailable`", "1 of 2 came back"],
            ),
            ("storm", json!({}), vec!["? of ? came back"]),
        ] {
            assert_eq!(of(command, &measured), expected, "{command} {measured}");
        }
    }

    #[test]
    fn a_line_of_the_comparison_is_told_with_server_and_work() {
        let line =
            json!({"server": "prosody", "work": "login", "tls": true, "measured": {"failed": 3}});
        assert_eq!(of_line(&line), ["prosody, login with TLS: 3 logins failed"]);
    }
}
