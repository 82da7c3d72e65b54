//! Everybody comes at once.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use muster_testkit::{Options, Outcome, Quickstart};
use muster_tests::probe;
use serde_json::Value;

const PASSWORD: &str = "the same for all";
const USERS: usize = 300;
const CONTACTS: usize = 10;

/// Accounts beside those of the quickstart.
fn import(cluster: &Quickstart) -> Result<()> {
    let rows = (1..=USERS).map(|n| format!("many{n}@example.com,{PASSWORD},,\n"));
    let csv = format!("jid,password,home,name\n{}", rows.collect::<String>());
    let file = cluster.folder().join("many.csv");
    fs::write(&file, csv).context("writing accounts")?;
    let file = file.display().to_string();
    cluster.ctl().run(&["user", "import", &file]).map(drop)
}

/// What `muster-load` measured.
fn load(cluster: &Quickstart, words: &[&str]) -> Result<Value> {
    let nodes = cluster.facts().nodes.iter();
    let addresses: Vec<_> = nodes.filter_map(|node| node.c2s.as_deref()).collect();
    let output = Command::new(muster_testkit::load()?)
        .args(words)
        .args(["--server", &addresses.join(","), "--spread", "--json"])
        .arg("--ca")
        .arg(&cluster.facts().ca_file)
        .args(["--users", &format!("many{{1..{USERS}}}@example.com")])
        .args(["--password", PASSWORD, "--timeout", "120s"])
        .output()
        .context("starting muster-load")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "muster-load: {said}");
    serde_json::from_slice(&output.stdout).context("muster-load printed no JSON")
}

fn number(report: &Value, name: &str) -> Result<u64> {
    match report[name].as_u64() {
        Some(number) => Ok(number),
        None => bail!("no {name} in {report}"),
    }
}

#[test]
fn all_who_lose_their_node_at_once_are_back_and_nobody_is_seen_to_leave() -> Outcome {
    let cluster = Quickstart::start()?;
    import(&cluster)?;
    let contacts = CONTACTS.to_string();
    load(&cluster, &["prepare", "--contacts", &contacts])?;
    let victim = cluster.node("b")?.pid.to_string();
    let report = load(
        &cluster,
        &["storm", "--contacts", &contacts, "--kill", &victim],
    )?;
    assert_eq!(number(&report, "lost")?, USERS as u64 / 2, "{report}");
    assert_eq!(number(&report, "back")?, USERS as u64 / 2, "{report}");
    assert_eq!(number(&report, "failed")?, 0, "{report}");
    assert_eq!(number(&report, "false_unavailable")?, 0, "{report}");
    assert!(report["answer_to_others_ms"]["p50"].is_number(), "{report}");
    Ok(())
}

#[test]
fn whoever_comes_in_a_storm_is_let_in() -> Outcome {
    let cluster = Quickstart::start_with(Options {
        pair: false,
        ..Options::default()
    })?;
    import(&cluster)?;
    let contacts = CONTACTS.to_string();
    load(&cluster, &["prepare", "--contacts", &contacts])?;
    let report = load(&cluster, &["storm", "--contacts", &contacts])?;
    assert_eq!(number(&report, "back")?, USERS as u64, "{report}");
    assert_eq!(number(&report, "failed")?, 0, "{report}");
    let metrics = probe(cluster.node("a")?, "/metrics")?;
    for (metric, least) in [
        ("muster_clients_waiting 0", 0.0),
        ("muster_admission_lag_seconds ", f64::MIN_POSITIVE),
        ("muster_admission_rate ", 100.0),
    ] {
        let line = metrics.lines().find(|line| line.starts_with(metric));
        let line = line.with_context(|| format!("no {metric} in {metrics}"))?;
        let value = line.rsplit(' ').next().and_then(|value| value.parse().ok());
        assert!(value.is_some_and(|value: f64| value >= least), "{line}");
    }
    Ok(())
}
