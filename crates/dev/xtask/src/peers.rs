//! `cargo xtask bench peers`: Muster, Prosody, ejabberd and the floor at the same work on this machine.
//!
//! One command measures, keeps the raw results, and writes table and pictures. A run has a name, by default the day and the
//! commit; what its results have already is not measured again, so an interrupted run goes on where it was.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::marks::Part;
use crate::workspace::Workspace;
use crate::{growth, many, missing, needs, peers_page, results, run};

const RESULTS: &str = "benches/results/peers.jsonl";
const PAGE: &str = "benches/README.md";
const PICTURES: &str = "benches/pictures";
const COMPARISON: Part = Part {
    page: PAGE,
    name: "peers",
    command: "cargo xtask bench peers --draw",
};
const GROWTH: Part = Part {
    name: "growth",
    ..COMPARISON
};
const MANY: Part = Part {
    name: "many",
    ..COMPARISON
};
/// Where the servers keep their data, if nothing is said.
pub(crate) const DIR: &str = "/var/tmp/muster-bench-peers";
/// Muster alone and as a pair.
const OWN: [&str; 2] = ["muster", "muster-pair"];
const PACKAGES: [&str; 4] = ["musterd", "musterctl", "muster-load", "muster-tests"];

/// What to compare.
#[derive(clap::Args, Clone)]
#[group(skip)]
pub(crate) struct Options {
    /// Servers to compare Muster with; installed from Debian's packages if need be.
    #[arg(long, value_delimiter = ',', default_value = "prosody,ejabberd", value_parser = ["prosody", "ejabberd"])]
    pub(crate) peers: Vec<String>,
    /// Work to do: fanout, chat, login, idle, storm. Everything, if nothing is said.
    #[arg(long, value_delimiter = ',', value_parser = ["fanout", "chat", "login", "idle", "storm"])]
    only: Vec<String>,
    /// Servers to run; Muster alone and as a pair, the peers and the floor, if nothing is said.
    #[arg(long, value_delimiter = ',', value_parser = ["muster", "muster-pair", "prosody", "ejabberd", "floor"])]
    servers: Vec<String>,
    /// How often.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Small crowds and short times, to see whether it works; its results are only printed.
    #[arg(long)]
    quick: bool,
    /// The name of the run: one of today to go on with, or a new one [default: the day and the commit]
    #[arg(long = "run", value_name = "NAME")]
    name: Option<String>,
    /// Where the servers keep their data; unprivileged users must be able to get there.
    #[arg(long, default_value = DIR)]
    dir: PathBuf,
    /// Only write table and pictures from the results.
    #[arg(long)]
    draw: bool,
}

/// Measures, and writes the page. `false` when Muster lost something in this run; what others lose is only told.
pub(crate) fn bench(workspace: &Workspace, options: &Options) -> Result<bool> {
    if options.draw {
        return draw(workspace);
    }
    let debian: Vec<_> = ["prosody", "ejabberd"]
        .into_iter()
        .filter(|name| servers(options).iter().any(|server| server == name))
        .collect();
    needs::install_servers(&debian)?;
    if !build(workspace)? {
        return Ok(false);
    }
    let lines = measure(workspace, options)?;
    let drawn = options.quick || draw(workspace)?;
    let (own, others): (Vec<_>, Vec<_>) = lines.iter().partition(|line| is_own(line));
    let lost = losses(&own);
    missing::tell(&losses(&others));
    missing::tell(&lost);
    Ok(lost.is_empty() && drawn)
}

fn is_own(line: &Value) -> bool {
    OWN.iter().any(|server| line["server"] == *server)
}

fn losses(lines: &[&Value]) -> Vec<String> {
    lines
        .iter()
        .flat_map(|line| missing::of_line(line))
        .collect()
}

fn servers(options: &Options) -> Vec<String> {
    if !options.servers.is_empty() {
        return options.servers.clone();
    }
    let own = OWN.map(str::to_owned);
    let peers = options.peers.iter().cloned();
    own.into_iter()
        .chain(peers)
        .chain(["floor".to_owned()])
        .collect()
}

/// All lines of the run, those of an earlier command that it goes on with included.
fn measure(workspace: &Workspace, options: &Options) -> Result<Vec<Value>> {
    let name = name(options.name.as_ref())?;
    let mut bench = program(workspace);
    bench
        .arg("compare")
        .args(["--servers", &servers(options).join(",")])
        .args(["--rounds", &options.rounds.to_string()])
        .args(["--run", &name])
        .arg("--dir")
        .arg(&options.dir);
    if !options.only.is_empty() {
        bench.args(["--only", &options.only.join(",")]);
    }
    if options.quick {
        return stream(workspace, bench.arg("--quick"), None);
    }
    bench.arg("--done").arg(workspace.root.join(RESULTS));
    stream(workspace, &mut bench, Some(RESULTS))
        .with_context(|| format!("the same command with --run {name} goes on where it was"))?;
    let mut run = lines(workspace, RESULTS)?;
    run.retain(|line| line["run"] == name.as_str());
    Ok(run)
}

