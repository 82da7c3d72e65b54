//! A running quickstart: start it, break its nodes, ask it things.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::client::{Client, ClientOptions};
use crate::ctl::Ctl;
use crate::facts::{Facts, NodeFacts, Role, UserFacts};
use crate::ports::free_ports;
use crate::process::{Process, Signal, alive, signal};
use crate::programs;
use crate::raw::Trust;
use crate::turn::Turn;
use crate::wait::until;

/// A pair and a witness use fewer ports than this.
const PORTS: u16 = 50;
const READY: Duration = Duration::from_secs(60);
const END: Duration = Duration::from_secs(10);
const LOG_LINES_SHOWN: usize = 40;

/// How to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many accounts.
    pub users: usize,
    /// A pair with a witness, or one node.
    pub pair: bool,
    /// How many files each node may have open; as many as this process, if nothing is said.
    pub open_files: Option<u64>,
    /// Whether clients may come without TLS, for measuring; see [`Quickstart::plaintext`].
    pub plaintext: bool,
    /// The folder to use and to leave as it is, and the first port, which has to be the same at every start there; a
    /// temporary one, and ports that are free, if nothing is said.
    pub kept: Option<(PathBuf, u16)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            users: 4,
            pair: true,
            open_files: None,
            plaintext: false,
            kept: None,
        }
    }
}

/// A cluster of real processes. Dropped, it ends them all; after a failed test it shows the end of the log and keeps the
/// folder.
#[derive(Debug)]
pub struct Quickstart {
    // The fields are dropped in this order: the processes, then the folder, then the turn.
    process: Option<Process>,
    restarted: Vec<Process>,
    facts: Facts,
    options: Options,
    base_port: u16,
    path: PathBuf,
    folder: Option<TempDir>,
    _turn: Turn,
}

impl Quickstart {
    /// Starts a pair with a witness and four users, and waits until it is ready.
    ///
    /// # Errors
    /// Fails when it is not ready in time, with the end of its log.
    pub fn start() -> Result<Self> {
        Self::start_with(Options::default())
    }

    /// Starts with other options.
    ///
    /// # Errors
    /// As [`Quickstart::start`].
    pub fn start_with(options: Options) -> Result<Self> {
        let turn = Turn::wait()?;
        let (path, base_port, folder) = match &options.kept {
            Some((path, port)) => (path.clone(), *port, None),
            None => {
                let folder = tempfile::Builder::new()
                    .prefix("muster-")
                    .tempdir()
                    .context("making a folder")?;
                let path = folder.path().to_owned();
                (path, free_ports(PORTS)?, Some(folder))
            }
        };
        let (process, facts) = launch(&path, base_port, &options)?;
        Ok(Self {
            process: Some(process),
            restarted: Vec::new(),
            facts,
            options,
            base_port,
            path,
            folder,
            _turn: turn,
        })
    }

    /// Starts it once more in the same folder, after [`Quickstart::stop`].
    ///
    /// # Errors
    /// As [`Quickstart::start`].
    pub fn start_again(&mut self) -> Result<()> {
        let (process, facts) = launch(self.folder(), self.base_port, &self.options)?;
        self.process = Some(process);
        self.facts = facts;
        Ok(())
    }

    /// Ends it with a signal and waits as long as it has promised to need.
    ///
    /// # Errors
    /// Fails when it or one of its nodes still runs after 10 s.
    pub fn stop(&mut self, by: Signal) -> Result<()> {
        let mut process = self.process.take().context("quickstart does not run")?;
        signal(process.pid(), by)?;
        let ended = process.wait(END);
        let left: Vec<_> = self
            .facts
            .nodes
            .iter()
            .filter(|node| alive(node.pid))
            .map(|node| &node.name)
            .collect();
        if !left.is_empty() {
            bail!("after {} s these nodes still run: {left:?}", END.as_secs());
        }
        ended?;
        self.restarted.clear();
        Ok(())
    }

    /// The pid of the quickstart itself.
    ///
    /// # Errors
    /// Fails when it does not run.
    pub fn pid(&self) -> Result<u32> {
        self.process
            .as_ref()
            .map(Process::pid)
            .context("quickstart does not run")
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.path
    }

    /// What it wrote about itself.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The n-th account.
    #[must_use]
    pub fn user(&self, n: usize) -> &UserFacts {
        &self.facts.users[n]
    }

