//! How busy the machine was with other things, and whether a server has come to rest.

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

/// Allocators give back within some ten seconds what a process needed for a moment to start.
const REST: Duration = Duration::from_secs(15);
/// How often that is waited for.
const RESTS: u32 = 8;

/// The processors' time so far: of everybody, and of the work.
pub(crate) struct Busy {
    pids: Vec<u32>,
    busy: u64,
    all: u64,
    ours: u64,
}

/// Reads it now. The work is what these processes do, and those that we started and that have ended.
pub(crate) fn busy(pids: &[u32]) -> Result<Busy> {
    let (busy, all) =
        total(&read("/proc/stat")?).context("/proc/stat: no line for all processors")?;
    let mut ours = spent(&read("/proc/self/stat")?)
        .context("/proc/self/stat is cut off")?
        .1;
    for pid in pids {
        let stat = read(&format!("/proc/{pid}/stat"))?;
        ours += spent(&stat)
            .with_context(|| format!("/proc/{pid}/stat is cut off"))?
            .0;
    }
    Ok(Busy {
        pids: pids.to_vec(),
        busy,
        all,
        ours,
    })
}

/// Waits until the resident memory of these processes has stood still for a while, two minutes at most.
pub(crate) fn settle(pids: &[u32]) -> Result<()> {
    eprintln!("waiting until the memory of the server stands still");
    let mut before = resident(pids)?;
    for _ in 0..RESTS {
        thread::sleep(REST);
        let now = resident(pids)?;
        // A few pages come and go.
        if now.abs_diff(before) <= before / 200 {
            return Ok(());
        }
        before = now;
    }
    eprintln!("it does not, at {before} KB: measured all the same");
    Ok(())
}

/// KB, of all of them.
fn resident(pids: &[u32]) -> Result<u64> {
    let mut all = 0;
    for pid in pids {
        let status = read(&format!("/proc/{pid}/status"))?;
        all += resident_of(&status).with_context(|| format!("/proc/{pid}/status has no VmRSS"))?;
    }
    Ok(all)
}

fn resident_of(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

impl Busy {
    /// The share of all processors that something else than the work took since, from 0 to 1.
    pub(crate) fn others_until_now(&self) -> Result<f64> {
        let now = busy(&self.pids)?;
        let all = now.all.saturating_sub(self.all).max(1);
        let ours = now.ours.saturating_sub(self.ours);
        let others = now.busy.saturating_sub(self.busy).saturating_sub(ours);
        let share = others as f64 / all as f64;
        Ok((share * 100.0).round() / 100.0)
    }
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading {path}"))
}

/// Busy and all ticks, by the first line: user, nice, system, idle, iowait, irq, softirq, steal.
fn total(stat: &str) -> Option<(u64, u64)> {
    let ticks = numbers(stat.lines().next()?.strip_prefix("cpu ")?)?;
    let all: u64 = ticks.iter().take(8).sum();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    Some((all - idle, all))
}

/// Ticks of a process, and of its children that have ended.
fn spent(stat: &str) -> Option<(u64, u64)> {
    let (_, after) = stat.rsplit_once(") ")?;
    let ticks = after.split_whitespace().skip(11).take(4);
    let ticks = numbers(&ticks.collect::<Vec<_>>().join(" "))?;
    Some((
        ticks.first()? + ticks.get(1)?,
        ticks.get(2)? + ticks.get(3)?,
    ))
}

fn numbers(text: &str) -> Option<Vec<u64>> {
    text.split_whitespace()
        .map(|word| word.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_and_waiting_time_is_not_busy() {
        assert_eq!(
            total("cpu  10 0 20 60 10 0 0 0 5 0\ncpu0 1 1"),
            Some((30, 100))
        );
        assert_eq!(total("intr 1"), None);
    }

    #[test]
    fn resident_memory_is_found_in_what_the_system_says() {
        let status = "Name:\tmusterd\nVmHWM:\t  9000 kB\nVmRSS:\t   51234 kB\nThreads:\t4\n";
        assert_eq!(resident_of(status), Some(51_234));
        assert_eq!(resident_of("Name:\tkthreadd\n"), None);
    }

    #[test]
    fn own_and_childrens_time_are_told_apart() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194304 900 0 0 0 150 50 7 8 20 0 1 0 100 1000 10";
        assert_eq!(spent(stat), Some((200, 15)));
        assert_eq!(spent("42 (a) S 1"), None);
    }
}