/// Builds all programs with the release profile.
pub(crate) fn build(workspace: &Workspace) -> Result<bool> {
    let mut build = Command::new(run::cargo());
    build
        .current_dir(&workspace.root)
        .args(["build", "--release", "--locked"]);
    for package in PACKAGES {
        build.args(["-p", package]);
    }
    run::passes(&mut build)
}

/// The program that measures, and where it finds the others.
pub(crate) fn program(workspace: &Workspace) -> Command {
    let programs = workspace.target.join("release");
    let mut bench = Command::new(programs.join("bench-peers"));
    bench.current_dir(&workspace.root);
    for (variable, program) in [
        ("MUSTERD", "musterd"),
        ("MUSTERCTL", "musterctl"),
        ("MUSTER_LOAD", "muster-load"),
        ("MUSTER_FLOOR", "muster-floor"),
    ] {
        bench.env(variable, programs.join(program));
    }
    bench
}

/// Runs it, prints each line, and answers all; with a file for results a line is kept as soon as it is there.
pub(crate) fn stream(
    workspace: &Workspace,
    bench: &mut Command,
    file: Option<&str>,
) -> Result<Vec<Value>> {
    let mut child = bench
        .stdout(Stdio::piped())
        .spawn()
        .context("starting bench-peers")?;
    let printed = child.stdout.take().context("bench-peers prints nowhere")?;
    let mut lines = Vec::new();
    for line in BufReader::new(printed).lines() {
        let line = line.context("reading a result")?;
        match file {
            Some(file) => results::append(workspace, file, std::slice::from_ref(&line))?,
            None => run::say(&line),
        }
        lines.push(serde_json::from_str(&line).context("a result is no JSON")?);
    }
    let ended = child.wait().context("waiting for bench-peers")?;
    if !ended.success() {
        bail!("bench-peers ended with {ended}");
    }
    Ok(lines)
}

/// The day and the commit: what is measured again after a change is another run.
pub(crate) fn name(given: Option<&String>) -> Result<String> {
    if let Some(name) = given {
        return Ok(name.clone());
    }
    let day = run::capture(Command::new("date").args(["-u", "+%F"]))?;
    let commit = run::capture(Command::new("git").args(["rev-parse", "--short", "HEAD"]))?;
    Ok(format!("{}-{}", day.trim(), commit.trim()))
}

/// Writes the tables into the page, and the pictures.
pub(crate) fn draw(workspace: &Workspace) -> Result<bool> {
    let folder = workspace.root.join(PICTURES);
    fs::create_dir_all(&folder).with_context(|| format!("making {PICTURES}"))?;
    for (file, text) in written(workspace)? {
        fs::write(workspace.root.join(&file), text).with_context(|| format!("writing {file}"))?;
    }
    Ok(true)
}

/// Tables and pictures that are not those of the results.
pub(crate) fn problems(workspace: &Workspace) -> Result<Vec<String>> {
    let is_old = |(file, text): (String, String)| {
        let found = fs::read_to_string(workspace.root.join(&file)).ok();
        (found != Some(text)).then(|| {
            format!(
                "{file} is not that of benches/results: run `{}`",
                COMPARISON.command
            )
        })
    };
    Ok(written(workspace)?.into_iter().filter_map(is_old).collect())
}

/// The page with its tables, and the pictures, by their paths.
fn written(workspace: &Workspace) -> Result<Vec<(String, String)>> {
    let compared = lines(workspace, RESULTS)?;
    let grown = lines(workspace, growth::RESULTS)?;
    let many = lines(workspace, many::RESULTS)?;
    let page = fs::read_to_string(workspace.root.join(PAGE));
    let page = page.with_context(|| format!("reading {PAGE}"))?;
    let page = COMPARISON.put(&page, &peers_page::text(&compared))?;
    let page = GROWTH.put(&page, &growth::text(&grown))?;
    let page = MANY.put(&page, &many::text(&many))?;
    let mut all = vec![(PAGE.to_owned(), page)];
    let pictures = peers_page::pictures(&compared).into_iter();
    for (name, picture) in pictures.chain(growth::pictures(&grown)) {
        all.push((format!("{PICTURES}/{name}"), picture));
    }
    Ok(all)
}

/// None before the first run.
fn lines(workspace: &Workspace, file: &str) -> Result<Vec<Value>> {
    if workspace.root.join(file).exists() {
        results::read(workspace, file)
    } else {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{is_own, losses};

    #[test]
    fn what_muster_loses_is_told_apart_from_what_others_lose() {
        let line = |server: &str, missing: u64| json!({"server": server, "work": "chat", "measured": {"missing": missing}});
        for (server, own) in [
            ("muster", true),
            ("muster-pair", true),
            ("prosody", false),
            ("floor", false),
        ] {
            assert_eq!(is_own(&line(server, 0)), own, "{server}");
        }
        let lines = [line("muster", 0), line("muster-pair", 2)];
        assert!(losses(&[&lines[0]]).is_empty());
        assert_eq!(
            losses(&[&lines[0], &lines[1]]),
            ["muster-pair, chat: 2 messages missing"]
        );
    }
}
