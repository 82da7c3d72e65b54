//! `muster-load`, as the work calls it.

use std::env;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::server::Server;
use super::work::{Crowd, Scale, Work};

/// Of all accounts.
pub(crate) const PASSWORD: &str = "the same for all";

/// The program.
pub(crate) struct Load(String);

impl Load {
    /// As the environment says.
    pub(crate) fn find() -> Result<Self> {
        env::var("MUSTER_LOAD")
            .map(Self)
            .context("MUSTER_LOAD names no program")
    }

    /// Makes accounts or contacts, without TLS.
    pub(crate) fn prepare(&self, server: &dyn Server, crowd: Crowd, words: &[&str]) -> Result<()> {
        let mut command = self.command("prepare", server, crowd, false);
        command.args(words);
        run(&mut command).map(drop)
    }

    /// Does some work; what it measured.
    pub(crate) fn measure(
        &self,
        server: &dyn Server,
        work: Work,
        tls: bool,
        scale: &Scale,
    ) -> Result<Value> {
        let crowd = match work {
            Work::Fanout | Work::Chat => scale.talkers,
            Work::Login => scale.strangers,
            Work::Storm => scale.stormers,
            Work::Idle => scale.idlers,
        };
        let contacts = crowd.contacts.to_string();
        let time = format!("{}s", scale.seconds);
        let (chatters, messages) = (scale.chatters.to_string(), scale.messages.to_string());
        let deliveries = scale.deliveries.to_string();
        let words: &[&str] = match work {
            Work::Fanout => &[
                "--contacts",
                &contacts,
                "--duration",
                &time,
                "--then-rate",
                &deliveries,
            ],
            Work::Chat => &[
                "--count",
                &chatters,
                "--duration",
                &time,
                "--rate",
                &messages,
            ],
            Work::Login => &["--prepare", "--concurrency", "64"],
            Work::Storm => &["--contacts", &contacts, "--timeout", "180s"],
            Work::Idle => &["--contacts", &contacts, "--hold", "30s"],
        };
        self.watch(work.name(), server, crowd, tls, words)
    }

    /// One command of `muster-load` that watches the server's processes; what it measured.
    pub(crate) fn watch(
        &self,
        what: &str,
        server: &dyn Server,
        crowd: Crowd,
        tls: bool,
        words: &[&str],
    ) -> Result<Value> {
        let mut command = self.command(what, server, crowd, tls);
        let pids: Vec<_> = server.reach().pids.iter().map(u32::to_string).collect();
        command.args(words).args(["--pid", &pids.join(",")]);
        run(&mut command)
    }

    fn command(&self, what: &str, server: &dyn Server, crowd: Crowd, tls: bool) -> Command {
        let reach = server.reach();
        let mut command = Command::new(&self.0);
        command.args([what, "--json", "--spread", "--password", PASSWORD]);
        // Each has ports for 28,000 connections.
        command.args(["--source", "127.0.0.2,127.0.0.3"]);
        if tls {
            command
                .args(["--server", &reach.tls.join(","), "--tls", reach.tls_kind])
                .arg("--ca")
                .arg(&reach.ca);
        } else {
            command.args(["--server", &reach.plain.join(","), "--tls", "off"]);
        }
        let Crowd { name, users, .. } = crowd;
        command.args(["--users", &format!("{name}{{1..{users}}}@example.com")]);
        command
    }
}

/// Its progress goes where ours goes.
fn run(command: &mut Command) -> Result<Value> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .context("starting muster-load")?;
    if !output.status.success() {
        bail!("muster-load ended with {}", output.status);
    }
    serde_json::from_slice(&output.stdout).context("muster-load printed no JSON")
}
