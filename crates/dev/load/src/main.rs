//! `muster-load`: puts load on an XMPP server, by the protocol only, and prints what it measured.
//!
//! | command | question |
//! |---|---|
//! | `prepare` | makes accounts and contacts for the others, if asked to |
//! | `login` | how many logins a second, how long does one take |
//! | `idle` | how much memory does a session cost |
//! | `fanout` | how much work and time is a presence to a watcher |
//! | `chat` | how long does a message take at a given rate |
//! | `storm` | everybody comes back at once: how long until each has seen all contacts |
//! | `takeover` | how long do users wait when a node dies, what is lost, what do watchers see |
//!
//! Progress goes to stderr; figures go to stdout, as a table or with `--json` as one line of JSON.

mod arrive;
mod client;
mod contacts;
mod crowd;
mod duration;
mod figures;
mod options;
mod pacer;
mod run;
mod target;
mod users;
#[cfg(test)]
mod users_test;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Parser;

use figures::Report;
use options::Common;
use target::Target;

/// Puts load on an XMPP server, by the protocol only, and prints what it measured
#[derive(Parser)]
#[command(version, max_term_width = 100)]
enum Cli {
    /// Make accounts and mutual contacts, by the protocol
    Prepare(run::prepare::Options),
    /// Log users in: rate, latency, failures
    Login(run::login::Options),
    /// Hold sessions that do nothing: memory and CPU time
    Idle(run::idle::Options),
    /// Change presence among mutual contacts: work and latency of each delivery
    Fanout(run::fanout::Options),
    /// Send messages between pairs at a fixed rate: latency, loss
    Chat(run::chat::Options),
    /// All reconnect at once: time until each has seen all contacts
    Storm(run::storm::Options),
    /// Write and ping without a pause while nodes die: gaps, losses, false unavailables
    Takeover(run::takeover::Options),
}

impl Cli {
    const fn common(&self) -> &Common {
        match self {
            Self::Prepare(options) => &options.common,
            Self::Login(options) => &options.common,
            Self::Idle(options) => &options.common,
            Self::Fanout(options) => &options.common,
            Self::Chat(options) => &options.common,
            Self::Storm(options) => &options.common,
            Self::Takeover(options) => &options.common,
        }
    }

    async fn run(&self, target: Arc<Target>) -> Result<Report> {
        match self {
            Self::Prepare(options) => run::prepare::run(target, options).await,
            Self::Login(options) => run::login::run(target, options).await,
            Self::Idle(options) => run::idle::run(target, options).await,
            Self::Fanout(options) => run::fanout::run(target, options).await,
            Self::Chat(options) => run::chat::run(target, options).await,
            Self::Storm(options) => run::storm::run(target, options).await,
            Self::Takeover(options) => run::takeover::run(target, options).await,
        }
    }
}

fn main() -> ExitCode {
    match work(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("muster-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn work(cli: &Cli) -> Result<()> {
    let common = cli.common();
    let target = Arc::new(Target::new(common)?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(common.threads.max(1))
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let report = runtime.block_on(cli.run(target))?;
    report.print(common.json).context("printing the figures")
}
