//! `cargo xtask bench many`: 19,000 users with 50 contacts each come at once, to one node, and to the node of a pair whose
//! other one dies, or is drained. It fails unless everybody came back, no login failed, and nobody was falsely seen to leave.

use anyhow::Result;
use serde_json::Value;

use crate::bars::short;
use crate::workspace::Workspace;
use crate::{missing, peers};

/// One line of JSON for each of the two.
pub(crate) const RESULTS: &str = "benches/results/many.jsonl";

/// How to measure.
#[derive(clap::Args, Clone)]
pub(crate) struct Options {
    /// The name of the run [default: the day and the commit]
    #[arg(long = "run", value_name = "NAME")]
    name: Option<String>,
    /// A few users, to see whether it works; the results are only printed.
    #[arg(long)]
    quick: bool,
    /// Only one of one-node, pair-loses-one and pair-drains-one; the page keeps the newest of each.
    #[arg(long, value_name = "WHAT")]
    only: Option<String>,
    /// Where the nodes keep their data.
    #[arg(long, default_value = peers::DIR)]
    dir: std::path::PathBuf,
}

/// What is measured, by its name in results.
const ONE_NODE: &str = "one node";
const PAIR: &str = "a pair loses a node";
/// What is said of one that was left out.
const NOT_MEASURED: &str = "not measured";
const DRAIN: &str = "a pair drains a node";

/// Measures, and writes the page. `false` when somebody was missing.
pub(crate) fn bench(workspace: &Workspace, options: &Options) -> Result<bool> {
    if !peers::build(workspace)? {
        return Ok(false);
    }
    let mut command = peers::program(workspace);
    command
        .args(["many", "--run", &peers::name(options.name.as_ref())?])
        .arg("--dir")
        .arg(&options.dir);
    if let Some(only) = &options.only {
        command.args(["--only", only]);
    }
    let file = if options.quick {
        command.arg("--quick");
        None
    } else {
        Some(RESULTS)
    };
    let lines = peers::stream(workspace, &mut command, file)?;
    let drawn = options.quick || peers::draw(workspace)?;
    let mut problems = problems(&lines);
    if options.only.is_some() {
        problems.retain(|problem| !problem.ends_with(NOT_MEASURED));
        anyhow::ensure!(!lines.is_empty(), "nothing was measured");
    }
    missing::tell(&problems);
    Ok(problems.is_empty() && drawn)
}

/// Who was missing in a run, and what of the run.
fn problems(lines: &[Value]) -> Vec<String> {
    let mut found = Vec::new();
    for what in [ONE_NODE, PAIR, DRAIN] {
        let points = lines.iter().map(|line| &line["many"]);
        let mut storms = points
            .filter(|point| point["what"] == what)
            .map(|point| &point["storm"])
            .peekable();
        if storms.peek().is_none() {
            found.push(format!("{what}: {NOT_MEASURED}"));
        }
        for storm in storms {
            let mut missing = missing::of("storm", storm);
            if what != ONE_NODE && storm["lost"].as_u64().unwrap_or_default() == 0 {
                missing.push("nobody lost the connection, so nothing was measured".to_owned());
            }
            if what != ONE_NODE && !storm["false_unavailable"].is_u64() {
                missing.push("false `unavailable` was not counted".to_owned());
            }
            found.extend(
                missing
                    .into_iter()
                    .map(|problem| format!("{what}: {problem}")),
            );
        }
    }
    found
}

/// What stands in each column, and where; times are in ms there.
const COLUMNS: [(&str, &[&str], f64); 9] = [
    ("empty, s", &["emptied_seconds"], 1.0),
    ("all back, s", &["seconds"], 1.0),
    ("login p50, s", &["login_ms", "p50"], 1e-3),
    ("login max, s", &["login_ms", "max"], 1e-3),
    ("all seen p50, s", &["seen_all_ms", "p50"], 1e-3),
    ("all seen max, s", &["seen_all_ms", "max"], 1e-3),
    (
        "others' answers p50, ms",
        &["answer_to_others_ms", "p50"],
        1.0,
    ),
    (
        "others' answers p99, ms",
        &["answer_to_others_ms", "p99"],
        1.0,
    ),
    ("CPU, ms a user", &["server_cpu_ms_per_user"], 1.0),
];