    /// Where clients come without TLS, one address for each serving node.
    ///
    /// # Errors
    /// Fails when nobody may.
    pub fn plaintext(&self) -> Result<Vec<String>> {
        if !self.options.plaintext {
            bail!("this quickstart was started without --plaintext");
        }
        let nodes = self.facts.nodes.iter().zip(0u16..);
        let serving = nodes.filter(|(node, _)| node.role == Role::Serving);
        // As quickstart counts its ports: ten for each node, the sixth for this.
        let at = |(_, number)| format!("127.0.0.1:{}", self.base_port + 10 * number + 5);
        Ok(serving.map(at).collect())
    }

    /// A node by its name.
    ///
    /// # Errors
    /// Fails when there is none.
    pub fn node(&self, name: &str) -> Result<&NodeFacts> {
        self.facts
            .nodes
            .iter()
            .find(|node| node.name == name)
            .with_context(|| format!("there is no node {name}"))
    }

    /// The other serving node.
    ///
    /// # Errors
    /// Fails when there is none.
    pub fn peer(&self, name: &str) -> Result<&NodeFacts> {
        let mut serving = self
            .facts
            .nodes
            .iter()
            .filter(|node| node.role == Role::Serving);
        serving
            .find(|node| node.name != name)
            .with_context(|| format!("{name} has no peer"))
    }

    /// The admin client.
    #[must_use]
    pub fn ctl(&self) -> Ctl {
        Ctl::new(self.facts.musterctl.clone())
    }

    /// The admin client of one node.
    #[must_use]
    pub fn ctl_of(&self, name: &str) -> Ctl {
        let socket = self.folder().join(name).join("admin.sock");
        self.ctl()
            .with_prefix(&["--address", &format!("unix:{}", socket.display())])
    }

    /// What a raw client needs to trust the servers.
    ///
    /// # Errors
    /// Fails when the authority's certificate cannot be read.
    pub fn trust(&self) -> Result<Trust> {
        Trust::read(&self.facts.ca_file, &self.facts.domain)
    }

    /// `kill -9` for a node.
    ///
    /// # Errors
    /// Fails when it does not run.
    pub fn kill(&self, name: &str) -> Result<()> {
        let pid = self.node(name)?.pid;
        signal(pid, Signal::Kill)?;
        until(&format!("node {name} is dead"), END, || {
            Ok((!alive(pid)).then_some(()))
        })
    }

    /// `kill -9` for several nodes at once.
    ///
    /// # Errors
    /// Fails when one does not run.
    pub fn kill_all(&self, names: &[&str]) -> Result<()> {
        for name in names {
            signal(self.node(name)?.pid, Signal::Kill)?;
        }
        for name in names {
            let pid = self.node(name)?.pid;
            until(&format!("node {name} is dead"), END, || {
                Ok((!alive(pid)).then_some(()))
            })?;
        }
        Ok(())
    }

    /// SIGSTOP for a node.
    ///
    /// # Errors
    /// Fails when it does not run.
    pub fn pause(&self, name: &str) -> Result<()> {
        signal(self.node(name)?.pid, Signal::Stop)
    }

    /// SIGCONT for a node.
    ///
    /// # Errors
    /// Fails when it does not run.
    pub fn resume(&self, name: &str) -> Result<()> {
        signal(self.node(name)?.pid, Signal::Continue)
    }

