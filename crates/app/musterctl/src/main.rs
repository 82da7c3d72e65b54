//! `musterctl`: administers a Muster cluster.

use std::process::ExitCode;

fn main() -> ExitCode {
    musterctl::main()
}
