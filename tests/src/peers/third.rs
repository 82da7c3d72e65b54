//! A third serving node beside the pair of a quickstart, in a group of its own.

use std::fs::{self, OpenOptions};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use muster_testkit::{Ctl, PATIENCE, Process, Quickstart, Signal, musterd, signal, until};

use super::folder::Place;

/// Its name in the cluster, and that of its folder.
const NAME: &str = "c";
const GROUP: &str = "west";
/// The quickstart's node whose configuration it takes, and where the ports of both begin.
const LIKE: (&str, u16) = ("b", 10);
const PORTS: u16 = 30;
const END: Duration = Duration::from_secs(10);

/// The running node; dropped, it is killed.
pub(super) struct Third {
    process: Process,
    /// Where clients come without TLS.
    pub(super) plain: String,
    /// Where they come with TLS.
    pub(super) tls: String,
}

impl Third {
    /// Starts it, and brings it into the cluster if it is not there yet.
    pub(super) fn start(cluster: &Quickstart, place: &Place) -> Result<Self> {
        let config = place.path.join(format!("{NAME}.toml"));
        fs::write(&config, configuration(place)?)
            .with_context(|| format!("writing {}", config.display()))?;
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(place.path.join(format!("{NAME}.log")))?;
        let mut command = Command::new(musterd()?);
        command.arg("run").arg(&config);
        let process = Process::start(command.stdout(log.try_clone()?).stderr(log))?;
        if !place.has("third") {
            join(cluster, place)?;
            place.note("third")?;
        }
        until("the third node serves its users", PATIENCE, || {
            let owner = cluster.ctl().owner_of(NAME).ok().flatten();
            Ok(owner.filter(|owner| owner == NAME))
        })?;
        let at = |port: u16| format!("127.0.0.1:{}", place.port + PORTS + port);
        Ok(Self {
            process,
            plain: at(5),
            tls: at(0),
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Ends it in order.
    pub(super) fn end(mut self) -> Result<()> {
        signal(self.process.pid(), Signal::Term)?;
        match self.process.wait(END)? {
            Some(0) => Ok(()),
            code => bail!("the third node ended with {code:?}"),
        }
    }
}

/// The configuration of a node of the pair, with another name and other ports.
fn configuration(place: &Place) -> Result<String> {
    let (like, ports) = LIKE;
    let path = place.path.join(format!("{like}.toml"));
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let named = text.replace(&format!("\"{like}\""), &format!("\"{NAME}\""));
    Ok((0..10).fold(named, |text, n| {
        let (from, to) = (place.port + ports + n, place.port + PORTS + n);
        text.replace(&format!(":{from}\""), &format!(":{to}\""))
    }))
}

fn join(cluster: &Quickstart, place: &Place) -> Result<()> {
    let socket = place.path.join(NAME).join("admin.sock");
    until("the third node takes commands", PATIENCE, || {
        Ok(socket.exists().then_some(()))
    })?;
    let ctl = cluster.ctl();
    let token = ctl.json(&["token", "create", "--role", "serving"])?;
    let token = token["token"].as_str().context("no token was printed")?;
    Ctl::of_sockets([socket])?.run(&["cluster", "join", token])?;
    ctl.run(&["group", "create", GROUP])?;
    ctl.run(&["group", "add-node", GROUP, NAME]).map(drop)
}
