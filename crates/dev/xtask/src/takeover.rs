//! What a crowd of clients notices of a takeover: running the measurement, keeping its raw results, adding them up.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::Value;

use crate::picture::{Picture, Series};
use crate::workspace::Workspace;
use crate::{deployed, results};

/// One line of JSON for each round, and one for each run.
pub(crate) const RESULTS: &str = "benches/results/takeover.jsonl";
const FAULTS: [&str; 3] = ["kill", "pause", "partition"];

/// How much to measure.
#[derive(clap::Args, Clone)]
pub(crate) struct Amount {
    /// How often to kill a node.
    #[arg(long, default_value_t = 50)]
    pub(crate) kills: u32,
    /// How often to freeze one.
    #[arg(long, default_value_t = 0)]
    pub(crate) pauses: u32,
    /// How often to cut one from the others.
    #[arg(long, default_value_t = 0)]
    pub(crate) partitions: u32,
    /// How many clients are online.
    #[arg(long, default_value_t = 2_000)]
    pub(crate) clients: u32,
    /// A setting of the cluster, such as `peer-timeout=700ms`; may be repeated.
    #[arg(long)]
    pub(crate) setting: Vec<String>,
}

/// Measures; returns a line for each round and one for the run.
pub(crate) fn measure(workspace: &Workspace, amount: &Amount) -> Result<Vec<String>> {
    let numbers = [
        amount.kills,
        amount.pauses,
        amount.partitions,
        amount.clients,
    ];
    let numbers = numbers.iter().map(ToString::to_string);
    let words: Vec<_> = numbers.chain(amount.setting.iter().cloned()).collect();
    deployed::measure(workspace, "bench-takeover", &words)
}

/// Measures, adds the results to those of earlier runs, and says whether nothing was lost and nobody called away falsely.
pub(crate) fn prove(workspace: &Workspace, amount: &Amount) -> Result<bool> {
    let lines = measure(workspace, amount)?;
    results::append(workspace, RESULTS, &lines)?;
    let run: Value = lines
        .last()
        .map(|line| serde_json::from_str(line))
        .transpose()?
        .unwrap_or_default();
    let zero = |name: &str| run["run"][name] == 0;
    Ok(zero("lost") && zero("false_unavailable") && zero("not_verified"))
}

/// The table of all runs with the default settings, for the page.
pub(crate) fn summary(workspace: &Workspace) -> Result<String> {
    Ok(table(&results::read(workspace, RESULTS)?))
}

/// The rounds of all runs with the default settings, and what is said of these runs.
type Rounds<'a> = (Vec<&'a Value>, Vec<&'a Value>);

/// Rounds stand before the line of their run.
fn rounds(lines: &[Value]) -> Rounds<'_> {
    let (mut rounds, mut runs, mut open) = (Vec::new(), Vec::new(), Vec::new());
    for line in lines {
        if line.get("run").is_none() {
            open.push(line);
        } else if line["run"]["settings"].as_array().is_none_or(Vec::is_empty) {
            runs.push(&line["run"]);
            rounds.append(&mut open);
        } else {
            open.clear();
        }
    }
    (rounds, runs)
}

/// How many milliseconds something took in each round with a fault.
fn times(rounds: &[&Value], fault: &str, name: &str) -> Vec<u64> {
    let of = rounds.iter().filter(|round| round["fault"] == fault);
    of.filter_map(|round| round[name].as_u64()).collect()
}

/// The picture for the page, by its name: how many rounds were over after how long.
pub(crate) fn picture(workspace: &Workspace) -> Result<(&'static str, String)> {
    let lines = results::read(workspace, RESULTS)?;
    let (rounds, _) = rounds(&lines);
    let series = FAULTS.map(|name| {
        let mut times = times(&rounds, name, "takeover_ms");
        let share = |percent| Some((results::percentile(&mut times, percent)?, percent as u64));
        let points = (1..=100).filter_map(share).collect();
        Series { name, points }
    });
    let picture = Picture {
        title: "Users served by the peer, after so long",
        across: "ms",
        up: "% of rounds",
        series: series.into(),
    };
    Ok(("takeover.svg", picture.draw()))
}

fn table(lines: &[Value]) -> String {
    let (rounds, runs) = rounds(lines);
    let mut text =
        "| fault | rounds | detected, ms | served by the peer, ms | last client back, ms |\n\
                    |---|---|---|---|---|\n"
            .to_owned();
    for fault in FAULTS {
        let [detect, takeover, back] = ["detect_ms", "takeover_ms", "last_back_ms"]
            .map(|name| spread(times(&rounds, fault, name)));
        let count = rounds
            .iter()
            .filter(|round| round["fault"] == fault)
            .count();
        // Writing to a text does not fail.
        writeln!(
            text,
            "| {fault} | {count} | {detect} | {takeover} | {back} |"
        )
        .ok();
    }
    let sum = |name: &str| {
        runs.iter()
            .filter_map(|run| run[name].as_u64())
            .sum::<u64>()
    };
    let clients: Vec<_> = runs
        .iter()
        .filter_map(|run| run["clients"].as_u64())
        .collect();
    let fewest = clients.iter().min().copied().unwrap_or_default();
    let most = clients.iter().max().copied().unwrap_or_default();
    writeln!(
        text,
        "\n{} runs with {fewest} to {most} clients; {} acknowledged writes, {} of them lost, {} clients not verified; \
         {} false `unavailable`.",
        runs.len(),
        sum("writes"),
        sum("lost"),
        sum("not_verified"),
        sum("false_unavailable"),
    )
    .ok();
    text
}

/// Median, 99th percentile and the largest.
fn spread(mut values: Vec<u64>) -> String {
    let [p50, p99, max] = [50, 99, 100].map(|percent| results::percentile(&mut values, percent));
    let (Some(p50), Some(p99), Some(max)) = (p50, p99, max) else {
        return "–".to_owned();
    };
    format!("p50 {p50}, p99 {p99}, max {max}")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::table;

    #[test]
    fn runs_are_added_up_and_those_with_other_settings_left_out() {
        let round = |fault: &str, ms: u64| json!({"fault": fault, "detect_ms": 1, "takeover_ms": ms, "last_back_ms": Value::Null});
        let run = |clients: u64, settings: &[&str]| {
            json!({"run": {"clients": clients, "settings": settings, "writes": 10, "lost": 0,
                           "not_verified": 0, "false_unavailable": 1}})
        };
        let text = table(&[
            round("kill", 5),
            round("pause", 9),
            run(20, &[]),
            round("kill", 1_000),
            run(500, &["peer-timeout=5s"]),
            round("kill", 7),
            run(30, &[]),
        ]);
        assert!(
            text.contains("| kill | 2 | p50 1, p99 1, max 1 | p50 5, p99 7, max 7 | – |"),
            "{text}"
        );
        assert!(text.contains("| pause | 1 |"), "{text}");
        assert!(
            text.contains("2 runs with 20 to 30 clients; 20 acknowledged writes"),
            "{text}"
        );
        assert!(text.contains("2 false"), "{text}");
    }
}
