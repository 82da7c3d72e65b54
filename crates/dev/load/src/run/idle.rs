//! `idle`: what a session costs that does nothing.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use crate::arrive::arrive;
use crate::crowd::{self, Opening, gather};
use crate::duration;
use crate::figures::{Kernel, Report, ServerProcesses, Usage};
use crate::options::{Common, ServerPids};
use crate::target::Target;

/// The clients are on this machine as well, so the kernel keeps two ends of each connection.
const ENDS: f64 = 2.0;

/// What to hold, and how long.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    server: ServerPids,
    /// Send initial presence
    #[arg(long)]
    presence: bool,
    /// Send initial presence and wait until each has seen so many mutual contacts; `prepare` makes them
    #[arg(long, value_name = "N")]
    contacts: Option<usize>,
    /// How long the sessions are held before memory is read
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration::parse)]
    hold: Duration,
}

/// Measures.
pub(crate) async fn run(target: Arc<Target>, options: &Options) -> Result<Report> {
    let server = ServerProcesses::new(&options.server.pid);
    let (before, kernel) = (server.each()?, server.kernel()?);
    let crowd = gather(&target, Opening::moderate(&options.common)).await;
    let (opened, refused) = (crowd.members.len() as u64, crowd.failures);
    let mut members = crowd.members;
    if options.presence || options.contacts.is_some() {
        let (others, patience) = (options.contacts.unwrap_or(0), target.timeout);
        members = crowd::each("sent presence", members, |mut member| async move {
            arrive(&mut member.session, others, patience).await?;
            Ok(member)
        })
        .await?;
    }
    let settled = server.total()?;
    eprintln!(
        "holding {opened} sessions for {} s",
        options.hold.as_secs_f32()
    );
    let (members, lost) = crowd::hold(members, options.hold).await;
    let (after, kernel) = (server.each()?, kernel.zip(server.kernel()?));
    let held = members.len() as u64;
    let cpu = server.cpu_since(settled)?;
    let busy = |cpu: Duration| cpu.as_secs_f64() * 1000.0 / options.hold.as_secs_f64().max(0.001);
    let report = Report::default()
        .with("command", "idle")
        .with("opened", opened)
        .with("held", held)
        .with("contacts", options.contacts)
        .with("open_seconds", crowd.time.as_secs_f64())
        .with("server_kb_per_session", memory(&before, &after, held))
        .with(
            "server_program_kb_per_session",
            program(&before, &after, held),
        )
        .with(
            "kernel_kb_per_session",
            kept(kernel, held, Kernel::all_bytes),
        )
        .with(
            "kernel_sockets_kb_per_session",
            kept(kernel, held, |kernel| kernel.sockets_bytes),
        )
        .with("server_cpu_ms_per_s", cpu.map(busy))
        .with("processes", processes(&before, &after))
        .with("failures", refused.report())
        .with("lost", lost.report());
    crowd::close(members).await;
    Ok(report)
}

/// Growth of the resident memory of all processes by session, in KB (1000 bytes).
fn memory(before: &[(u32, Usage)], after: &[(u32, Usage)], sessions: u64) -> Option<f64> {
    growth(before, after, sessions, |usage| usage.rss_bytes)
}

/// What of that are parts of the program that had not run before: they come once, however many sessions there are.
fn program(before: &[(u32, Usage)], after: &[(u32, Usage)], sessions: u64) -> Option<f64> {
    growth(before, after, sessions, |usage| usage.file_bytes)
}

fn growth(
    before: &[(u32, Usage)],
    after: &[(u32, Usage)],
    sessions: u64,
    of: impl Fn(&Usage) -> u64,
) -> Option<f64> {
    let sum = |all: &[(u32, Usage)]| all.iter().map(|(_, usage)| of(usage)).sum::<u64>() as f64;
    (!before.is_empty() && sessions > 0)
        .then(|| (sum(after) - sum(before)) / 1000.0 / sessions as f64)
}

/// Growth of what the kernel keeps, for one end of a session's connection, in KB (1000 bytes): half of what came, as this
/// program has the other ends. What else happens on the machine meanwhile is in it, and may make it negative.
fn kept(
    kernel: Option<(Kernel, Kernel)>,
    sessions: u64,
    of: impl Fn(&Kernel) -> u64,
) -> Option<f64> {
    let (before, after) = kernel.filter(|_| sessions > 0)?;
    Some((of(&after) as f64 - of(&before) as f64) / ENDS / 1000.0 / sessions as f64)
}

fn processes(before: &[(u32, Usage)], after: &[(u32, Usage)]) -> Vec<Report> {
    let mb = |usage: &Usage| usage.rss_bytes as f64 / 1e6;
    let rows = before.iter().zip(after);
    rows.map(|((pid, before), (_, after))| {
        Report::default()
            .with("pid", u64::from(*pid))
            .with("rss_before_mb", mb(before))
            .with("rss_after_mb", mb(after))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_the_growth_of_all_processes_by_session() {
        let usage = |rss_bytes| Usage {
            rss_bytes,
            file_bytes: rss_bytes / 4,
            cpu: Duration::ZERO,
        };
        let before = [(1, usage(1_000_000)), (2, usage(2_000_000))];
        let after = [(1, usage(3_000_000)), (2, usage(1_500_000))];
        assert_eq!(memory(&before, &after, 100), Some(15.0));
        assert_eq!(program(&before, &after, 100), Some(3.75));
        assert_eq!(memory(&before, &after, 0), None);
        assert_eq!(memory(&[], &[], 100), None);
    }

    #[test]
    fn the_kernel_keeps_half_of_its_growth_for_the_servers_end_of_a_session() {
        let kernel = |slab_bytes, sockets_bytes| Kernel {
            slab_bytes,
            sockets_bytes,
        };
        let (before, after) = (kernel(5_000_000, 40_000), kernel(5_800_000, 240_000));
        let sockets = |kernel: &Kernel| kernel.sockets_bytes;
        let grown = Some((before, after));
        assert_eq!(kept(grown, 100, Kernel::all_bytes), Some(5.0));
        assert_eq!(kept(grown, 100, sockets), Some(1.0));
        let less = Some((after, before));
        assert_eq!(kept(less, 100, Kernel::all_bytes), Some(-5.0));
        assert_eq!(kept(grown, 0, sockets), None);
        assert_eq!(kept(None, 100, sockets), None);
    }
}