    /// Starts a killed node with its own `argv`, from another folder.
    ///
    /// # Errors
    /// Fails when its program cannot be started.
    pub fn restart(&mut self, name: &str) -> Result<()> {
        let argv = self.node(name)?.argv.clone();
        let (program, arguments) = argv.split_first().context("the node's argv is empty")?;
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder().join(format!("{name}-again.log")))?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir("/")
            .stdout(log.try_clone()?)
            .stderr(log);
        let process = Process::start(&mut command)?;
        let pid = process.pid();
        self.restarted.push(process);
        if let Some(node) = self.facts.nodes.iter_mut().find(|node| node.name == name) {
            node.pid = pid;
        }
        Ok(())
    }

    /// Changes the configuration of both serving nodes, one after the other: each is killed, started again and gets its
    /// users back.
    ///
    /// # Errors
    /// Fails when a node does not start with the new configuration.
    pub fn reconfigure(&mut self, change: impl Fn(&str) -> String) -> Result<()> {
        for name in ["a", "b"] {
            let file = self.folder().join(format!("{name}.toml"));
            let text =
                fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
            fs::write(&file, change(&text))?;
            self.kill(name)?;
            let (ctl, peer) = (self.ctl(), self.peer(name)?.name.clone());
            until("the peer serves", READY, || {
                Ok((ctl.owner_of(name)? == Some(peer.clone())).then_some(()))
            })?;
            self.restart(name)?;
            self.come_home(name)?;
        }
        Ok(())
    }

    /// Waits until a node that was started again may have its users back, and brings them home.
    ///
    /// # Errors
    /// Fails when that does not happen in time.
    pub fn come_home(&self, name: &str) -> Result<()> {
        let ctl = self.ctl();
        until("the users are home", READY, || {
            // The node that is asked may have been started just now, and know nothing of its cluster yet.
            let Ok(owner) = ctl.owner_of(name) else {
                return Ok(None);
            };
            if owner.as_deref() == Some(name) && ctl.state_of(name)?.0 == "Normal" {
                return Ok(Some(()));
            }
            // Refused until the node is back and its copy has caught up, and while its users are on their way.
            ctl.run(&["group", "fallback", name]).ok();
            Ok(None)
        })
    }

    /// A third-party client for an account, not yet waited for.
    ///
    /// # Errors
    /// Fails when the client's program cannot be started.
    pub fn client(&self, user: &UserFacts, options: &ClientOptions) -> Result<Client> {
        Client::start(user, &self.facts.ca_file, options)
    }

    /// The file that the quickstart and its nodes print to.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder().join("quickstart.log")
    }
}

impl Drop for Quickstart {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process
            && signal(process.pid(), Signal::Term).is_ok()
        {
            process.wait(END).ok();
        }
        for node in self.facts.nodes.iter().filter(|node| alive(node.pid)) {
            signal(node.pid, Signal::Kill).ok();
        }
        if std::thread::panicking() {
            for log in logs(&self.path) {
                eprintln!("--- {}\n{}", log.display(), tail(&log));
            }
            if let Some(folder) = self.folder.take() {
                eprintln!("kept: {}", folder.keep().display());
            }
        }
    }
}

/// Starts the program and waits for its file.
fn launch(folder: &Path, base_port: u16, options: &Options) -> Result<(Process, Facts)> {
    let file = folder.join("quickstart.json");
    let log_path = folder.join("quickstart.log");
    let log =
        File::create(&log_path).with_context(|| format!("creating {}", log_path.display()))?;
    let before = fs::metadata(&file).and_then(|meta| meta.modified()).ok();
    let mut command = match options.open_files {
        Some(files) => {
            let mut limited = Command::new("prlimit");
            limited.arg(format!("--nofile={files}"));
            limited.arg(programs::musterd()?);
            limited
        }
        None => Command::new(programs::musterd()?),
    };
    command.arg("quickstart").arg("--dir").arg(folder);
    command.args([
        "--users",
        &options.users.to_string(),
        "--base-port",
        &base_port.to_string(),
    ]);
    command.args(["--nodes", if options.pair { "pair" } else { "single" }]);
    if options.plaintext {
        command.arg("--plaintext");
    }
    command.stdout(log.try_clone()?).stderr(log);
    let mut process = Process::start(&mut command)?;
    let ready = until("quickstart is ready", READY, || {
        if let Some(code) = process.ended()? {
            bail!("quickstart ended by itself with {code:?}");
        }
        let written = fs::metadata(&file).and_then(|meta| meta.modified()).ok();
        Ok((written.is_some() && written != before).then_some(()))
    });
    match ready.and_then(|()| Facts::read(&file)) {
        Ok(facts) => Ok((process, facts)),
        Err(problem) => {
            signal(process.pid(), Signal::Term).ok();
            process.wait(END).ok();
            Err(problem.context(
                logs(folder)
                    .iter()
                    .map(|log| tail(log))
                    .collect::<Vec<_>>()
                    .join("\n---\n"),
            ))
        }
    }
}

/// Everything that the quickstart and its nodes have logged.
fn logs(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let mut found: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|ending| ending == "log"))
        .collect();
    found.sort();
    found
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
}
