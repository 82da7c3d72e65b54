//! `login`: how many logins a second, how long each takes.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use crate::crowd::{Opening, close, gather};
use crate::figures::{Report, ServerProcesses, per_second};
use crate::options::{Common, ServerPids};
use crate::target::Target;

/// How long a server gets to forget the sessions of a preparation.
const SETTLE: Duration = Duration::from_secs(1);

/// What to log in.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    server: ServerPids,
    /// Log everybody in and out once before measuring, so that the clients' stretching of passwords (SCRAM) is done
    #[arg(long)]
    prepare: bool,
}

/// Measures.
pub(crate) async fn run(target: Arc<Target>, options: &Options) -> Result<Report> {
    if options.prepare {
        let opening = Opening::moderate(&options.common);
        close(gather(&target, opening).await.members).await;
        tokio::time::sleep(SETTLE).await;
    }
    let server = ServerProcesses::new(&options.server.pid);
    let before = server.total()?;
    let crowd = gather(&target, Opening::eager(&options.common)).await;
    let cpu = server.cpu_since(before)?;
    let done = crowd.members.len() as u64;
    let each = |cpu: Duration| cpu.as_secs_f64() * 1000.0 / done.max(1) as f64;
    let report = Report::default()
        .with("command", "login")
        .with("users", target.users.len())
        .with("logged_in", done)
        .with("failed", crowd.failures.total())
        .with("seconds", crowd.time.as_secs_f64())
        .with("logins_per_s", per_second(done, crowd.time))
        .with("latency_ms", crowd.logins.report())
        .with("server_cpu_ms_per_login", cpu.map(each))
        .with("failures", crowd.failures.report());
    close(crowd.members).await;
    Ok(report)
}
