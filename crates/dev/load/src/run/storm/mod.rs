//! `storm`: everybody comes back at once, and is back when all contacts have been seen.

mod lost;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use crate::contacts::{self, Contacts};
use crate::crowd::{self, Opening, close, gather};
use crate::figures::{Report, ServerProcesses, per_second};
use crate::options::{Common, ServerPids};
use crate::target::Target;
use lost::Loss;

/// How long a server gets to forget the sessions of before.
const SETTLE: Duration = Duration::from_secs(2);

/// Who comes back.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    server: ServerPids,
    /// Mutual contacts of each user, all of them users of this run; `prepare` makes them
    #[arg(long, value_name = "N", default_value_t = 20)]
    contacts: usize,
    /// Kill this process of the server instead of ending all streams: whoever was connected to it comes back
    #[arg(long, value_name = "PID")]
    kill: Option<u32>,
    /// Run this command, which empties a server, instead of ending all streams: whoever loses the connection meanwhile
    /// comes back
    #[arg(long, value_name = "COMMAND", conflicts_with = "kill")]
    run: Option<String>,
}

/// Measures.
pub(crate) async fn run(target: Arc<Target>, options: &Options) -> Result<Report> {
    let killed = options.kill.map(Loss::Process);
    let emptied = options.run.clone().map(Loss::Command);
    if let Some(loss) = killed.or(emptied) {
        return lost::run(&target, &options.common, options.contacts, loss).await;
    }
    let plan = Contacts::ring(target.users.len(), options.contacts)?;
    let members = crowd::gather_all(&target, &options.common).await?;
    close(contacts::check(&target, &plan, members).await?).await;
    tokio::time::sleep(SETTLE).await;
    let server = ServerProcesses::new(&options.server.pid);
    let before = server.total()?;
    let opening = Opening {
        see: Some(options.contacts),
        again: true,
        ..Opening::eager(&options.common)
    };
    let crowd = gather(&target, opening).await;
    let (cpu, after) = (server.cpu_since(before)?, server.total()?);
    let back = crowd.members.len() as u64;
    let each = |cpu: Duration| cpu.as_secs_f64() * 1000.0 / back.max(1) as f64;
    let report = Report::default()
        .with("command", "storm")
        .with("users", target.users.len())
        .with("contacts", options.contacts)
        .with("back", back)
        .with("failed", crowd.failures.total())
        .with("seconds", crowd.time.as_secs_f64())
        .with("users_per_s", per_second(back, crowd.time))
        .with("login_ms", crowd.logins.report())
        .with("seen_all_ms", crowd.arrivals.report())
        .with("server_cpu_s", cpu.map(|cpu| cpu.as_secs_f64()))
        .with("server_cpu_ms_per_user", cpu.map(each))
        .with(
            "server_rss_mb",
            after.map(|usage| usage.rss_bytes as f64 / 1e6),
        )
        .with("failures", crowd.failures.report())
        .with("tried_again", crowd.refused.report());
    close(crowd.members).await;
    Ok(report)
}
