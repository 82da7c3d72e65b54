//! `musterd`: one node of a Muster cluster.

mod accounts;
mod alarms;
mod api;
mod asks;
mod audit;
mod backend;
mod checkup;
mod clients;
mod clocks;
mod config;
mod connection;
mod control;
mod drain;
mod follows;
mod ha;
mod homecomings;
mod identity;
mod isolation;
mod last_words;
mod links;
mod membership;
mod node;
mod notify;
mod open_files;
mod ousting;
mod outbox;
mod quickstart;
mod raft_thread;
mod reload;
mod replicas;
mod replication;
mod router;
mod run;
mod services;
mod setup;
mod shards;
mod shared;
mod slot;
mod start_gate;
mod supervise;
mod version;

use clap::{Args, CommandFactory, Parser, Subcommand};
use muster_telemetry::LogFormat;
use std::path::PathBuf;
use std::process::ExitCode;
use tikv_jemallocator::Jemalloc;

/// One node of a Muster cluster: a presence server with high availability.
#[derive(Parser)]
#[command(name = "musterd", version = version::text(), arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the node that FILE configures, until SIGTERM or Ctrl-C.
    Run(RunArgs),
    /// Checks a configuration file without starting anything.
    Check {
        /// The configuration.
        file: PathBuf,
    },
    /// Starts a whole cluster on this machine: nodes a and b, witness w, a domain, users.
    Quickstart(quickstart::Options),
    /// Writes the manual pages, one for each command. For who makes packages.
    #[command(hide = true)]
    Man {
        /// The folder; made if it is not there.
        folder: PathBuf,
    },
}

/// How to run a node.
#[derive(Args)]
struct RunArgs {
    /// The configuration.
    file: PathBuf,
    /// How the log is written to standard error: text or json.
    #[arg(long, default_value = "text")]
    log_format: LogFormat,
    /// How much is logged: error, warn, info, debug, trace, or a filter by module.
    #[arg(long, env = "MUSTER_LOG", default_value = "info")]
    log: String,
    /// Ends the node when this file is no longer locked by another process.
    #[arg(long, hide = true)]
    tied_to: Option<PathBuf>,
}

/// Gives freed memory back to the system within seconds, by a thread of its own. The system's allocator kept
/// as much again as idle sessions took: what logins had needed for a moment.
#[global_allocator]
static MEMORY: Jemalloc = Jemalloc;

/// The name under which this program is the admin command.
const MUSTERCTL: &str = "musterctl";

fn main() -> ExitCode {
    let called = std::env::args_os().next().map(PathBuf::from);
    if called.is_some_and(|path| path.file_name().is_some_and(|name| name == MUSTERCTL)) {
        return musterctl::main();
    }
    let outcome = match Cli::parse().command {
        Command::Run(args) => return run::run(&args),
        Command::Check { file } => run::check(&file),
        Command::Quickstart(options) => quickstart::run(options),
        Command::Man { folder } => {
            musterctl::manual::write(Cli::command(), "8", &folder).map_err(Into::into)
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("musterd: {error:#}");
            ExitCode::FAILURE
        }
    }
}
