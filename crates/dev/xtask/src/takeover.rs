//! What a crowd of clients notices of a takeover: running the measurement, keeping its raw results, adding them up.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::run::{self, say};
use crate::workspace::Workspace;
use crate::{needs, venv};

/// One line of JSON for each round, and one for each run.
pub(crate) const RESULTS: &str = "benches/results/takeover.jsonl";

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

/// Measures with programs of the release profile; returns what they printed, a line for each round and one for the run.
pub(crate) fn measure(workspace: &Workspace, amount: &Amount) -> Result<Vec<String>> {
    needs::install()?;
    if !needs::is_root() {
        bail!("this makes network namespaces: run it as root");
    }
    let python = venv::prepare(workspace)?;
    let packages = ["musterd", "musterctl", "muster-load", "muster-tests"];
    let mut build = Command::new(run::cargo());
    build
        .current_dir(&workspace.root)
        .args(["build", "--release", "--locked"]);
    for package in packages {
        build.args(["-p", package]);
    }
    if !run::passes(&mut build)? {
        bail!("the programs could not be built");
    }
    let programs = workspace.target.join("release");
    let mut bench = Command::new(programs.join("bench-takeover"));
    bench
        .current_dir(&workspace.root)
        .args(
            [
                amount.kills,
                amount.pauses,
                amount.partitions,
                amount.clients,
            ]
            .map(|n| n.to_string()),
        )
        .args(&amount.setting)
        .env("MUSTERD", programs.join("musterd"))
        .env("MUSTERCTL", programs.join("musterctl"))
        .env("MUSTER_LOAD", programs.join("muster-load"))
        .env("MUSTER_PYTHON", python);
    Ok(run::capture(&mut bench)?
        .lines()
        .map(str::to_owned)
        .collect())
}

/// Measures, adds the results to those of earlier runs, and says whether nothing was lost and nobody called away falsely.
pub(crate) fn prove(workspace: &Workspace, amount: &Amount) -> Result<bool> {
    let lines = measure(workspace, amount)?;
    let path = workspace.root.join(RESULTS);
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| format!("opening {}", path.display()))?;
    for line in &lines {
        say(line);
        writeln!(file, "{line}").with_context(|| format!("writing {}", path.display()))?;
    }
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
    let path = workspace.root.join(RESULTS);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let lines: Vec<Value> = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .with_context(|| path.display().to_string())?;
    Ok(table(&lines))
}

/// Rounds stand before the line of their run.
fn table(lines: &[Value]) -> String {
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
    let mut text =
        "| fault | rounds | detected, ms | served by the peer, ms | last client back, ms |\n\
                    |---|---|---|---|---|\n"
            .to_owned();
    for fault in ["kill", "pause", "partition"] {
        let of: Vec<_> = rounds.iter().filter(|r| r["fault"] == fault).collect();
        let [detect, takeover, back] = ["detect_ms", "takeover_ms", "last_back_ms"]
            .map(|name| spread(of.iter().filter_map(|round| round[name].as_u64()).collect()));
        let count = of.len();
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
    values.sort_unstable();
    let at = |share: usize| {
        let index = (values.len() * share).div_ceil(100).clamp(1, values.len()) - 1;
        values.get(index).copied().unwrap_or_default()
    };
    if values.is_empty() {
        return "–".to_owned();
    }
    format!("p50 {}, p99 {}, max {}", at(50), at(99), at(100))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{spread, table};

    #[test]
    fn percentiles_are_values_that_were_measured() {
        for (values, expected) in [
            (vec![], "–"),
            (vec![7], "p50 7, p99 7, max 7"),
            ((1..=100).rev().collect(), "p50 50, p99 99, max 100"),
            ((1..=200).collect(), "p50 100, p99 198, max 200"),
        ] {
            assert_eq!(spread(values), expected);
        }
    }

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
