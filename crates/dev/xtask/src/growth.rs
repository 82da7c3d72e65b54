//! `cargo xtask bench growth`: how the cost of Muster grows with sessions, contacts and nodes, and pictures of it.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::Value;

use crate::picture::{Picture, Series};
use crate::workspace::Workspace;
use crate::{missing, peers};

/// One line of JSON for each point.
pub(crate) const RESULTS: &str = "benches/results/growth.jsonl";

/// What to measure.
#[derive(clap::Args, Clone)]
pub(crate) struct Options {
    /// What grows: sessions, contacts, nodes. Everything, if nothing is said.
    #[arg(long, value_delimiter = ',', value_parser = ["sessions", "contacts", "nodes"])]
    only: Vec<String>,
    /// Leave out what has more sessions.
    #[arg(long, default_value_t = 19_000)]
    sessions_max: u32,
    /// The name of the run [default: the day and the commit]
    #[arg(long = "run", value_name = "NAME")]
    name: Option<String>,
    /// Where the nodes keep their data.
    #[arg(long, default_value = peers::DIR)]
    dir: std::path::PathBuf,
    /// Only draw the pictures.
    #[arg(long)]
    draw: bool,
}

/// Measures, and draws. `false` when something was missing.
pub(crate) fn bench(workspace: &Workspace, options: &Options) -> Result<bool> {
    let mut lines = Vec::new();
    if !options.draw {
        if !peers::build(workspace)? {
            return Ok(false);
        }
        let mut command = peers::program(workspace);
        command
            .args(["growth", "--run", &peers::name(options.name.as_ref())?])
            .args(["--sessions-max", &options.sessions_max.to_string()])
            .arg("--dir")
            .arg(&options.dir);
        if !options.only.is_empty() {
            command.args(["--only", &options.only.join(",")]);
        }
        lines = peers::stream(workspace, &mut command, Some(RESULTS))?;
    }
    let drawn = peers::draw(workspace)?;
    let problems = problems(&lines);
    missing::tell(&problems);
    Ok(problems.is_empty() && drawn)
}

/// What was missing at each point.
fn problems(lines: &[Value]) -> Vec<String> {
    let mut found = Vec::new();
    for point in lines.iter().map(|line| &line["growth"]) {
        let axis = point["axis"].as_str().unwrap_or_default();
        for work in ["idle", "fanout"] {
            let missing = missing::of(work, &point[work]).into_iter();
            found.extend(missing.map(|what| format!("{axis} {}, {work}: {what}", point["at"])));
        }
    }
    found
}

/// One picture: its file, and which figure of which axis it shows.
struct Shown {
    file: &'static str,
    title: &'static str,
    axis: &'static str,
    up: &'static str,
    /// Names of lines and where their values stand.
    lines: &'static [(&'static str, &'static [&'static str])],
    /// Pictures have whole numbers: the values are multiplied by this.
    times: f64,
}

const CPU: &[(&str, &[&str])] = &[
    ("closed loop", &["fanout", "server_cpu_us_per_delivery"]),
    (
        "10,000 deliveries/s",
        &["fanout", "then", "server_cpu_us_per_delivery"],
    ),
];
const MEMORY: &[(&str, &[&str])] = &[("with TLS", &["idle", "server_kb_per_session"])];

const fn cpu(file: &'static str, title: &'static str, axis: &'static str) -> Shown {
    Shown {
        file,
        title,
        axis,
        up: "ns of CPU for a delivery",
        lines: CPU,
        times: 1000.0,
    }
}

const fn memory(file: &'static str, title: &'static str, axis: &'static str) -> Shown {
    Shown {
        file,
        title,
        axis,
        up: "KB for a session",
        lines: MEMORY,
        times: 1.0,
    }
}

const SHOWN: [Shown; 6] = [
    cpu(
        "growth-sessions-cpu.svg",
        "Presence by sessions, 10 contacts each",
        "sessions",
    ),
    memory(
        "growth-sessions-memory.svg",
        "Memory by sessions, 10 contacts each",
        "sessions",
    ),
    cpu(
        "growth-contacts-cpu.svg",
        "Presence by contacts, 1,000 sessions",
        "contacts",
    ),
    memory(
        "growth-contacts-memory.svg",
        "Memory by contacts, 1,000 sessions",
        "contacts",
    ),
    cpu(
        "growth-nodes-cpu.svg",
        "Presence by serving nodes, 2,000 sessions",
        "nodes",
    ),
    memory(
        "growth-nodes-memory.svg",
        "Memory by serving nodes, 2,000 sessions",
        "nodes",
    ),
];

