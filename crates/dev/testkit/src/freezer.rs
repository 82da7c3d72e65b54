//! Some threads of a process stand still while the others go on.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::process::Process;
use crate::programs;

/// The threads that run a node's tasks: its connections, router and replicas. Raft and the watchdog have their own.
const WORKERS: &str = "tokio-";

/// Frozen threads. Dropped, they thaw.
#[derive(Debug)]
pub struct Freezer {
    // The process ends when its input does, and the threads thaw with its end.
    _process: Process,
}

impl Freezer {
    /// Freezes the threads on which a node's tasks run, by its pid. Needs root, or the node's user.
    ///
    /// # Errors
    /// Fails when the system does not allow it, or when there are none.
    pub fn workers(pid: u32) -> Result<Self> {
        let mut command = Command::new("python3");
        command
            .arg(programs::clients().join("freeze_threads.py"))
            .args([&pid.to_string(), WORKERS])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = Process::start(&mut command)?;
        let output = process.child().stdout.take().context("no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let frozen: usize = line.trim().parse().context("freezing threads")?;
        ensure!(frozen > 0, "process {pid} has no threads named {WORKERS}*");
        Ok(Self { _process: process })
    }
}
