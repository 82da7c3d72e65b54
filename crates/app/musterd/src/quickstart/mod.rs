//! `musterd quickstart`: a whole cluster on this machine, for trying Muster out and for tests.
//!
//! Three processes on loopback: serving nodes `a` and `b`, witness `w`. They live and die with this
//! one; what they hold stays in the folder, and the next start finds it.

mod cluster;
mod demo;
mod files;
mod processes;
mod readiness;
mod users;

use crate::LogFormat;
use anyhow::{Context, bail};
use clap::Args;
use files::Layout;
use processes::Processes;
use std::path::{Path, PathBuf};
use tokio::signal::unix::{SignalKind, signal};

/// What to start.
#[derive(Args)]
pub(crate) struct Options {
    /// Where everything is kept; made if it is not there. [default: muster-data; with --demo a
    /// temporary folder]
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
    /// How many users there are: alice, bob, carol, …
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) users: u32,
    /// The first of the ports: node a has five from here (six with --plaintext), b from ten higher,
    /// w from twenty higher. [default: 5222; with --demo any that are free]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=65_500))]
    pub(crate) base_port: Option<u16>,
    /// A pair with a witness, or one node without protection.
    #[arg(long, value_enum, default_value = "pair")]
    pub(crate) nodes: Nodes,
    /// Clients without TLS on a port of their own, for measuring.
    #[arg(long)]
    pub(crate) plaintext: bool,
    /// How much the nodes log.
    #[arg(long, default_value = "info")]
    pub(crate) log: String,
    /// Shows what happens to users when their node is killed, and ends by itself: with 0 if nothing
    /// was lost and nobody seemed to leave.
    #[arg(long)]
    pub(crate) demo: bool,
    /// How many times the demo kills a node.
    #[arg(long, requires = "demo", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: u32,
}

impl Options {
    fn dir(&self) -> &Path {
        self.dir
            .as_deref()
            .unwrap_or_else(|| Path::new("muster-data"))
    }

    fn base_port(&self) -> u16 {
        self.base_port.unwrap_or(5222)
    }
}

/// How many nodes.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Nodes {
    /// Serving nodes a and b, witness w.
    Pair,
    /// Serving node a.
    Single,
}

/// The domain of a quickstart.
pub(crate) const DOMAIN: &str = "example.com";
/// The group of its nodes.
const GROUP: &str = "main";

/// Runs until Ctrl-C or SIGTERM, a demo until it is over. A second one kills the nodes instead of
/// waiting for them.
pub(crate) fn run(mut options: Options) -> anyhow::Result<()> {
    muster_telemetry::init_logs(&crate::run::log_options("warn", LogFormat::Text))?;
    let place = prepare_demo(&mut options)?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let outcome = runtime.block_on(start(options));
    runtime.shutdown_background();
    drop(place);
    outcome
}

/// Gives a demo what it needs.
fn prepare_demo(options: &mut Options) -> anyhow::Result<Option<demo::Place>> {
    if !options.demo {
        return Ok(None);
    }
    if options.nodes == Nodes::Single {
        bail!("--demo needs a pair: with one node nobody can take over");
    }
    let place = demo::Place::find(options.dir.take(), options.base_port)?;
    options.dir = Some(place.dir.clone());
    options.base_port = Some(place.base_port);
    options.users = options.users.max(demo::PEOPLE);
    Ok(Some(place))
}

async fn start(options: Options) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut layout = Layout::prepare(&options)?;
    let mut processes = Processes::default();
    let outcome = tokio::select! {
        outcome = work(&options, &mut layout, &mut processes) => outcome,
        _ = terminate.recv() => interrupted(&options),
        _ = interrupt.recv() => interrupted(&options),
    };
    eprintln!("stopping the nodes … (Ctrl-C once more kills them)");
    let again = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    stop(&layout, &mut processes, again).await;
    outcome
}

/// Ends the nodes gently, or at once when `again` comes first.
async fn stop(layout: &Layout, processes: &mut Processes, again: impl Future<Output = ()>) {
    tokio::select! {
        () = processes.end(layout) => {}
        () = again => {
            eprintln!("killing the nodes …");
            processes.kill(layout).await;
        }
    }
}

/// Everything between the start and the end of the nodes.
async fn work(
    options: &Options,
    layout: &mut Layout,
    processes: &mut Processes,
) -> anyhow::Result<()> {
    bring_up(options, layout, processes).await?;
    if options.demo {
        demo::run(options, layout, processes).await
    } else {
        processes.watch(layout).await;
        Ok(())
    }
}

/// A quickstart ends by a signal; a demo that does has shown nothing.
fn interrupted(options: &Options) -> anyhow::Result<()> {
    if options.demo {
        bail!("the demo was ended before it was over");
    }
    Ok(())
}

async fn bring_up(
    options: &Options,
    layout: &mut Layout,
    processes: &mut Processes,
) -> anyhow::Result<()> {
    layout.check_ports()?;
    eprintln!(
        "starting {} node(s) in {} …",
        layout.nodes.len(),
        layout.dir.display()
    );
    for node in &layout.nodes {
        processes.start(node, &options.log)?;
    }
    let advice = cluster::form(layout, processes).await?;
    layout.write_description(processes)?;
    if !options.demo {
        cluster::introduce(layout, &advice);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[tokio::test]
    async fn a_second_interrupt_ends_what_does_not_listen() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            dir: Some(dir.path().to_owned()),
            users: 1,
            base_port: Some(5222),
            nodes: Nodes::Single,
            plaintext: false,
            log: "info".to_owned(),
            demo: false,
            rounds: 1,
        };
        let layout = Layout::prepare(&options).unwrap();
        let mut processes = Processes::of_stubborn("a");
        let begun = Instant::now();
        stop(&layout, &mut processes, std::future::ready(())).await;
        assert!(begun.elapsed() < Duration::from_secs(3));
        let ended = processes.check(&layout).unwrap_err().to_string();
        assert!(ended.contains("signal: 9"), "{ended}");
    }
}
