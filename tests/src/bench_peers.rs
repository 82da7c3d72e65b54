//! Measures Muster, Prosody, ejabberd and the floor at the same work, in turn on one machine, through `muster-load`.
//!
//! ```text
//! for each round, each sitting (talk, storm, idle), each server:
//!     start it on its prepared folder -> muster-load does the sitting's work -> a line of JSON each -> end it by its pid
//! ```
//!
//! Only one server runs at a time, and all get the same work before any gets the next. Accounts and contacts are made
//! once, by the protocol, and stay in the folder. Work that `--done` names is left out, so that an interrupted run goes on.
//! Figures are printed, whatever they are; `cargo xtask bench` judges them.

mod peers {
    pub(crate) mod context;
    pub(crate) mod debian;
    pub(crate) mod folder;
    pub(crate) mod growth;
    pub(crate) mod load;
    pub(crate) mod many;
    pub(crate) mod muster;
    pub(crate) mod ours;
    pub(crate) mod server;
    pub(crate) mod third;
    pub(crate) mod work;
}

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use peers::context;
use peers::folder::Place;
use peers::growth;
use peers::load::Load;
use peers::many;
use peers::server::{Kind, start};
use peers::work::{self, Scale, Sitting, Work};
use serde_json::{Value, json};

/// What to measure.
#[derive(Parser)]
enum Command {
    /// Servers at the same work.
    Compare(Options),
    /// How the cost of Muster grows.
    Growth(GrowthOptions),
    /// As many users as a node may have here come at once.
    Many(ManyOptions),
}

#[derive(clap::Args)]
struct Options {
    /// Servers, in the order of their turns.
    #[arg(long, value_enum, value_delimiter = ',')]
    servers: Vec<Kind>,
    /// Work to do; everything, if nothing is said.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Work>,
    /// How often to do all of it.
    #[arg(long)]
    rounds: u32,
    /// Small crowds and short times: to see whether it works.
    #[arg(long)]
    quick: bool,
    /// What the results are filed under.
    #[arg(long)]
    run: String,
    /// A file with lines of an earlier run of this name: what they have is not done again.
    #[arg(long)]
    done: Option<PathBuf>,
    /// Where the servers keep their data.
    #[arg(long)]
    dir: PathBuf,
}

#[derive(clap::Args)]
struct GrowthOptions {
    /// What grows: sessions, contacts, nodes.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Leave out what has more sessions.
    #[arg(long, default_value_t = 19_000)]
    sessions_max: u32,
    /// What the results are filed under.
    #[arg(long)]
    run: String,
    /// Where the servers keep their data.
    #[arg(long)]
    dir: PathBuf,
}

#[derive(clap::Args)]
struct ManyOptions {
    /// What is to happen; everything, if nothing is said.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<many::What>,
    /// A few users, to see whether it works.
    #[arg(long)]
    quick: bool,
    /// What the results are filed under.
    #[arg(long)]
    run: String,
    /// Where the servers keep their data.
    #[arg(long)]
    dir: PathBuf,
}

fn main() -> Result<()> {
    let load = Load::find()?;
    match Command::parse() {
        Command::Compare(options) => compare(&load, &options),
        Command::Growth(options) => {
            for point in growth::points(&options.only, options.sessions_max) {
                eprintln!("{} {}", point.at, point.axis);
                let measured = growth::measure(&load, &options.dir, point)
                    .with_context(|| format!("{} {}", point.at, point.axis))?;
                say(&json!({"run": options.run, "growth": measured}))?;
            }
            Ok(())
        }
        Command::Many(options) => {
            let chosen = |what: &many::What| options.only.is_empty() || options.only.contains(what);
            for what in many::What::ALL.into_iter().filter(chosen) {
                eprintln!("{}", what.name());
                let measured = many::measure(&load, &options.dir, options.quick, what)
                    .with_context(|| what.name())?;
                say(&json!({"run": options.run, "many": measured}))?;
            }
            Ok(())
        }
    }
}

fn compare(load: &Load, options: &Options) -> Result<()> {
    let scale = if options.quick {
        Scale::QUICK
    } else {
        Scale::FULL
    };
    let done = read_done(options)?;
    for round in 1..=options.rounds {
        for sitting in Sitting::ALL {
            for kind in &options.servers {
                let is_open = |(work, tls): &(Work, bool)| {
                    let key = Key::from((round, kind.name(), work.name(), *tls));
                    let chosen = options.only.is_empty() || options.only.contains(work);
                    chosen && !done.contains(&key)
                };
                let open: Vec<_> = sitting.work().filter(is_open).collect();
                if !open.is_empty() {
                    eprintln!("round {round}: {} with {}", sitting.name(), kind.name());
                    let place = Place::of(&options.dir, *kind, &sitting.folder(&scale))?;
                    let mut server = start(*kind, &place, &scale, sitting)?;
                    if work::prepare(load, server.as_ref(), &place, &scale, sitting)? {
                        // A process keeps what memory it has had.
                        server.end()?;
                        server = start(*kind, &place, &scale, sitting)?;
                    }
                    if sitting.measures_memory() {
                        context::settle(&server.reach().pids)?;
                    }
                    for (work, tls) in open {
                        let (name, server_name) = (work.name(), kind.name());
                        let before = context::busy(&server.reach().pids)?;
                        let measured = load
                            .measure(server.as_ref(), work, tls, &scale)
                            .with_context(|| format!("{name} with {server_name}"))?;
                        say(&json!({
                            "run": options.run, "round": round, "server": server_name, "work": name, "tls": tls,
                            "others_busy": before.others_until_now()?, "measured": measured,
                        }))?;
                    }
                    server.end()?;
                }
            }
        }
    }
    Ok(())
}

/// What one line is about.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key(u64, String, String, bool);

impl From<(u32, &str, &str, bool)> for Key {
    fn from((round, server, work, tls): (u32, &str, &str, bool)) -> Self {
        Self(round.into(), server.to_owned(), work.to_owned(), tls)
    }
}

fn read_done(options: &Options) -> Result<BTreeSet<Key>> {
    let Some(path) = options.done.as_ref().filter(|path| path.exists()) else {
        return Ok(BTreeSet::new());
    };
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let mut done = BTreeSet::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line)
            .with_context(|| format!("a line of {} is no JSON", path.display()))?;
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        if line["run"] == options.run.as_str() {
            let round = line["round"].as_u64().unwrap_or_default();
            let tls = line["tls"].as_bool().unwrap_or_default();
            done.insert(Key(round, text("server"), text("work"), tls));
        }
    }
    Ok(done)
}

fn say(line: &Value) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .context("printing a result")
}
