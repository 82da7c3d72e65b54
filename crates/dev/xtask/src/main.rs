//! The one menu of the project: what CI runs is what a person runs.
//!
//! `cargo xtask verify` reads and judges, `fix` rewrites, `test` does everything a change has to pass. One file holds one
//! command; `workspace` knows where things are and `run` starts other programs.

mod bars;
mod bench;
mod config_page;
mod count;
mod deb;
mod deployed;
mod elections;
mod film;
mod fix;
mod floors;
mod functions;
mod generated;
mod growth;
mod images;
mod instructions;
mod many;
mod marks;
mod matrix;
mod missing;
mod monitoring;
mod needs;
mod newcomer;
mod peers;
mod peers_figures;
mod peers_page;
mod picture;
mod promises;
mod prove;
mod prove_deb;
mod purity;
mod results;
mod run;
mod sim;
mod takeover;
mod test;
mod tidy;
mod venv;
mod verify;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use workspace::Workspace;

/// Checks, tests and measures Muster.
#[derive(Parser)]
#[command(name = "cargo xtask", version)]
struct Menu {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Checks everything that can be checked without running Muster; changes no file.
    Verify(verify::Options),
    /// Rewrites what `verify` would complain about and a tool can repair.
    Fix,
    /// Checks that each crate depends only on lower floors, and that the core stays pure.
    Floors,
    /// Lists the longest files and functions, and fails if the list of oversized ones grew.
    Tidy(tidy::Options),
    /// Verifies, installs what the tests need, and runs every test, the end-to-end ones included.
    Test(test::Options),
    /// Builds the Debian package.
    Deb(deb::Options),
    /// Runs one of the long proofs.
    Prove(prove::Options),
    /// Measures with real processes and prints JSON.
    Bench(bench::Options),
    /// Counts the instructions of the hot paths; more than a tenth above `benches/instructions.toml` fails.
    Count(count::Options),
    /// Writes `docs/metrics.md`.
    Metrics,
    /// Writes the figures of all measured takeovers and elections into `docs/failure-matrix.md`, and draws them.
    Matrix,
    /// Draws a recording of a terminal (asciicast v2) as an SVG that moves.
    Film(film::Options),
    /// Runs the simulator over many seeds, or over one.
    Sim(sim::Options),
}

fn main() -> ExitCode {
    match work(Menu::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("xtask: {problem:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs one command; `false` means that it ran and what it checked does not hold.
fn work(command: Command) -> Result<bool> {
    let workspace = Workspace::find()?;
    match command {
        Command::Verify(options) => verify::run(&workspace, &options),
        Command::Fix => fix::run(&workspace),
        Command::Floors => verify::steps(&workspace, [verify::FLOORS, verify::PURITY].iter()),
        Command::Tidy(options) => tidy::run(&workspace, &options),
        Command::Test(options) => test::run(&workspace, &options),
        Command::Deb(options) => deb::run(&workspace, &options),
        Command::Prove(options) => prove::run(&workspace, &options),
        Command::Bench(options) => bench::run(&workspace, &options),
        Command::Count(options) => count::run(&workspace, &options),
        Command::Metrics => generated::write(&workspace, &generated::METRICS),
        Command::Matrix => matrix::write(&workspace),
        Command::Film(options) => film::draw(&options),
        Command::Sim(options) => sim::run(&workspace, &options),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::Menu;

    #[test]
    fn the_menu_is_whole() {
        Menu::command().debug_assert();
    }

    #[test]
    fn peers_are_compared_in_either_way_of_saying_it() {
        for (line, fits) in [
            ("bench peers", true),
            ("bench peers --only fanout,login --rounds 1 --quick", true),
            ("bench --peers prosody,ejabberd", true),
            ("bench --peers prosody", true),
            ("bench peers --draw", true),
            ("bench growth --only contacts --sessions-max 2000", true),
            ("bench --peers openfire", false),
            ("bench peers --only everything", false),
            ("bench growth --only users", false),
        ] {
            let words = ["xtask"].into_iter().chain(line.split(' '));
            assert_eq!(Menu::try_parse_from(words).is_ok(), fits, "{line}");
        }
    }
}
