//! What can be done to the processes of a deployment: signals, ends, starts, wrong clocks.

use anyhow::Result;

use super::Deployment;
use crate::process::{Signal, signal};

impl Deployment {
    /// `kill -9` for a node.
    ///
    /// # Errors
    /// Fails when it does not run.
    pub fn kill(&mut self, node: &str) -> Result<()> {
        self.host_mut(node)?.kill()
    }

    /// `kill -9` for several nodes at once.
    ///
    /// # Errors
    /// Fails when one does not run.
    pub fn kill_all(&mut self, nodes: &[&str]) -> Result<()> {
        for node in nodes {
            signal(self.host(node)?.pid()?, Signal::Kill)?;
        }
        for node in nodes {
            self.host_mut(node)?.wait()?;
        }
        Ok(())
    }

    /// Waits for the end of a node that was killed by a signal.
    ///
    /// # Errors
    /// Fails when it still runs.
    pub fn buried(&mut self, node: &str) -> Result<()> {
        self.host_mut(node)?.wait()
    }

    /// Sends a signal to a node.
    ///
    /// # Errors
    /// Fails when it does not run.
    pub fn signal(&self, node: &str, which: Signal) -> Result<()> {
        signal(self.host(node)?.pid()?, which)
    }

    /// Whether a node's process has ended, and if so with which exit code.
    ///
    /// # Errors
    /// Fails when the system cannot say.
    pub fn ended(&mut self, node: &str) -> Result<Option<Option<i32>>> {
        self.host_mut(node)?.ended()
    }

    /// Makes the clock of a node's processes run faster by a factor, or rightly, from its next start on.
    ///
    /// # Errors
    /// Fails when there is no such host.
    pub fn set_clock(&mut self, node: &str, factor: Option<&str>) -> Result<()> {
        self.host_mut(node)?.set_clock(factor);
        Ok(())
    }

    /// Starts a node that has ended.
    ///
    /// # Errors
    /// Fails when its program cannot be started.
    pub fn restart(&mut self, node: &str) -> Result<()> {
        self.host_mut(node)?.start()
    }
}
