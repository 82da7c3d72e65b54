//! The node processes of a quickstart.

use super::files::{Layout, NodeLayout};
use anyhow::{Context, bail};
use muster_store::DataFolder;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::time::Instant;

/// How long nodes may take to hand over and end.
const GENTLE: Duration = Duration::from_secs(7);
/// How often the processes are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// One process that was started here.
pub(crate) struct Running {
    child: Child,
    pub(crate) pid: u32,
    pub(crate) argv: Vec<String>,
}

/// All processes that were started here.
#[derive(Default)]
pub(crate) struct Processes {
    running: BTreeMap<&'static str, Running>,
}

impl Processes {
    /// Starts a node. Its log goes to `<name>.log` in the quickstart's folder.
    pub(crate) fn start(&mut self, node: &NodeLayout, log: &str) -> anyhow::Result<()> {
        let argv = node.argv(log)?;
        let log_path = node.config.with_extension("log");
        let file = File::options()
            .append(true)
            .create(true)
            .open(&log_path)
            .with_context(|| log_path.display().to_string())?;
        let child = Command::new(&argv[0])
            .args(&argv[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            // Ctrl-C is for the quickstart: it ends its nodes in order.
            .process_group(0)
            .spawn()
            .with_context(|| argv[0].clone())?;
        self.running.insert(
            node.name,
            Running {
                pid: child.id(),
                child,
                argv,
            },
        );
        Ok(())
    }

    /// Kills a node that was started here, without a word.
    pub(crate) fn kill_one(&mut self, name: &str) -> anyhow::Result<()> {
        let running = self.running.get_mut(name).context("it does not run")?;
        running.child.kill()?;
        running.child.wait()?;
        Ok(())
    }

    /// A node that was started here.
    pub(crate) fn find(&self, name: &str) -> Option<&Running> {
        self.running.get(name)
    }

    /// Fails when a node has ended, with the last it said.
    pub(crate) fn check(&mut self, layout: &Layout) -> anyhow::Result<()> {
        for node in &layout.nodes {
            let running = self.running.get_mut(node.name);
            if let Some(status) = running.and_then(|node| node.child.try_wait().ok().flatten()) {
                let log = node.config.with_extension("log");
                let text = std::fs::read_to_string(&log).unwrap_or_default();
                let last = text.lines().last().unwrap_or("no log").to_owned();
                bail!(
                    "node {} ended ({status}): {last}\nits log: {}",
                    node.name,
                    log.display()
                );
            }
        }
        Ok(())
    }

    /// Says so when a node dies, and how to start it again. Never ends.
    pub(crate) async fn watch(&mut self, layout: &Layout) {
        let mut told = Vec::new();
        loop {
            tokio::time::sleep(LOOK).await;
            for node in &layout.nodes {
                let Some(running) = self.running.get_mut(node.name) else {
                    continue;
                };
                if let Ok(Some(status)) = running.child.try_wait()
                    && !told.contains(&node.name)
                {
                    told.push(node.name);
                    let line = running.argv.join(" ");
                    eprintln!(
                        "\nnode {} has ended ({status}). To start it again:\n  {line}",
                        node.name
                    );
                }
            }
        }
    }

    /// Ends every node: those started here, paused ones, and those restarted by hand.
    pub(crate) async fn end(&mut self, layout: &Layout) {
        self.signal_all(layout, Signal::TERM);
        // A paused process hears of its end only when it goes on.
        self.signal_all(layout, Signal::CONT);
        let deadline = Instant::now() + GENTLE;
        while Instant::now() < deadline && self.any_alive(layout) {
            tokio::time::sleep(LOOK).await;
        }
        self.kill(layout).await;
    }

    /// Ends every node at once, whatever it is doing.
    pub(crate) async fn kill(&mut self, layout: &Layout) {
        self.signal_all(layout, Signal::KILL);
        while self.any_alive(layout) {
            tokio::time::sleep(LOOK).await;
        }
    }

    fn signal_all(&mut self, layout: &Layout, signal: Signal) {
        for pid in self.alive(layout) {
            // It may have ended this very moment.
            let _ = kill_process(pid, signal);
        }
    }

    fn any_alive(&mut self, layout: &Layout) -> bool {
        !self.alive(layout).is_empty()
    }

    /// The pids of all nodes that run: our children, and whoever holds a data folder.
    fn alive(&mut self, layout: &Layout) -> Vec<Pid> {
        let mut pids: Vec<u32> = layout
            .nodes
            .iter()
            .filter_map(|node| DataFolder::holder(&node.data))
            .collect();
        for running in self.running.values_mut() {
            if let Ok(None) = running.child.try_wait() {
                pids.push(running.pid);
            }
        }
        pids.sort_unstable();
        pids.dedup();
        let raw = pids.into_iter().filter_map(|pid| i32::try_from(pid).ok());
        raw.filter_map(Pid::from_raw).collect()
    }
}

#[cfg(test)]
impl Processes {
    /// A node that does not listen to SIGTERM.
    pub(super) fn of_stubborn(node: &'static str) -> Self {
        use std::io::Read as _;
        let argv = ["sh", "-c", "trap '' TERM; echo; exec sleep 60"].map(str::to_owned);
        let mut command = Command::new(&argv[0]);
        let mut child = command
            .args(&argv[1..])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It says so once it does not listen any more.
        let mut said = [0];
        child.stdout.take().unwrap().read_exact(&mut said).unwrap();
        let running = Running {
            pid: child.id(),
            child,
            argv: argv.to_vec(),
        };
        Self {
            running: BTreeMap::from([(node, running)]),
        }
    }
}