/// The pictures, by their names; each point is the newest of its kind.
pub(crate) fn pictures(lines: &[Value]) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    for shown in &SHOWN {
        let points = newest(lines, shown.axis);
        let series: Vec<_> = shown
            .lines
            .iter()
            .map(|(name, path)| Series {
                name,
                points: points
                    .iter()
                    .filter_map(|(at, line)| Some((*at, value(line, path, shown.times)?)))
                    .collect(),
            })
            .collect();
        let picture = Picture {
            title: shown.title,
            across: shown.axis,
            up: shown.up,
            series,
        };
        if !points.is_empty() {
            all.push((shown.file, picture.draw()));
        }
    }
    all
}

/// The text for the page: the points in a table, and the pictures.
pub(crate) fn text(lines: &[Value]) -> String {
    if lines.is_empty() {
        return "Nothing has been measured yet.\n".to_owned();
    }
    let mut text = "| | sessions | contacts | closed loop, µs | 10,000/s, µs | the last contact, p99, ms | memory, KB | others |\n\
                    |---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for axis in ["sessions", "contacts", "nodes"] {
        for (at, line) in newest(lines, axis) {
            let number = |path: &[&str]| {
                let found = path.iter().fold(line, |found, name| &found[*name]);
                found
                    .as_f64()
                    .map_or_else(|| "–".to_owned(), crate::bars::short)
            };
            let [closed, even] = [CPU[0].1, CPU[1].1].map(number);
            let p99 = number(&["fanout", "then", "all_delivered_ms", "p99"]);
            let kb = number(MEMORY[0].1);
            let others = line["others_busy"].as_f64().unwrap_or_default() * 100.0;
            let [users, contacts] =
                ["users", "contacts"].map(|name| line[name].as_u64().unwrap_or_default());
            text.push_str(&format!(
                "| {axis} {at} | {users} | {contacts} | {closed} | {even} | {p99} | {kb} | {others:.0} % |\n"
            ));
        }
    }
    text.push('\n');
    for (file, _) in pictures(lines) {
        let title = SHOWN.iter().find(|shown| shown.file == file);
        text.push_str(&format!(
            "![{}](pictures/{file})\n",
            title.map_or("", |shown| shown.title)
        ));
    }
    text
}

/// The newest line of each point of an axis.
fn newest<'a>(lines: &'a [Value], axis: &str) -> BTreeMap<u64, &'a Value> {
    let points = lines.iter().map(|line| &line["growth"]);
    points
        .filter(|point| point["axis"] == axis)
        .filter_map(|point| Some((point["at"].as_u64()?, point)))
        .collect()
}

fn value(line: &Value, path: &[&str], times: f64) -> Option<u64> {
    let found = path.iter().fold(line, |found, name| &found[*name]);
    found.as_f64().map(|value| (value * times).round() as u64)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{pictures, problems, text};

    fn point(at: u64, us: f64) -> Value {
        json!({"run": "r", "growth": {"axis": "sessions", "at": at, "users": at, "contacts": 10, "others_busy": 0.1,
            "idle": {"server_kb_per_session": 21.4},
            "fanout": {"server_cpu_us_per_delivery": us, "then": {"server_cpu_us_per_delivery": 9.0}}}})
    }

    #[test]
    fn what_is_missing_is_told_with_its_point() {
        let mut line = point(1000, 5.0);
        assert!(problems(std::slice::from_ref(&line)).is_empty());
        line["growth"]["idle"]["lost"] = json!({"eof": 2});
        line["growth"]["fanout"]["then"]["lost"] = json!(3);
        assert_eq!(
            problems(&[line]),
            [
                "sessions 1000, idle: 2 sessions lost",
                "sessions 1000, fanout: 3 deliveries lost"
            ]
        );
    }

    #[test]
    fn the_newest_of_each_point_is_told_and_drawn() {
        let lines = [point(1000, 5.0), point(2000, 3.0), point(1000, 2.5)];
        let drawn = pictures(&lines);
        let names: Vec<_> = drawn.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            names,
            ["growth-sessions-cpu.svg", "growth-sessions-memory.svg"]
        );
        let page = text(&lines);
        for part in [
            "| sessions 1000 | 1000 | 10 | 2.50 | 9.00 | – | 21.4 | 10 % |",
            "| sessions 2000 | 2000 | 10 | 3.00 |",
            "](pictures/growth-sessions-cpu.svg)",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
        assert!(!page.contains("5.00"), "{page}");
        assert!(text(&[]).contains("Nothing"));
    }
}