/// The text for the page: the newest of each.
pub(crate) fn text(lines: &[Value]) -> String {
    if lines.is_empty() {
        return "Nothing has been measured yet.\n".to_owned();
    }
    let titles = COLUMNS.map(|(title, ..)| title).join(" | ");
    let mut text = format!(
        "| | users | came | failed | false `unavailable` | {titles} | others |\n|---|---|---|---|---|{}---|\n",
        "---|".repeat(COLUMNS.len())
    );
    for what in [ONE_NODE, PAIR, DRAIN] {
        let mut points = lines.iter().map(|line| &line["many"]);
        let Some(point) = points.rfind(|point| point["what"] == what) else {
            continue;
        };
        let storm = &point["storm"];
        let whole =
            |name: &str| (storm[name].as_u64()).map_or_else(|| "–".to_owned(), |n| n.to_string());
        let [users, back, failed, unavailable] =
            ["users", "back", "failed", "false_unavailable"].map(whole);
        let figures = COLUMNS.map(|(_, path, times)| {
            let found = path.iter().fold(storm, |found, name| &found[*name]);
            (found.as_f64()).map_or_else(|| "–".to_owned(), |figure| short(figure * times))
        });
        let others = point["others_busy"].as_f64().unwrap_or_default() * 100.0;
        text.push_str(&format!(
            "| {what} | {users} | {back} | {failed} | {unavailable} | {} | {others:.0} % |\n",
            figures.join(" | ")
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{DRAIN, ONE_NODE, PAIR, problems, text};

    #[test]
    fn the_newest_of_each_is_told_and_what_was_not_measured_is_not_made_up() {
        let line = |what: &str, seconds: f64| {
            json!({"run": "r", "many": {"what": what, "users": 400, "others_busy": 0.05, "storm": {
                "users": 400, "back": 200, "failed": 0, "seconds": seconds,
                "login_ms": {"p50": 1500.0, "max": 2500.0}, "seen_all_ms": {"p50": 1600.0, "max": 2600.0}}}})
        };
        let lines = [
            line("one node", 9.0),
            line("a pair loses a node", 4.0),
            line("one node", 3.0),
        ];
        let page = text(&lines);
        let row = "| one node | 400 | 200 | 0 | – | – | 3.00 | 1.50 | 2.50 | 1.60 | 2.60 | – | – | – | 5 % |";
        assert!(page.contains(row), "{page}");
        assert!(page.contains("| a pair loses a node | 400 |"), "{page}");
        assert!(!page.contains("9.00"), "{page}");
        assert!(text(&[]).contains("Nothing"));
    }

    #[test]
    fn a_run_in_which_somebody_is_missing_fails_and_says_who() {
        let point =
            |what: &str, storm: &Value| json!({"run": "r", "many": {"what": what, "storm": storm}});
        let one = json!({"users": 400, "back": 400, "failed": 0});
        let pair =
            json!({"users": 400, "lost": 200, "back": 200, "failed": 0, "false_unavailable": 0});
        let drained = point(DRAIN, &pair);
        let run = |one: &Value, pair: &Value| {
            problems(&[point(ONE_NODE, one), point(PAIR, pair), drained.clone()])
        };
        assert!(run(&one, &pair).is_empty());
        let with = |whole: &Value, field: &str, value: Value| {
            let mut changed = whole.clone();
            changed[field] = value;
            changed
        };
        for (storms, said) in [
            (
                (with(&one, "failed", json!(3)), pair.clone()),
                "one node: 3 logins failed",
            ),
            (
                (with(&one, "back", json!(399)), pair.clone()),
                "one node: 399 of 400 came back",
            ),
            (
                (one.clone(), with(&pair, "back", json!(199))),
                "a pair loses a node: 199 of 200 came back",
            ),
            (
                (one.clone(), with(&pair, "false_unavailable", json!(1))),
                "a pair loses a node: 1 false `unavailable`",
            ),
            (
                (one.clone(), with(&pair, "false_unavailable", Value::Null)),
                "a pair loses a node: false `unavailable` was not counted",
            ),
        ] {
            assert_eq!(run(&storms.0, &storms.1), [said]);
        }
        let alone =
            json!({"users": 400, "lost": 0, "back": 0, "failed": 0, "false_unavailable": 0});
        assert!(run(&one, &alone)[0].contains("nobody lost the connection"));
        let cut_off = problems(&[point("one node", &one)]);
        assert_eq!(
            cut_off,
            [
                "a pair loses a node: not measured",
                "a pair drains a node: not measured"
            ]
        );
    }
}
