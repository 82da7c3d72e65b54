//! Processes that end with the test that started them.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::wait::until;

/// What can be sent to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The polite end.
    Term,
    /// The end without a word.
    Kill,
    /// What Ctrl-C sends.
    Interrupt,
    /// What asks to read the configuration again.
    HangUp,
    /// Freezes it.
    Stop,
    /// Thaws it.
    Continue,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Term => "TERM",
            Self::Kill => "KILL",
            Self::Interrupt => "INT",
            Self::HangUp => "HUP",
            Self::Stop => "STOP",
            Self::Continue => "CONT",
        }
    }
}

/// Sends a signal to one process. The shell does it, as there is no safe call for a process that is not our child.
///
/// # Errors
/// Fails when the process is gone.
pub fn signal(pid: u32, signal: Signal) -> Result<()> {
    let line = format!("kill -{} {pid}", signal.name());
    let status = Command::new("sh")
        .args(["-c", &line])
        .stderr(Stdio::null())
        .status()
        .context("starting sh")?;
    if !status.success() {
        bail!("{line}: no such process");
    }
    Ok(())
}

/// Whether a process runs (a paused one does, a dead one that nobody has waited for does not).
#[must_use]
pub fn alive(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    // The state follows the program's name, which stands in brackets and may hold anything.
    let state = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

/// A child that is killed when it is dropped.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts it.
    ///
    /// # Errors
    /// Fails when the program cannot be started.
    pub fn start(command: &mut Command) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        Ok(Self(
            command
                .spawn()
                .with_context(|| format!("starting {program}"))?,
        ))
    }

    /// Its pid.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Whether it ended, and if so how: the exit code, or `None` after a signal.
    ///
    /// # Errors
    /// Fails when the system cannot say.
    pub fn ended(&mut self) -> Result<Option<Option<i32>>> {
        Ok(self.0.try_wait()?.map(|status| status.code()))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// Fails when it still runs after that time.
    pub fn wait(&mut self, within: Duration) -> Result<Option<i32>> {
        let pid = self.pid();
        until(&format!("process {pid} ends"), within, || self.ended())
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            self.0.kill().ok();
            self.0.wait().ok();
        }
    }
}
