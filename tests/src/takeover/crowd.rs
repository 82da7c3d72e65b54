//! The crowd: `muster-load takeover` and its accounts.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use muster_testkit::{Ctl, Deployment, until};
use serde_json::Value;

const PASSWORD: &str = "the same for all";
/// Contacts of one watcher: as many as a roster holds.
const WATCHED: usize = 150;
/// Making the rosters and logging in takes long on a small machine.
const READY: Duration = Duration::from_secs(600);

pub(crate) struct Crowd {
    load: Child,
    marks: Option<ChildStdin>,
    watchers: usize,
    members: usize,
}

impl Crowd {
    /// Makes the accounts, brings everybody online, and waits until the crowd is at work.
    pub(crate) fn gather(cluster: &Deployment, clients: usize) -> Result<Self> {
        let watchers = clients.div_ceil(WATCHED);
        let members = clients + watchers;
        import(cluster, members)?;
        let program = std::env::var("MUSTER_LOAD").context("MUSTER_LOAD names no program")?;
        let mut load = Command::new(program)
            .arg("takeover")
            .args([
                "--server",
                &format!("{},{}", cluster.c2s("a")?, cluster.c2s("b")?),
                "--spread",
            ])
            .args([
                "--ca",
                &cluster.folder().join("ca.pem").display().to_string(),
            ])
            .args(["--users", &format!("load{{1..{members}}}@example.com")])
            .args(["--password", PASSWORD, "--json", "--setup", "--marks"])
            .args(["--watchers", &watchers.to_string()])
            .args(["--interval", "2s", "--duration", "24h", "--timeout", "120s"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting muster-load")?;
        let marks = load.stdin.take();
        let said = load.stderr.take().context("muster-load has no stderr")?;
        let (ready, is_ready) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(said).lines().map_while(Result::ok) {
                if line.starts_with("running for") {
                    ready.send(()).ok();
                }
                eprintln!("muster-load: {line}");
            }
        });
        let crowd = Self {
            load,
            marks,
            watchers,
            members,
        };
        is_ready
            .recv_timeout(READY)
            .context("the crowd is not ready")?;
        Ok(crowd)
    }

    /// Begins a round.
    pub(crate) fn mark(&mut self, label: &str) -> Result<()> {
        let marks = self.marks.as_mut().context("the crowd has left")?;
        writeln!(marks, "{label}").context("telling muster-load")
    }

    /// Waits until every client is online at the nodes that are asked. A watcher says nothing, so it does not notice that a
    /// node is frozen.
    pub(crate) fn is_online(&self, ctl: &Ctl, within: Duration) -> Result<()> {
        until("the crowd is online", within, || {
            let sessions = ctl.json(&["get", "sessions"])?;
            let all = sessions.as_array().into_iter().flatten();
            let online: BTreeSet<_> = all
                .filter_map(|session| number_of(session["jid"].as_str()?))
                .filter(|number| *number > self.watchers)
                .collect();
            Ok((online.len() + self.watchers >= self.members).then_some(()))
        })
    }

    /// Ends the run; the report of `muster-load`.
    pub(crate) fn leave(mut self) -> Result<Value> {
        self.marks = None;
        let mut text = String::new();
        let mut output = self.load.stdout.take().context("no output")?;
        output.read_to_string(&mut text)?;
        let ended = self.load.wait()?;
        if !ended.success() {
            bail!("muster-load ended with {ended}");
        }
        serde_json::from_str(&text).with_context(|| format!("muster-load printed {text}"))
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        if matches!(self.load.try_wait(), Ok(None)) {
            self.load.kill().ok();
            self.load.wait().ok();
        }
    }
}

/// The number of a member of the crowd.
fn number_of(jid: &str) -> Option<usize> {
    let (name, _) = jid.strip_prefix("load")?.split_once('@')?;
    name.parse().ok()
}

fn import(cluster: &Deployment, members: usize) -> Result<()> {
    let mut rows = "jid,password,home,name\n".to_owned();
    for n in 1..=members {
        writeln!(rows, "load{n}@example.com,{PASSWORD},,")?;
    }
    let file = cluster.folder().join("crowd.csv");
    fs::write(&file, rows)?;
    cluster
        .ctl("a")?
        .run(&["user", "import", &file.display().to_string()])
        .map(drop)
}
