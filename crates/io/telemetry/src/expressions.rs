//! What is named in expressions of PromQL, held against the table of metrics. It is no parser: whether an expression is one
//! is for promtool and Prometheus to say.

use std::collections::BTreeSet;

use crate::alarms;
use crate::metrics::{Kind, Metric, table};

/// Labels that Prometheus gives to everything it scrapes.
const SCRAPED: &[&str] = &["job", "instance"];
const GROUPING: &[&str] = &[
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
];
const WORDS: &[&str] = &["and", "or", "unless", "bool", "offset"];

/// What is named in an expression.
#[derive(Default)]
struct Named<'a> {
    metrics: Vec<&'a str>,
    /// Metric, label, and the values that it is compared with.
    matchers: Vec<(&'a str, &'a str, &'a str)>,
    groupings: Vec<&'a str>,
}

/// What an expression names that no node shows.
pub(crate) fn problems(expr: &str) -> Vec<String> {
    let named = read(expr);
    let mut found = Vec::new();
    for name in named.metrics.iter().filter(|name| !exists(name)) {
        found.push(format!("no metric {name}"));
    }
    for (name, label, values) in &named.matchers {
        if !labels(name).contains(label) {
            found.push(format!("{name} has no label {label}"));
        }
        let known = values_of(name, label);
        let unknown = values
            .split('|')
            .filter(|value| !value.contains('$') && !known.is_empty() && !known.contains(value));
        found.extend(unknown.map(|value| format!("{label} of {name} is never {value}")));
    }
    let all = labels_of_all(&named);
    let unknown = named.groupings.iter().filter(|label| !all.contains(*label));
    found.extend(unknown.map(|label| format!("no label {label} to group by")));
    found
}

/// What a legend names that the series of its expression do not have.
pub(crate) fn legend_problems(legend: &str, expr: &str) -> Vec<String> {
    let named = read(expr);
    let mut all = labels_of_all(&named);
    if !named.groupings.is_empty() {
        all = named.groupings.into_iter().collect();
    }
    let words = legend.split("{{").skip(1);
    let labels = words.filter_map(|word| word.split_once("}}"));
    labels
        .filter(|(label, _)| !all.contains(label.trim()))
        .map(|(label, _)| format!("no label {label}"))
        .collect()
}

/// The same for `label_values(EXPRESSION, LABEL)`, by which a dashboard finds the values of a variable.
pub(crate) fn variable_problems(query: &str) -> Vec<String> {
    let inner = query
        .strip_prefix("label_values(")
        .and_then(|rest| rest.strip_suffix(')'));
    let Some((expr, label)) = inner.and_then(|inner| inner.rsplit_once(',')) else {
        return vec![format!("{query} is no label_values(…, …)")];
    };
    let mut found = problems(expr);
    if !labels_of_all(&read(expr)).contains(label.trim()) {
        found.push(format!("{expr} has no label {label}"));
    }
    found
}

fn read(expr: &str) -> Named<'_> {
    let mut named = Named::default();
    let mut rest = expr;
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            rest = after_string(rest).1;
        } else if first == '[' {
            rest = rest.split_once(']').map_or("", |(_, after)| after);
        } else if !is_letter(first) {
            rest = &rest[first.len_utf8()..];
        } else {
            let (word, after) = word(rest);
            rest = after.trim_start();
            // A number with a unit, as in 7d.
            if first.is_ascii_digit() || WORDS.contains(&word) {
                continue;
            }
            if GROUPING.contains(&word) {
                rest = grouping(rest, &mut named);
            } else if !rest.starts_with('(') && !aggregates(rest) {
                named.metrics.push(word);
                rest = matchers(word, rest, &mut named);
            }
        }
    }
    named
}

/// `sum by (…) (…)`: what stands before a grouping is no metric.
fn aggregates(rest: &str) -> bool {
    ["by", "without"].contains(&word(rest).0)
}

fn grouping<'a>(rest: &'a str, named: &mut Named<'a>) -> &'a str {
    let Some((list, after)) = rest.strip_prefix('(').and_then(|r| r.split_once(')')) else {
        return rest;
    };
    let labels = list.split(',').map(str::trim);
    named
        .groupings
        .extend(labels.filter(|label| !label.is_empty()));
    after
}

