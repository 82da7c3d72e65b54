//! `cargo xtask prove monitoring`: the alert rules, the example for Prometheus and the dashboard, each judged by its own
//! tools, and all of them in a real Prometheus that watches a cluster.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::run::{self, say};
use crate::workspace::Workspace;
use crate::{deb, needs, results, venv};

/// One line of JSON for each run.
const RESULTS: &str = "benches/results/monitoring.jsonl";
const RULES: &str = "deploy/prometheus/muster.rules.yml";
const TESTS: &str = "deploy/prometheus/muster.rules.test.yml";
const EXAMPLE: &str = "deploy/prometheus/prometheus.yml";
const DASHBOARD: &str = "deploy/grafana/muster.json";
const SCHEMA: &str = "crates/dev/xtask/src/monitoring/dashboard.py";
const LIVE: &str = "crates/dev/xtask/src/monitoring/live.py";

/// Returns how many judges agree, and whether all do. Each says what it has against a file.
///
/// No Grafana is among them: neither Debian nor the registries of Python and JavaScript have one. Its schema, as its own
/// library for dashboards has it, and Prometheus answer for it.
pub(crate) fn holds(workspace: &Workspace, programs: Option<&Path>) -> Result<(u64, bool)> {
    needs::install_monitoring()?;
    let python = venv::prepare(workspace, venv::DEPLOY)?;
    let programs = match programs {
        // The judge runs in the workspace.
        Some(folder) => folder.canonicalize().context("the folder of programs")?,
        None => build(workspace)?,
    };
    let judge = |program: &Path, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.current_dir(&workspace.root).args(arguments);
        command
    };
    let promtool = Path::new("promtool");
    let judges = [
        judge(promtool, &["check", "rules", "--lint-fatal", RULES]),
        judge(promtool, &["check", "config", "--lint-fatal", EXAMPLE]),
        judge(promtool, &["test", "rules", TESTS]),
        judge(&python, &[SCHEMA, DASHBOARD]),
    ];
    let (mut agree, count) = (0, judges.len() as u64 + 1);
    for mut judge in judges {
        match run::quietly(&mut judge)? {
            Ok(()) => {
                agree += 1;
                say(format!("holds: {}", run::line(&judge)));
            }
            Err(printed) => say(format!("FAILED: {}\n{printed}", run::line(&judge))),
        }
    }
    let mut live = judge(&python, &[LIVE, "deploy"]);
    match watch(live.arg(&programs)) {
        Ok(seen) => {
            agree += 1;
            let line = json!({
                "commit": deb::Commit::last(workspace)?.id,
                "prometheus": version()?,
                "judges": count,
                "agree": agree,
                "seen": seen,
            });
            results::append(workspace, RESULTS, &[line.to_string()])?;
        }
        Err(problem) => say(format!("FAILED: {problem:#}")),
    }
    Ok((agree, agree == count))
}

/// What Prometheus saw; what was wrong with it has been said.
fn watch(live: &mut Command) -> Result<Value> {
    serde_json::from_str(&run::capture(live)?).context("what was seen is no JSON")
}

/// What is watched, and what puts load on it.
fn build(workspace: &Workspace) -> Result<PathBuf> {
    let mut build = Command::new(run::cargo());
    build
        .current_dir(&workspace.root)
        .args(["build", "--locked"]);
    if !run::passes(build.args(["--package", "musterd", "--package", "muster-load"]))? {
        bail!("the programs could not be built");
    }
    let folder = workspace.binary("musterd");
    Ok(folder.parent().context("musterd is in no folder")?.into())
}

/// The version of Prometheus, which is the third word that it says of itself.
fn version() -> Result<String> {
    let words = run::capture(Command::new("prometheus").arg("--version"))?;
    let version = words.split_whitespace().nth(2);
    Ok(version.context("prometheus says no version")?.to_owned())
}
