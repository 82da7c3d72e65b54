//! Memory and CPU time of the server's processes, from `/proc`.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{Kernel, Report};

/// `USER_HZ`: the unit of times in `/proc/PID/stat`, the same on every Linux that Rust programs meet.
const TICKS_PER_SECOND: u64 = 100;

/// What processes use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Usage {
    /// Resident memory.
    pub(crate) rss_bytes: u64,
    /// What of it is pages of files: those parts of the program that have run.
    pub(crate) file_bytes: u64,
    /// User and system time since the start, in steps of 10 ms.
    pub(crate) cpu: Duration,
}

/// The processes of the server; none when it cannot be watched.
pub(crate) struct ServerProcesses(Vec<u32>);

impl ServerProcesses {
    /// Watches these.
    pub(crate) fn new(pids: &[u32]) -> Self {
        Self(pids.to_vec())
    }

    /// Each one's use, in the order given.
    ///
    /// # Errors
    /// When one is not there or not readable.
    pub(crate) fn each(&self) -> Result<Vec<(u32, Usage)>> {
        self.0.iter().map(|pid| Ok((*pid, usage(*pid)?))).collect()
    }

    /// The use of all; `None` when none is watched.
    ///
    /// # Errors
    /// When one is not there or not readable.
    pub(crate) fn total(&self) -> Result<Option<Usage>> {
        let all = self.each()?;
        let sum = all.iter().fold(Usage::default(), |sum, (_, usage)| Usage {
            rss_bytes: sum.rss_bytes + usage.rss_bytes,
            file_bytes: sum.file_bytes + usage.file_bytes,
            cpu: sum.cpu + usage.cpu,
        });
        Ok((!all.is_empty()).then_some(sum))
    }

    /// What the kernel keeps beside them, for these and all other processes; `None` when none is watched.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub(crate) fn kernel(&self) -> Result<Option<Kernel>> {
        (!self.0.is_empty()).then(Kernel::now).transpose()
    }

    /// CPU time since an earlier [`total`](Self::total).
    ///
    /// # Errors
    /// When a process has ended meanwhile.
    pub(crate) fn cpu_since(&self, before: Option<Usage>) -> Result<Option<Duration>> {
        let now = self.total()?;
        Ok(now
            .zip(before)
            .map(|(now, before)| now.cpu.saturating_sub(before.cpu)))
    }
}

/// CPU time that goes by on both sides.
pub(crate) struct Meter {
    server: ServerProcesses,
    generator: ServerProcesses,
    before: (Option<Usage>, Option<Usage>),
}

/// CPU time that went by; `None` when it was not watched.
pub(crate) struct Spent {
    server: Option<Duration>,
    generator: Option<Duration>,
}

impl Meter {
    /// Begins to measure these processes of the server, and this one.
    ///
    /// # Errors
    /// When one is not there or not readable.
    pub(crate) fn start(pids: &[u32]) -> Result<Self> {
        let (server, generator) = (
            ServerProcesses::new(pids),
            ServerProcesses::new(&[std::process::id()]),
        );
        Ok(Self {
            before: (server.total()?, generator.total()?),
            server,
            generator,
        })
    }

    /// What went by since the start.
    ///
    /// # Errors
    /// When a process has ended meanwhile.
    pub(crate) fn stop(self) -> Result<Spent> {
        Ok(Spent {
            server: self.server.cpu_since(self.before.0)?,
            generator: self.generator.cpu_since(self.before.1)?,
        })
    }
}

impl Spent {
    /// Adds both, in microseconds for each of `count` pieces of work; `work` ends the names.
    pub(crate) fn report(&self, report: Report, work: &str, count: u64) -> Report {
        let each = |cpu: Duration| cpu.as_secs_f64() * 1e6 / count.max(1) as f64;
        report
            .with(&format!("server_cpu_us_per_{work}"), self.server.map(each))
            .with(
                &format!("generator_cpu_us_per_{work}"),
                self.generator.map(each),
            )
    }
}

fn usage(pid: u32) -> Result<Usage> {
    let read = |file: &str| {
        let path = format!("/proc/{pid}/{file}");
        fs::read_to_string(&path).with_context(|| format!("reading {path}"))
    };
    let malformed = || format!("process {pid} tells nothing about itself");
    let status = read("status")?;
    Ok(Usage {
        rss_bytes: bytes(&status, "VmRSS:").with_context(malformed)?,
        file_bytes: bytes(&status, "RssFile:").with_context(malformed)?,
        cpu: cpu_time(&read("stat")?).with_context(malformed)?,
    })
}

/// A size in `/proc/PID/status` or `/proc/meminfo`.
pub(super) fn bytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// `utime` and `stime` of `/proc/PID/stat`. The name before them may hold anything but ends at the last parenthesis.
fn cpu_time(stat: &str) -> Option<Duration> {
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis(
        (user + system) * 1000 / TICKS_PER_SECOND,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_proc() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194304 900 0 0 0 150 50 7 7 20 0 1 0 100 1000 10";
        assert_eq!(cpu_time(stat), Some(Duration::from_secs(2)));
        assert_eq!(cpu_time("42 (a) S 1"), None);
        let status = "Name:\ta\nVmRSS:\t    12 kB\nRssFile:\t    5 kB\n";
        assert_eq!(bytes(status, "VmRSS:"), Some(12 * 1024));
        assert_eq!(bytes(status, "RssFile:"), Some(5 * 1024));
        assert_eq!(bytes("Name:\ta\n", "VmRSS:"), None);
    }

    #[test]
    fn this_process_is_there() {
        let me = ServerProcesses::new(&[std::process::id()]);
        assert!(me.total().unwrap().unwrap().rss_bytes > 0);
        assert!(me.kernel().unwrap().is_some());
        assert_eq!(ServerProcesses::new(&[]).total().unwrap(), None);
        assert_eq!(ServerProcesses::new(&[]).kernel().unwrap(), None);
        assert!(ServerProcesses::new(&[u32::MAX]).total().is_err());
    }
}