fn matchers<'a>(metric: &'a str, rest: &'a str, named: &mut Named<'a>) -> &'a str {
    let Some(mut rest) = rest.strip_prefix('{') else {
        return rest;
    };
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        let Some(quote) = rest.find('"').filter(|_| !rest.starts_with('}')) else {
            return rest.strip_prefix('}').unwrap_or(rest);
        };
        let label = word(rest).0;
        let (value, after) = after_string(&rest[quote..]);
        named.matchers.push((metric, label, value));
        rest = after;
    }
}

/// A string and what comes after it. Those of ours have no quotes in them.
fn after_string(rest: &str) -> (&str, &str) {
    rest[1..]
        .split_once('"')
        .unwrap_or_else(|| (&rest[1..], ""))
}

fn word(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c| !is_letter(c)).unwrap_or(text.len()))
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

/// The metric, with the name of a histogram's parts too.
fn metric(name: &str) -> Option<&'static Metric> {
    table().iter().find(|metric| match metric.kind {
        Kind::Histogram => ["_bucket", "_sum", "_count"]
            .iter()
            .any(|part| name.strip_suffix(part) == Some(metric.name)),
        Kind::Counter | Kind::Gauge => metric.name == name,
    })
}

fn exists(name: &str) -> bool {
    name == "up" || metric(name).is_some()
}

fn labels(name: &str) -> BTreeSet<&'static str> {
    let own = metric(name).into_iter().flat_map(|metric| metric.labels);
    let mut all: BTreeSet<_> = own.map(|(label, _)| *label).collect();
    all.extend(SCRAPED);
    if name.ends_with("_bucket") {
        all.insert("le");
    }
    all
}

fn labels_of_all(named: &Named<'_>) -> BTreeSet<&'static str> {
    named.metrics.iter().flat_map(|name| labels(name)).collect()
}

/// The values of a label, where the table lists them.
fn values_of(name: &str, label: &str) -> BTreeSet<&'static str> {
    if label == "alarm" {
        return alarms::table().iter().map(|alarm| alarm.name).collect();
    }
    let mut own = metric(name).into_iter().flat_map(|metric| metric.labels);
    let words = own
        .find(|(own, _)| *own == label)
        .map_or("", |(_, words)| *words);
    let values: BTreeSet<_> = words.split(", ").filter(|word| !word.is_empty()).collect();
    if values.iter().any(|value| value.contains(' ')) {
        return BTreeSet::new();
    }
    values
}

#[test]
fn what_is_not_there_is_found() {
    for (expr, expected) in [
        ("sum(muster_sessions) / 2", &[][..]),
        ("muster_session", &["no metric muster_session"]),
        (
            r#"sum by (kind) (rate(muster_logins_total{outcome="success"}[5m]))"#,
            &["no label kind to group by"],
        ),
        (
            r#"muster_logins_total{outcome=~"success|lost", kind="iq"}"#,
            &[
                "outcome of muster_logins_total is never lost",
                "muster_logins_total has no label kind",
            ],
        ),
        (
            r#"muster_alarm{alarm="Nothing"}"#,
            &["alarm of muster_alarm is never Nothing"],
        ),
        (
            "sum by (le) (muster_takeover_seconds_bucket) and muster_takeover_seconds",
            &["no metric muster_takeover_seconds"],
        ),
        (r#"count(up{job="$job"} == 0) or vector(0)"#, &[]),
    ] {
        assert_eq!(problems(expr), expected, "{expr}");
    }
    let slots = "sum by (slot) (muster_slot_owned)";
    assert_eq!(legend_problems("{{slot}}", slots), [""; 0]);
    assert_eq!(
        legend_problems("{{ instance }}", slots),
        ["no label  instance "]
    );
    assert_eq!(
        variable_problems("label_values(muster_sessions, job)"),
        [""; 0]
    );
    assert_eq!(
        variable_problems("label_values(muster_sessions, slot)"),
        ["muster_sessions has no label  slot"]
    );
}
