//! Measures what clients cost a node: import, logins, idle sessions with TLS. Everything by other programs' eyes: the import
//! through `musterctl`, the rest through `muster-load`, memory and CPU time as the system counts them.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use muster_testkit::{Options, Quickstart};
use muster_tests::c2s;
use serde_json::{Value, json};

const PASSWORD: &str = "the same for all";

fn main() -> Result<()> {
    let sessions: usize = std::env::args()
        .nth(1)
        .context("how many sessions?")?
        .parse()?;
    let load = std::env::var("MUSTER_LOAD").context("MUSTER_LOAD names no program")?;
    let cluster = Quickstart::start_with(Options {
        users: 2,
        pair: true,
        ..Options::default()
    })?;
    let import = import(&cluster, sessions)?;
    // Memory first: what a process has had once it keeps, and later sessions would look cheap.
    let idle = measure(&cluster, &load, sessions, &["idle", "--presence"])?;
    let login = measure(&cluster, &load, sessions, &["login", "--prepare"])?;
    let line = json!({
        "bench": "clients",
        "sessions": sessions,
        "import": import,
        "login": login,
        "idle": idle,
    });
    writeln!(std::io::stdout(), "{line}").context("printing the result")
}

/// Rows a second, verifiers made on the node included.
fn import(cluster: &Quickstart, users: usize) -> Result<Value> {
    let mut rows = "jid,password,home,name\n".to_owned();
    for n in 1..=users {
        writeln!(rows, "user{n}@example.com,{PASSWORD},,")?;
    }
    let file = cluster.folder().join("many.csv");
    fs::write(&file, rows)?;
    let begun = Instant::now();
    cluster
        .ctl()
        .run(&["user", "import", &file.display().to_string()])?;
    let seconds = begun.elapsed().as_secs_f64();
    Ok(json!({"rows": users, "seconds": seconds, "rows_per_s": users as f64 / seconds}))
}

/// One run of the load generator against both nodes, over STARTTLS.
fn measure(cluster: &Quickstart, load: &str, sessions: usize, words: &[&str]) -> Result<Value> {
    let (a, b) = (cluster.node("a")?, cluster.node("b")?);
    let output = Command::new(load)
        .args(words)
        .args(["--server", &format!("{},{}", c2s(a)?, c2s(b)?), "--spread"])
        .args(["--ca", &cluster.facts().ca_file.display().to_string()])
        .args(["--users", &format!("user{{1..{sessions}}}@example.com")])
        .args(["--password", PASSWORD, "--json"])
        .args(["--pid", &format!("{},{}", a.pid, b.pid)])
        .output()
        .with_context(|| format!("starting {load}"))?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).context("muster-load printed no JSON")
}
