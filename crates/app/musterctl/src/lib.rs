//! The admin command. One file under `command` for each family of commands; each takes its
//! arguments and a client, and returns what is to be printed.
//!
//! ```text
//! cli (arguments) -> connect (the first node that answers) -> command/* -> Answer -> output
//!                                         any failure -> Failure: text on stderr, exit code
//! ```

mod address;
mod ask;
mod cli;
mod command;
mod connect;
mod csv_rows;
mod failure;
pub mod manual;
mod objects;
mod output;
mod table;
mod time;
mod yaml;

use clap::Parser;
use std::io::{self, Write};
use std::process::ExitCode;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return said(&failure::Failure::Refused(format!("no runtime: {error}"))),
    };
    match runtime.block_on(command::run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => said(&failure),
    }
}

fn said(failure: &failure::Failure) -> ExitCode {
    // Without stderr only the exit code is left.
    let _ = writeln!(io::stderr(), "musterctl: {failure}");
    ExitCode::from(failure.code())
}
